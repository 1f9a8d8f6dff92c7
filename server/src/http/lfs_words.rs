//! Locks, and why one cannot be had, in the words of Git LFS: a lock in JSON, statuses, and messages that its clients show to people.
//!
//! Statuses: 403 somebody else's, 404 no such lock, 409 held (with the lock that is), 422 what is no place or no
//! branch, 507 too many locks.

use super::answer::Failure;
use crate::locks::LocksError;
use crate::utc;
use axum::http::StatusCode;
use dits_lock::ask::Denial;
use dits_lock::{Answer, Lock};
use serde_json::{Value, json};

/// Why there is no other answer.
pub(super) enum Trouble {
    /// The client's doing.
    Theirs(Failure),
    /// Ours: the owner has to hear of it.
    Ours(LocksError),
}

/// A lock, with all that Git LFS knows of one.
pub(super) fn shown(lock: &Lock) -> Value {
    json!({
        "id": lock.id.to_string(),
        "path": lock.path.as_str(),
        "locked_at": utc::text(lock.at),
        "owner": { "name": lock.owner },
    })
}

/// A lock is in the way of another.
pub(super) fn taken(lock: &Lock, who_has: &str) -> Failure {
    Failure::new(StatusCode::CONFLICT, has(lock, who_has)).with("lock", shown(lock))
}

fn has(lock: &Lock, who_has: &str) -> String {
    format!("{who_has} '{}' for branch '{}' since {}", lock.path, lock.branch, utc::text(lock.at))
}

/// What makes no sense.
pub(super) fn bad(message: impl Into<String>) -> Failure {
    Failure::new(StatusCode::UNPROCESSABLE_ENTITY, message)
}

/// An answer that does not belong to the question.
pub(super) fn failed() -> Failure {
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed")
}

/// Why one wish was not granted.
pub(super) fn denied(denial: Denial) -> Failure {
    let conflict = |message: &str| Failure::new(StatusCode::CONFLICT, message);
    match denial {
        Denial::Held(lock) => taken(&lock, &format!("{} has locked", lock.owner)),
        Denial::NotYours(lock) => {
            let message = has(&lock, &format!("{} has locked", lock.owner));
            let hint = "hint: an admin of the repository may take it away with '--force'";
            Failure::new(StatusCode::FORBIDDEN, format!("{message}\n{hint}")).with("lock", shown(&lock))
        }
        Denial::Pushing { by } => conflict(&format!("{by} is pushing a change of it now\nhint: try again")),
        Denial::Stale { .. } => conflict("the branch has a newer version of it\nhint: 'git pull' gets it"),
        Denial::Ambiguous { .. } => conflict("there are several\nhint: name one by its id"),
        Denial::NotLocked => Failure::new(StatusCode::NOT_FOUND, "there is no such lock"),
        Denial::Path { why } => bad(format!("this cannot be locked: {why}")),
        Denial::TooMany => {
            Failure::new(StatusCode::INSUFFICIENT_STORAGE, "this repository has as many locks as it may have")
        }
    }
}

/// Why nothing of a question was granted.
pub(super) fn no(answer: Answer) -> Failure {
    match answer {
        Answer::No { why, hint: Some(hint) } => bad(format!("{why}\nhint: {hint}")),
        Answer::No { why, hint: None } => bad(why),
        _ => failed(),
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Theirs(failure)
    }
}

impl From<LocksError> for Trouble {
    fn from(error: LocksError) -> Trouble {
        Trouble::Ours(error)
    }
}
