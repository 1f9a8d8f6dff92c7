//! One content on its way into a file, by as many threads as there are.
//!
//! [`Blocks`] cuts a content into blocks of [`BLOCK_BYTES`], each a list of parts of chunks. A thread that works on a
//! [`Rebuild`] takes the next block, reads its chunks in as few reads as they lie in, hashes the block as a subtree of
//! the oid, and writes it where it belongs, all while it is in the cache of one core. Writes of one file are done one
//! at a time, as the file system would make them wait for each other anyway.
//!
//! What must hold: [`Rebuild::finish`] is `Ok` only when the oid was compared. Ids of chunks are *not* on the way
//! there, since the oid says as much at half the price. If it does not match, all is done once more by
//! [`content::rebuild`], which checks each chunk, takes a good copy for a damaged one, and names what is wrong. Memory:
//! a buffer and the parts of a block for each thread, and a hash for each bit of the number of blocks.

use crate::content::{self, Walk};
use crate::{ChunkRead, Part, StoreError};
use dits_format::blocks::{BLOCK_BYTES, BlockHash, OidOfBlocks};
use dits_format::manifest::Extent;
use dits_format::{Manifest, Oid};
use std::sync::Mutex;

/// Parts of a block. Where a content is in smaller pieces than that, lists of them would take more memory than it does.
const PARTS_MAX: usize = 1 << 13;
const LOCK: &str = "no holder of the lock panics";

/// Some of a content.
#[derive(Debug)]
struct Block {
    index: u64,
    parts: Vec<Part>,
}

/// What is handed out next.
enum Next {
    Block(Block),
    End,
    /// A block of too many parts.
    Crumbs,
}

/// The blocks of a content in order.
#[derive(Debug)]
struct Blocks {
    extents: std::vec::IntoIter<Extent>,
    walk: Option<Walk>,
    /// Bytes of the extent that are still to come.
    left: u64,
    /// Of a chunk that began in the block before.
    rest: Option<Part>,
    index: u64,
}

impl Blocks {
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
        let (mut parts, mut room) = (Vec::new(), BLOCK_BYTES);
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
        self.index += 1;
        Ok(Next::Block(Block { index: self.index - 1, parts }))
    }
}

/// Where blocks go: bytes, and where they belong.
pub type Write<'a> = &'a (dyn Fn(&[u8], u64) -> Result<(), StoreError> + Sync);

/// See the file head.
pub struct Rebuild<'a> {
    store: &'a dyn ChunkRead,
    manifest: Manifest,
    /// `None` when no more are to be handed out.
    blocks: Mutex<Option<Blocks>>,
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
        let blocks = Mutex::new(Some(Blocks { extents, walk: None, left: 0, rest: None, index: 0 }));
        let (oid, writes, failed) = Default::default();
        Rebuild { store, manifest, blocks, oid, writes, failed }
    }

    /// Whether there is something to do for one thread more.
    pub fn wants_help(&self) -> bool {
        self.blocks.lock().expect(LOCK).is_some()
    }

    /// Takes blocks until there are none. `count` is told of the bytes of each.
    pub fn work(&self, buffer: &mut Vec<u8>, write: Write<'_>, count: &dyn Fn(u64)) {
        while let Some(block) = self.take() {
            match self.do_block(&block, buffer, write) {
                Ok(()) => count(buffer.len() as u64),
                Err(error) => self.fail(block.index, error),
            }
        }
    }

    fn take(&self) -> Option<Block> {
        let mut blocks = self.blocks.lock().expect(LOCK);
        let open = blocks.as_mut()?;
        match open.next(self.store, &self.manifest) {
            Ok(Next::Block(block)) => return Some(block),
            Ok(Next::End | Next::Crumbs) => {}
            Err(error) => {
                let index = open.index;
                drop(blocks);
                self.fail(index, error);
                return None;
            }
        }
        *blocks = None;
        None
    }

    fn fail(&self, index: u64, error: StoreError) {
        *self.blocks.lock().expect(LOCK) = None;
        let mut failed = self.failed.lock().expect(LOCK);
        if failed.as_ref().is_none_or(|(first, _)| index < *first) {
            *failed = Some((index, error));
        }
    }

    fn do_block(&self, block: &Block, buffer: &mut Vec<u8>, write: Write<'_>) -> Result<(), StoreError> {
        buffer.resize(block.parts.iter().map(|part| part.bytes).sum(), 0);
        read(self.store, &block.parts, buffer)?;
        let hash = BlockHash::of(block.index, buffer);
        self.oid.lock().expect(LOCK).put(block.index, hash);
        let _turn = self.writes.lock().expect(LOCK);
        write(buffer, block.index * BLOCK_BYTES as u64)
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
