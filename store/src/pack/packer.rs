//! A sequence of packs in the making.
//!
//! One is open; each that reaches [`PACK_BYTES_TARGET`](dits_format::limits::PACK_BYTES_TARGET) is closed in the background
//! ([`closing`](super::closing)), at most [`CLOSING_MAX`] at a time, and known to the store from then on (closed packs are
//! durable, and hold no binding to what is not). The last one has the bindings, and is closed after all others have their
//! names. When a pack cannot be closed all of it is lost and says so, at the latest then.

use super::PackStore;
use super::closing::Closing;
use super::writer::PackWriter;
use crate::StoreError;
use crate::codec::Encoded;
use dits_format::journal::Block;
use dits_format::limits::{CHUNK_BYTES_MAX, PACK_RECORDS_MAX};
use dits_format::pack::Codec;
use dits_format::{Binding, ChunkId, FormatError, Kind, PackId};
use std::collections::VecDeque;
use std::ops::Range;

/// Packs that are closed at a time: one on its way to the disk and one that waits for that.
const CLOSING_MAX: usize = 2;
/// Bytes after which free space is asked for again.
const ALLOWANCE_MAX: u64 = 16 << 20;

/// See the file head.
#[derive(Debug)]
pub struct Packer {
    store: PackStore,
    open: Option<PackWriter>,
    /// Full packs, the oldest first.
    closing: VecDeque<Closing>,
    /// Whether a pack could not be closed: its chunks are lost, so nothing may be bound to them.
    broken: bool,
    closed: Vec<PackId>,
    /// Bytes that may be written before free space is asked for again.
    allowed: u64,
}

impl Packer {
    /// Nothing is written before the first chunk.
    pub fn new(store: &PackStore) -> Packer {
        let (closing, closed) = Default::default();
        Packer { store: store.clone(), open: None, closing, broken: false, closed, allowed: 0 }
    }

    /// Whether the chunk is in a pack that the store does not know yet.
    pub fn has(&self, id: &ChunkId) -> bool {
        self.open.as_ref().is_some_and(|open| open.has(id)) || self.closing.iter().any(|full| full.has(id))
    }

    /// Reads a chunk of the open pack. For one of a full pack it waits until the store has it.
    pub fn read(&mut self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        if self.closing.iter().any(|full| full.has(id)) {
            self.settle(0)?;
        }
        self.open.as_ref().map_or(Ok(None), |open| open.read(id, out))
    }

    /// The packs closed so far, once it is known of all that are full.
    pub fn closed(&mut self) -> &[PackId] {
        // A failure stays: nothing can be finished after it.
        while !self.closing.is_empty() {
            let _ = self.settle(0);
        }
        &self.closed
    }

    /// Adds a chunk as it is. The caller knows that [`Packer::has`] does not.
    pub fn add_raw(&mut self, id: ChunkId, kind: Kind, bytes: &[u8]) -> Result<(), StoreError> {
        self.add_run(kind, bytes, &[(id, bytes.len())])
    }

    /// Adds chunks as they are, all or none; they lie back to back in `bytes`.
    pub fn add_run(
        &mut self,
        kind: Kind,
        bytes: &[u8],
        chunks: &[(ChunkId, usize)],
    ) -> Result<(), StoreError> {
        if let Some((id, bytes)) = chunks.iter().find(|(_, bytes)| *bytes > CHUNK_BYTES_MAX) {
            let (found, limit) = (*bytes as u64, CHUNK_BYTES_MAX as u64);
            let source = FormatError::Limit { what: "chunk", found, limit };
            return Err(StoreError::Format { id: *id, source });
        }
        self.make_room(bytes.len())?;
        self.open()?.add_raw(kind, bytes, chunks)
    }

    /// Adds chunks of one kind as a compressed frame; ranges are in the plain frame, back to back.
    pub fn add_zstd(
        &mut self,
        stored: &[u8],
        kind: Kind,
        chunks: &[(ChunkId, Range<usize>)],
    ) -> Result<(), StoreError> {
        self.make_room(stored.len())?;
        self.open()?.add_zstd(stored, kind, chunks)
    }

    /// Adds a chunk in this form. The caller has decoded it, and knows that [`Packer::has`] does not.
    pub fn add_encoded(&mut self, id: ChunkId, kind: Kind, encoded: &Encoded) -> Result<(), StoreError> {
        match encoded.codec {
            Codec::Raw => self.add_raw(id, kind, &encoded.bytes),
            Codec::Zstd => self.add_zstd(&encoded.bytes, kind, &[(id, 0..encoded.plain_bytes as usize)]),
        }
    }

    /// Keeps to the reserve of the disk.
    fn make_room(&mut self, bytes: usize) -> Result<(), StoreError> {
        let bytes = bytes as u64;
        if self.allowed < bytes {
            self.allowed =
                self.store.make_room(&self.store.layout().root, bytes)?.min(ALLOWANCE_MAX.max(bytes));
        }
        self.allowed -= bytes;
        Ok(())
    }

    fn check(&self) -> Result<(), StoreError> {
        if !self.broken {
            return Ok(());
        }
        let error = std::io::Error::other("an earlier write of this batch failed");
        Err(StoreError::io("write", &self.store.layout().temp)(error))
    }

    /// The open pack; one that is full is sent off first.
    fn open(&mut self) -> Result<&mut PackWriter, StoreError> {
        self.check()?;
        if self.open.as_ref().is_none_or(PackWriter::is_full) {
            self.settle(CLOSING_MAX - 1)?;
            // First what may fail, and then be repeated.
            let unjournaled = self.open.as_mut().map(PackWriter::checkpoint).transpose()?;
            let next = PackWriter::create(self.store.layout())?;
            if let (Some(full), Some(unjournaled)) = (self.open.replace(next), unjournaled) {
                self.closing.push_back(Closing::begin(full, unjournaled, &self.store.shared.layout));
            }
        }
        Ok(self.open.as_mut().expect("it was just opened"))
    }

    /// Waits until at most `most` packs are being closed.
    fn settle(&mut self, most: usize) -> Result<(), StoreError> {
        while self.closing.len() > most
            && let Some(full) = self.closing.pop_front()
        {
            let (id, footer) = full.wait().inspect_err(|_| self.broken = true)?;
            self.closed.push(id);
            self.store.adopt(id, footer)?;
        }
        Ok(())
    }

    /// Closes the last pack with these bindings.
    fn close(&mut self, bindings: &[Binding]) -> Result<(), StoreError> {
        self.check()?;
        let layout = self.store.layout();
        let mut writer = self.open.take().map_or_else(|| PackWriter::create(layout), Ok)?;
        self.broken = true;
        let id = writer.close(layout, bindings).inspect_err(|_| writer.leave_journaled())?;
        self.broken = false;
        self.closed.push(id);
        self.store.adopt(id, writer.into_footer())
    }

    /// Writes out the open pack, lets `record` note what is new in all packs, and remembers that it did.
    pub fn checkpoint(
        &mut self,
        record: impl FnOnce(Vec<Block>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.check()?;
        let mut blocks: Vec<Block> = self.closing.iter().filter_map(Closing::unjournaled).cloned().collect();
        blocks.extend(self.open.as_mut().map(PackWriter::checkpoint).transpose()?);
        record(blocks)?;
        self.closing.iter_mut().for_each(Closing::note_journaled);
        if let Some(open) = &mut self.open {
            open.note_journaled();
        }
        Ok(())
    }

    /// Leaves the open pack to whoever finds its journal.
    pub fn leave(&mut self) {
        if let Some(open) = &mut self.open {
            open.leave_journaled();
        }
    }

    /// Closes the last pack with all bindings in it: when they are durable, so is every chunk.
    pub fn finish(&mut self, bindings: &[Binding]) -> Result<(), StoreError> {
        if let (Some(open), false) = (&mut self.open, self.closing.is_empty()) {
            // The disk gets this while it still has to do with the others.
            open.sync()?;
        }
        self.settle(0)?;
        let mut rest = bindings;
        while rest.len() > PACK_RECORDS_MAX {
            let (now, later) = rest.split_at(PACK_RECORDS_MAX);
            self.close(now)?;
            rest = later;
        }
        if self.open.is_some() || self.broken || !rest.is_empty() { self.close(rest) } else { Ok(()) }
    }
}

impl Drop for Packer {
    fn drop(&mut self) {
        self.closed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChunkRead;
    use crate::conformance::noise;

    #[test]
    fn a_pack_keeps_no_space_that_it_does_not_fill() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let store = PackStore::open(dir.path()).unwrap();
        for chunks in [1, 8, 90] {
            let mut packer = Packer::new(&store);
            for n in 0..chunks {
                let bytes = noise(chunks << 32 | n, CHUNK_BYTES_MAX);
                packer.add_raw(ChunkId::of(Kind::Data, &bytes), Kind::Data, &bytes).unwrap();
            }
            packer.finish(&[]).unwrap();
            for id in packer.closed() {
                let pack = std::fs::metadata(store.layout().pack(id)).unwrap();
                assert!(pack.blocks() * 512 < pack.len() + (128 << 10), "{chunks} chunks: {pack:?}");
            }
        }
    }

    #[test]
    fn a_checkpoint_speaks_of_full_packs_until_they_have_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let store = PackStore::open(dir.path()).unwrap();
        let mut packer = Packer::new(&store);
        let chunk = |n: u64| {
            let bytes = noise(n, CHUNK_BYTES_MAX);
            (ChunkId::of(Kind::Data, &bytes), bytes)
        };
        let put = |packer: &mut Packer, from, to| {
            for n in from..to {
                let (id, bytes) = chunk(n);
                packer.add_raw(id, Kind::Data, &bytes).unwrap();
            }
        };
        let told = |packer: &mut Packer| {
            let mut told = Vec::new();
            let record = |blocks: Vec<Block>| {
                told.extend(blocks.into_iter().map(|block| block.chunks.len()));
                Ok(())
            };
            packer.checkpoint(record).unwrap();
            told
        };
        put(&mut packer, 0, 10);
        assert_eq!(told(&mut packer), [10]);
        put(&mut packer, 10, 66);
        assert_eq!(told(&mut packer), [54, 2], "those of the full pack that are new, and those behind it");
        assert_eq!(told(&mut packer), [0]);
        for n in [0, 63, 65] {
            let (id, bytes) = chunk(n);
            assert!(packer.has(&id) || store.has(&id).unwrap());
            let (mut out, mut settled) = (Vec::new(), false);
            if packer.read(&id, &mut out).unwrap().is_none() {
                store.read(&id, &mut out).unwrap();
                settled = true;
            }
            assert_eq!((out == bytes, settled), (true, n < 64));
        }
        packer.finish(&[]).unwrap();
        assert_eq!(packer.closed().len(), 2);
    }
}
