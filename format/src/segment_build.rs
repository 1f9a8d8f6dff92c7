//! Writing an index segment from front to back, in memory that hardly depends on its size.
//!
//! Records come sorted and go straight out. What is kept meanwhile: the fan-out counts (at most a byte a chunk), the
//! fingerprints of the filter (1.2 bytes a chunk), and while a part of the filter is built 35 bytes for each of its
//! keys, of which there are [`PART_KEYS`] or so. Ids are hashes, so parts are of like size; one that came out larger
//! than [`PART_KEYS_MAX`] gets no fingerprints, and readers search there. Fails only when the writing does.

use super::{
    BINDING_BYTES, BITS_MAX, DESCRIPTOR_BYTES, END_MAGIC, ENTRY_BYTES, Location, MAGIC, START_BYTES, VERSION,
    filter_key, first_bits,
};
use crate::manifest::Binding;
use crate::{ChunkId, PackId};
use std::convert::Infallible;
use xorf::{BinaryFuse8, DmaSerializable};

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;
/// Records that a slot of a fan-out stands for, at most, where ids are as good as random.
const SLOT_RECORDS: usize = 8;
/// Keys of a part of the filter: what is built in the nearer caches.
const PART_KEYS: usize = 1 << 17;
/// Keys of a part above which it is left out.
const PART_KEYS_MAX: usize = 8 * PART_KEYS;

/// Writes a segment whose records come sorted: first all chunks by id and pack, then all bindings by oid and
/// manifest, each once.
pub struct Builder<W> {
    write: W,
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
    chunks: Counts,
    bindings: Counts,
    filter: Filter,
}

impl<E, W: FnMut(&[u8]) -> Result<(), E>> Builder<W> {
    /// Begins a segment of at most so many records, which `write` gets in pieces, front to back.
    ///
    /// # Errors
    /// What `write` says.
    pub fn new(chunks: usize, bindings: usize, write: W) -> Result<Builder<W>, E> {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES.min((chunks + bindings + 64) * BINDING_BYTES));
        buffer.extend_from_slice(MAGIC);
        buffer.extend_from_slice(&VERSION.to_le_bytes());
        buffer.resize(START_BYTES, 0);
        let (filter, chunks) = (Filter::new(chunks), Counts::new(chunks));
        let bindings = Counts::new(bindings);
        Ok(Builder { write, hasher: blake3::Hasher::new(), buffer, chunks, bindings, filter })
    }

    /// The next chunk.
    ///
    /// # Errors
    /// What `write` says.
    pub fn chunk(&mut self, chunk: &Location) -> Result<(), E> {
        self.chunks.add(&chunk.id.0);
        self.filter.add(&chunk.id);
        let mut record = [0; ENTRY_BYTES];
        record[..32].copy_from_slice(&chunk.id.0);
        let last = chunk.bytes | (chunk.kind as u32) << 28;
        for (at, number) in [chunk.pack, chunk.frame, chunk.offset, last].into_iter().enumerate() {
            record[32 + 4 * at..][..4].copy_from_slice(&number.to_le_bytes());
        }
        self.put(&record)
    }

    /// The next binding.
    ///
    /// # Errors
    /// What `write` says.
    pub fn binding(&mut self, binding: &Binding) -> Result<(), E> {
        self.bindings.add(&binding.oid.0);
        let mut record = [0; BINDING_BYTES];
        record[..32].copy_from_slice(&binding.oid.0);
        record[32..64].copy_from_slice(&binding.manifest.0);
        record[64..72].copy_from_slice(&binding.size.to_le_bytes());
        record[72] = binding.proof as u8;
        self.put(&record)
    }

    /// Ends the segment, and says the hash in its trailer.
    ///
    /// # Errors
    /// What `write` says.
    pub fn finish(mut self, packs: &[PackId]) -> Result<blake3::Hash, E> {
        packs.iter().try_for_each(|pack| self.put(&pack.0))?;
        let (chunks, bindings) = (std::mem::take(&mut self.chunks), std::mem::take(&mut self.bindings));
        for table in [&chunks, &bindings] {
            let mut sum = 0;
            for count in &table.slots {
                sum += count;
                self.put(&sum.to_le_bytes())?;
            }
        }
        let filter_bits = self.filter.bits;
        let [parts, prints] = std::mem::take(&mut self.filter).finish();
        self.put(&parts)?;
        self.put(&prints)?;
        let filter = parts.len() + prints.len();
        for number in [packs.len(), chunks.total, bindings.total, filter] {
            self.put(&(number as u32).to_le_bytes())?;
        }
        self.put(&[chunks.bits, bindings.bits, filter_bits, 0])?;
        self.flush()?;
        let hash = self.hasher.finalize();
        (self.write)(&[hash.as_bytes(), &END_MAGIC[..]].concat())?;
        Ok(hash)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), E> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() >= BUFFER_BYTES {
            self.hasher.update(bytes);
            return (self.write)(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), E> {
        self.hasher.update(&self.buffer);
        (self.write)(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Whole bits that divide `records` into groups of at most about `group`.
fn bits_for(records: usize, group: usize) -> u8 {
    let bits = records.div_ceil(group).max(1).next_power_of_two().ilog2();
    (bits as u8).min(BITS_MAX)
}

/// How many records begin with which bits.
#[derive(Debug, Default)]
struct Counts {
    bits: u8,
    slots: Vec<u32>,
    total: usize,
}

impl Counts {
    fn new(records: usize) -> Counts {
        let bits = bits_for(records, SLOT_RECORDS);
        Counts { bits, slots: vec![0; 1 << bits], total: 0 }
    }

    fn add(&mut self, id: &[u8; 32]) {
        self.slots[first_bits(id, self.bits)] += 1;
        self.total += 1;
    }
}

/// The filter in the making.
#[derive(Debug, Default)]
struct Filter {
    bits: u8,
    /// Parts that are done.
    parts: Vec<u8>,
    prints: Vec<u8>,
    /// Which part is being gathered, and its keys, each once.
    part: usize,
    keys: Vec<u64>,
    too_many: bool,
}

impl Filter {
    fn new(chunks: usize) -> Filter {
        Filter { bits: bits_for(chunks, PART_KEYS), ..Filter::default() }
    }

    fn add(&mut self, id: &ChunkId) {
        let (part, key) = (first_bits(&id.0, self.bits), filter_key(id));
        while self.part < part {
            self.close();
        }
        // Ids that begin alike are neighbours.
        if self.keys.last() != Some(&key) {
            self.too_many |= self.keys.len() >= PART_KEYS_MAX;
            if !self.too_many {
                self.keys.push(key);
            }
        }
    }

    /// Ends a part. Without fingerprints when there are no keys, or too many, or when they cannot be found.
    fn close(&mut self) {
        let usable = !self.keys.is_empty() && !self.too_many;
        let filter = usable.then(|| BinaryFuse8::try_from(&self.keys).ok()).flatten();
        let mut descriptor = [0; DESCRIPTOR_BYTES];
        let prints = filter.as_ref().map_or(&[][..], |filter| {
            filter.dma_copy_descriptor_to(&mut descriptor);
            filter.dma_fingerprints()
        });
        for number in [self.prints.len(), prints.len()] {
            self.parts.extend_from_slice(&(number as u32).to_le_bytes());
        }
        self.parts.extend_from_slice(&descriptor);
        self.prints.extend_from_slice(prints);
        self.keys.clear();
        self.too_many = false;
        self.part += 1;
    }

    fn finish(mut self) -> [Vec<u8>; 2] {
        while self.part < 1 << self.bits {
            self.close();
        }
        [self.parts, self.prints]
    }
}

/// A segment in memory. Sorts what it is given, and keeps the first of equal ids in one pack, the highest proof of
/// equal bindings.
pub fn encode(packs: &[PackId], mut chunks: Vec<Location>, mut bindings: Vec<Binding>) -> Vec<u8> {
    chunks.sort_unstable();
    chunks.dedup_by_key(|chunk| (chunk.id, chunk.pack));
    // Sorted by proof last: of equal (oid, manifest) the last is the strongest, so dedup from the back.
    bindings.sort_unstable();
    bindings.reverse();
    bindings.dedup_by_key(|binding| (binding.oid, binding.manifest));
    bindings.reverse();
    let mut out = Vec::new();
    let write = |bytes: &[u8]| -> Result<(), Infallible> {
        out.extend_from_slice(bytes);
        Ok(())
    };
    let built = Builder::new(chunks.len(), bindings.len(), write).and_then(|mut builder| {
        chunks.iter().try_for_each(|chunk| builder.chunk(chunk))?;
        bindings.iter().try_for_each(|binding| builder.binding(binding))?;
        builder.finish(packs)
    });
    match built {
        Ok(_) => out,
        Err(never) => match never {},
    }
}
