//! A batch of the store on disk.
//!
//! Chunks go into a pack under `tmp/` as they come. When it is full it gets its name while the next one fills, and the store
//! knows its chunks (without bindings): after a crash in a long batch the same work goes faster. Bindings wait
//! until commit and go into the last pack, so they become durable after every chunk they need.
//! A failed `put` may be repeated; when a whole pack could not be closed the batch is lost and says so, at the latest
//! when it is committed.

use super::PackStore;
use super::indexed::find_bindings;
use super::journal::Journal;
use super::lease::Lease;
use super::packer::Packer;
use crate::{Batch, ChunkRead, Encoded, RunChunk, StoreError, Written};
use dits_format::journal::Block;
use dits_format::{Binding, ChunkId, Kind, Oid};
use std::collections::BTreeMap;

/// See the file head.
#[derive(Debug)]
pub struct PackBatch {
    store: PackStore,
    packer: Packer,
    bindings: BTreeMap<(Oid, ChunkId), Binding>,
    written: Written,
    journal: Option<Journal>,
    /// Bindings that the journal does not know yet.
    unjournaled: Vec<Binding>,
    /// What the batch found here is not forgotten before it ends. A loose one has none.
    _lease: Option<Lease>,
}

impl PackBatch {
    /// Writes nothing before the first new chunk.
    pub fn new(store: &PackStore, lease: Option<Lease>) -> PackBatch {
        let packer = Packer::new(store);
        let (bindings, written, unjournaled) = Default::default();
        PackBatch {
            store: store.clone(),
            packer,
            bindings,
            written,
            journal: None,
            unjournaled,
            _lease: lease,
        }
    }

    /// Whether it is here. What stands beside may go away: it does not count.
    fn keeps(&self, id: &ChunkId) -> bool {
        self.packer.has(id) || self.store.keeps(id)
    }

    /// Adds the chunks of `run`, which are new, and forgets them.
    fn add_run(
        &mut self,
        kind: Kind,
        bytes: &[u8],
        run: &mut Vec<(ChunkId, usize)>,
    ) -> Result<(), StoreError> {
        if run.is_empty() {
            return Ok(());
        }
        self.packer.add_run(kind, bytes, run)?;
        self.written.chunks += run.len() as u64;
        self.written.bytes += bytes.len() as u64;
        run.clear();
        Ok(())
    }

    /// Adds a chunk by `write`, unless it is here.
    fn add(
        &mut self,
        id: ChunkId,
        plain_bytes: usize,
        write: impl FnOnce(&mut Packer) -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        if self.keeps(&id) {
            return Ok(false);
        }
        write(&mut self.packer)?;
        self.written.chunks += 1;
        self.written.bytes += plain_bytes as u64;
        Ok(true)
    }
}

impl Drop for PackBatch {
    fn drop(&mut self) {
        // Checkpointed and not committed: it was promised to outlive us.
        if let Some(journal) = &mut self.journal {
            journal.leave();
            self.packer.leave();
        }
    }
}

impl Batch for PackBatch {
    fn has(&mut self, id: &ChunkId) -> Result<bool, StoreError> {
        Ok(self.packer.has(id) || self.store.has(id)?)
    }

    fn read(&mut self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        match self.packer.read(id, out)? {
            Some(kind) => Ok(Some(kind)),
            None => self.store.read(id, out),
        }
    }

    fn put(&mut self, id: ChunkId, kind: Kind, bytes: &[u8]) -> Result<bool, StoreError> {
        debug_assert_eq!(ChunkId::of(kind, bytes), id, "the caller computed the id of other bytes");
        self.add(id, bytes.len(), |packer| packer.add_raw(id, kind, bytes))
    }

    fn put_encoded(&mut self, id: ChunkId, kind: Kind, encoded: &Encoded) -> Result<bool, StoreError> {
        debug_assert!(
            encoded.decode().is_ok_and(|plain| ChunkId::of(kind, &plain) == id),
            "not decoded before"
        );
        let plain_bytes = encoded.plain_bytes as usize;
        self.add(id, plain_bytes, |packer| packer.add_encoded(id, kind, encoded))
    }

    fn put_run(&mut self, kind: Kind, bytes: &[u8], chunks: &[RunChunk]) -> Result<(), StoreError> {
        // What is new and stays as it is, from `start` up to `at`.
        let (mut run, mut start, mut at) = (Vec::new(), 0, 0);
        for chunk in chunks {
            let is_new = !run.iter().any(|(id, _)| *id == chunk.id) && !self.keeps(&chunk.id);
            match &chunk.encoded {
                None if is_new => run.push((chunk.id, chunk.bytes)),
                encoded => {
                    self.add_run(kind, &bytes[start..at], &mut run)?;
                    if let (Some(encoded), true) = (encoded, is_new) {
                        self.put_encoded(chunk.id, kind, encoded)?;
                    }
                    start = at + chunk.bytes;
                }
            }
            at += chunk.bytes;
        }
        self.add_run(kind, &bytes[start..at], &mut run)
    }

    fn bind(&mut self, binding: Binding) {
        let known = self.bindings.entry((binding.oid, binding.manifest)).or_insert(binding);
        *known = binding.max(*known);
        self.unjournaled.push(binding);
    }

    fn checkpoint(&mut self) -> Result<(), StoreError> {
        let PackBatch { store, packer, journal, unjournaled, .. } = self;
        packer.checkpoint(|mut blocks| {
            // Bindings come after all that they need.
            let bindings = Block { bindings: unjournaled.clone(), ..Block::default() };
            match blocks.last_mut() {
                Some(last) => last.bindings = bindings.bindings,
                None => blocks.push(bindings),
            }
            blocks.retain(|block| !block.chunks.is_empty() || !block.bindings.is_empty());
            if blocks.is_empty() {
                return Ok(());
            }
            let journal = match journal {
                Some(journal) => journal,
                none => none.insert(Journal::create(&store.layout().temp, store.layout().modes)?),
            };
            journal.append(&blocks)
        })?;
        unjournaled.clear();
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<Written, StoreError> {
        let snapshot = self.store.snapshot();
        let known = |new: &Binding| {
            find_bindings(&snapshot, &new.oid)
                .iter()
                .any(|old| old.manifest == new.manifest && old.proof >= new.proof)
        };
        let bindings: Vec<Binding> = self.bindings.values().filter(|new| !known(new)).copied().collect();
        self.packer.finish(&bindings)?;
        // All of it is durable under final names now.
        self.journal = None;
        if !self.packer.closed().is_empty() {
            self.store.write_index()?;
            self.store.after_commit();
        }
        Ok(self.written)
    }
}
