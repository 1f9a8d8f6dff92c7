//! Writing a pack: one file in `tmp/` that grows until it is closed under its final name.
//!
//! What is small is appended through a buffer of 1 MiB; what is large is written from where it lies, together with what
//! the buffer holds. So the file sees large writes at known offsets: a write that fails may be repeated. Closing keeps the
//! crash order: data is on disk before the footer that speaks of it, the footer before the name, the name before
//! anybody is told. A sequence of packs is the business of [`packer`](super::packer).

use super::layout::Layout;
use crate::StoreError;
use crate::codec;
use crate::durable::{self, TempFile};
use dits_format::journal::{Block, Placed};
use dits_format::limits::{PACK_BYTES_TARGET, PACK_RECORDS_MAX};
use dits_format::pack::{self, Codec, Entry, Footer, Frame, HEADER_BYTES};
use dits_format::{Binding, ChunkId, Kind, PackId};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

const BUFFER_BYTES: usize = 1 << 20;
/// From this size on a copy costs more than a write of its own.
const DIRECT_BYTES: usize = 256 << 10;
/// Space that is taken before it is written to, and what is written before the disk is sent it.
const STEP_BYTES: u64 = 16 << 20;
/// Chunks of one compressed frame.
pub const FRAME_CHUNKS_MAX: usize = 1 << 16;

/// A pack in the making.
#[derive(Debug)]
pub struct PackWriter {
    temp: TempFile,
    buffer: Vec<u8>,
    /// Bytes of the file before the buffer.
    flushed: u64,
    /// Where the space ends that is taken for the file; at no end when none can be.
    reserved: u64,
    /// Bytes that the disk was sent.
    begun: u64,
    footer: Footer,
    /// Chunk to index in `footer.entries`.
    entries: HashMap<ChunkId, usize>,
    /// How many of `footer.entries` the batch's journal knows.
    journaled: usize,
}

impl PackWriter {
    /// An empty one; its file is made at once.
    pub fn create(layout: &Layout) -> Result<PackWriter, StoreError> {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        buffer.extend_from_slice(&pack::header());
        let temp = TempFile::create(&layout.temp, "", layout.modes)?;
        let (footer, entries) = Default::default();
        Ok(PackWriter { temp, buffer, flushed: 0, reserved: 0, begun: 0, footer, entries, journaled: 0 })
    }

    fn bytes(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    /// Whether it is time to close it.
    pub fn is_full(&self) -> bool {
        self.bytes() >= PACK_BYTES_TARGET || self.footer.entries.len() + FRAME_CHUNKS_MAX > PACK_RECORDS_MAX
    }

    /// Writes out what is buffered.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.reserve(self.buffer.len());
        self.temp.write_at(&self.buffer, self.flushed)?;
        self.note_written(0);
        Ok(())
    }

    /// Takes space for a large write of so many bytes, and more for those that follow.
    fn reserve(&mut self, bytes: usize) {
        if bytes >= DIRECT_BYTES && self.flushed + bytes as u64 > self.reserved {
            let from = self.flushed.max(self.reserved);
            let is_taken = self.temp.reserve(from, STEP_BYTES);
            self.reserved = if is_taken { from + STEP_BYTES } else { u64::MAX };
        }
    }

    /// The buffer and so many bytes behind it are in the file. The disk gets them in large steps, long before somebody waits
    /// for it.
    fn note_written(&mut self, bytes: usize) {
        self.flushed += (self.buffer.len() + bytes) as u64;
        self.buffer.clear();
        if self.flushed - self.begun >= STEP_BYTES {
            self.temp.begin_sync(self.begun..self.flushed);
            self.begun = self.flushed;
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.len() >= DIRECT_BYTES {
            self.reserve(self.buffer.len() + bytes.len());
            self.temp.write_both_at([&self.buffer, bytes], self.flushed)?;
            self.note_written(bytes.len());
            return Ok(());
        }
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn enter(&mut self, id: ChunkId, kind: Kind, plain: Range<usize>) {
        let (frame, offset) = (self.footer.frames.len() as u32 - 1, plain.start as u32);
        self.entries.insert(id, self.footer.entries.len());
        self.footer.entries.push(Entry { id, kind, frame, offset, bytes: plain.len() as u32 });
    }

    /// Adds chunks as they are; they lie back to back in `bytes`.
    pub fn add_raw(
        &mut self,
        kind: Kind,
        bytes: &[u8],
        chunks: &[(ChunkId, usize)],
    ) -> Result<(), StoreError> {
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
        let mut at = end - bytes.len();
        for (id, len) in chunks {
            self.enter(*id, kind, at..at + len);
            at += len;
        }
        Ok(())
    }

    /// Adds chunks of one kind as a compressed frame; ranges are in the plain frame, back to back.
    pub fn add_zstd(
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

    /// Reads a chunk.
    pub fn read(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
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
    pub fn checkpoint(&mut self) -> Result<Block, StoreError> {
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

    /// Whether there is a chunk.
    pub fn has(&self, id: &ChunkId) -> bool {
        self.entries.contains_key(id)
    }

    /// The chunks' ids, when nobody will read them here any more.
    pub fn take_ids(&mut self) -> HashSet<ChunkId> {
        std::mem::take(&mut self.entries).into_keys().collect()
    }

    /// Says that the journal knows all chunks.
    pub fn note_journaled(&mut self) {
        self.journaled = self.footer.entries.len();
    }

    /// Leaves the file to whoever finds its journal, if there is one that speaks of it.
    pub fn leave_journaled(&mut self) {
        if self.journaled > 0 {
            self.temp.leave();
        }
    }

    /// Waits until what was written is on the disk.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.temp.sync()
    }

    /// What it holds; in the order of a pack once that is closed.
    pub fn into_footer(self) -> Footer {
        self.footer
    }

    /// Closes the pack in crash order. If that fails the file goes, unless it is told to stay.
    pub fn close(&mut self, layout: &Layout, bindings: &[Binding]) -> Result<PackId, StoreError> {
        self.flush()?;
        if self.flushed > HEADER_BYTES as u64 {
            self.temp.sync()?;
        }
        self.footer.bindings = bindings.to_vec();
        let (id, tail) = pack::encode_tail(&mut self.footer);
        self.temp.write_at(&tail, self.flushed)?;
        // A write that failed half way, on a full disk, may have left bytes behind what counts. Space that was taken
        // and not needed goes too.
        self.temp.end_at(self.flushed + tail.len() as u64)?;
        self.temp.sync()?;
        durable::create_shared_dir(&layout.pack_dir(&id), layout.modes)?;
        self.temp.persist(&layout.pack(&id))?;
        durable::sync_dir(&layout.objects)?;
        Ok(id)
    }
}
