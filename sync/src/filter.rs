//! The filter of a server's chunks: "surely absent", or "ask".
//!
//! BinaryFuse8 (Graf and Lemire, 2022; 9 bits an id, 0.4 % falsely present) over the first 8 bytes of each id, in parts
//! of [`PART_IDS`] that follow each other by id, so that building one takes 40 MB whatever the store holds. It is a hint
//! and nothing else: what it calls absent may be sent unasked, the rest is asked exactly, and what is bound is
//! looked up exactly. So a filter that is old, of another store or plainly wrong costs bytes, never data.
//!
//! Bytes, little-endian: magic `DITSFLTR`, version `u32` 1, epoch `u64`, count of parts `u32`, then for each part: first
//! key `u64` (the id's first 8 bytes read as a big-endian number; never falling), seed `u64`, segment length `u32`, its
//! mask `u32`, length of all segments `u32`, count of fingerprints `u32`, these. The epoch is the beginning of the
//! BLAKE3 of everything behind it, so equal filters have equal epochs and damage shows.

use dits_format::ChunkId;
use dits_format::bytes::{Fields, FormatError};
use std::fmt;
use xorf::{BinaryFuse8, BinaryFuse8Ref, DmaSerializable, Filter as _, FilterRef as _};

/// Bytes of a filter.
pub const FILTER_BYTES_MAX: usize = 16 << 20;
/// Ids of one part.
pub const PART_IDS: usize = 1 << 20;
/// Parts of a filter: as many as fit.
const PARTS_MAX: usize = 16;
const WHAT: &str = "filter";
const MAGIC: &[u8] = b"DITSFLTR";
const VERSION: u32 = 1;
const DESCRIPTOR_BYTES: usize = BinaryFuse8::DESCRIPTOR_LEN;
const PART_HEADER_BYTES: usize = 8 + DESCRIPTOR_BYTES + 4;
/// Where the epoch ends.
const HEAD_BYTES: usize = 8 + 4 + 8;

/// A filter, checked so that lookups need no further care.
#[derive(Clone, PartialEq, Eq)]
pub struct Filter {
    epoch: u64,
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq)]
struct Part {
    first: u64,
    descriptor: [u8; DESCRIPTOR_BYTES],
    prints: Vec<u8>,
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({:016x})", self.epoch)
    }
}

fn key(id: &ChunkId) -> u64 {
    u64::from_be_bytes(id.0[..8].try_into().expect("an id has 32 bytes"))
}

impl Filter {
    /// A filter of `ids`, which come in rising order; `None` when they do not, or are too many for one.
    pub fn build(ids: impl Iterator<Item = ChunkId>) -> Option<Filter> {
        let mut building = Building::default();
        for id in ids {
            building.push(&id)?;
        }
        building.finish()
    }

    /// Its number: another one for another set of ids.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// False when the chunk was surely absent when the filter was built.
    pub fn may_have(&self, id: &ChunkId) -> bool {
        let key = key(id);
        let at = self.parts.partition_point(|part| part.first <= key);
        let part = at.checked_sub(1).and_then(|at| self.parts.get(at));
        part.is_some_and(|part| BinaryFuse8Ref::from_dma(&part.descriptor, &part.prints).contains(&key))
    }

    /// The epoch that stands at the beginning of a filter's bytes.
    pub fn epoch_in(bytes: &[u8]) -> Option<u64> {
        let epoch = bytes.get(HEAD_BYTES - 8..HEAD_BYTES)?;
        Some(u64::from_le_bytes(epoch.try_into().expect("eight bytes")))
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.epoch.to_le_bytes());
        encode_parts(&self.parts, &mut out);
        out
    }

    /// Reads the bytes of a filter.
    ///
    /// # Errors
    /// [`FormatError`] when they are not one whole filter within the limits.
    pub fn decode(bytes: &[u8]) -> Result<Filter, FormatError> {
        if bytes.len() > FILTER_BYTES_MAX {
            let (found, limit) = (bytes.len() as u64, FILTER_BYTES_MAX as u64);
            return Err(FormatError::Limit { what: WHAT, found, limit });
        }
        let mut fields = Fields::new(bytes, WHAT);
        fields.magic(MAGIC)?;
        fields.version(VERSION)?;
        let epoch = fields.u64()?;
        if epoch != epoch_of(&bytes[HEAD_BYTES..]) {
            return Err(FormatError::Checksum { what: WHAT });
        }
        let count = fields.count("parts of a filter", PARTS_MAX, PART_HEADER_BYTES)?;
        let mut parts: Vec<Part> = Vec::with_capacity(count);
        for _ in 0..count {
            let (first, descriptor) = (fields.u64()?, fields.array()?);
            let len = fields.count("fingerprints of a filter", FILTER_BYTES_MAX, 1)?;
            if !fits(&descriptor, len) || parts.last().is_some_and(|last| last.first > first) {
                return Err(fields.invalid("a part of impossible shape"));
            }
            parts.push(Part { first, descriptor, prints: fields.take(len)?.to_vec() });
        }
        fields.end()?;
        Ok(Filter { epoch, parts })
    }
}

/// Whether lookups by this descriptor stay within so many fingerprints.
fn fits(descriptor: &[u8; DESCRIPTOR_BYTES], prints: usize) -> bool {
    let number = |at: usize| u32::from_le_bytes(descriptor[at..at + 4].try_into().expect("four bytes"));
    let (length, mask, total) = (number(8), number(12), number(16));
    length.is_power_of_two()
        && mask == length - 1
        && total > 0
        && total % length == 0
        && u64::from(total) + 2 * u64::from(length) == prints as u64
}

fn encode_parts(parts: &[Part], out: &mut Vec<u8>) {
    out.extend_from_slice(&(parts.len() as u32).to_le_bytes());
    for part in parts {
        out.extend_from_slice(&part.first.to_le_bytes());
        out.extend_from_slice(&part.descriptor);
        out.extend_from_slice(&(part.prints.len() as u32).to_le_bytes());
        out.extend_from_slice(&part.prints);
    }
}

fn epoch_of(behind: &[u8]) -> u64 {
    let hash = blake3::hash(behind);
    // 0 stands for no filter in messages.
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes")) | 1
}

/// A filter in the making.
#[derive(Default)]
pub struct Building {
    keys: Vec<u64>,
    parts: Vec<Part>,
    bytes: usize,
}

impl Building {
    /// Adds an id that is not below the one before; `None` when it is, or the filter would be too large.
    pub fn push(&mut self, id: &ChunkId) -> Option<()> {
        let key = key(id);
        match self.keys.last() {
            Some(last) if *last > key => return None,
            // Not even a filter can tell these two.
            Some(last) if *last == key => return Some(()),
            _ => {}
        }
        if self.keys.len() == PART_IDS {
            self.close()?;
        }
        self.keys.push(key);
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        let keys = std::mem::take(&mut self.keys);
        let fuse = BinaryFuse8::try_from(&keys).ok()?;
        let mut descriptor = [0; DESCRIPTOR_BYTES];
        fuse.dma_copy_descriptor_to(&mut descriptor);
        let prints = fuse.dma_fingerprints().to_vec();
        self.bytes += PART_HEADER_BYTES + prints.len();
        self.parts.push(Part { first: keys[0], descriptor, prints });
        (self.bytes <= FILTER_BYTES_MAX - HEAD_BYTES - 4 && self.parts.len() <= PARTS_MAX).then_some(())
    }

    /// The filter; `None` when there is none.
    pub fn finish(mut self) -> Option<Filter> {
        if !self.keys.is_empty() {
            self.close()?;
        }
        let mut behind = Vec::new();
        encode_parts(&self.parts, &mut behind);
        Some(Filter { epoch: epoch_of(&behind), parts: self.parts })
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
