//! Why a host's LFS File Locking API did not do what it was asked, and what can be done about it.
//!
//! No text holds a password: addresses are told without.

use crate::RemoteError;
use http::StatusCode;

/// Why a host did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No address.
    #[error("bad value of 'dits.lockurl': '{0}' is no http:// or https:// address")]
    Url(String),
    /// Settings that cannot be used.
    #[error(transparent)]
    Settings(#[from] Box<RemoteError>),
    /// Nobody answers.
    #[error("cannot reach the lock API at '{url}': {why}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why not.
        why: String,
    },
    /// There is no such API, or none for us.
    #[error("'{url}' has no locks ({status})")]
    NoApi {
        /// Where.
        url: String,
        /// What was answered.
        status: StatusCode,
    },
    /// It wants to know who we are, and nobody can say.
    #[error("authentication failed for '{0}': no user and password, or token, is known")]
    NoLogin(String),
    /// It does not take what it was told.
    #[error("authentication failed for '{url}': {why}")]
    Login {
        /// Where.
        url: String,
        /// Its words.
        why: String,
    },
    /// We may not.
    #[error("'{url}' does not allow it: {why}")]
    Forbidden {
        /// Where.
        url: String,
        /// Its words.
        why: String,
    },
    /// It is elsewhere.
    #[error("the lock API has moved from '{url}' to '{to}'")]
    Moved {
        /// From where.
        url: String,
        /// Where to.
        to: String,
    },
    /// Too often.
    #[error("'{url}' was asked too often{}", .after.as_ref().map(|after| format!(": it wants to be left alone for {after} seconds")).unwrap_or_default())]
    TooMany {
        /// Where.
        url: String,
        /// For how long.
        after: Option<String>,
    },
    /// It failed.
    #[error("'{url}' failed ({status}): {why}")]
    Failed {
        /// Where.
        url: String,
        /// What was answered.
        status: StatusCode,
        /// Its words.
        why: String,
    },
    /// Its answer is none.
    #[error("the answer of '{url}' is none of a lock API: {why}")]
    Answer {
        /// Where.
        url: String,
        /// What is wrong.
        why: String,
    },
}

impl HostError {
    /// Whether the host simply has no locks.
    pub fn is_no_api(&self) -> bool {
        matches!(self, HostError::NoApi { .. })
    }

    /// What can be done.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            HostError::Url(_) => "'git config dits.lockurl https://HOST/ORG/REPOSITORY.git/info/lfs'",
            HostError::NoApi { .. } => {
                "'git config dits.lockurl' must name the repository's LFS address, as https://HOST/ORG/REPOSITORY.git/info/lfs; \
                 hosts answer so too for a repository that you may not see"
            }
            HostError::NoLogin(_) | HostError::Login { .. } => {
                "let 'git credential' know a user and a token for this host that may use its API; \
                 'git config credential.helper' says where Git keeps them"
            }
            HostError::Forbidden { .. } => {
                "locking takes the right to write there, and a token with that scope"
            }
            HostError::Moved { to, .. } => {
                let base = to.split_once("/locks").map_or(&to[..], |(base, _)| base);
                return Some(format!("'git config dits.lockurl {base}'"));
            }
            HostError::TooMany { .. } | HostError::Failed { .. } => "try again later",
            HostError::Unreachable { .. } => {
                "check the address in 'git config dits.lockurl', and that the host is up; where a certificate is not trusted, \
                 name its authority: 'git config http.sslCAInfo FILE'"
            }
            HostError::Answer { .. } => "check the address in 'git config dits.lockurl'",
            HostError::Settings(error) => return crate::hint(&**error),
        };
        Some(text.to_owned())
    }
}
