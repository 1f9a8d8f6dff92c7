//! New ctimes for entries whose files were only given another mode; pure, no I/O.
//!
//! A change of mode moves nothing but the ctime. An entry that had the file's ctime before, to the nanosecond, names
//! the file as it was, so it may have the new one; all its other bytes stay, and Git finds in them what it found before.

use super::layout::{self, field};
use super::patch::{verify_hash, write_hash, write_words};
use super::{HashKind, IndexError, Stat};
use std::fs::Metadata;

/// What an entry says of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Path from the top of the working tree.
    pub path: Vec<u8>,
    /// Where the entry starts in the index.
    pub at: usize,
    /// 0 normally; 1 to 3 for the sides of a conflict.
    pub stage: u8,
    ctime: [u32; 2],
    mtime: [u32; 2],
    size: u32,
}

impl Recorded {
    /// Whether the file seems to hold something else than the entry. Its ctime alone says nothing: copying a working
    /// tree moves it.
    pub fn differs(&self, meta: &Metadata) -> bool {
        let now = Stat::from_metadata(meta);
        (self.mtime, self.size) != ([now.mtime_s, now.mtime_ns], now.size)
    }

    /// Whether nothing at all has happened to the file since.
    pub fn is_current(&self, meta: &Metadata) -> bool {
        let now = Stat::from_metadata(meta);
        self.ctime == [now.ctime_s, now.ctime_ns]
    }
}

/// The entries of regular files whose path is `wanted`, and whether the index is split, so that there may be more.
///
/// # Errors
/// If the hash is wrong or the bytes break the format.
pub fn recorded(
    bytes: &[u8],
    kind: HashKind,
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<(Vec<Recorded>, bool), IndexError> {
    verify_hash(bytes, kind)?;
    let mut found = Vec::new();
    let summary = layout::walk(bytes, kind, |entry| {
        if entry.is_regular() && !entry.skip_worktree && wanted(entry.path) {
            let word = |at: usize| {
                let at = entry.at + at;
                bytes[at..at + 4].iter().fold(0, |word, byte| word << 8 | u32::from(*byte))
            };
            found.push(Recorded {
                path: entry.path.to_vec(),
                at: entry.at,
                stage: entry.stage,
                ctime: [word(0), word(4)],
                mtime: [word(field::MTIME), word(field::MTIME + 4)],
                size: entry.size,
            });
        }
        Ok(())
    })?;
    Ok((found, summary.has_split_link))
}

/// Writes the ctimes of files into entries, which start where [`recorded`] has said of the same bytes.
///
/// # Errors
/// If the hash is wrong; the bytes are then unchanged.
pub fn set_ctimes(bytes: &mut [u8], kind: HashKind, files: &[(usize, Metadata)]) -> Result<(), IndexError> {
    if files.is_empty() {
        return Ok(());
    }
    let hashed = verify_hash(bytes, kind)?;
    for (at, meta) in files {
        let now = Stat::from_metadata(meta);
        write_words(bytes, *at, &[now.ctime_s, now.ctime_ns]);
    }
    if hashed {
        write_hash(bytes, kind);
    }
    Ok(())
}
