//! Which files a check is about, and where their attributes come from.
//!
//! Staged: what the index changes against `HEAD`. A commit: all of its files. A range: what each of its commits
//! changes. In each case the attributes are those that will travel along: of the index, of the commit, of the end of
//! the range.

use super::CheckError;
use dits_repo::changes::{self, Change};
use dits_repo::{Git, RepoError};
use tempfile::TempDir;

/// What to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// What is staged.
    Staged,
    /// All files of this commit.
    Commit(String),
    /// What the commits from the first (without it) to the second change.
    Range(String, String),
}

impl Subject {
    /// `a..b`, or a commit; a missing end of a range is `HEAD`.
    pub fn parse(text: &str) -> Subject {
        let or_head = |end: &str| if end.is_empty() { "HEAD".to_owned() } else { end.to_owned() };
        match text.split_once("..") {
            Some((from, to)) => Subject::Range(or_head(from), or_head(to.trim_start_matches('.'))),
            None => Subject::Commit(text.to_owned()),
        }
    }
}

/// The files, and Git with the index whose attributes decide.
#[derive(Debug)]
pub struct Listed {
    /// The files.
    pub files: Vec<Change>,
    /// Git to ask for attributes.
    pub git: Git,
    /// Holds the index of a commit.
    _index: Option<TempDir>,
}

/// Lists what `subject` is about.
pub fn list(git: &Git, subject: &Subject) -> Result<Listed, CheckError> {
    match subject {
        Subject::Staged => {
            let head = match git.commit("HEAD")? {
                Some(head) => head,
                // Before the first commit: against the empty tree.
                None => empty(git)?,
            };
            let diff = ["diff-index", "--cached", "-z", "--no-renames", "--diff-filter=AMT", &head];
            Ok(Listed { files: changes::parse(&git.run(&diff)?)?, git: git.clone(), _index: None })
        }
        Subject::Commit(name) => {
            let id = resolve(git, name)?;
            let (index_git, index) = with_index_of(git, &id)?;
            let out = git.run(&["diff-tree", "-r", "-z", "--root", "--no-renames", &empty(git)?, &id])?;
            let mut files = changes::parse(&out)?;
            files.iter_mut().for_each(|file| file.commit = Some(id.clone()));
            Ok(Listed { files, git: index_git, _index: Some(index) })
        }
        Subject::Range(from, to) => {
            let (from, to) = (resolve(git, from)?, resolve(git, to)?);
            let (index_git, index) = with_index_of(git, &to)?;
            let commits = git.run(&["rev-list", "--reverse", &to, &format!("^{from}")])?;
            let files = changes::of_commits(git, &commits, "AMT")?;
            Ok(Listed { files, git: index_git, _index: Some(index) })
        }
    }
}

fn empty(git: &Git) -> Result<String, RepoError> {
    git.line(&["hash-object", "-t", "tree", "/dev/null"])?.ok_or(RepoError::Output("hash-object"))
}

fn resolve(git: &Git, name: &str) -> Result<String, CheckError> {
    git.commit(name)?.ok_or_else(|| CheckError::Revision(name.to_owned()))
}

/// Git with an index of its own, which holds `commit`. (Git can be asked for the attributes of a commit directly only
/// from 2.40 on.)
fn with_index_of(git: &Git, commit: &str) -> Result<(Git, TempDir), CheckError> {
    let dir = tempfile::tempdir().map_err(CheckError::Temporary)?;
    let git = git.with_env("GIT_INDEX_FILE", dir.path().join("index"));
    git.run(&["read-tree", commit])?;
    Ok((git, dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_may_leave_out_an_end() {
        let range = |from: &str, to: &str| Subject::Range(from.into(), to.into());
        assert_eq!(Subject::parse("a..b"), range("a", "b"));
        assert_eq!(Subject::parse("a.."), range("a", "HEAD"));
        assert_eq!(Subject::parse("..b"), range("HEAD", "b"));
        assert_eq!(Subject::parse("a...b"), range("a", "b"));
        assert_eq!(Subject::parse("v1.0"), Subject::Commit("v1.0".into()));
    }
}
