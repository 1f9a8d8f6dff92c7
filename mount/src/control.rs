//! What commands and hooks say to the process that serves a mount, and hear from it.
//!
//! One connection to its socket is one question: a line of JSON, at most [`LINE_BYTES_MAX`] long, then answers, a line each; the last
//! is not [`Answer::Progress`]. Pure: who carries the lines is elsewhere.

use crate::read::Traced;
use serde::{Deserialize, Serialize};

/// Longest line of a question, in bytes.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// Whether somebody is there, and how the mount is doing.
    Status,
    /// Which paths changed since a token of fsmonitor.
    Changes {
        /// The token; anything else means "since ever".
        since: String,
    },
    /// Brings what is below these paths to this machine; answers with progress.
    Prefetch {
        /// Paths from the top of the mount, escaped as in [`path_text`].
        paths: Vec<String>,
        /// Whether they are to be files of their own here, which are read as fast as any.
        whole: bool,
    },
    /// The same of ranges of files.
    PrefetchRanges {
        /// Which.
        ranges: Vec<Traced>,
    },
    /// Ends the mount.
    Unmount {
        /// Even when files are open for writing.
        force: bool,
    },
    /// The locks of this clone changed: who may write is looked at again.
    LocksChanged,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// How the mount is doing.
    Status(Box<Status>),
    /// Paths that changed.
    Changes {
        /// For the next question.
        token: String,
        /// The paths, escaped as in [`path_text`]; `None` when anything may have changed.
        paths: Option<Vec<String>>,
    },
    /// How far a prefetch is.
    Progress {
        /// Files that are here.
        files: u64,
        /// Files in all.
        files_total: u64,
        /// Bytes that came.
        bytes: u64,
        /// Bytes to come in all.
        bytes_total: u64,
    },
    /// It is done.
    Done,
    /// It was not done.
    Failed {
        /// Why, worded as Git would.
        why: String,
        /// What to do, if anything.
        hint: Option<String>,
    },
}

/// How a mount is doing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Process that serves it.
    pub pid: u32,
    /// Whether nothing can be written.
    pub read_only: bool,
    /// Whether remotes could be reached when one was last needed.
    pub online: bool,
    /// Files of the tree.
    pub files: u64,
    /// Of these, ghosts.
    pub ghosts: u64,
    /// Files open for writing, escaped as in [`path_text`].
    pub writing: Vec<String>,
    /// The last things that went wrong, newest last.
    pub troubles: Vec<String>,
    /// What was counted.
    pub stats: serde_json::Value,
}

/// A path as text: bytes that are not UTF-8, controls and `\` as `\xHH`.
pub fn path_text(path: &[u8]) -> String {
    let mut text = String::new();
    for part in path.utf8_chunks() {
        for char in part.valid().chars() {
            if char == '\\' || char.is_control() {
                let mut bytes = [0; 4];
                char.encode_utf8(&mut bytes).bytes().for_each(|byte| text += &format!("\\x{byte:02x}"));
            } else {
                text.push(char);
            }
        }
        part.invalid().iter().for_each(|byte| text += &format!("\\x{byte:02x}"));
    }
    text
}

/// The path that [`path_text`] made this of; `None` for anything it does not make.
pub fn path_bytes(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let digits = rest.strip_prefix(b"x").and_then(|digits| digits.split_at_checked(2))?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        out.push((digit(digits.0[0])? * 16 + digit(digits.0[1])?) as u8);
        rest = digits.1;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_path_comes_back_from_its_text(path: Vec<u8>) {
            prop_assert_eq!(path_bytes(&path_text(&path)), Some(path));
        }
    }

    #[test]
    fn a_question_is_one_line_of_json() {
        let ask = Ask::Changes { since: "a:1".into() };
        let text = serde_json::to_string(&ask).unwrap();
        assert_eq!(text, r#"{"ask":"changes","since":"a:1"}"#);
        assert_eq!(serde_json::from_str::<Ask>(&text).unwrap(), ask);
    }
}
