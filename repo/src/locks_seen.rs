//! Which versions of files this clone's own are made from.
//!
//! A lock is refused when the target branch has a version that the locker's is not made from, so the server is told which versions that
//! holds for: that of HEAD, and that of the point where HEAD left the branch, as far as the clone has heard of it. No files of the
//! working tree are read, and Git is asked for all paths at once.

use crate::blobs_at::{ASK, MANY, parse, questions};
use crate::{Git, RepoError};
use std::collections::BTreeSet;

/// For each of `paths` the ids of its versions in HEAD and where HEAD left each of `branches` (full names of refs); none of
/// it when no such ref is here, or nothing is committed.
pub fn seen(git: &Git, branches: &[String], paths: &[&str]) -> Result<Option<Vec<Vec<String>>>, RepoError> {
    // What a partial clone lacks is not worth a transfer.
    let git = &git.with_env("GIT_NO_LAZY_FETCH", "1");
    let head = ["HEAD".to_owned()];
    // One question for all, where HEAD is where the branches are.
    let few = if paths.len() < MANY { paths } else { &[] };
    let mut ids = objects(git, head.iter().chain(branches).cloned().chain(at(&head, few)))?;
    let mut in_head = ids.split_off(1 + branches.len());
    let Some(head) = ids.remove(0) else { return Ok(None) };
    let tips: BTreeSet<String> = ids.into_iter().flatten().collect();
    if tips.is_empty() {
        return Ok(None);
    }
    let mut bases = BTreeSet::new();
    for tip in tips.into_iter().filter(|tip| *tip != head) {
        bases.extend(git.line(&["merge-base", "HEAD", &tip])?.filter(|base| *base != head));
    }
    let mut all = Vec::new();
    if paths.len() >= MANY {
        in_head = in_trees(git, &head, paths)?;
    }
    all.push(in_head);
    for base in &bases {
        all.push(match paths.len() >= MANY {
            true => in_trees(git, base, paths)?,
            false => objects(git, at(std::slice::from_ref(base), paths))?,
        });
    }
    let versions = |place: usize| {
        let ids: BTreeSet<String> = all.iter().filter_map(|ids| ids[place].clone()).collect();
        ids.into_iter().collect()
    };
    Ok(Some((0..paths.len()).map(versions).collect()))
}

/// What a commit has at very many paths.
fn in_trees(git: &Git, commit: &str, paths: &[&str]) -> Result<Vec<Option<String>>, RepoError> {
    let mut ids = Vec::with_capacity(paths.len());
    for some in questions(paths) {
        let out = git.run(&[&ASK[..], &[commit, "--"], some].concat())?;
        let mut found = parse(&out).ok_or(RepoError::Output("ls-tree"))?;
        ids.extend(some.iter().map(|path| found.remove(path.as_bytes())));
    }
    Ok(ids)
}

/// The names of what `commits` have at each of `paths`.
fn at<'a>(commits: &'a [String], paths: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    paths.iter().flat_map(move |path| commits.iter().map(move |commit| format!("{commit}:{path}")))
}

/// The ids of objects by their names; `None` for what is not there.
fn objects(git: &Git, names: impl Iterator<Item = String>) -> Result<Vec<Option<String>>, RepoError> {
    let names: Vec<String> = names.map(|name| name + "\n").collect();
    let out = git.run_with_input(
        &["cat-file", "--batch-check=%(objectname)", "--buffer"],
        names.concat().as_bytes(),
    )?;
    let is_id = |line: &str| line.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = |line: &str| is_id(line).then(|| line.to_owned());
    let ids: Vec<_> = String::from_utf8_lossy(&out).lines().map(id).collect();
    if ids.len() == names.len() { Ok(ids) } else { Err(RepoError::Output("cat-file --batch-check")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_the_point_where_it_left_the_branch_count() {
        let dir = tempfile::tempdir().unwrap();
        let git = &Git::at(dir.path());
        let run = |args: &[&str]| git.run(args).unwrap();
        run(&["init", "-q", "-b", "main"]);
        let commit = |text: &str| {
            std::fs::write(dir.path().join("a b"), text).unwrap();
            run(&["add", "."]);
            run(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", text]);
            git.line(&["rev-parse", "HEAD:a b"]).unwrap().unwrap()
        };
        let main = "refs/remotes/origin/main".to_owned();
        let ask = || seen(git, std::slice::from_ref(&main), &["a b", "new"]).unwrap();
        assert_eq!(ask(), None, "nothing is committed");
        let old = commit("old");
        assert_eq!(ask(), None, "nothing was fetched");
        run(&["update-ref", &main, "HEAD"]);
        assert_eq!(ask(), Some(vec![vec![old.clone()], vec![]]));
        let both = BTreeSet::from([old.clone(), commit("mine")]);
        let both: Vec<String> = both.into_iter().collect();
        assert_eq!(ask(), Some(vec![both.clone(), vec![]]), "her own change");
        run(&["checkout", "-q", "--detach"]);
        assert_eq!(ask(), Some(vec![both, vec![]]));
        // Very many are asked in another way.
        let many: Vec<String> = (0..MANY).map(|n| format!("no {n}")).chain(["a b".to_owned()]).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let of_many = seen(git, std::slice::from_ref(&main), &many).unwrap().unwrap();
        assert!(of_many[..MANY].iter().all(Vec::is_empty));
        assert_eq!(of_many.last(), ask().unwrap().first());
        run(&["checkout", "-q", "main~1", "--"]);
        run(&["update-ref", &main, "main"]);
        assert_eq!(ask(), Some(vec![vec![old], vec![]]), "others went on");
    }
}
