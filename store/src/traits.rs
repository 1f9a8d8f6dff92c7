//! The contract of a store.
//!
//! Three things are kept apart everywhere: a chunk is *absent* (`Ok(None)`, `Ok(false)`: normal, ask
//! somebody else), or *corrupt* (`Err(StoreError::Corrupt)`: here, but not the bytes it should be), or the
//! store *failed* (`Err(StoreError::Io)`: nothing is known). Bytes that come out were checked against their
//! id. What [`Batch::commit`] returned `Ok` for survives a power cut; before that, nothing of the batch is
//! promised. Writing the same chunk twice, in one batch or in racing processes, is harmless.

use crate::{Encoded, StoreError};
use bytes::Bytes;
use dits_format::{Binding, ChunkId, Kind, Oid, tree};
use std::collections::HashSet;

/// Finding and reading chunks. All calls may run at the same time.
pub trait ChunkRead: Send + Sync {
    /// Whether the chunk is here. Exact: a filter may speed it up but never answers alone.
    fn has(&self, id: &ChunkId) -> Result<bool, StoreError>;

    /// Whether whoever asks for this chunk by its id may learn that it is here. More than [`ChunkRead::has`] only
    /// where a store is shared by people who must not know of each other's chunks.
    fn admits(&self, id: &ChunkId) -> Result<bool, StoreError> {
        self.has(id)
    }

    /// Replaces `out` by the chunk's bytes, checked against `id`; `None` when the chunk is absent.
    fn read(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError>;

    /// As [`ChunkRead::read`], without a copy where the store has the bytes in memory.
    fn read_bytes(&self, id: &ChunkId) -> Result<Option<(Kind, Bytes)>, StoreError> {
        let mut out = Vec::new();
        Ok(self.read(id, &mut out)?.map(|kind| (kind, out.into())))
    }

    /// The chunk in the form in which it is kept, where that is one of its own; else as it is. *Not checked* against
    /// `id`, unlike all else that is read: whoever decodes it does that.
    fn read_encoded(&self, id: &ChunkId) -> Result<Option<(Kind, Encoded)>, StoreError> {
        Ok(self.read_bytes(id)?.map(|(kind, bytes)| (kind, Encoded::raw(bytes))))
    }

    /// Fills the start of `out` with the bytes of the first of `parts`, as many as can be had in one go, and says how
    /// many these are. *Not checked* against their ids: for whoever compares the oid of the whole. None (0) means
    /// nothing: it is for [`ChunkRead::read`] to find the first of them, or to say what is wrong with it.
    fn read_run(&self, parts: &[Part], out: &mut [u8]) -> usize {
        let _ = (parts, out);
        0
    }

    /// Everything known to rebuild `oid`, strongest proof first, refuted manifests left out.
    fn bindings(&self, oid: &Oid) -> Result<Vec<Binding>, StoreError>;

    /// Shows every chunk and binding that the store itself keeps once, in no promised order; for `fsck` and
    /// `du`.
    fn visit(&self, each: &mut dyn FnMut(Item) -> Result<(), StoreError>) -> Result<(), StoreError>;
}

/// Bytes of a data chunk that are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The chunk and its length.
    pub entry: tree::Entry,
    /// Bytes at its start that are not wanted.
    pub skip: u64,
    /// How many are.
    pub bytes: usize,
}

/// What [`ChunkRead::visit`] shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A chunk of `bytes` bytes that takes `stored_bytes` where it is kept (its share of a compressed frame).
    Chunk {
        /// The chunk.
        id: ChunkId,
        /// What it is.
        kind: Kind,
        /// Its length.
        bytes: u32,
        /// Bytes it takes in the store.
        stored_bytes: u32,
    },
    /// A binding, refuted ones too.
    Binding(Binding),
}

/// Adding chunks.
pub trait ChunkWrite: ChunkRead {
    /// Begins a batch. Batches of several threads or processes go on side by side.
    fn batch(&self) -> Result<Box<dyn Batch>, StoreError>;
}

/// A set of chunks and bindings on its way into a store. Dropping it without [`Batch::commit`] leaves the
/// store as it was, or with some of the chunks and none of the bindings.
pub trait Batch: Send {
    /// Whether the chunk can be read: from the store, what stands beside it, or this batch.
    fn has(&mut self, id: &ChunkId) -> Result<bool, StoreError>;

    /// As [`ChunkRead::admits`], of the store and of this batch.
    fn admits(&mut self, id: &ChunkId) -> Result<bool, StoreError> {
        self.has(id)
    }

    /// As [`ChunkRead::read`], of the store and of this batch.
    fn read(&mut self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError>;

    /// Adds a chunk unless the store itself keeps it already; says whether it was new there. `id` must be
    /// `ChunkId::of(kind, bytes)`: the caller has just computed it.
    fn put(&mut self, id: ChunkId, kind: Kind, bytes: &[u8]) -> Result<bool, StoreError>;

    /// As [`Batch::put`], of a chunk that is to be kept in this form if the store can. The caller has decoded it, and
    /// `id` is that of its plain bytes.
    fn put_encoded(&mut self, id: ChunkId, kind: Kind, encoded: &Encoded) -> Result<bool, StoreError> {
        let plain = encoded.decode().map_err(|source| StoreError::Format { id, source })?;
        self.put(id, kind, &plain)
    }

    /// As [`Batch::put`] or [`Batch::put_encoded`] of each of `chunks`, whose plain bytes lie back to back in `bytes`.
    /// Many at once cost less: neighbours that are new are written together, straight from `bytes`.
    fn put_run(&mut self, kind: Kind, bytes: &[u8], chunks: &[RunChunk]) -> Result<(), StoreError> {
        let mut rest = bytes;
        for RunChunk { id, bytes, encoded } in chunks {
            let (plain, behind) = rest.split_at(*bytes);
            rest = behind;
            match encoded {
                Some(encoded) => self.put_encoded(*id, kind, encoded)?,
                None => self.put(*id, kind, plain)?,
            };
        }
        Ok(())
    }

    /// Adds a binding. Its manifest and all below it must be in the store or in this batch.
    fn bind(&mut self, binding: Binding);

    /// From here on, what was put and bound so far outlives this process, though not yet a power cut: should
    /// the process be killed, whoever opens the store next finds it. Cheap: no wait for the disk. A store
    /// that itself does not outlive the process has nothing to do.
    fn checkpoint(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Makes everything durable and visible, bindings last.
    fn commit(self: Box<Self>) -> Result<Written, StoreError>;
}

/// One chunk of a run.
#[derive(Debug, Clone)]
pub struct RunChunk {
    /// The id of its plain bytes.
    pub id: ChunkId,
    /// How many these are.
    pub bytes: usize,
    /// The form in which it is to be kept, if it is one of its own.
    pub encoded: Option<Encoded>,
}

/// What a batch added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// New chunks of all kinds.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Taking chunks away.
pub trait ChunkPrune: ChunkWrite {
    /// Removes these chunks where they are present and returns how many were. The caller answers for
    /// nothing needing them; bindings stay. Other chunks stay readable throughout, and after a crash.
    fn remove(&self, ids: &HashSet<ChunkId>) -> Result<u64, StoreError>;

    /// Takes contents away: their bindings, and the chunks that nothing else here needs. The caller answers for
    /// nobody wanting them. Everything else stays readable throughout, and after a crash.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while anybody writes: a batch may rely on what it found.
    fn forget(&self, contents: &HashSet<Oid>) -> Result<Forgotten, StoreError>;
}

/// What went with forgotten contents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Chunks of all kinds.
    pub chunks: u64,
    /// Their bytes, uncompressed.
    pub bytes: u64,
}

/// Takes a corrupt chunk away, and with it others that a pack of it has: damage seldom comes alone, and a
/// pack is not rewritten around a corrupt chunk that is to stay.
pub fn take_away(store: &dyn ChunkPrune, id: ChunkId) -> Result<(), StoreError> {
    let mut ids = HashSet::from([id]);
    loop {
        match store.remove(&ids) {
            Err(StoreError::Corrupt { id, .. }) if ids.insert(id) => {}
            removed => return removed.map(drop),
        }
    }
}
