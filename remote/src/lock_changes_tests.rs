//! What pushes change, in a small history: main has `a`, `b`; task grows from it, main goes on.

use super::*;
use std::path::Path;

struct History {
    dir: tempfile::TempDir,
    git: Git,
}

impl History {
    fn new() -> History {
        let dir = tempfile::tempdir().unwrap();
        let mut git = Git::at(dir.path()).with_env("GIT_CONFIG_GLOBAL", "/dev/null");
        for name in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"] {
            git = git.with_env(name, "t");
        }
        git.run(&["init", "-q", "-b", "main"]).unwrap();
        History { dir, git }
    }

    fn commit(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(path, text).unwrap();
        self.git.run(&["add", "-A"]).unwrap();
        self.git.run(&["commit", "-q", "-m", name]).unwrap();
        self.id("HEAD")
    }

    fn id(&self, name: &str) -> String {
        self.git.commit(name).unwrap().unwrap()
    }

    fn changed(&self, old: Option<&str>, new: &str, has: &[&str]) -> Vec<String> {
        let text = |text: &str| text.to_owned();
        let update = RefUpdate { name: "refs/heads/x".into(), old: old.map(text), new: Some(new.into()) };
        let tag = RefUpdate { name: "refs/tags/x".into(), ..update.clone() };
        let has: Vec<String> = has.iter().map(|id| text(id)).collect();
        let changes = changes(&self.git, &[tag, update], &has).unwrap();
        let [BranchChange { what: What::Files(files), .. }] = &changes[..] else { panic!("{changes:?}") };
        let mut files: Vec<_> = files.iter().map(|path| String::from_utf8(path.clone()).unwrap()).collect();
        files.sort();
        files
    }
}

#[test]
fn a_branch_that_moves_is_compared_with_where_it_was() {
    let h = History::new();
    let first = h.commit("a", "1");
    h.commit("d\u{e9}/b", "1");
    h.commit("a", "2");
    let last = h.commit("a", "1");
    assert_eq!(h.changed(Some(&first), &last, &[]), ["d\u{e9}/b"], "'a' is as it was");
    assert_eq!(h.changed(Some(&last), &first, &[]), ["d\u{e9}/b"], "deleted");
    assert_eq!(h.changed(Some(&last), &last, &[]), [""; 0]);
    let gone = [RefUpdate { name: "refs/heads/x".into(), old: Some(first), new: None }];
    let changes = changes(&h.git, &gone, &[]).unwrap();
    assert!(matches!(&changes[..], [BranchChange { what: What::Deleted, .. }]));
}

#[test]
fn a_new_branch_is_compared_with_where_it_leaves_what_is_known() {
    let h = History::new();
    h.commit("a", "1");
    let fork = h.commit("b", "1");
    h.git.run(&["checkout", "-q", "-b", "task"]).unwrap();
    let task = h.commit("t", "1");
    h.git.run(&["checkout", "-q", "main"]).unwrap();
    let main = h.commit("b", "2");
    assert_eq!(h.changed(None, &task, &[&main]), ["t"]);
    assert_eq!(h.changed(None, &task, &[]), ["a", "b", "t"], "the remote has nothing");
    assert_eq!(h.changed(None, &fork, &[&main]), [""; 0], "all is known");
    // What others have pushed is not here.
    let unknown = "1".repeat(40);
    assert_eq!(h.changed(Some(&unknown), &task, &[&main, &unknown]), ["t"]);
    assert_eq!(h.changed(None, &task, &[&unknown]), ["a", "b", "t"]);
    h.git.run(&["checkout", "-q", "task"]).unwrap();
    h.git.run(&["merge", "-q", "--no-edit", "main"]).unwrap();
    let merged = h.id("HEAD");
    assert_eq!(h.changed(None, &merged, &[&main]), ["t"], "what main brought is not ours");
}
