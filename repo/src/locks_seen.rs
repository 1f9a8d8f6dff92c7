//! Which versions of files this clone's own are made from.
//!
//! A lock is refused when the target branch has a version that the locker's is not made from, so the server is told which versions that
//! holds for: that of HEAD, and that of the point where HEAD left the branch, as far as the clone has heard of it. No files of the
//! working tree are read, and Git is asked for all paths at once.

use crate::{Git, RepoError};
use std::collections::BTreeSet;

/// For each of `paths` the ids of its versions in HEAD and where HEAD left each of `branches` (full names of refs); none of
/// it when no such ref is here. `on` is the branch that is checked out.
pub fn seen(
    git: &Git,
    branches: &[String],
    on: Option<&str>,
    paths: &[&str],
) -> Result<Option<Vec<Vec<String>>>, RepoError> {
    // What a partial clone lacks is not worth a transfer.
    let git = &git.with_env("GIT_NO_LAZY_FETCH", "1");
    let Some(commits) = commits(git, branches, on)? else { return Ok(None) };
    let input: String = paths
        .iter()
        .flat_map(|path| commits.iter().map(move |commit| format!("{commit}:{path}\n")))
        .collect();
    let out =
        git.run_with_input(&["cat-file", "--batch-check=%(objectname)", "--buffer"], input.as_bytes())?;
    let out = String::from_utf8_lossy(&out).into_owned();
    let lines: Vec<&str> = out.lines().collect();
    if lines.len() != paths.len() * commits.len() {
        return Err(RepoError::Output("cat-file --batch-check"));
    }
    let is_id = |line: &&&str| line.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ids = |lines: &[&str]| lines.iter().filter(is_id).map(ToString::to_string).collect::<BTreeSet<_>>();
    Ok(Some(lines.chunks(commits.len()).map(|lines| ids(lines).into_iter().collect()).collect()))
}

/// HEAD, and where it left the branches.
fn commits(git: &Git, branches: &[String], on: Option<&str>) -> Result<Option<Vec<String>>, RepoError> {
    let here = on.map(|on| format!("refs/heads/{on}"));
    let mut args = vec!["for-each-ref", "--format=%(objectname) %(refname)"];
    args.extend(branches.iter().chain(&here).map(String::as_str));
    let out = String::from_utf8_lossy(&git.run(&args)?).into_owned();
    let (mut tips, mut head) = (BTreeSet::new(), None);
    for (id, name) in out.lines().filter_map(|line| line.split_once(' ')) {
        if branches.iter().any(|branch| branch == name) {
            tips.insert(id);
        } else if here.as_deref() == Some(name) {
            head = Some(id);
        }
    }
    if tips.is_empty() || (on.is_some() && head.is_none()) {
        return Ok(None);
    }
    let mut commits = vec!["HEAD".to_owned()];
    for tip in tips.into_iter().filter(|tip| Some(*tip) != head) {
        commits.extend(git.line(&["merge-base", "HEAD", tip])?);
    }
    Ok(Some(commits))
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
        let ask = |on| seen(git, std::slice::from_ref(&main), on, &["a b", "new"]).unwrap();
        assert_eq!(ask(Some("main")), None, "nothing is committed");
        let old = commit("old");
        assert_eq!(ask(Some("main")), None, "nothing was fetched");
        run(&["update-ref", &main, "HEAD"]);
        assert_eq!(ask(Some("main")), Some(vec![vec![old.clone()], vec![]]));
        let both = BTreeSet::from([old.clone(), commit("mine")]);
        let both: Vec<String> = both.into_iter().collect();
        assert_eq!(ask(Some("main")), Some(vec![both.clone(), vec![]]), "her own change");
        run(&["checkout", "-q", "--detach"]);
        assert_eq!(ask(None), Some(vec![both, vec![]]));
        run(&["checkout", "-q", "main~1", "--"]);
        run(&["update-ref", &main, "main"]);
        assert_eq!(ask(None), Some(vec![vec![old], vec![]]), "others went on");
    }
}
