//! What a lock is.
//!
//! A lock is on a place of a *target branch*: the branch that the change is meant for. While it is held its owner works on the
//! file. When the owner pushes a change of it to some other branch, the lock is *retained*: it stays until that change reaches the target
//! branch, so that nobody begins with a version that is about to be outdated.
//!
//! Times are seconds since 1970.

use crate::path::LockPath;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of the name of a branch, and of the name of an owner.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of a reason.
pub const REASON_BYTES_MAX: usize = 1000;
/// Seconds of the longest lease: ten years.
pub const LEASE_SECONDS_MAX: u64 = 10 * 365 * 24 * 3600;

/// Names a lock at its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LockId(pub u64);

impl fmt::Display for LockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Name of a branch, without `refs/heads/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Branch(String);

/// A text that names no branch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a branch", .0.escape_debug())]
pub struct NotABranch(String);

impl NotABranch {
    /// That text.
    pub fn new(text: &str) -> NotABranch {
        NotABranch(text.into())
    }
}

impl Branch {
    /// Takes `main` and `refs/heads/main`.
    ///
    /// # Errors
    /// [`NotABranch`] for what git-check-ref-format(1) does not allow, and for other refs.
    pub fn parse(text: &str) -> Result<Branch, NotABranch> {
        let name = text.strip_prefix("refs/heads/").unwrap_or(text);
        let bad = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
        let bad_part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
        let is_bad = name.len() > NAME_BYTES_MAX
            || name.starts_with("refs/")
            || name.starts_with('-')
            || name.ends_with('.')
            || name == "@"
            || name == "HEAD"
            || name.contains(bad)
            || name.contains("..")
            || name.contains("@{")
            || name.split('/').any(bad_part);
        if is_bad { Err(NotABranch(text.into())) } else { Ok(Branch(name.into())) }
    }

    /// Without `refs/heads/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As Git names it in full.
    pub fn full(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl TryFrom<String> for Branch {
    type Error = NotABranch;

    fn try_from(text: String) -> Result<Branch, NotABranch> {
        Branch::parse(&text)
    }
}

impl From<Branch> for String {
    fn from(branch: Branch) -> String {
        branch.0
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether others may hold the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nobody else.
    #[default]
    Exclusive,
    /// All who do so shared: "I am editing this too".
    Shared,
}

/// A change of a locked file that was pushed to another branch than the lock's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where it was pushed to.
    pub branch: Branch,
    /// The commit there, hex.
    pub commit: String,
    /// The file in it, as Git's object name, hex; `None` where it was deleted, and for the lock of a folder.
    pub blob: Option<String>,
    /// When.
    pub at: u64,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Its name.
    pub id: LockId,
    /// What is locked.
    pub path: LockPath,
    /// The target branch.
    pub branch: Branch,
    /// Who holds it: the name by which the server knows the caller.
    pub owner: String,
    /// Alone or not.
    #[serde(default)]
    pub mode: Mode,
    /// Since when.
    pub at: u64,
    /// What for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it ends by itself. A retained lock has no end of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// A change that has not reached the target branch: the lock is retained for it, or held by an owner who goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Whether its owner still works on it. If not, there is a change.
    #[serde(default = "yes")]
    pub held: bool,
}

fn yes() -> bool {
    true
}

impl Lock {
    /// A lock that was taken just now: exclusive, and nothing more is said of it.
    pub fn taken(id: LockId, path: LockPath, branch: Branch, owner: &str, at: u64) -> Lock {
        let (mode, reason, expires, change) = Default::default();
        Lock { id, path, branch, owner: owner.into(), mode, at, reason, expires, change, held: true }
    }

    /// Whether it only waits for its change to arrive.
    pub fn is_retained(&self) -> bool {
        !self.held
    }

    /// Whether its lease is over.
    pub fn is_over(&self, now: u64) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_are_what_git_takes() {
        assert_eq!(Branch::parse("refs/heads/a/b").unwrap().as_str(), "a/b");
        assert_eq!(Branch::parse("main").unwrap().full(), "refs/heads/main");
        let bad = [
            "",
            "a..b",
            "a b",
            "-x",
            "x.lock",
            "a//b",
            "/a",
            "a/",
            ".a",
            "@",
            "HEAD",
            "a@{1}",
            "refs/tags/x",
        ];
        for text in bad {
            assert!(Branch::parse(text).is_err(), "{text}");
        }
    }
}
