//! Locks at a server of ours, over the connection of a [`Remote`].
//!
//! One question is one stream: one round trip for any number of paths. What a server says is passed on as it is; a question that it
//! could not answer is [`LockError::Refused`].

use crate::{Remote, RemoteError};
use dits_lock::{Answer, Ask};

/// Why there is no answer about locks.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The server says no to the whole question.
    #[error("{why}")]
    Refused {
        /// Why.
        why: String,
        /// What could be done.
        hint: Option<String>,
    },
    /// The server, or the way to it, failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// What came is not what was asked for.
    #[error("the server answered something else than it was asked")]
    Answer,
}

impl Remote {
    /// Asks about locks; `hear` gets each answer, and ends a watch when it says no.
    pub fn locks(
        &mut self,
        ask: &Ask,
        hear: &mut (dyn FnMut(Answer) -> bool + Send),
    ) -> Result<(), LockError> {
        let mut refused = None;
        self.authorized(|client, token| {
            client.locks(token, ask, &mut |answer| match answer {
                Answer::No { why, hint } => {
                    refused = Some(LockError::Refused { why, hint });
                    false
                }
                answer => hear(answer),
            })
        })?;
        refused.map_or(Ok(()), Err)
    }
}
