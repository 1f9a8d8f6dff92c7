//! Names of files, so that they mean the same everywhere: one spelling for each, and which cannot exist where.
//!
//! Names are bytes to Git and to us, and are stored and written as they are: nothing here changes a file. This
//! says what a name would be on other systems. Windows knows neither some characters nor the names of its
//! devices; macOS takes two normal forms of Unicode for one name; both take upper and lower case for one. Two
//! files that differ only so become one there, and one of them is lost from sight.

use crate::{RepoError, Repository};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use unicode_normalization::UnicodeNormalization;

/// UTF-16 units of one part of a path on Windows and macOS.
const PART_UNITS_MAX: usize = 255;
/// UTF-16 units of a whole path on Windows without `core.longpaths`.
const PATH_UNITS_MAX: usize = 259;
/// Names of devices on Windows, in every folder and with every extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Why a name cannot exist on some system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A device on Windows, whatever follows the first dot.
    Device(String),
    /// Holds a character that Windows knows not in names.
    Character(String, char),
    /// Ends in a dot or space, which Windows drops.
    Ending(String),
    /// Longer than file systems allow.
    LongPart(String),
    /// Longer than Windows allows unless it is told otherwise.
    LongPath,
    /// Not UTF-8: neither Windows nor macOS can have it.
    NotText,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Device(part) => write!(f, "'{part}' is a device on Windows"),
            Problem::Character(part, c) => {
                write!(
                    f,
                    "'{}' holds '{}', which Windows does not allow",
                    part.escape_debug(),
                    c.escape_debug()
                )
            }
            Problem::Ending(part) => write!(f, "'{part}' ends in a dot or space, which Windows drops"),
            Problem::LongPart(_) => write!(f, "a part of it is longer than {PART_UNITS_MAX} characters"),
            Problem::LongPath => {
                write!(
                    f,
                    "longer than {PATH_UNITS_MAX} characters, which Windows allows only with core.longpaths"
                )
            }
            Problem::NotText => write!(f, "not UTF-8, so neither Windows nor macOS can have it"),
        }
    }
}

/// What would keep a path of a repository from existing elsewhere.
pub fn problems(path: &[u8]) -> Vec<Problem> {
    let Ok(text) = std::str::from_utf8(path) else { return vec![Problem::NotText] };
    let mut found: Vec<Problem> = text.split('/').filter_map(problem).collect();
    if text.encode_utf16().count() > PATH_UNITS_MAX {
        found.push(Problem::LongPath);
    }
    found
}

/// The first thing wrong with one part of a path.
fn problem(part: &str) -> Option<Problem> {
    let own = || part.to_owned();
    let is_bad = |c: &char| c.is_ascii_control() || "<>:\"|?*\\".contains(*c);
    if let Some(c) = part.chars().find(is_bad) {
        return Some(Problem::Character(own(), c));
    }
    if is_device(part) {
        return Some(Problem::Device(own()));
    }
    if part.ends_with(['.', ' ']) {
        return Some(Problem::Ending(own()));
    }
    (part.encode_utf16().count() > PART_UNITS_MAX).then(|| Problem::LongPart(own()))
}

fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_lowercase();
    let numbered = |stem: &str| {
        let digit = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
        // Windows takes the superscript digits for digits here.
        digit.is_some_and(|digit| {
            digit.chars().count() == 1 && digit.starts_with(|c| "123456789¹²³".contains(c))
        })
    };
    DEVICES.contains(&&stem[..]) || numbered(&stem)
}

/// The one spelling of a path: Unicode in normal form C, and lower case. A path that is not UTF-8 keeps its bytes.
fn spelling(path: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(path) {
        Err(_) => path.to_ascii_lowercase(),
        Ok(_) if path.is_ascii() => path.to_ascii_lowercase(),
        Ok(text) => text.nfc().flat_map(char::to_lowercase).nfc().collect::<String>().into_bytes(),
    }
}

/// Paths, of files or of the folders they are in, that are one on a system that knows neither case nor normal
/// forms: each list has several spellings of one name.
pub fn clashes<'a>(paths: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<Vec<u8>>> {
    let mut spellings: BTreeMap<Vec<u8>, BTreeSet<&[u8]>> = BTreeMap::new();
    let mut before: &[u8] = &[];
    for path in paths {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        // Neighbours are mostly in one folder, which is entered already.
        let same = path.iter().zip(std::mem::replace(&mut before, path)).take_while(|(a, b)| a == b).count();
        for end in ends.filter(|end| *end >= same).chain([path.len()]) {
            spellings.entry(spelling(&path[..end])).or_default().insert(&path[..end]);
        }
    }
    let several = spellings.into_values().filter(|same| same.len() > 1);
    // Below a folder that is spelled in two ways everything is; the folder is named once.
    let parent = |path: &[u8]| path.iter().rposition(|byte| *byte == b'/').map(|at| path[..at].to_vec());
    let first =
        |same: &BTreeSet<&[u8]>| same.iter().map(|path| parent(path)).collect::<BTreeSet<_>>().len() == 1;
    several.filter(first).map(|same| same.into_iter().map(<[u8]>::to_vec).collect()).collect()
}

/// What to do about names that cannot exist everywhere (`dits.portablenames`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Nothing: this repository is for one system.
    Off,
    /// Say so, and refuse names of devices.
    Warn,
    /// Refuse them.
    Refuse,
}

impl Policy {
    /// That of a repository.
    pub fn of(repository: &Repository) -> Result<Policy, RepoError> {
        const KEY: &str = "dits.portablenames";
        let Some(value) = repository.setting(KEY)? else { return Ok(Policy::Warn) };
        match &value.to_ascii_lowercase()[..] {
            "off" | "false" | "no" | "0" => Ok(Policy::Off),
            "warn" => Ok(Policy::Warn),
            "error" | "on" | "true" | "yes" | "1" => Ok(Policy::Refuse),
            _ => Err(RepoError::Setting { key: KEY.into(), value }),
        }
    }

    /// Whether a name with this problem is refused.
    pub fn refuses(self, problem: &Problem) -> bool {
        self == Policy::Refuse || (self == Policy::Warn && matches!(problem, Problem::Device(_)))
    }
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
