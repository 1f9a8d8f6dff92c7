//! All that is printed: results on stdout, everything else on stderr.
//!
//! Errors are worded like Git's: `error: `, lower case, the causes after it, then `hint: ` lines with
//! something to do. Which error leads to which hint and exit code is decided here and nowhere else. A reader
//! that closes stdout early ends us as it ends `git`: quietly, with the exit code of SIGPIPE. What cannot be
//! written to stderr is lost: there is nobody left to tell.

use anyhow::{Error, Result};
use dits_repo::RepoError;
use std::error::Error as StdError;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

pub use dits_remote::meter::human_bytes;

/// Exit code of a failed command.
pub const FAILED: u8 = 2;
/// Exit code where nothing can be begun: no repository, or none of the kind needed; Git's own.
pub const FATAL: u8 = 128;
/// 128 + SIGPIPE.
const CLOSED: u8 = 141;

/// A failure with its hint, for what no library reports.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong.
    pub text: String,
    /// What to do about it, if anything.
    pub hint: Option<String>,
    /// How the command exits.
    pub code: u8,
}

impl Failure {
    /// A failure with a hint.
    pub fn new(text: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { text: text.into(), hint: Some(hint.into()), code: FAILED }
    }

    /// The same where Git itself says "fatal": nothing was begun.
    pub fn fatal(text: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { code: FATAL, ..Failure::new(text, hint) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Failure {}

/// Nobody reads stdout any more.
#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("standard output is closed")
    }
}

impl StdError for Closed {}

/// Prints a result as it is.
pub fn stdout(bytes: impl AsRef<[u8]>) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes.as_ref()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(closed()),
        Err(error) => Err(Error::from(error).context("cannot write to standard output")),
    }
}

/// The error of a reader that is gone, for results that are not printed by [`stdout`].
pub fn closed() -> Error {
    Closed.into()
}

/// Prints one line of a result.
pub fn line(text: &str) -> Result<()> {
    stdout(format!("{text}\n"))
}

/// Says something that is neither a result nor wrong.
pub fn notice(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says what failed.
pub fn error(text: &str) {
    notice(&format!("error: {text}"));
}

/// Says what may become a problem.
pub fn warning(text: &str) {
    notice(&format!("warning: {text}"));
}

/// Says what to do about it.
pub fn hint(text: &str) {
    text.lines().for_each(|line| notice(&format!("hint: {line}")));
}

/// Reports why a command failed, and how to exit.
pub fn failure(failed: &Error) -> ExitCode {
    if failed.is::<Closed>() {
        return ExitCode::from(CLOSED);
    }
    if failed.chain().any(|cause| matches!(cause.downcast_ref(), Some(RepoError::NotARepository))) {
        // The exact words that users and tools of git-lfs know.
        notice("Not in a Git repository.");
        return ExitCode::from(FATAL);
    }
    error(&text(failed));
    if let Some(text) = failed.chain().find_map(hint_for) {
        hint(&text);
    }
    ExitCode::from(code(failed))
}

/// How a command exits that failed so.
pub fn code(failed: &Error) -> u8 {
    let of = |cause: &(dyn StdError + 'static)| match cause.downcast_ref::<RepoError>() {
        Some(RepoError::NotARepository | RepoError::Bare) => Some(FATAL),
        _ => cause.downcast_ref::<Failure>().map(|failure| failure.code),
    };
    failed.chain().find_map(of).unwrap_or(FAILED)
}

/// Reports why content could not be fetched.
pub fn fetch_error(failed: &RepoError) {
    error(&format!("cannot fetch content: {failed}"));
    if let Some(text) = hint_for(failed) {
        hint(&text);
    }
}

/// The error and its causes; a cause that the text already holds is not repeated.
pub fn text(failed: &Error) -> String {
    failed.chain().map(ToString::to_string).fold(String::new(), |text, cause| match &text[..] {
        "" => cause,
        known if known.contains(&cause) => text,
        _ => format!("{text}: {cause}"),
    })
}

/// The hint of a failure of ours, or what is known of the libraries' errors.
pub fn hint_for(cause: &(dyn StdError + 'static)) -> Option<String> {
    match cause.downcast_ref::<Failure>() {
        Some(failure) => failure.hint.clone(),
        None => dits_remote::hint(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let spawn = RepoError::Spawn(io::Error::other("no git"));
        assert_eq!(text(&Error::from(spawn)), "cannot run git: no git");
        let wrapped = Error::from(io::Error::other("disk on fire")).context("cannot write");
        assert_eq!(text(&wrapped), "cannot write: disk on fire");
    }
}
