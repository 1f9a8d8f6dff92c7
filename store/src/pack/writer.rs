//! Writing packs: one file in `tmp/` that grows until it is closed under its final name.
//!
//! Chunks are appended through a buffer of 1 MiB, so a small chunk costs a copy and the file sees large
//! writes at known offsets: a write that fails may be repeated. Closing keeps the crash order: data is
//! on disk before the footer that speaks of it, the footer before the name, the name before anybody is told.
//! [`Packer`] puts a sequence of packs behind this, each closed when it reaches [`PACK_BYTES_TARGET`]
//! and known to the store at once (closed packs are durable, and hold no binding to what is not).

use super::PackStore;
use super::layout::Layout;
use crate::StoreError;
use crate::codec::{self, Encoded};
use crate::durable::{self, TempFile};
use dits_format::journal::{Block, Placed};
use dits_format::limits::{CHUNK_BYTES_MAX, PACK_BYTES_TARGET, PACK_RECORDS_MAX};
use dits_format::pack::{self, Codec, Entry, Footer, Frame, HEADER_BYTES};
use dits_format::{Binding, ChunkId, FormatError, Kind, PackId};
use std::collections::HashMap;
use std::ops::Range;

const BUFFER_BYTES: usize = 1 << 20;
/// Chunks of one compressed frame.
pub const FRAME_CHUNKS_MAX: usize = 1 << 16;

/// A pack in the making.
#[derive(Debug)]
struct PackWriter {
    temp: TempFile,
    buffer: Vec<u8>,
    /// Bytes of the file before the buffer.
    flushed: u64,
    footer: Footer,
    /// Chunk to index in `footer.entries`.
    entries: HashMap<ChunkId, usize>,
    /// How many of `footer.entries` the batch's journal knows.
    journaled: usize,
}

impl PackWriter {
    fn create(layout: &Layout) -> Result<PackWriter, StoreError> {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        buffer.extend_from_slice(&pack::header());
        let temp = TempFile::create(&layout.temp, "", layout.modes)?;
        let (footer, entries) = Default::default();
        Ok(PackWriter { temp, buffer, flushed: 0, footer, entries, journaled: 0 })
    }

    fn bytes(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    fn is_full(&self) -> bool {
        self.bytes() >= PACK_BYTES_TARGET || self.footer.entries.len() + FRAME_CHUNKS_MAX > PACK_RECORDS_MAX
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.temp.write_at(&self.buffer, self.flushed)?;
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() >= BUFFER_BYTES {
            self.temp.write_at(bytes, self.flushed)?;
            self.flushed += bytes.len() as u64;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn enter(&mut self, id: ChunkId, kind: Kind, plain: Range<usize>) {
        let (frame, offset) = (self.footer.frames.len() as u32 - 1, plain.start as u32);
        self.entries.insert(id, self.footer.entries.len());
        self.footer.entries.push(Entry { id, kind, frame, offset, bytes: plain.len() as u32 });
    }

    fn add_raw(&mut self, id: ChunkId, kind: Kind, bytes: &[u8]) -> Result<(), StoreError> {
        let offset = self.bytes();
        self.append(bytes)?;
        let len = bytes.len() as u32;
        match self.footer.frames.last_mut() {
            // A pack is closed at 64 MiB, so 32 bits hold the length of any frame.
            Some(Frame { stored_bytes, plain_bytes, codec: Codec::Raw, .. }) => {
                *stored_bytes += len;
                *plain_bytes += len;
            }
            _ => {
                let frame = Frame { offset, stored_bytes: len, plain_bytes: len, codec: Codec::Raw };
                self.footer.frames.push(frame);
            }
        }
        let end = self.footer.frames[self.footer.frames.len() - 1].plain_bytes as usize;
        self.enter(id, kind, end - bytes.len()..end);
        Ok(())
    }

    fn add_zstd(
        &mut self,
        stored: &[u8],
        kind: Kind,
        chunks: &[(ChunkId, Range<usize>)],
    ) -> Result<(), StoreError> {
        let offset = self.bytes();
        self.append(stored)?;
        let plain_bytes = chunks.last().map_or(0, |(_, range)| range.end as u32);
        let stored_bytes = stored.len() as u32;
        self.footer.frames.push(Frame { offset, stored_bytes, plain_bytes, codec: Codec::Zstd });
        chunks.iter().for_each(|(id, range)| self.enter(*id, kind, range.clone()));
        Ok(())
    }

    fn read(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        let Some(at) = self.entries.get(id) else { return Ok(None) };
        let entry = &self.footer.entries[*at];
        let frame = &self.footer.frames[entry.frame as usize];
        let (from, len) = (entry.offset as usize, entry.bytes as usize);
        let corrupt = |why: String| StoreError::Corrupt { id: *id, why };
        match frame.codec {
            Codec::Raw => {
                out.resize(len, 0);
                self.read_at(out, frame.offset + u64::from(entry.offset))?;
            }
            Codec::Zstd => {
                let mut stored = vec![0; frame.stored_bytes as usize];
                self.read_at(&mut stored, frame.offset)?;
                codec::decompress(&stored, frame.plain_bytes as usize, out)
                    .map_err(|error| corrupt(error.to_string()))?;
                out.drain(..from);
                out.truncate(len);
            }
        }
        if ChunkId::of(entry.kind, out) != *id {
            return Err(corrupt("bytes in an open pack do not match the id".into()));
        }
        Ok(Some(entry.kind))
    }

    /// Nothing that was appended in one piece is split between file and buffer.
    fn read_at(&self, out: &mut [u8], from: u64) -> Result<(), StoreError> {
        match from.checked_sub(self.flushed) {
            Some(from) => out.copy_from_slice(&self.buffer[from as usize..][..out.len()]),
            None => self.temp.read_at(out, from)?,
        }
        Ok(())
    }

    /// Writes out what is buffered and returns what the journal does not know yet. No frame of several chunks.
    fn checkpoint(&mut self) -> Result<Block, StoreError> {
        self.flush()?;
        let placed = |entry: &Entry| {
            let frame = &self.footer.frames[entry.frame as usize];
            let (offset, stored_bytes) = match frame.codec {
                Codec::Raw => (frame.offset + u64::from(entry.offset), entry.bytes),
                Codec::Zstd => (frame.offset, frame.stored_bytes),
            };
            let Entry { id, kind, bytes, .. } = *entry;
            Placed { id, kind, codec: frame.codec, offset, stored_bytes, bytes }
        };
        let chunks = self.footer.entries[self.journaled..].iter().map(placed).collect();
        Ok(Block { file: self.temp.number(), chunks, bindings: Vec::new() })
    }

    /// Closes the pack in crash order. If that fails, what the journal speaks of stays.
    fn finish(mut self, layout: &Layout, bindings: &[Binding]) -> Result<(PackId, Footer), StoreError> {
        let result = self.try_finish(layout, bindings);
        if result.is_err() && self.journaled > 0 {
            self.temp.leave();
        }
        Ok((result?, self.footer))
    }

    fn try_finish(&mut self, layout: &Layout, bindings: &[Binding]) -> Result<PackId, StoreError> {
        self.flush()?;
        if self.flushed > HEADER_BYTES as u64 {
            self.temp.sync()?;
        }
        self.footer.bindings = bindings.to_vec();
        let (id, tail) = pack::encode_tail(&mut self.footer);
        self.temp.write_at(&tail, self.flushed)?;
        self.temp.sync()?;
        durable::create_shared_dir(&layout.pack_dir(&id), layout.modes)?;
        self.temp.persist(&layout.pack(&id))?;
        durable::sync_dir(&layout.objects)?;
        Ok(id)
    }
}

/// A sequence of packs in the making.
#[derive(Debug)]
pub struct Packer {
    store: PackStore,
    open: Option<PackWriter>,
    /// Whether a pack could not be closed: its chunks are lost, so nothing may be bound to them.
    broken: bool,
    /// The packs closed so far.
    pub closed: Vec<PackId>,
    /// Bytes that may be written before free space is asked for again.
    allowed: u64,
}

/// Bytes after which free space is asked for again.
const ALLOWANCE_MAX: u64 = 16 << 20;

impl Packer {
    /// Nothing is written before the first chunk.
    pub fn new(store: &PackStore) -> Packer {
        Packer { store: store.clone(), open: None, broken: false, closed: Vec::new(), allowed: 0 }
    }

    /// Whether the chunk is in the pack that is open.
    pub fn has(&self, id: &ChunkId) -> bool {
        self.open.as_ref().is_some_and(|open| open.entries.contains_key(id))
    }

    /// Reads a chunk of the pack that is open.
    pub fn read(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        self.open.as_ref().map_or(Ok(None), |open| open.read(id, out))
    }

    /// Adds a chunk as it is. The caller knows that it is not in the open pack.
    pub fn add_raw(&mut self, id: ChunkId, kind: Kind, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.len() > CHUNK_BYTES_MAX {
            let (found, limit) = (bytes.len() as u64, CHUNK_BYTES_MAX as u64);
            return Err(StoreError::Format {
                id,
                source: FormatError::Limit { what: "chunk", found, limit },
            });
        }
        self.make_room(bytes.len())?;
        self.open()?.add_raw(id, kind, bytes)
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

    /// Adds a chunk in this form. The caller has decoded it, and knows that it is not in the open pack.
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

    /// The open pack; one that is full is closed first.
    fn open(&mut self) -> Result<&mut PackWriter, StoreError> {
        if self.open.as_ref().is_some_and(PackWriter::is_full) {
            self.close(&[])?;
        }
        self.check()?;
        if self.open.is_none() {
            self.open = Some(PackWriter::create(self.store.layout())?);
        }
        Ok(self.open.as_mut().expect("it was just opened"))
    }

    fn close(&mut self, bindings: &[Binding]) -> Result<(), StoreError> {
        let layout = self.store.layout();
        self.check()?;
        let writer = self.open.take().map_or_else(|| PackWriter::create(layout), Ok)?;
        self.broken = true;
        let (id, footer) = writer.finish(layout, bindings)?;
        self.broken = false;
        self.closed.push(id);
        self.store.adopt(id, footer)
    }

    /// Writes out the open pack, lets `record` note what is new in it, and remembers that it did.
    pub fn checkpoint(
        &mut self,
        record: impl FnOnce(Block) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let Some(open) = &mut self.open else { return record(Block::default()) };
        record(open.checkpoint()?)?;
        open.journaled = open.footer.entries.len();
        Ok(())
    }

    /// Leaves the open pack to whoever finds its journal.
    pub fn leave(&mut self) {
        if let Some(open) = &mut self.open {
            open.temp.leave();
        }
    }

    /// Closes the last pack with all bindings in it: when they are durable, so is every chunk.
    pub fn finish(&mut self, bindings: &[Binding]) -> Result<(), StoreError> {
        let mut rest = bindings;
        while rest.len() > PACK_RECORDS_MAX {
            let (now, later) = rest.split_at(PACK_RECORDS_MAX);
            self.close(now)?;
            rest = later;
        }
        if self.open.is_some() || self.broken || !rest.is_empty() { self.close(rest) } else { Ok(()) }
    }
}
