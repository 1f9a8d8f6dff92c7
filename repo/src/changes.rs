//! Which files commits change, or the index: what `git diff-tree` and its kind print with `--raw -z`.
//!
//! Only regular files count: symbolic links and submodules pass through no filter.

use crate::{Git, RepoError};

/// One changed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Path from the top.
    pub path: Vec<u8>,
    /// The blob before, in hex; zeros or nothing when there was none.
    pub old: String,
    /// The blob after it, in hex; zeros when there is none.
    pub new: String,
    /// The commit that brings it (hex), where Git named one.
    pub commit: Option<String>,
}

/// What `commits` (a line each) change; `filter` as for `git diff --diff-filter`.
pub fn of_commits(git: &Git, commits: &[u8], filter: &str) -> Result<Vec<Change>, RepoError> {
    const DIFF: [&str; 7] = ["diff-tree", "--stdin", "-r", "-m", "-z", "--root", "--no-renames"];
    let filter = format!("--diff-filter={filter}");
    parse(&git.run_with_input(&[&DIFF[..], &[&filter]].concat(), commits)?)
}

/// Reads what Git printed.
pub fn parse(out: &[u8]) -> Result<Vec<Change>, RepoError> {
    read(out).ok_or(RepoError::Output("diff"))
}

/// `:<old mode> <new mode> <old> <new> <status> NUL <path> NUL`, of changes that have a file on their new side, or had one and deleted it; before those of each commit `<commit> NUL`.
fn read(out: &[u8]) -> Option<Vec<Change>> {
    let (mut changes, mut commit) = (Vec::new(), None);
    let mut fields = out.split(|b| *b == 0).filter(|field| !field.is_empty());
    while let Some(field) = fields.next() {
        let text = std::str::from_utf8(field).ok()?;
        let Some(header) = text.strip_prefix(':') else {
            commit = Some(text.to_owned());
            continue;
        };
        let path = fields.next()?.to_vec();
        let words: Vec<&str> = header.split(' ').collect();
        let &[old_mode, mode, old, new, status] = &words[..] else { return None };
        if mode.starts_with("100") || (status == "D" && old_mode.starts_with("100")) {
            changes.push(Change { path, old: old.to_owned(), new: new.to_owned(), commit: commit.clone() });
        }
    }
    Some(changes)
}
