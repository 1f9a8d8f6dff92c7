//! An index segment: where each chunk is, sorted, in one immutable file that is read in place.
//!
//! ```text
//! start     magic "DITSINDX", version u32, zero u32                                                    16 bytes
//! chunks    {id 32, pack u32, frame u32, offset u32, bytes 28 bits | kind 4 bits}  48 bytes each, by id, pack
//! bindings  {oid 32, manifest 32, size u64, proof u8, zero 7}                      80 bytes each, by oid, manifest
//! packs     PackId 32 each
//! fan-out   chunks: 2^c × u32, then bindings: 2^b × u32; slot s = number of records whose first bits are ≤ s
//! filter    2^f × {start u32, length u32, descriptor 20}, then the fingerprints of all parts
//! trailer   packs u32, chunks u32, bindings u32, filter bytes u32, c u8, b u8, f u8, zero u8           20 bytes
//!           BLAKE3 of all before 32, magic "DITSXEND" 8
//! ```
//!
//! What is known only when all records have gone by stands behind them, so a segment is written from front to back
//! ([`Builder`]), and merging segments takes two bytes of memory a chunk. The filter is a BinaryFuse8 (Graf and Lemire,
//! 2022; crate `xorf`) over the first 8 bytes of each id, in parts by the first bits of the id: building one takes 30
//! bytes a key. A lookup that misses costs three bytes of the filter (false positives 0.4 %), one that hits
//! a fan-out slot and a search among few neighbours, however large the segment is. A segment is a cache: it can always
//! be rebuilt from pack footers, so whoever finds one damaged drops it.
//!
//! A chunk of which several packs have a copy stands there once for each: when one of these packs goes, the others must
//! still be known.
//!
//! Opening costs the same for every size, but for the checksum where that is asked for. So what only a checksum would
//! notice is met by lookups, which answer "absent" then, or give a location that does not hold the chunk; they never
//! leave the file, nor answer for another id.

use crate::bytes::{Fields, FormatError};
use crate::limits::{CHUNK_BYTES_MAX, SEGMENT_ENTRIES_MAX, SEGMENT_PACKS_MAX};
use crate::manifest::{Binding, Proof};
use crate::{ChunkId, Kind, Oid, PackId};
use std::ops::Range;
use xorf::{BinaryFuse8, BinaryFuse8Ref, DmaSerializable, Filter, FilterRef};

#[path = "segment_build.rs"]
mod build;

pub use build::{Builder, encode};

const WHAT: &str = "index segment";
const MAGIC: &[u8; 8] = b"DITSINDX";
const END_MAGIC: &[u8; 8] = b"DITSXEND";
const VERSION: u32 = 2;
const START_BYTES: usize = 16;
const ENTRY_BYTES: usize = 48;
const BINDING_BYTES: usize = 80;
const COUNTS_BYTES: usize = 20;
const TRAILER_BYTES: usize = COUNTS_BYTES + 40;
const DESCRIPTOR_BYTES: usize = BinaryFuse8::DESCRIPTOR_LEN;
const PART_BYTES: usize = 8 + DESCRIPTOR_BYTES;
/// Bytes that are hashed between two words of [`Segment::verify`].
const VERIFY_BYTES: usize = 4 << 20;
/// First bits of an id that may choose a slot or part.
const BITS_MAX: u8 = 28;

/// Where one chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The chunk.
    pub id: ChunkId,
    /// Index of the pack in the segment's table.
    pub pack: u32,
    /// Index of the frame in the pack.
    pub frame: u32,
    /// Where the chunk starts in the plain frame.
    pub offset: u32,
    /// Its length.
    pub bytes: u32,
    /// What it is.
    pub kind: Kind,
}

fn filter_key(id: &ChunkId) -> u64 {
    u64::from_le_bytes(id.0[..8].try_into().expect("an id has 32 bytes"))
}

/// The first `bits` bits of an id as a number.
fn first_bits(id: &[u8; 32], bits: u8) -> usize {
    let first = u32::from_be_bytes(id[..4].try_into().expect("an id has 32 bytes"));
    first.checked_shr(32 - u32::from(bits)).unwrap_or(0) as usize
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// A table of running counts: which records may have an id.
#[derive(Debug, Clone, Copy)]
struct Fanout {
    at: usize,
    bits: u8,
    records: usize,
}

impl Fanout {
    fn end(&self) -> usize {
        self.at + (4 << self.bits)
    }

    /// Within the records, whatever the slots say.
    fn range(&self, all: &[u8], id: &[u8; 32]) -> Range<usize> {
        let slot = first_bits(id, self.bits);
        let count = |slot: usize| (word(all, self.at + slot * 4) as usize).min(self.records);
        let to = count(slot);
        let from = slot.checked_sub(1).map_or(0, count);
        from.min(to)..to
    }
}

/// A segment's bytes, checked so that lookups need no further care. Owns the bytes (say, a memory map).
#[derive(Debug)]
pub struct Segment<B> {
    bytes: B,
    packs: Range<usize>,
    chunks: Fanout,
    bindings: Fanout,
    bindings_at: usize,
    filter: Range<usize>,
    filter_bits: u8,
}

impl<B: AsRef<[u8]>> Segment<B> {
    /// Reads the structure of a segment; with `verify` also its checksum.
    ///
    /// # Errors
    /// [`FormatError`] when it is not an intact segment within the limits.
    pub fn open(bytes: B, verify: bool) -> Result<Segment<B>, FormatError> {
        let all = bytes.as_ref();
        let mut start = Fields::new(all, WHAT);
        start.magic(MAGIC)?;
        start.version(VERSION)?;
        let cut = || FormatError::Truncated { what: WHAT };
        let counts = all.len().checked_sub(TRAILER_BYTES).filter(|at| *at >= START_BYTES).ok_or_else(cut)?;
        let end = counts + COUNTS_BYTES;
        if &all[end + 32..] != END_MAGIC {
            return Err(cut());
        }
        let mut fields = Fields::new(&all[counts..end], WHAT);
        let packs = limited(&mut fields, "packs of an index segment", SEGMENT_PACKS_MAX)?;
        let chunks = limited(&mut fields, "chunks of an index segment", SEGMENT_ENTRIES_MAX)?;
        let bindings = limited(&mut fields, "bindings of an index segment", SEGMENT_ENTRIES_MAX)?;
        let filter = fields.u32()? as usize;
        let [c, b, f] = fields.array()?;
        if c.max(b).max(f) > BITS_MAX {
            return Err(fields.invalid("table of impossible size"));
        }
        let bindings_at = START_BYTES + chunks * ENTRY_BYTES;
        let packs_at = bindings_at + bindings * BINDING_BYTES;
        let chunks = Fanout { at: packs_at + packs * 32, bits: c, records: chunks };
        let bindings = Fanout { at: chunks.end(), bits: b, records: bindings };
        let filter = bindings.end()..bindings.end() + filter;
        if filter.end != counts {
            return Err(cut());
        }
        if verify && blake3::hash(&all[..end]).as_bytes() != &all[end..end + 32] {
            return Err(FormatError::Checksum { what: WHAT });
        }
        for table in [chunks, bindings] {
            if word(all, table.end() - 4) as usize != table.records {
                return Err(fields.invalid("fan-out does not rise to the number of records"));
            }
        }
        check_filter(&all[filter.clone()], f).map_err(|why| fields.invalid(why))?;
        let packs = packs_at..chunks.at;
        Ok(Segment { packs, chunks, bindings, bindings_at, filter, filter_bits: f, bytes })
    }

    /// Whether the segment's checksum holds, for segments too large to be checked at opening. `done` hears which
    /// bytes are not needed any more.
    pub fn verify(&self, done: impl Fn(Range<usize>)) -> bool {
        let all = self.bytes.as_ref();
        let end = self.filter.end + COUNTS_BYTES;
        let mut hasher = blake3::Hasher::new();
        for from in (0..end).step_by(VERIFY_BYTES) {
            let step = from..end.min(from + VERIFY_BYTES);
            hasher.update(&all[step.clone()]);
            done(step);
        }
        hasher.finalize().as_bytes() == &all[end..end + 32]
    }

    /// The packs this segment covers; [`Location::pack`] indexes them.
    pub fn packs(&self) -> impl ExactSizeIterator<Item = PackId> + '_ {
        let table = &self.bytes.as_ref()[self.packs.clone()];
        table.chunks_exact(32).map(|id| PackId(id.try_into().expect("32 bytes")))
    }

    /// The bytes.
    pub fn bytes(&self) -> &B {
        &self.bytes
    }

    /// Number of chunks.
    pub fn chunk_count(&self) -> usize {
        self.chunks.records
    }

    /// Number of bindings.
    pub fn binding_count(&self) -> usize {
        self.bindings.records
    }

    /// Where some of the chunks' records lie in the bytes.
    pub fn chunk_bytes(&self, records: Range<usize>) -> Range<usize> {
        START_BYTES + records.start * ENTRY_BYTES..START_BYTES + records.end * ENTRY_BYTES
    }

    /// All chunks, by id and pack. Records that leave their bounds are passed over.
    pub fn chunks(&self) -> impl Iterator<Item = Location> + '_ {
        self.chunks_of(0..self.chunks.records)
    }

    /// As [`Self::chunks`], some of them.
    pub fn chunks_of(&self, records: Range<usize>) -> impl Iterator<Item = Location> + '_ {
        let records = &self.bytes.as_ref()[self.chunk_bytes(records)];
        records.chunks_exact(ENTRY_BYTES).filter_map(|record| self.location(record))
    }

    /// Where some of the bindings' records lie in the bytes.
    pub fn binding_bytes(&self, records: Range<usize>) -> Range<usize> {
        self.bindings_at + records.start * BINDING_BYTES..self.bindings_at + records.end * BINDING_BYTES
    }

    /// All bindings, by oid and manifest.
    pub fn bindings(&self) -> impl Iterator<Item = Binding> + '_ {
        self.bindings_of(0..self.bindings.records)
    }

    /// As [`Self::bindings`], some of them.
    pub fn bindings_of(&self, records: Range<usize>) -> impl Iterator<Item = Binding> + '_ {
        let records = &self.bytes.as_ref()[self.binding_bytes(records)];
        records.chunks_exact(BINDING_BYTES).filter_map(decode_binding)
    }

    /// False when the chunk is surely not in this segment.
    fn may_have(&self, id: &ChunkId) -> bool {
        let filter = &self.bytes.as_ref()[self.filter.clone()];
        let part = first_bits(&id.0, self.filter_bits) * PART_BYTES;
        if filter.is_empty() {
            return true;
        }
        let (start, length) = (word(filter, part) as usize, word(filter, part + 4) as usize);
        let prints = &filter[PART_BYTES << self.filter_bits..][start..start + length];
        let descriptor = &filter[part + 8..part + PART_BYTES];
        prints.is_empty() || BinaryFuse8Ref::from_dma(descriptor, prints).contains(&filter_key(id))
    }

    /// Where `id` is, if this segment has it: one place.
    pub fn find(&self, id: &ChunkId) -> Option<Location> {
        let (_, record) = self.first(id)?;
        self.location(record)
    }

    /// Every place of `id`, by pack.
    pub fn find_all<'a>(&'a self, id: &'a ChunkId) -> impl Iterator<Item = Location> + 'a {
        let from = self.first(id).map_or(self.chunks.records, |(at, _)| at);
        let records = &self.bytes.as_ref()[self.chunk_bytes(from..self.chunks.records)];
        let run = records.chunks_exact(ENTRY_BYTES).take_while(|record| record[..32] == id.0);
        run.filter_map(|record| self.location(record))
    }

    /// The first record of `id`, and its number.
    #[inline]
    fn first(&self, id: &ChunkId) -> Option<(usize, &[u8])> {
        if !self.may_have(id) {
            return None;
        }
        let all = self.bytes.as_ref();
        let range = self.chunks.range(all, &id.0);
        let records = &all[START_BYTES..self.bindings_at];
        let at = lower_bound(range.clone(), |i| records[i * ENTRY_BYTES..][..32] < id.0[..]);
        let record = records.get(at * ENTRY_BYTES..(at + 1) * ENTRY_BYTES).filter(|_| at < range.end)?;
        (record[..32] == id.0).then_some((at, record))
    }

    /// What is bound to `oid`, by manifest.
    pub fn find_bindings(&self, oid: &Oid) -> Vec<Binding> {
        let all = self.bytes.as_ref();
        let range = self.bindings.range(all, &oid.0);
        let records = &all[self.bindings_at..self.packs.start];
        let from = lower_bound(range.clone(), |i| records[i * BINDING_BYTES..][..32] < oid.0[..]);
        let run = (from..range.end).map(|i| &records[i * BINDING_BYTES..(i + 1) * BINDING_BYTES]);
        run.take_while(|record| record[..32] == oid.0).filter_map(decode_binding).collect()
    }

    fn location(&self, record: &[u8]) -> Option<Location> {
        let last = word(record, 44);
        let location = Location {
            id: ChunkId(record[..32].try_into().expect("32 bytes")),
            pack: word(record, 32),
            frame: word(record, 36),
            offset: word(record, 40),
            bytes: last & 0x0fff_ffff,
            kind: Kind::from_code((last >> 28) as u8)?,
        };
        ((location.pack as usize) < self.packs.len() / 32 && location.bytes as usize <= CHUNK_BYTES_MAX)
            .then_some(location)
    }
}

/// A count of the trailer, which the length of the file must then match.
fn limited(fields: &mut Fields<'_>, what: &'static str, limit: usize) -> Result<usize, FormatError> {
    match fields.u32()? as usize {
        found if found > limit => Err(FormatError::Limit { what, found: found as u64, limit: limit as u64 }),
        found => Ok(found),
    }
}

/// Whether lookups can probe every part of a filter without leaving it. None at all is fine.
fn check_filter(filter: &[u8], bits: u8) -> Result<(), &'static str> {
    if filter.is_empty() {
        return Ok(());
    }
    let Some((parts, prints)) = filter.split_at_checked(PART_BYTES << bits) else {
        return Err("filter is cut short");
    };
    for part in parts.chunks_exact(PART_BYTES) {
        let [start, count] = [0, 4].map(|at| u64::from(word(part, at)));
        // The three probes of a key stay below segment_count_length + 2 × segment_length.
        let [length, mask, total] = [16, 20, 24].map(|at| word(part, at));
        if start + count > prints.len() as u64 {
            return Err("filter is cut short");
        }
        let fits = || {
            length.is_power_of_two()
                && mask == length - 1
                && total % length == 0
                && u64::from(total) + 2 * u64::from(length) == count
        };
        if count > 0 && !fits() {
            return Err("filter does not match its length");
        }
    }
    Ok(())
}

fn decode_binding(record: &[u8]) -> Option<Binding> {
    Some(Binding {
        oid: Oid(record[..32].try_into().expect("32 bytes")),
        manifest: ChunkId(record[32..64].try_into().expect("32 bytes")),
        size: u64::from_le_bytes(record[64..72].try_into().expect("eight bytes")),
        proof: Proof::from_code(record[72])?,
    })
}

/// First index of `range` for which `less` is false, given that it is true for a prefix.
fn lower_bound(range: Range<usize>, less: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if less(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
