//! A store in memory: for tests, and for small sets that need no disk.
//!
//! Keeps the same contract as the store on disk ([`crate::traits`]) except that nothing survives the process.
//! Clones share their contents. A batch collects on its own and is merged in one step at commit, so it is
//! invisible until then. Nothing here can fail, and since bytes are checked by whoever computed the id,
//! nothing can be corrupt.

use crate::{Batch, ChunkPrune, ChunkRead, ChunkWrite, Encoded, Forgotten, Item, StoreError, Written, mark};
use bytes::Bytes;
use dits_format::{Binding, ChunkId, Kind, Oid, Proof};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// Chunks and bindings in hash maps.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<Contents>>,
}

type Chunks = HashMap<ChunkId, (Kind, Encoded)>;

#[derive(Debug, Default)]
struct Contents {
    chunks: Chunks,
    bindings: HashMap<(Oid, ChunkId), Binding>,
    /// Batches that live.
    batches: usize,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.shared.lock().expect("no holder of the lock panics")
    }
}

fn copy(chunks: &Chunks, id: &ChunkId, out: &mut Vec<u8>) -> Option<Kind> {
    let (kind, encoded) = chunks.get(id)?;
    encoded.decode_into(out).expect(DECODED);
    Some(*kind)
}

const DECODED: &str = "whoever put it has decoded it";

impl ChunkRead for MemoryStore {
    fn has(&self, id: &ChunkId) -> Result<bool, StoreError> {
        Ok(self.lock().chunks.contains_key(id))
    }

    fn read(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        Ok(copy(&self.lock().chunks, id, out))
    }

    fn read_bytes(&self, id: &ChunkId) -> Result<Option<(Kind, Bytes)>, StoreError> {
        let found = self.read_encoded(id)?;
        Ok(found.map(|(kind, encoded)| (kind, encoded.decode().expect(DECODED))))
    }

    fn read_encoded(&self, id: &ChunkId) -> Result<Option<(Kind, Encoded)>, StoreError> {
        Ok(self.lock().chunks.get(id).cloned())
    }

    fn bindings(&self, oid: &Oid) -> Result<Vec<Binding>, StoreError> {
        let all = self.lock();
        let mut found: Vec<Binding> = all.bindings.values().filter(|b| b.oid == *oid).copied().collect();
        found.retain(|binding| binding.proof != Proof::Refuted);
        found.sort_unstable_by_key(|binding| (std::cmp::Reverse(binding.proof), binding.manifest));
        Ok(found)
    }

    fn visit(&self, each: &mut dyn FnMut(Item) -> Result<(), StoreError>) -> Result<(), StoreError> {
        // Copied first: `each` may call back into the store.
        let items: Vec<Item> = {
            let all = self.lock();
            let chunks = all.chunks.iter().map(|(id, (kind, encoded))| {
                let (bytes, stored_bytes) = (encoded.plain_bytes, encoded.bytes.len() as u32);
                Item::Chunk { id: *id, kind: *kind, bytes, stored_bytes }
            });
            chunks.chain(all.bindings.values().copied().map(Item::Binding)).collect()
        };
        items.into_iter().try_for_each(each)
    }
}

impl ChunkWrite for MemoryStore {
    fn batch(&self) -> Result<Box<dyn Batch>, StoreError> {
        let store = self.clone();
        store.lock().batches += 1;
        Ok(Box::new(MemoryBatch { store, chunks: Chunks::new(), bindings: Vec::new() }))
    }
}

impl ChunkPrune for MemoryStore {
    fn remove(&self, ids: &HashSet<ChunkId>) -> Result<u64, StoreError> {
        let mut all = self.lock();
        Ok(ids.iter().filter(|id| all.chunks.remove(id).is_some()).count() as u64)
    }

    fn forget(&self, contents: &HashSet<Oid>) -> Result<Forgotten, StoreError> {
        if self.lock().batches > 0 {
            return Err(StoreError::Busy { path: "memory".into() });
        }
        let goes = mark::needed_by_these_only(self, contents, &[])?;
        let chunks = self.remove(&goes.chunks)?;
        self.lock().bindings.retain(|(oid, _), _| !contents.contains(oid));
        Ok(Forgotten { chunks, bytes: goes.bytes })
    }
}

struct MemoryBatch {
    store: MemoryStore,
    chunks: Chunks,
    bindings: Vec<Binding>,
}

impl Drop for MemoryBatch {
    fn drop(&mut self) {
        self.store.lock().batches -= 1;
    }
}

impl Batch for MemoryBatch {
    fn has(&mut self, id: &ChunkId) -> Result<bool, StoreError> {
        Ok(self.chunks.contains_key(id) || self.store.has(id)?)
    }

    fn read(&mut self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        match copy(&self.chunks, id, out) {
            Some(kind) => Ok(Some(kind)),
            None => self.store.read(id, out),
        }
    }

    fn put(&mut self, id: ChunkId, kind: Kind, bytes: &[u8]) -> Result<bool, StoreError> {
        self.put_encoded(id, kind, &Bytes::copy_from_slice(bytes).into())
    }

    fn put_encoded(&mut self, id: ChunkId, kind: Kind, encoded: &Encoded) -> Result<bool, StoreError> {
        debug_assert!(
            encoded.decode().is_ok_and(|plain| ChunkId::of(kind, &plain) == id),
            "not decoded before"
        );
        let new = !self.has(&id)?;
        if new {
            // It may be a part of something larger.
            let bytes = Bytes::copy_from_slice(&encoded.bytes);
            self.chunks.insert(id, (kind, Encoded { bytes, ..*encoded }));
        }
        Ok(new)
    }

    fn bind(&mut self, binding: Binding) {
        self.bindings.push(binding);
    }

    fn commit(mut self: Box<Self>) -> Result<Written, StoreError> {
        let (chunks, bindings) = (std::mem::take(&mut self.chunks), std::mem::take(&mut self.bindings));
        let bytes = chunks.values().map(|(_, encoded)| u64::from(encoded.plain_bytes)).sum();
        let written = Written { chunks: chunks.len() as u64, bytes };
        let mut all = self.store.lock();
        all.chunks.extend(chunks);
        for binding in bindings {
            let known = all.bindings.entry((binding.oid, binding.manifest)).or_insert(binding);
            *known = binding.max(*known);
        }
        // Before the batch itself goes: that needs the lock again.
        drop(all);
        Ok(written)
    }
}
