//! The audit log: who did what at this server, one JSON object a line in `DIR/audit.log`.
//!
//! What is in it: streams of contents, of Git and about locks with their ends, ref updates, changes of locks, logins, tries that failed, changes of users, tokens,
//! grants and issuers. Never a token, a signature or a key's text.
//!
//! A stream that writes is in the log before it may begin: while the log cannot be written (a full disk), nothing is
//! pushed. Reading goes on, and the owner is told. Failed tries, and reading by nobody in particular, are thinned out ([`sample`]), so that strangers cannot push
//! the history out of the log, whose size is bounded ([`log`]).

pub mod log;
pub mod sample;

pub use log::{AuditError, AuditLog};

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One line of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, UTC.
    pub time: String,
    /// What: `push`, `pull`, `git-upload-pack`, `git-receive-pack`, `git-upload-archive`, `refs`, `login`, `denied`, `admin`, `start`, `stop`, `gc`,
    /// `locks`, and of locks `lock`, `lock-changed`, `unlock`, `unlock-forced`, `lock-expired`, `lock-retained`, `lock-landed`, `lock-abandoned`, `locks-undone`.
    pub event: String,
    /// Name of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// What the caller was known by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// Which repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Bytes of the stream that came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<u64>,
    /// Bytes of the stream that went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<u64>,
    /// Refs that moved: `old new name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<String>,
    /// Places of locks: the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// How it ended: `begins`, `ok`, or what went wrong.
    pub result: String,
    /// Events like this one before it that are not in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u64>,
}

impl Event {
    /// An event of nobody in particular.
    pub fn of(event: &str, result: &str) -> Event {
        Event { event: event.into(), result: result.into(), ..Event::default() }
    }
}
