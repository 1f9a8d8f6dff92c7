//! Ledgers: what a server remembers of contents beside its store.
//!
//! A ledger only grows, until it is written anew as a whole. Each entry is about one id: that a content is attached
//! to a repository by a manifest, that a chunk arrived through it, or that somebody was promised a content (a lease),
//! and when. An entry carries its own checksum, so one that is damaged is told from others and takes nothing with it; a
//! cut entry at the end is what a crash leaves, and never was promised to anybody.
//!
//! ```text
//! head   "DITSLEDG", version u32 = 1, generation u32: how often it was written anew
//! entry  id 32, manifest 32 (zeros where there is none), seconds since 1970 u64, first 8 bytes of the BLAKE3 of these 72
//! ```

use crate::ChunkId;
use crate::bytes::{Fields, FormatError};

/// Bytes of the head.
pub const HEAD_BYTES: usize = 16;
/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 80;
/// Entries of one ledger that are read.
pub const ENTRIES_MAX: usize = 1 << 26;

const MAGIC: &[u8; 8] = b"DITSLEDG";
const VERSION: u32 = 1;
const WHAT: &str = "ledger";
const CHECKED_BYTES: usize = ENTRY_BYTES - 8;

/// One thing that happened to one content or chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The content's oid, or the chunk's id.
    pub id: [u8; 32],
    /// The manifest it is about, or zeros.
    pub manifest: ChunkId,
    /// When, in seconds since 1970.
    pub seconds: u64,
}

/// The front of a ledger of this generation.
pub fn head(generation: u32) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head[12..].copy_from_slice(&generation.to_le_bytes());
    head
}

/// Reads the front of a ledger: its generation.
///
/// # Errors
/// When it is not one, or a newer one.
pub fn decode_head(bytes: &[u8]) -> Result<u32, FormatError> {
    let mut fields = Fields::new(bytes, WHAT);
    fields.magic(MAGIC)?;
    fields.version(VERSION)?;
    fields.u32()
}

/// Entries in a row, as they stand after the head.
pub fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    for entry in entries {
        let from = out.len();
        out.extend_from_slice(&entry.id);
        out.extend_from_slice(&entry.manifest.0);
        out.extend_from_slice(&entry.seconds.to_le_bytes());
        let check = blake3::hash(&out[from..]);
        out.extend_from_slice(&check.as_bytes()[..8]);
    }
    out
}

/// Reads entries back: those that are intact, and how many are not. A cut one at the end is left out.
pub fn decode(bytes: &[u8]) -> (Vec<Entry>, usize) {
    let (mut entries, mut damaged) = (Vec::with_capacity(bytes.len() / ENTRY_BYTES), 0);
    for record in bytes.chunks_exact(ENTRY_BYTES) {
        match decode_one(record) {
            Some(entry) => entries.push(entry),
            None => damaged += 1,
        }
    }
    (entries, damaged)
}

fn decode_one(record: &[u8]) -> Option<Entry> {
    let (checked, check) = record.split_at_checked(CHECKED_BYTES)?;
    if &blake3::hash(checked).as_bytes()[..8] != check {
        return None;
    }
    let mut fields = Fields::new(checked, WHAT);
    let id = fields.array().ok()?;
    Some(Entry { id, manifest: ChunkId(fields.array().ok()?), seconds: fields.u64().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Oid};
    use proptest::prelude::*;

    fn entry() -> Entry {
        let manifest = ChunkId::of(Kind::Manifest, b"m");
        Entry { id: Oid::of(b"hello world").0, manifest, seconds: 1_600_000_000 }
    }

    #[test]
    fn golden_ledger() {
        let bytes = [&head(0)[..], &encode(&[entry()])].concat();
        assert_eq!(bytes.len(), HEAD_BYTES + ENTRY_BYTES);
        assert_eq!(
            blake3::hash(&bytes).to_hex().as_str(),
            "a7419169d2733727812b2a6b9c4fa2d1bf340661552eb8e60a9350a88e71f462"
        );
        assert_eq!((decode_head(&bytes), decode_head(&head(7))), (Ok(0), Ok(7)));
        assert_eq!(decode(&bytes[HEAD_BYTES..]), (vec![entry()], 0));
    }

    #[test]
    fn damage_takes_one_entry_and_a_cut_takes_the_last() {
        let three = encode(&[entry(); 3]);
        for at in 0..ENTRY_BYTES {
            let mut bytes = three.clone();
            bytes[ENTRY_BYTES + at] ^= 1;
            assert_eq!(decode(&bytes), (vec![entry(); 2], 1), "byte {at}");
        }
        for len in 0..three.len() {
            assert_eq!(decode(&three[..len]), (vec![entry(); len / ENTRY_BYTES], 0));
        }
        for at in 0..12 {
            let mut bytes = head(0);
            bytes[at] ^= 1;
            assert!(decode_head(&bytes).is_err(), "byte {at}");
            assert!(decode_head(&head(0)[..at]).is_err());
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_back(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode_head(&bytes);
            let (entries, damaged) = decode(&bytes);
            prop_assert_eq!(entries.len() + damaged, bytes.len() / ENTRY_BYTES);
            prop_assert_eq!(decode(&encode(&entries)), (entries, 0));
        }
    }
}
