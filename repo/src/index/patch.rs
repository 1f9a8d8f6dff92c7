//! Overwrites stat data inside the bytes of an index; pure, no I/O.
//!
//! Each change names the blob that its entry must hold. This is the whole safety argument: if the entry is
//! the pointer we know and the file is the content we made from that pointer, the entry is clean, whatever
//! its stat data said before. Entries in conflict, with another blob, or absent are reported, not changed.
//!
//! First everything is checked and the places are collected, then the bytes are written: an error leaves
//! the bytes as they were. The length never changes. The trailing hash must be right before and is computed
//! again after; a hash of zeros (`index.skipHash`) stays zeros. If nothing is to be changed, no byte moves.
//!
//! [`set_sizes`] serves entries with a size of 0. To Git that means "compare the content", and after
//! `git stash pop` it makes every `git status` read the whole file. With the true size of the entry's content
//! Git sees at once that a file of another size differs. The stat data must then *not* match the file: an
//! entry gets size 0 also when Git found a changed file that looks the same by stat. So the mtime becomes a
//! moment that no file has and that Git always distrusts (not before the index itself), and a file of
//! the same size is still compared by content.
//!
//! Source: `gitformat-index`; `ie_modified`, `is_racy_stat`, `ce_smudge_racily_clean_entry` in `read-cache.c`.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::{self, Entry, field};
use super::{HashKind, IndexError, Stat, munge_size};

/// What to do with one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The pointer in the worktree was replaced by its content.
    Hydrated {
        /// The blob of the pointer; an entry with another one is left alone.
        expected_oid: Vec<u8>,
        /// The file as it is now.
        stat: Stat,
    },
}

/// A stage-0 entry that names something else than expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherContent {
    /// The path, as the index spells it.
    pub path: Vec<u8>,
    /// The object it names.
    pub entry_oid: Vec<u8>,
}

/// What became of the changes; each path is in exactly one of the lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Stat data written.
    pub patched: Vec<Vec<u8>>,
    /// The entry names another object (or is no regular file).
    pub other_content: Vec<OtherContent>,
    /// The path is in conflict.
    pub unmerged: Vec<Vec<u8>>,
    /// No entry has this path. In a split index it may still be there, without its path or in the shared file.
    pub not_found: Vec<Vec<u8>>,
    /// The index is split.
    pub has_split_link: bool,
}

/// The true size of a pointer's content, for [`set_sizes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointerSize {
    /// The blob of the pointer; an entry with another one is left alone.
    pub oid: Vec<u8>,
    /// Size of the content it stands for, in bytes.
    pub hydrated_size: u64,
}

/// Writes new stat data into the entries named by `changes`, and says what happened to each.
///
/// # Errors
/// If the hash is wrong or the bytes break the format; the bytes are then unchanged.
pub fn patch(
    bytes: &mut [u8],
    kind: HashKind,
    changes: &BTreeMap<Vec<u8>, Change>,
) -> Result<Outcome, IndexError> {
    let hashed = verify_hash(bytes, kind)?;
    let mut outcome = Outcome::default();
    let mut seen = BTreeSet::new();
    let mut edits = Vec::new();
    let summary = layout::walk(bytes, kind, |entry| {
        let Some((path, Change::Hydrated { expected_oid, stat })) = changes.get_key_value(entry.path) else {
            return Ok(());
        };
        match (seen.insert(path), entry.stage) {
            (true, 0) if matches(entry, expected_oid) => {
                edits.push((entry.at, *stat));
                outcome.patched.push(path.clone());
            }
            (true, 0) => {
                outcome.other_content.push(OtherContent { path: path.clone(), entry_oid: entry.oid.to_vec() })
            }
            (true, _) => outcome.unmerged.push(path.clone()),
            (false, 0) => return Err(duplicate(entry)),
            (false, _) if outcome.unmerged.last() == Some(path) => {}
            (false, _) => return Err(duplicate(entry)),
        }
        Ok(())
    })?;
    outcome.has_split_link = summary.has_split_link;
    outcome.not_found = changes.keys().filter(|path| !seen.contains(path)).cloned().collect();
    for (at, stat) in &edits {
        write_stat(bytes, *at, stat);
    }
    if hashed && !edits.is_empty() {
        write_hash(bytes, kind);
    }
    Ok(outcome)
}

/// Gives entries of size 0 the size of the content that their own pointer stands for, and makes sure that
/// their stat data matches no file. Returns the paths that were changed.
///
/// # Errors
/// If the hash is wrong or the bytes break the format; the bytes are then unchanged.
pub fn set_sizes(
    bytes: &mut [u8],
    kind: HashKind,
    sizes: &BTreeMap<Vec<u8>, PointerSize>,
) -> Result<Vec<Vec<u8>>, IndexError> {
    let hashed = verify_hash(bytes, kind)?;
    let mut edits = Vec::new();
    let mut paths = Vec::new();
    layout::walk(bytes, kind, |entry| {
        if let Some((path, wanted)) = sizes.get_key_value(entry.path)
            && entry.stage == 0
            && entry.size == 0
            && wanted.hydrated_size > 0
            && matches(entry, &wanted.oid)
        {
            edits.push((entry.at, munge_size(wanted.hydrated_size)));
            paths.push(path.clone());
        }
        Ok(())
    })?;
    for &(at, size) in &edits {
        write_words(bytes, at + field::MTIME, &[u32::MAX, 0]);
        write_words(bytes, at + field::SIZE, &[size]);
    }
    if hashed && !edits.is_empty() {
        write_hash(bytes, kind);
    }
    Ok(paths)
}

fn matches(entry: &Entry<'_>, oid: &[u8]) -> bool {
    entry.is_regular() && entry.oid == oid
}

fn duplicate(entry: &Entry<'_>) -> IndexError {
    IndexError::Corrupt { what: "unordered stage entries", at: entry.at }
}

/// Whether there is a trailing hash; if so, it is right.
pub(super) fn verify_hash(bytes: &[u8], kind: HashKind) -> Result<bool, IndexError> {
    let body = layout::body(bytes, kind)?;
    let trailer = &bytes[body.len()..];
    if trailer.iter().all(|&b| b == 0) {
        return Ok(false);
    }
    if kind.hash(&[body]) == trailer { Ok(true) } else { Err(IndexError::Checksum(kind.name())) }
}

pub(super) fn write_hash(bytes: &mut [u8], kind: HashKind) {
    let (body, trailer) = bytes.split_at_mut(bytes.len() - kind.len());
    trailer.copy_from_slice(&kind.hash(&[body]));
}

/// The mode stands between the inode and the owner, and stays.
pub(super) fn write_stat(bytes: &mut [u8], at: usize, stat: &Stat) {
    write_words(bytes, at, &[stat.ctime_s, stat.ctime_ns, stat.mtime_s, stat.mtime_ns, stat.dev, stat.ino]);
    write_words(bytes, at + field::MODE + 4, &[stat.uid, stat.gid, stat.size]);
}

/// `at` comes from the walk, which has seen the whole entry.
pub(super) fn write_words(bytes: &mut [u8], at: usize, words: &[u32]) {
    for (place, word) in bytes[at..].chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
}
