//! Why a stream is not opened, in words for people.
//!
//! The first line says what happened; a `hint:` line may say what to do. The reason is for programs: a client
//! asks `git credential` for a token when it reads [`Reason::Unauthorized`], and must not when the token is
//! good but too weak ([`Reason::Forbidden`]). Details of the server's own troubles stay with its owner.

use dits_sync::address::AddressError;
use dits_sync::message::{Message, Reason};

/// A stream that is refused before its welcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub reason: Reason,
    pub text: String,
    /// With [`Reason::Unauthorized`]: ways to log in.
    pub challenges: Vec<String>,
}

/// What is shown as a token, for helpers that ask (`wwwauth[]`).
pub(crate) const BEARER: &str = "Bearer realm=\"git-dits\"";
/// A key of the user's.
pub(crate) const SSH: &str = "SSH";

impl Refusal {
    fn new(reason: Reason, text: impl Into<String>) -> Refusal {
        Refusal { reason, text: text.into(), challenges: Vec::new() }
    }

    /// No token, or none that is good.
    pub fn unauthorized(why: &str, takes_keys: bool) -> Refusal {
        let hint = "hint: give a token of this server as the password; its owner can make one";
        let mut challenges = vec![BEARER.to_owned()];
        challenges.extend(takes_keys.then(|| SSH.to_owned()));
        Refusal { challenges, ..Refusal::new(Reason::Unauthorized, format!("{why}\n{hint}")) }
    }

    /// Too many failed tries from one address.
    pub fn too_many() -> Refusal {
        let text = "too many failed logins from your address\nhint: try again in a minute";
        Refusal::new(Reason::TooMany, text)
    }

    /// The keys of an issuer are not at hand.
    pub fn no_keys(why: &dyn std::fmt::Display) -> Refusal {
        Refusal::new(Reason::Internal, format!("{why} now\nhint: try again in a minute"))
    }

    /// What is written must be written down.
    pub fn no_audit() -> Refusal {
        let text =
            "the server cannot write its audit log, so nothing can be pushed; its owner has been told why";
        Refusal::new(Reason::DiskFull, text)
    }

    /// A token that does not allow this.
    pub fn forbidden(role: crate::Role, repository: &str) -> Refusal {
        let text = format!("the access token does not allow to {role} '{repository}'");
        Refusal::new(Reason::Forbidden, text)
    }

    /// No such repository.
    pub fn not_found(repository: &str) -> Refusal {
        let text = format!("repository '{repository}' not found\nhint: the first push creates it");
        Refusal::new(Reason::NotFound, text)
    }

    /// A request that makes no sense.
    pub fn bad_request(text: impl Into<String>) -> Refusal {
        Refusal::new(Reason::BadRequest, text)
    }

    /// A trouble of ours.
    pub fn internal() -> Refusal {
        Refusal::new(Reason::Internal, "the server failed; its owner has been told why")
    }

    /// The message that tells it.
    pub fn into_message(self) -> Message {
        Message::Refuse { reason: self.reason, text: self.text, challenges: self.challenges }
    }
}

impl From<AddressError> for Refusal {
    fn from(error: AddressError) -> Refusal {
        Refusal::bad_request(error.to_string())
    }
}
