//! Where HEAD points, as its file says.
//!
//! Most commands need this before all else, and the file is one line in every repository: Git is started only where the line does not
//! say it (other ways to keep refs have a branch there that cannot be, and HEAD was a symbolic link once).

use crate::{Git, RepoError};
use std::path::Path;

/// What a file of HEAD says in a repository that keeps its refs elsewhere.
const NOT_HERE: &str = "refs/heads/.invalid";

/// The full name of the ref that HEAD of the Git folder `dir` points at; `None` when that is a commit.
///
/// # Errors
/// When Git has to be asked and cannot say.
pub fn target(git: &Git, dir: &Path) -> Result<Option<String>, RepoError> {
    match in_folder(dir) {
        Some(said) => Ok(said),
        None => git.line(&["symbolic-ref", "--quiet", "HEAD"]),
    }
}

/// The same without Git; `None` when only that can tell.
pub fn in_folder(dir: &Path) -> Option<Option<String>> {
    let file = dir.join("HEAD");
    if !std::fs::symlink_metadata(&file).ok()?.is_file() {
        return None;
    }
    said(&std::fs::read_to_string(&file).ok()?)
}

fn said(text: &str) -> Option<Option<String>> {
    let text = text.trim_end();
    match text.strip_prefix("ref:").map(str::trim_start) {
        Some(NOT_HERE) => None,
        Some(name) if name.starts_with("refs/") => Some(Some(name.to_owned())),
        Some(_) => None,
        None => {
            let is_id = [40, 64].contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_id.then_some(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_and_a_commit_are_told_apart_and_the_rest_is_for_git() {
        assert_eq!(said("ref: refs/heads/a/b\n"), Some(Some("refs/heads/a/b".to_owned())));
        assert_eq!(said(&format!("{}\n", "a1".repeat(20))), Some(None));
        for text in ["ref: refs/heads/.invalid\n", "ref: HEAD\n", "", "a1\n", "ref:\n"] {
            assert_eq!(said(text), None, "{text:?}");
        }
    }

    #[test]
    fn it_is_what_git_says() {
        let dir = tempfile::tempdir().unwrap();
        let git = &Git::at(dir.path());
        git.run(&["init", "-q", "-b", "a/b"]).unwrap();
        let here = dir.path().join(".git");
        let asked = || git.line(&["symbolic-ref", "--quiet", "HEAD"]).unwrap();
        assert_eq!(
            (in_folder(&here), asked()),
            (Some(Some("refs/heads/a/b".into())), Some("refs/heads/a/b".into()))
        );
        git.run(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "a"])
            .unwrap();
        git.run(&["checkout", "-q", "--detach"]).unwrap();
        assert_eq!((in_folder(&here), asked()), (Some(None), None));
        std::fs::remove_file(here.join("HEAD")).unwrap();
        std::os::unix::fs::symlink("refs/heads/a/b", here.join("HEAD")).unwrap();
        assert_eq!((in_folder(&here), target(git, &here).unwrap()), (None, asked()));
    }
}
