//! Worktrees for mounts: what Git says of them, and that nothing else of the repository changes.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use dits_repo::linked::{self, Head};
use dits_repo::{Git, RepoError, Repository};
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

struct World(tempfile::TempDir);

impl World {
    /// A repository `origin` with two commits on `main` and one on `side`.
    fn new() -> World {
        let world = World(tempfile::tempdir().unwrap());
        world.git(".", &["init", "-q", "-b", "main", "origin"]);
        fs::write(world.path("origin/a"), "one\n").unwrap();
        world.git("origin", &["add", "-A"]);
        world.git("origin", &["commit", "-q", "-m", "one"]);
        world.git("origin", &["branch", "side"]);
        fs::write(world.path("origin/a"), "two\n").unwrap();
        world.git("origin", &["commit", "-q", "-a", "-m", "two"]);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn at(&self, name: &str) -> Git {
        let git = Git::at(&self.path(name)).with_env("GIT_CONFIG_GLOBAL", "/dev/null");
        let names = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"];
        names.into_iter().fold(git, |git, name| git.with_env(name, "n"))
    }

    fn git(&self, dir: &str, args: &[&str]) -> String {
        String::from_utf8(self.at(dir).run(args).unwrap()).unwrap()
    }

    fn line(&self, dir: &str, args: &[&str]) -> String {
        self.git(dir, args).trim_end().to_owned()
    }

    fn repository(&self, dir: &str) -> Repository {
        Repository::of(&self.at(dir)).unwrap()
    }

    fn add(&self, from: &str, head: Head<'_>, rev: Option<&str>) -> Result<linked::Linked, RepoError> {
        linked::add(&self.repository(from), &self.path("mnt"), head, rev)
    }
}

#[test]
fn branches_and_revisions_are_as_git_worktree_takes_them() {
    for (head, rev, branch, commit) in [
        (Head::AsGitDoes, None, Some("mnt"), "main"),
        (Head::AsGitDoes, Some("side"), Some("side"), "side"),
        (Head::AsGitDoes, Some("main~1"), None, "main~1"),
        (Head::New("new"), None, Some("new"), "main"),
        (Head::New("new"), Some("side"), Some("new"), "side"),
        (Head::Detached, None, None, "main"),
        (Head::Detached, Some("main"), None, "main"),
    ] {
        let world = World::new();
        let made = world.add("origin", head, rev).unwrap();
        assert_eq!(made.commit, world.line("origin", &["rev-parse", commit]), "{head:?} {rev:?}");
        assert_eq!(made.git_dir, world.path("origin/.git/worktrees/mnt").canonicalize().unwrap());
        let name = world.at("mnt").line(&["symbolic-ref", "--short", "--quiet", "HEAD"]).unwrap();
        assert_eq!(name.as_deref(), branch, "{head:?} {rev:?}");
        let there: Vec<_> =
            fs::read_dir(world.path("mnt")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(there, [".git"], "no file is checked out");
        assert_eq!(world.git("mnt", &["ls-files"]), "a\n");
        assert_eq!(world.line("mnt", &["rev-parse", "refs/dits/mounts/mnt"]), made.commit);
        assert_eq!(world.git("origin", &["status", "--porcelain"]), "");
    }
}

#[test]
fn the_base_outlives_its_branch() {
    let world = World::new();
    let made = world.add("origin", Head::New("new"), None).unwrap();
    world.git("mnt", &["update-ref", "--no-deref", "HEAD", "side"]);
    world.git("origin", &["reset", "-q", "--hard", "side"]);
    world.git("origin", &["branch", "-D", "new"]);
    world.git("origin", &["reflog", "expire", "--expire=now", "--expire-unreachable=now", "--all"]);
    world.git("origin", &["gc", "-q", "--prune=now"]);
    assert_eq!(world.git("origin", &["cat-file", "-t", &made.commit]), "commit\n");
    world.git("origin", &["worktree", "remove", "--force", "../mnt"]);
    world.add("origin", Head::Detached, None).unwrap();
    assert_eq!(world.git("origin", &["for-each-ref", "refs/dits"]).lines().count(), 1);
    linked::remove(&world.repository("origin"), &world.path("mnt")).unwrap();
    assert_eq!(world.git("origin", &["for-each-ref", "refs/dits"]), "");
    world.git("origin", &["gc", "-q", "--prune=now"]);
    assert_eq!(world.at("origin").line(&["cat-file", "-t", &made.commit]).unwrap(), None);
}

#[test]
fn what_git_refuses_is_refused_in_its_words_and_leaves_nothing() {
    let world = World::new();
    fs::create_dir(world.path("mnt")).unwrap();
    fs::write(world.path("mnt/precious"), "mine").unwrap();
    let said = world.add("origin", Head::Detached, None).unwrap_err().to_string();
    assert!(said.contains("already exists"), "{said}");
    assert_eq!(fs::read(world.path("mnt/precious")).unwrap(), b"mine");
    fs::remove_dir_all(world.path("mnt")).unwrap();
    for (head, rev, expected) in [
        (Head::Detached, Some("nowhere"), "nowhere"),
        (Head::New("side"), None, "already exists"),
        (Head::New("bad..name"), None, "not a valid branch name"),
        (Head::AsGitDoes, Some("main"), "is already "),
        (Head::AsGitDoes, Some("--evil"), "--evil"),
    ] {
        let said = world.add("origin", head, rev).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
        assert!(!world.path("mnt").exists(), "{rev:?}");
        assert_eq!(world.git("origin", &["worktree", "list"]).lines().count(), 1);
    }
}

#[test]
fn a_branch_that_was_never_checked_out_may_be_mounted() {
    let world = World::new();
    world.git(".", &["clone", "-q", "--no-checkout", "origin", "clone"]);
    let made = world.add("clone", Head::AsGitDoes, Some("main")).unwrap();
    assert_eq!(world.line("mnt", &["symbolic-ref", "--short", "HEAD"]), "main");
    assert_eq!(made.commit, world.line("origin", &["rev-parse", "main"]));
    linked::claim_branch(&world.repository("clone"), &made).unwrap();
    let detached = world.at("clone").line(&["symbolic-ref", "--quiet", "HEAD"]).unwrap();
    assert_eq!((detached, world.line("clone", &["rev-parse", "HEAD"])), (None, made.commit.clone()));
    // Now there is a worktree with an index.
    let again = linked::add(&world.repository("clone"), &world.path("more"), Head::AsGitDoes, Some("main"));
    assert!(again.unwrap_err().to_string().contains("is already "));
    assert!(!world.path("more").exists());
}

#[test]
fn a_bare_repository_keeps_its_branch() {
    let world = World::new();
    world.git(".", &["clone", "-q", "--bare", "origin", "clone"]);
    let made = world.add("clone", Head::AsGitDoes, Some("main")).unwrap();
    for _ in 0..2 {
        linked::claim_branch(&world.repository("clone"), &made).unwrap();
        let head = world.at("clone").line(&["symbolic-ref", "--quiet", "--short", "HEAD"]).unwrap();
        assert_eq!(head.as_deref(), Some("main"));
        linked::configure(&world.repository("clone"), &made.git_dir, &[]).unwrap();
    }
}

#[test]
fn settings_are_the_worktrees_own() {
    let world = World::new();
    let made = world.add("origin", Head::Detached, None).unwrap();
    let hook = "'/a b/git-dits' hook fsmonitor";
    let settings = [("core.checkStat", OsStr::new("minimal")), ("core.fsmonitor", OsStr::new(hook))];
    for _ in 0..2 {
        linked::configure(&world.repository("origin"), &made.git_dir, &settings).unwrap();
        assert_eq!(world.line("mnt", &["config", "core.checkStat"]), "minimal");
        assert_eq!(world.git("mnt", &["config", "--get-all", "core.fsmonitor"]), format!("{hook}\n"));
        assert_eq!(world.at("origin").line(&["config", "core.checkStat"]).unwrap(), None);
        assert_eq!(world.git("origin", &["status", "--porcelain"]), "");
    }
}

#[test]
fn a_bare_repository_stays_bare_and_the_worktree_is_none() {
    let world = World::new();
    world.git(".", &["clone", "-q", "--bare", "origin", "bare.git"]);
    let made = world.add("bare.git", Head::AsGitDoes, Some("side")).unwrap();
    linked::configure(&world.repository("bare.git"), &made.git_dir, &[("a.b", OsStr::new("c"))]).unwrap();
    assert_eq!(world.line("bare.git", &["rev-parse", "--is-bare-repository"]), "true");
    assert_eq!(world.line("mnt", &["rev-parse", "--is-bare-repository"]), "false");
    assert_eq!(world.line("mnt", &["config", "a.b"]), "c");
    let shared = world.git("mnt", &["config", "--file", "../bare.git/config", "--name-only", "--list"]);
    assert!(!shared.contains("core.bare"), "{shared}");
    assert_eq!(world.git("mnt", &["status", "--porcelain"]), " D a\n", "nothing is mounted here");
}

#[test]
fn a_submodule_keeps_its_own_working_tree() {
    let world = World::new();
    world.git(".", &["clone", "-q", "origin", "super"]);
    let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../origin", "sub"];
    world.git("super", &add);
    let made = world.add("super/sub", Head::Detached, None).unwrap();
    linked::configure(&world.repository("super/sub"), &made.git_dir, &[("a.b", OsStr::new("c"))]).unwrap();
    let top = world.path("super/sub").canonicalize().unwrap();
    assert_eq!(world.line("super/sub", &["rev-parse", "--show-toplevel"]), top.display().to_string());
    let mount = world.path("mnt").canonicalize().unwrap();
    assert_eq!(world.line("mnt", &["rev-parse", "--show-toplevel"]), mount.display().to_string());
    assert_eq!(world.git("super/sub", &["status", "--porcelain"]), "");
}
