//! What the hook of a push and its server say to each other about locks.
//!
//! The hook sees the new commits, which belong to the repository only if it agrees; the server has the locks. So the hook
//! says which branches are to move ([`Said::Moves`]) and asks. Without any lock in the repository that was all ([`Heard::Free`]).
//! Else it hears the target branches that have locks, and says what would change ([`Said::Files`]): against the branch as it is, and,
//! for each other target, what the branch has changed since it left that. [`Said::Decide`] is answered with a verdict.
//!
//! One JSON text a line, each of at most [`LINE_BYTES_MAX`]; a list goes over as many lines as it needs.

use crate::model::{Branch, Lock};
use crate::path::PATH_BYTES_MAX;
use serde::{Deserialize, Serialize};

/// Variable that names the socket of the server.
pub const SOCKET_VARIABLE: &str = "DITS_LOCKS";
/// Variable that holds the key of the push.
pub const KEY_VARIABLE: &str = "DITS_LOCKS_KEY";
/// Bytes of one line, either way.
pub const LINE_BYTES_MAX: usize = 16 << 20;
/// Moves, or files, in one line: with the longest names well within [`LINE_BYTES_MAX`].
pub const ITEMS_A_LINE: usize = 500;
/// Files that a verdict names.
pub const NAMED_MAX: usize = 10;

/// What the hook says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Which push this is.
    Begin {
        /// The key that the server gave it.
        key: String,
    },
    /// Branches that are to move.
    Moves(Vec<Move>),
    /// These were all: what do you want to know?
    Look,
    /// What changes.
    Files {
        /// By which of the moves, counted from 0.
        of: usize,
        /// As seen from this branch: the one that moves, or another target.
        target: Branch,
        /// The files.
        files: Vec<Changed>,
    },
    /// That was all: may it?
    Decide,
}

/// A branch that is to move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The branch.
    pub branch: Branch,
    /// The commit that it is at, hex; `None` when it is new.
    pub old: Option<String>,
    /// The commit that it shall be at; `None` when it goes.
    pub new: Option<String>,
}

/// A file that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Where, as Git has it.
    pub path: String,
    /// As what, as Git's object name; `None` when it goes.
    pub blob: Option<String>,
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// There are no locks here: go on.
    Free,
    /// These target branches have locks.
    Targets(Vec<Branch>),
    /// To [`Said::Decide`].
    Verdict(Verdict),
    /// The server cannot say.
    No(String),
}

/// Whether a push may go on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Why not: no push without it being empty.
    pub refused: Objections,
    /// What the pusher should hear about other targets.
    pub warned: Objections,
}

/// Locks of others that a push meets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objections {
    /// The first [`NAMED_MAX`].
    pub named: Vec<Objection>,
    /// How many there are.
    pub count: usize,
}

/// A lock of somebody else that a push meets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objection {
    /// The file; `None` when the whole branch is to go.
    pub path: Option<String>,
    /// The lock.
    pub lock: Lock,
}

impl Objections {
    /// One more.
    pub fn add(&mut self, path: Option<&str>, lock: &Lock) {
        self.count += 1;
        if self.named.len() < NAMED_MAX {
            self.named.push(Objection { path: path.map(str::to_owned), lock: lock.clone() });
        }
    }
}

impl Changed {
    /// A file of a tree. What of its path is no text is replaced, so only locks of folders above that meet it; and what of
    /// it is too long to be locked is cut off.
    pub fn new(path: &[u8], blob: Option<String>) -> Changed {
        let mut path = String::from_utf8_lossy(path).into_owned();
        while path.len() > PATH_BYTES_MAX {
            path.pop();
        }
        Changed { path, blob }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_said_in_full_still_lies_in_its_folders() {
        assert_eq!(Changed::new(b"maps/\xff.umap", None).path, "maps/\u{fffd}.umap");
        let long = Changed::new(format!("maps/{}", "\u{e9}".repeat(9000)).as_bytes(), None).path;
        assert!(
            long.starts_with("maps/\u{e9}")
                && long.len() <= PATH_BYTES_MAX
                && long.len() > PATH_BYTES_MAX - 4
        );
    }

    #[test]
    fn a_full_line_is_within_the_limit() {
        let file = Changed { path: "\u{1}".repeat(PATH_BYTES_MAX), blob: Some("0".repeat(64)) };
        let files = vec![file; ITEMS_A_LINE];
        let line = Said::Files { of: 0, target: Branch::parse("main").unwrap(), files };
        assert!(serde_json::to_vec(&line).unwrap().len() < LINE_BYTES_MAX);
    }
}
