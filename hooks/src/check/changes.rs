//! Which files a check is about, and where their attributes come from.
//!
//! Staged: what the index changes against `HEAD`. A commit: all of its files. A range: what each of its commits
//! changes. In each case the attributes are those that will travel along: of the index, of the commit, of the end of
//! the range.

use super::CheckError;
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

/// A regular file with its blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path from the top.
    pub path: Vec<u8>,
    /// Its blob, in hex.
    pub id: String,
    /// The commit that brings it.
    pub commit: Option<String>,
}

/// The files, and Git with the index whose attributes decide.
#[derive(Debug)]
pub struct Listed {
    /// The files.
    pub files: Vec<File>,
    /// Git to ask for attributes.
    pub git: Git,
    /// Holds the index of a commit.
    _index: Option<TempDir>,
}

const DIFF: [&str; 4] = ["--raw", "-z", "--no-renames", "--diff-filter=AMT"];

/// Lists what `subject` is about.
pub fn list(git: &Git, subject: &Subject) -> Result<Listed, CheckError> {
    match subject {
        Subject::Staged => {
            let head = match git.line(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])? {
                Some(head) => head,
                // Before the first commit: against the empty tree.
                None => git.line(&["hash-object", "-t", "tree", "/dev/null"])?.unwrap_or_default(),
            };
            let out = git.run(&[&["diff-index", "--cached"], &DIFF[..], &[&head]].concat())?;
            let files = parse(&out).ok_or(RepoError::Output("diff-index"))?;
            Ok(Listed { files, git: git.clone(), _index: None })
        }
        Subject::Commit(name) => {
            let id = resolve(git, name)?;
            let (index_git, index) = with_index_of(git, &id)?;
            let out = git.run(&["diff-tree", "-r", "-z", "--root", "--no-renames", &empty(git)?, &id])?;
            let mut files = parse(&out).ok_or(RepoError::Output("diff-tree"))?;
            files.iter_mut().for_each(|file| file.commit = Some(id.clone()));
            Ok(Listed { files, git: index_git, _index: Some(index) })
        }
        Subject::Range(from, to) => {
            let (from, to) = (resolve(git, from)?, resolve(git, to)?);
            let (index_git, index) = with_index_of(git, &to)?;
            let commits = git.run(&["rev-list", "--reverse", &to, &format!("^{from}")])?;
            let args = [&["diff-tree", "--stdin", "-r", "-m", "--root"], &DIFF[..]].concat();
            let out = if commits.is_empty() { Vec::new() } else { git.run_with_input(&args, &commits)? };
            let files = parse(&out).ok_or(RepoError::Output("diff-tree"))?;
            Ok(Listed { files, git: index_git, _index: Some(index) })
        }
    }
}

fn empty(git: &Git) -> Result<String, RepoError> {
    git.line(&["hash-object", "-t", "tree", "/dev/null"])?.ok_or(RepoError::Output("hash-object"))
}

fn resolve(git: &Git, name: &str) -> Result<String, CheckError> {
    let found =
        git.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")])?;
    found.ok_or_else(|| CheckError::Revision(name.to_owned()))
}

/// Git with an index of its own, which holds `commit`. (Git can be asked for the attributes of a commit directly only
/// from 2.40 on.)
fn with_index_of(git: &Git, commit: &str) -> Result<(Git, TempDir), CheckError> {
    let dir = tempfile::tempdir().map_err(CheckError::Temporary)?;
    let git = git.with_env("GIT_INDEX_FILE", dir.path().join("index"));
    git.run(&["read-tree", commit])?;
    Ok((git, dir))
}

/// `:<old mode> <new mode> <old> <new> <status> NUL <path> NUL`, with the ids of commits in between.
fn parse(out: &[u8]) -> Option<Vec<File>> {
    let (mut files, mut commit) = (Vec::new(), None);
    let mut fields = out.split(|b| *b == 0).filter(|field| !field.is_empty());
    while let Some(field) = fields.next() {
        let text = std::str::from_utf8(field).ok()?;
        let Some(header) = text.strip_prefix(':') else {
            commit = Some(text.to_owned());
            continue;
        };
        let words: Vec<&str> = header.split(' ').collect();
        let &[_, mode, _, new, _] = &words[..] else { return None };
        let path = fields.next()?.to_vec();
        // Symbolic links and submodules pass through no filter.
        if mode.starts_with("100") {
            files.push(File { path, id: new.to_owned(), commit: commit.clone() });
        }
    }
    Some(files)
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
