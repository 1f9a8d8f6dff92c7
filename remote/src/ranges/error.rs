//! Why bytes of a content cannot be had.
//!
//! Four cases are told apart, as they end differently: another time, never, from another remote, or when something here was mended.

use crate::RemoteError;
use crate::retry::may_pass;
use dits_store::StoreError;
use dits_sync::SyncError;

/// Why bytes of a content cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// No remote can be reached; another time it may work.
    #[error("no remote can be reached: {0}")]
    Offline(String),
    /// Every remote answered, and none has it.
    #[error("no remote has it")]
    Absent,
    /// What came is not what it should be.
    #[error("{0}")]
    Damaged(String),
    /// Something else failed: the store, a setting, a right.
    #[error("{0}")]
    Failed(String),
    /// Whoever heard wants no more.
    #[error("nobody wants it any more")]
    Stopped,
}

impl From<StoreError> for RangeError {
    fn from(error: StoreError) -> RangeError {
        match error {
            StoreError::Corrupt { .. } | StoreError::Mismatch { .. } | StoreError::Format { .. } => {
                RangeError::Damaged(error.to_string())
            }
            other => RangeError::Failed(other.to_string()),
        }
    }
}

impl RangeError {
    /// What `remote` failed with.
    pub(super) fn of_remote(remote: &str, error: &RemoteError) -> RangeError {
        let text = format!("'{remote}': {error}");
        match error {
            RemoteError::Folder(_) => RangeError::Offline(text),
            passing if may_pass(passing) => RangeError::Offline(text),
            RemoteError::Sync(
                SyncError::Protocol(_)
                | SyncError::Format(_)
                | SyncError::WrongChunk { .. }
                | SyncError::WrongManifest { .. },
            ) => RangeError::Damaged(text),
            _ => RangeError::Failed(text),
        }
    }

    /// What several remotes failed with, as one: it is absent if all say so, and out of reach if none says anything.
    #[must_use]
    pub(super) fn and(self, other: RangeError) -> RangeError {
        use RangeError::{Absent, Damaged, Failed, Offline, Stopped};
        match (self, other) {
            (same @ Absent, Absent) | (same @ Offline(_), Offline(_)) => same,
            (Stopped, _) | (_, Stopped) => Stopped,
            (Damaged(text), _) | (_, Damaged(text)) => Damaged(text),
            (Failed(text) | Offline(text), _) | (_, Failed(text) | Offline(text)) => Failed(text),
        }
    }
}
