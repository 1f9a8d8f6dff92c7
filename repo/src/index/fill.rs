//! Stat data for all entries of an index whose files nobody has written; pure, no I/O.
//!
//! `git read-tree` leaves every entry without stat data, and the next `git status` would read all files. Whoever knows what `lstat` will say
//! of each (a mount) can say so before anything is looked at. Git then compares, and never reads.
//!
//! Left alone: entries in conflict, those that a sparse checkout leaves out, submodules (Git asks their own `HEAD`), and paths of which nothing is known.
//! The index must not be split: most of its entries would be in another file.

use super::layout;
use super::patch::{verify_hash, write_hash, write_stat};
use super::{HashKind, IndexError, Stat};

const SUBMODULE: u32 = 0o160_000;
const FOLDER: u32 = 0o040_000;

/// Writes what `stat_of` says of each path; gives back how many entries that were.
///
/// # Errors
/// If the hash is wrong, the index is split, or the bytes break the format; the bytes are then unchanged.
pub fn fill(
    bytes: &mut [u8],
    kind: HashKind,
    mut stat_of: impl FnMut(&[u8]) -> Option<Stat>,
) -> Result<usize, IndexError> {
    let hashed = verify_hash(bytes, kind)?;
    let mut edits = Vec::new();
    let summary = layout::walk(bytes, kind, |entry| {
        if entry.stage == 0 && !entry.skip_worktree && ![SUBMODULE, FOLDER].contains(&entry.mode) {
            edits.extend(stat_of(entry.path).map(|stat| (entry.at, stat)));
        }
        Ok(())
    })?;
    if summary.has_split_link {
        return Err(IndexError::Split);
    }
    for (at, stat) in &edits {
        write_stat(bytes, *at, stat);
    }
    if hashed && !edits.is_empty() {
        write_hash(bytes, kind);
    }
    Ok(edits.len())
}
