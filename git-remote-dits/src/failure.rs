//! Failures of the helper itself, with what can be done about them. Errors of the libraries have their hints in
//! `dits_remote::hint`.

use std::error::Error;
use std::fmt;

/// A failure with a hint.
#[derive(Debug)]
pub struct Failure {
    text: String,
    hint: String,
}

impl Failure {
    /// A failure with a hint.
    pub fn new(text: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { text: text.into(), hint: hint.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Failure {}

/// The hint for an error, or for a cause of it.
pub fn hint(error: &anyhow::Error) -> Option<String> {
    // What stands on top of an error is found by `downcast_ref` of the whole, not of its links.
    let own = error.downcast_ref::<Failure>().map(|failure| failure.hint.clone());
    own.or_else(|| error.chain().find_map(dits_remote::hint))
}
