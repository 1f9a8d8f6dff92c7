//! What happens to locks, one thing after the other.
//!
//! An event carries the whole lock as it is afterwards, or was before it went: events alone rebuild a table.

use crate::model::Lock;
use serde::{Deserialize, Serialize};

/// Something that happened to a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in seconds since 1970; never less than in the event before.
    pub at: u64,
    /// Who did it; `None`: time, or a branch that moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What.
    pub what: What,
    /// The lock.
    pub lock: Lock,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It is new.
    Locked,
    /// It is still there, and something about it is different: lease, mode, reason, retained or not.
    Changed,
    /// It is gone.
    Unlocked(Why),
}

/// Why a lock is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its owner has given it up.
    Released,
    /// Somebody else has taken it away.
    Forced,
    /// Its lease was over.
    Expired,
    /// The change that it was retained for has reached the target branch.
    Landed,
    /// That change can no longer reach it: its branch is gone.
    Abandoned,
}

impl Event {
    /// Whether the lock was taken from its owner without his doing: he should hear of it.
    pub fn is_news_to_owner(&self) -> bool {
        matches!(self.what, What::Unlocked(Why::Forced | Why::Expired | Why::Abandoned))
            && self.by.as_deref() != Some(&self.lock.owner)
    }
}
