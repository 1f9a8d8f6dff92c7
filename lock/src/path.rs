//! The one spelling of a place in a repository, so that whoever means the same file meets at the same lock.
//!
//! A path counts from the top of the working tree, with `/` between its parts. Its text is what the first holder wrote, in the
//! composed normal form of Unicode (NFC); its [key](LockPath::key) is the same without the difference of upper and lower case, as files
//! whose names differ only in case are one file on Windows and macOS. So on Linux a lock also covers a file that differs in case from its own,
//! which errs on the safe side. A `/` at the end makes a lock of everything below a folder.
//!
//! Fails as [`PathError`]: what is no place in a repository, or cannot be one everywhere, is never locked.

use serde::{Deserialize, Serialize};
use std::fmt;
use unicode_normalization::UnicodeNormalization;

/// Bytes of a path.
pub const PATH_BYTES_MAX: usize = 4095;

/// Why a text is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing, or only slashes and dots.
    #[error("it names nothing in the repository")]
    Empty,
    /// Counts from somewhere else: `/x`, `C:/x`, `\\host\x`.
    #[error("it is absolute, not a path in the repository")]
    Absolute,
    /// Leaves the repository.
    #[error("it leads out of the repository")]
    Above,
    /// Git's own folder.
    #[error("it is inside '.git'")]
    Git,
    /// Holds what no name may.
    #[error("it holds a backslash or a control character")]
    Character,
    /// Too long.
    #[error("it is longer than {PATH_BYTES_MAX} bytes")]
    Long,
}

/// A place: a file, or all below a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LockPath(String);

impl LockPath {
    /// Reads a path.
    ///
    /// # Errors
    /// [`PathError`] when it is no place in a repository.
    pub fn parse(text: &str) -> Result<LockPath, PathError> {
        if has_drive(text) || text.starts_with('/') || text.starts_with("\\\\") {
            return Err(PathError::Absolute);
        }
        if text.chars().any(|c| c.is_control() || c == '\\') {
            return Err(PathError::Character);
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            return Err(PathError::Above);
        }
        if parts.iter().any(|part| part.eq_ignore_ascii_case(".git")) {
            return Err(PathError::Git);
        }
        let mut path: String = parts.join("/").nfc().collect();
        if path.is_empty() {
            return Err(PathError::Empty);
        }
        // What is left may have one, behind './' or as a letter that is another in this form.
        if has_drive(&path) {
            return Err(PathError::Absolute);
        }
        if text.ends_with('/') {
            path.push('/');
        }
        if path.len() > PATH_BYTES_MAX { Err(PathError::Long) } else { Ok(LockPath(path)) }
    }

    /// As its first holder wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is all below a folder.
    pub fn is_prefix(&self) -> bool {
        self.0.ends_with('/')
    }

    /// What two spellings of one place share.
    pub fn key(&self) -> String {
        key(&self.0)
    }
}

/// A drive counts as absolute wherever we are: nobody on Windows could have such a file.
fn has_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

impl TryFrom<String> for LockPath {
    type Error = PathError;

    fn try_from(text: String) -> Result<LockPath, PathError> {
        LockPath::parse(&text)
    }
}

impl From<LockPath> for String {
    fn from(path: LockPath) -> String {
        path.0
    }
}

impl fmt::Display for LockPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of a file that is in a tree, whether it could be locked by itself or not.
pub fn key(path: &str) -> String {
    // Upper case first: of letters that share it several have a lower case (ς and σ, ß and ss). Some come apart by it.
    path.nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

/// The keys of the folders above a key, with their slash: those whose locks cover it.
pub fn folders_above(key: &str) -> impl Iterator<Item = &str> {
    let end = key.trim_end_matches('/').len();
    key[..end].match_indices('/').map(|(at, _)| &key[..=at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_place_meet() {
        let key = |text: &str| LockPath::parse(text).unwrap().key();
        for (one, other) in [
            ("Content/Hero.uasset", "content//./hero.UASSET"),
            ("a/\u{e9}.png", "A/e\u{301}.PNG"),
            ("Maps/", "./maps//"),
            ("\u{130}.x", "i\u{307}.x"),
            ("ΟΔΟΣ", "οδοσ"),
            ("οδος.psd", "ΟΔΟΣ.psd"),
            ("Straße/a", "STRASSE/A"),
        ] {
            assert_eq!(key(one), key(other), "{one} {other}");
        }
        assert_ne!(key("Maps"), key("Maps/"));
        assert_eq!(LockPath::parse("./A//b").unwrap().as_str(), "A/b", "the case is the holder's");
    }

    #[test]
    fn what_is_no_place_is_refused() {
        use PathError::*;
        for (text, why) in [
            ("", Empty),
            ("./", Empty),
            ("/etc/passwd", Absolute),
            ("C:/x", Absolute),
            ("c:x", Absolute),
            ("./c:/x", Absolute),
            ("\u{212a}:/x", Absolute),
            ("\\\\host\\share", Absolute),
            ("a/../../b", Above),
            ("..", Above),
            (".git/config", Git),
            ("sub/.GIT/x", Git),
            ("a\\b", Character),
            ("a\0b", Character),
            ("a\nb", Character),
            (&"x/".repeat(3000), Long),
        ] {
            assert_eq!(LockPath::parse(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn folders_above_end_in_a_slash() {
        assert_eq!(folders_above("a/b/c").collect::<Vec<_>>(), ["a/", "a/b/"]);
        assert_eq!(folders_above("a/b/").collect::<Vec<_>>(), ["a/"]);
        assert_eq!(folders_above("a").count(), 0);
    }

    proptest! {
        #[test]
        fn a_spelling_is_its_own(text in "\\PC{0,40}|[a-cA-CσςΣßſİıŉΐᾳ\u{301}\u{307}\u{345}./]{0,12}") {
            if let Ok(path) = LockPath::parse(&text) {
                prop_assert_eq!(LockPath::parse(path.as_str()), Ok(path.clone()));
                prop_assert_eq!(super::key(&path.key()), path.key());
            }
        }
    }
}
