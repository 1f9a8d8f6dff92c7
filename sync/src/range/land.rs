//! Where what comes of a content goes, once it is checked.
//!
//! A [`Ranger`](super::Ranger) holds nothing itself: nodes and chunks are handed on as they come, in the order of the content, so that
//! whoever waits for a chunk has it before anything is written.

use crate::machine::SyncError;
use crate::receiver::CHECKPOINT_BYTES;
use bytes::Bytes;
use dits_format::{ChunkId, Kind};
use dits_store::{Batch, ChunkWrite, StoreError};

/// Which part of a content a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The chunk.
    pub id: ChunkId,
    /// Where in the content what it gives begins.
    pub start: u64,
    /// Bytes of the chunk before that: not 0 where an extent begins within a chunk.
    pub skip: u32,
    /// Bytes of the content that it gives.
    pub bytes: u32,
}

/// Takes what a ranger has checked.
pub trait Land: Send {
    /// Takes a manifest or a node.
    fn tree(&mut self, id: ChunkId, kind: Kind, bytes: &Bytes) -> Result<(), SyncError>;

    /// Takes a chunk, all bytes of it. The bytes are a part of a larger message. Says whether more is wanted.
    fn chunk(&mut self, part: Part, bytes: &Bytes) -> Result<bool, SyncError>;

    /// As [`ChunkRead::read`](dits_store::ChunkRead::read): a node that was taken, or was here before.
    fn read(&mut self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError>;
}

impl<L: Land> Land for &mut L {
    fn tree(&mut self, id: ChunkId, kind: Kind, bytes: &Bytes) -> Result<(), SyncError> {
        (**self).tree(id, kind, bytes)
    }

    fn chunk(&mut self, part: Part, bytes: &Bytes) -> Result<bool, SyncError> {
        (**self).chunk(part, bytes)
    }

    fn read(&mut self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        (**self).read(id, out)
    }
}

/// Puts everything into a store, bound to nothing.
pub struct InStore {
    batch: Box<dyn Batch>,
    unsaved_bytes: u64,
}

impl InStore {
    /// Into `store`.
    pub fn new(store: &impl ChunkWrite) -> Result<InStore, StoreError> {
        Ok(InStore { batch: store.batch()?, unsaved_bytes: 0 })
    }

    /// Makes what came durable and visible, also after an error.
    pub fn keep(self) -> Result<(), StoreError> {
        self.batch.commit().map(drop)
    }

    fn put(&mut self, id: ChunkId, kind: Kind, bytes: &[u8]) -> Result<(), SyncError> {
        self.batch.put(id, kind, bytes)?;
        self.unsaved_bytes += bytes.len() as u64;
        if self.unsaved_bytes >= CHECKPOINT_BYTES {
            self.unsaved_bytes = 0;
            self.batch.checkpoint()?;
        }
        Ok(())
    }
}

impl Land for InStore {
    fn tree(&mut self, id: ChunkId, kind: Kind, bytes: &Bytes) -> Result<(), SyncError> {
        self.put(id, kind, bytes)
    }

    fn chunk(&mut self, part: Part, bytes: &Bytes) -> Result<bool, SyncError> {
        self.put(part.id, Kind::Data, bytes).map(|()| true)
    }

    fn read(&mut self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        self.batch.read(id, out)
    }
}
