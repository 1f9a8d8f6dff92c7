//! What is missing below manifests, for sure: every id is looked up, no filter answers.
//!
//! The walk goes on behind a node that is not here, so that one question to the sender brings much; what hangs
//! below such a node is seen in the next round.

use dits_format::{Binding, ChunkId, Kind, Manifest, Oid};
use dits_store::content::Walk;
use dits_store::{Batch, ChunkRead, Item, StoreError};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// A chunk that is not here and must come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Awaited {
    pub id: ChunkId,
    pub kind: Kind,
    /// Its length, where something says so.
    pub bytes: Option<u64>,
}

/// Chunks that contents need and that are not here, each once, in the order met.
pub(super) struct Lacking {
    pub chunks: Vec<Awaited>,
    seen: HashSet<ChunkId>,
    max: usize,
    /// Chunks that are here and damaged.
    pub corrupt: Vec<ChunkId>,
}

impl Lacking {
    pub fn new(max: usize) -> Lacking {
        Lacking { chunks: Vec::new(), seen: HashSet::new(), max, corrupt: Vec::new() }
    }

    pub fn is_full(&self) -> bool {
        self.chunks.len() >= self.max
    }

    fn add(&mut self, id: ChunkId, kind: Kind, bytes: Option<u64>) {
        if !self.is_full() && self.seen.insert(id) {
            self.chunks.push(Awaited { id, kind, bytes });
        }
    }

    /// Adds what is missing of the manifest `id` and below it.
    ///
    /// # Errors
    /// When the store fails, or has a chunk of another kind or length than what is above it says.
    pub fn look(&mut self, store: &dyn ChunkRead, id: &ChunkId) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        match store.read(id, &mut bytes) {
            Ok(Some(Kind::Manifest)) => {}
            Err(StoreError::Corrupt { id, .. }) => {
                self.corrupt.push(id);
                return Ok(());
            }
            Ok(_) => {
                self.add(*id, Kind::Manifest, None);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let manifest = Manifest::decode(&bytes).map_err(|source| StoreError::Format { id: *id, source })?;
        for stream in &manifest.streams {
            let mut walk = Walk::new(stream, 0);
            while !self.is_full() {
                match walk.next_chunk(store) {
                    Ok(None) => break,
                    Ok(Some(piece)) if store.has(&piece.entry.id)? => {}
                    // A stream of one chunk has no node above it.
                    Ok(Some(piece)) => self.add(piece.entry.id, Kind::Data, Some(piece.entry.bytes)),
                    Err(StoreError::Missing { id }) => self.add(id, Kind::Node, None),
                    Err(StoreError::Corrupt { id, .. }) => self.corrupt.push(id),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// The store as it will be once the batch is committed.
pub(super) struct Pending<'a> {
    pub store: &'a dyn ChunkRead,
    pub batch: Mutex<&'a mut dyn Batch>,
}

impl ChunkRead for Pending<'_> {
    fn has(&self, id: &ChunkId) -> Result<bool, StoreError> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner).has(id)
    }

    fn read(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner).read(id, out)
    }

    fn bindings(&self, oid: &Oid) -> Result<Vec<Binding>, StoreError> {
        self.store.bindings(oid)
    }

    fn visit(&self, each: &mut dyn FnMut(Item) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.store.visit(each)
    }
}
