//! Why a stream is not opened, in words for people.
//!
//! The first line says what happened; a `hint:` line may say what to do. The reason is for programs: a client
//! asks `git credential` for a token when it reads [`Reason::Unauthorized`], and must not when the token is
//! good but too weak ([`Reason::Forbidden`]). Details of the server's own troubles stay with its owner.

use dits_sync::message::{Message, Reason};
use dits_sync::{SyncError, address::AddressError};

/// A stream that is refused before its welcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub reason: Reason,
    pub text: String,
}

impl Refusal {
    /// No token, or none of ours.
    pub fn unauthorized(token: &str) -> Refusal {
        let what =
            if token.is_empty() { "an access token is needed" } else { "the access token is not valid" };
        let hint = "hint: give a token of this server as the password; its owner can make one";
        Refusal { reason: Reason::Unauthorized, text: format!("{what}\n{hint}") }
    }

    /// A token that does not allow this.
    pub fn forbidden(role: crate::Role, repository: &str) -> Refusal {
        let text = format!("the access token does not allow to {role} '{repository}'");
        Refusal { reason: Reason::Forbidden, text }
    }

    /// No such repository.
    pub fn not_found(repository: &str) -> Refusal {
        let text = format!("repository '{repository}' not found\nhint: the first push creates it");
        Refusal { reason: Reason::NotFound, text }
    }

    /// A request that makes no sense.
    pub fn bad_request(text: impl Into<String>) -> Refusal {
        Refusal { reason: Reason::BadRequest, text: text.into() }
    }

    /// A trouble of ours.
    pub fn internal() -> Refusal {
        Refusal { reason: Reason::Internal, text: "the server failed; its owner has been told why".into() }
    }

    /// The message that tells it.
    pub fn into_message(self) -> Message {
        SyncError::Refused { reason: self.reason, text: self.text }.to_refusal()
    }
}

impl From<AddressError> for Refusal {
    fn from(error: AddressError) -> Refusal {
        Refusal::bad_request(error.to_string())
    }
}
