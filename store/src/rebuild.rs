//! One content on its way into a file, by as many threads as there are.
//!
//! [`Stretches`] cuts a content into stretches of [`STRETCH_BYTES`], each a list of parts of chunks. A thread that works
//! on a [`Rebuild`] takes the next one and goes through it in pieces of about [`PIECE_BYTES`]: reads their chunks in as
//! few reads as they lie in, hashes them as part of a block, which is a subtree of the oid, and writes them where they
//! belong, all while they are in the cache of one core. A piece ends with a chunk, since a compressed one can only be
//! read whole; the few at the ends of stretches are decompressed twice. Writes of one file are done one at a time, as
//! the file system would make them wait for each other anyway.
//!
//! What must hold: [`Rebuild::finish`] is `Ok` only when the oid was compared. Ids of chunks are *not* on the way
//! there, since the oid says as much at half the price. If it does not match, all is done once more by
//! [`content::rebuild`], which checks each chunk, takes a good copy for a damaged one, and names what is wrong. Memory:
//! a buffer of a piece and a chunk, and the parts of a stretch for each thread, and a hash for each bit of the number of
//! blocks.

use crate::content::{self, Walk};
use crate::{ChunkRead, Part, StoreError};
use dits_format::blocks::{BLOCK_BYTES, BlockHasher, OidOfBlocks};
use dits_format::manifest::Extent;
use dits_format::{Manifest, Oid};
use std::sync::Mutex;

/// Whole blocks. Large, as chunks are decompressed twice where it ends; small, so that threads are done together.
const STRETCH_BYTES: usize = 4 * BLOCK_BYTES;
/// Bytes that are read, hashed and written in one go: a quarter of a usual second cache, through which they pass thrice.
const PIECE_BYTES: usize = 256 << 10;
/// Where writes end, unless the stretch does: at a whole number of pages, and of leaves that are hashed side by side.
const ALIGN_BYTES: usize = 64 << 10;
/// Parts of a stretch. Where a content is in smaller pieces than that, lists of them would take more memory than it does.
const PARTS_MAX: usize = 1 << 13;
const LOCK: &str = "no holder of the lock panics";

/// Some of a content.
#[derive(Debug)]
struct Stretch {
    at: u64,
    parts: Vec<Part>,
}

/// What is handed out next.
enum Next {
    Stretch(Stretch),
    End,
    /// A stretch of too many parts.
    Crumbs,
}

/// The stretches of a content in order.
#[derive(Debug)]
struct Stretches {
    extents: std::vec::IntoIter<Extent>,
    walk: Option<Walk>,
    /// Bytes of the extent that are still to come.
    left: u64,
    /// Of a chunk that began in the stretch before.
    rest: Option<Part>,
    /// Where the next stretch begins.
    at: u64,
}

impl Stretches {
    fn next_part(&mut self, store: &dyn ChunkRead, manifest: &Manifest) -> Result<Option<Part>, StoreError> {
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        while self.left == 0 {
            let Some(extent) = self.extents.next() else { return Ok(None) };
            self.walk = Some(Walk::new(&manifest.streams[extent.stream as usize], extent.offset));
            self.left = extent.bytes;
        }
        let piece = self.walk.as_mut().map(|walk| walk.next_chunk(store)).transpose()?.flatten();
        let piece = piece.ok_or(StoreError::Mismatch { oid: manifest.oid })?;
        let bytes = (piece.entry.bytes - piece.skip).min(self.left);
        self.left -= bytes;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        Ok(Some(Part { entry: piece.entry, skip: piece.skip, bytes }))
    }

    fn next(&mut self, store: &dyn ChunkRead, manifest: &Manifest) -> Result<Next, StoreError> {
        let (mut parts, mut room) = (Vec::new(), STRETCH_BYTES);
        while room > 0 {
            let Some(mut part) = self.next_part(store, manifest)? else { break };
            if part.bytes > room {
                self.rest = Some(Part { skip: part.skip + room as u64, bytes: part.bytes - room, ..part });
                part.bytes = room;
            }
            if parts.len() == PARTS_MAX {
                return Ok(Next::Crumbs);
            }
            room -= part.bytes;
            parts.push(part);
        }
        if parts.is_empty() {
            return Ok(Next::End);
        }
        let at = self.at;
        self.at += STRETCH_BYTES as u64;
        Ok(Next::Stretch(Stretch { at, parts }))
    }
}

/// Where pieces go: bytes, and where they belong.
pub type Write<'a> = &'a (dyn Fn(&[u8], u64) -> Result<(), StoreError> + Sync);

/// See the file head.
pub struct Rebuild<'a> {
    store: &'a dyn ChunkRead,
    manifest: Manifest,
    /// `None` when no more are to be handed out.
    stretches: Mutex<Option<Stretches>>,
    oid: Mutex<OidOfBlocks>,
    writes: Mutex<()>,
    /// What went wrong first, in the order of the content.
    failed: Mutex<Option<(u64, StoreError)>>,
}

impl std::fmt::Debug for Rebuild<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rebuild").field("oid", &self.manifest.oid).finish_non_exhaustive()
    }
}

impl<'a> Rebuild<'a> {
    /// Nothing is read yet.
    pub fn new(store: &'a dyn ChunkRead, manifest: Manifest) -> Rebuild<'a> {
        let extents = manifest.extents().into_iter();
        let stretches = Mutex::new(Some(Stretches { extents, walk: None, left: 0, rest: None, at: 0 }));
        let (oid, writes, failed) = Default::default();
        Rebuild { store, manifest, stretches, oid, writes, failed }
    }

    /// Whether there is something to do for one thread more.
    pub fn wants_help(&self) -> bool {
        self.stretches.lock().expect(LOCK).is_some()
    }

    /// Takes stretches until there are none. `count` is told of the bytes of each.
    pub fn work(&self, buffer: &mut Vec<u8>, write: Write<'_>, count: &dyn Fn(u64)) {
        while let Some(stretch) = self.take() {
            match self.do_stretch(&stretch, buffer, write) {
                Ok(bytes) => count(bytes),
                Err(error) => self.fail(stretch.at, error),
            }
        }
    }

    fn take(&self) -> Option<Stretch> {
        let mut stretches = self.stretches.lock().expect(LOCK);
        let open = stretches.as_mut()?;
        match open.next(self.store, &self.manifest) {
            Ok(Next::Stretch(stretch)) => return Some(stretch),
            Ok(Next::End | Next::Crumbs) => {}
            Err(error) => {
                let at = open.at;
                drop(stretches);
                self.fail(at, error);
                return None;
            }
        }
        *stretches = None;
        None
    }

    fn fail(&self, at: u64, error: StoreError) {
        *self.stretches.lock().expect(LOCK) = None;
        let mut failed = self.failed.lock().expect(LOCK);
        if failed.as_ref().is_none_or(|(first, _)| at < *first) {
            *failed = Some((at, error));
        }
    }

    /// Returns the bytes of it.
    fn do_stretch(
        &self,
        stretch: &Stretch,
        buffer: &mut Vec<u8>,
        write: Write<'_>,
    ) -> Result<u64, StoreError> {
        let mut parts = &stretch.parts[..];
        let mut hasher = BlockHasher::new(stretch.at / BLOCK_BYTES as u64);
        // Of the buffer: what was left of the piece before.
        let (mut at, mut filled) = (stretch.at, 0);
        while !parts.is_empty() {
            let (count, end) = piece(parts, filled);
            if buffer.len() < end {
                buffer.resize(end, 0);
            }
            read(self.store, &parts[..count], &mut buffer[filled..end])?;
            parts = &parts[count..];
            let ready = if parts.is_empty() { end } else { end - end % ALIGN_BYTES };
            self.hash(&mut hasher, &buffer[..ready]);
            let turn = self.writes.lock().expect(LOCK);
            write(&buffer[..ready], at)?;
            drop(turn);
            at += ready as u64;
            buffer.copy_within(ready..end, 0);
            filled = end - ready;
        }
        if hasher.bytes() > 0 {
            self.put(hasher);
        }
        Ok(at - stretch.at)
    }

    fn hash(&self, hasher: &mut BlockHasher, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (some, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES - hasher.bytes()));
            hasher.update(some);
            if hasher.bytes() == BLOCK_BYTES {
                let next = BlockHasher::new(hasher.index() + 1);
                self.put(std::mem::replace(hasher, next));
            }
            bytes = rest;
        }
    }

    fn put(&self, hasher: BlockHasher) {
        self.oid.lock().expect(LOCK).put(hasher.index(), hasher.finish());
    }

    /// Compares the oid, when every thread has come back from [`Rebuild::work`].
    ///
    /// # Errors
    /// As [`content::rebuild`]: then nothing of what was written must be used.
    pub fn finish(self, write: Write<'_>) -> Result<(), StoreError> {
        if let Some((_, error)) = self.failed.into_inner().expect(LOCK) {
            return Err(error);
        }
        let found: Oid = self.oid.into_inner().expect(LOCK).oid();
        if found == self.manifest.oid {
            return Ok(());
        }
        let mut at = 0;
        content::rebuild(self.store, &self.manifest, &mut |bytes| {
            write(bytes, at)?;
            at += bytes.len() as u64;
            Ok(())
        })
    }
}

/// How many of `parts` make a piece of which `filled` bytes are there, and its length.
fn piece(parts: &[Part], filled: usize) -> (usize, usize) {
    let (mut count, mut end) = (0, filled);
    while let Some(part) = parts.get(count).filter(|_| end < PIECE_BYTES) {
        end += part.bytes;
        count += 1;
    }
    (count, end)
}

/// Fills `out` with all of `parts`, in as few reads as they lie in. What cannot be had so is read chunk by chunk.
fn read(store: &dyn ChunkRead, parts: &[Part], mut out: &mut [u8]) -> Result<(), StoreError> {
    let mut parts = parts;
    let mut chunk = Vec::new();
    while let Some(first) = parts.first() {
        let count = match store.read_run(parts, out) {
            0 => {
                content::read_data(store, &first.entry, &mut chunk)?;
                out[..first.bytes].copy_from_slice(&chunk[first.skip as usize..][..first.bytes]);
                1
            }
            count => count,
        };
        let bytes: usize = parts[..count].iter().map(|part| part.bytes).sum();
        (parts, out) = (&parts[count..], &mut out[bytes..]);
    }
    Ok(())
}
