//! Which packs a store's folders held when they were last read: a cache, so that a process need not read them again.
//!
//! ```text
//! header   magic "DITSLIST", version u32, folders u32                                        16 bytes
//! folders  {first byte of its packs' ids u8, zero 3, packs u32, stamp 5 × i64}               48 bytes each
//! packs    {PackId 32, bytes u64, written u64}  by folder, then by id                        48 bytes each
//! trailer  BLAKE3 of all before 32
//! ```
//!
//! A folder counts only while its stamp (inode, and when it was modified and changed, each in seconds and
//! nanoseconds) is what it was. Written in no crash order: whoever finds the file damaged reads the folders.

use crate::PackId;
use crate::bytes::{Fields, FormatError};
use crate::limits::SEGMENT_PACKS_MAX;

const WHAT: &str = "list of packs";
const MAGIC: &[u8; 8] = b"DITSLIST";
const VERSION: u32 = 1;
const FOLDERS_MAX: usize = 256;
const RECORD_BYTES: usize = 48;

/// What tells that a folder has not changed: inode, modified, changed.
pub type Stamp = [i64; 5];

/// A pack in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name.
    pub id: PackId,
    /// Length of the file.
    pub bytes: u64,
    /// When it was written, in nanoseconds since 1970.
    pub written: u64,
}

/// A folder of packs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// First byte of the ids of its packs.
    pub first: u8,
    /// What it was when it was read.
    pub stamp: Stamp,
    /// Its packs, by id.
    pub packs: Vec<Listed>,
}

/// The bytes of a list.
pub fn encode<'a>(folders: impl Iterator<Item = (u8, Stamp, &'a [Listed])> + Clone) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(folders.clone().count() as u32).to_le_bytes());
    for (first, stamp, packs) in folders.clone() {
        out.extend_from_slice(&[first, 0, 0, 0]);
        out.extend_from_slice(&(packs.len() as u32).to_le_bytes());
        stamp.iter().for_each(|part| out.extend_from_slice(&part.to_le_bytes()));
    }
    for pack in folders.flat_map(|(_, _, packs)| packs) {
        out.extend_from_slice(&pack.id.0);
        out.extend_from_slice(&pack.bytes.to_le_bytes());
        out.extend_from_slice(&pack.written.to_le_bytes());
    }
    let hash = blake3::hash(&out);
    out.extend_from_slice(hash.as_bytes());
    out
}

/// Reads a list.
///
/// # Errors
/// [`FormatError`] when it is not an intact list within the limits.
pub fn decode(bytes: &[u8]) -> Result<Vec<Folder>, FormatError> {
    let (body, hash) = bytes.split_last_chunk::<32>().ok_or(FormatError::Truncated { what: WHAT })?;
    if blake3::hash(body).as_bytes() != hash {
        return Err(FormatError::Checksum { what: WHAT });
    }
    let mut fields = Fields::new(body, WHAT);
    fields.magic(MAGIC)?;
    fields.version(VERSION)?;
    let count = fields.count("folders of a list of packs", FOLDERS_MAX, RECORD_BYTES)?;
    let mut folders = Vec::with_capacity(count);
    for _ in 0..count {
        let [first, ..] = fields.array::<4>()?;
        let packs = fields.count("packs of a folder", SEGMENT_PACKS_MAX, RECORD_BYTES)?;
        let mut stamp = Stamp::default();
        for part in &mut stamp {
            *part = fields.u64()? as i64;
        }
        folders.push((first, stamp, packs));
    }
    let mut read = Vec::with_capacity(count);
    for (first, stamp, count) in folders {
        let records = fields.take(count * RECORD_BYTES)?.chunks_exact(RECORD_BYTES);
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let listed = |record: &[u8]| Listed {
            id: PackId(record[..32].try_into().expect("32 bytes")),
            bytes: number(&record[32..40]),
            written: number(&record[40..]),
        };
        read.push(Folder { first, stamp, packs: records.map(listed).collect() });
    }
    fields.end()?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folder(first: u8, packs: u8) -> Folder {
        let listed = |n: u8| Listed { id: PackId([n; 32]), bytes: 5, written: u64::from(n) };
        Folder { first, stamp: [1, -2, 3, i64::MAX, 5], packs: (0..packs).map(listed).collect() }
    }

    fn bytes(folders: &[Folder]) -> Vec<u8> {
        encode(folders.iter().map(|folder| (folder.first, folder.stamp, &folder.packs[..])))
    }

    #[test]
    fn golden_list() {
        let bytes = bytes(&[folder(7, 1)]);
        assert_eq!(
            (bytes.len(), blake3::hash(&bytes).to_hex().as_str()),
            (144, "eaf822fbc195acb0dd050f00c6544646c671f487dde65a2af8decece8eee6426")
        );
    }

    #[test]
    fn what_was_listed_is_read() {
        for folders in [vec![], vec![folder(0, 0)], vec![folder(1, 3), folder(9, 0), folder(255, 200)]] {
            assert_eq!(decode(&bytes(&folders)).unwrap(), folders);
        }
    }

    #[test]
    fn every_damage_is_noticed() {
        let bytes = bytes(&[folder(1, 3)]);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 4;
            assert!(decode(&bad).is_err() && decode(&bytes[..at]).is_err(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), packs: u32) {
            let mut list = [&MAGIC[..], &[1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0], &packs.to_le_bytes()].concat();
            list.append(&mut bytes);
            let hash = blake3::hash(&list);
            list.extend_from_slice(hash.as_bytes());
            let _ = decode(&list).is_ok();
        }
    }
}
