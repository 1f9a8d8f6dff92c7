//! Which contents stay in a cache when it must become smaller.
//!
//! Contents are ranked by their last use, those in use first; from the top each is kept with all its chunks as
//! long as the chunks of the kept ones, counted once, fit. The rest goes: chunks that a kept content needs
//! too stay. One process does this at a time. What belongs to no content was left by a broken fetch, or
//! is being fetched just now: it goes when no process uses the cache.

use super::Cache;
use super::uses::{Known, Uses};
use crate::{ChunkRead, Item, StoreError, content, durable};
use dits_format::tree::decode_node;
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, Proof};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fs::File;

/// What was thrown out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Contents.
    pub contents: u64,
    /// Bytes on disk that are free now.
    pub bytes: u64,
}

impl Cache {
    /// Makes the cache as small as `target` bytes of chunks. Does nothing when another process is at it, or
    /// nothing can be written.
    pub(super) fn evict(&self, target: u64) -> Result<Evicted, StoreError> {
        let Some(uses) = &self.uses else { return Ok(Evicted::default()) };
        let Some(_lock) = self.lock()? else { return Ok(Evicted::default()) };
        let before = self.disk_bytes()?;
        // In this order: who added a content that we see had said before that it uses it, and what is added from
        // here on is in other packs.
        let (packs, contents) = (self.store.pack_ids()?, self.contents()?);
        let known = uses.known();
        let mut ranked: Vec<(Oid, Vec<Binding>)> = contents.into_iter().collect();
        ranked.sort_unstable_by_key(|(oid, _)| {
            Reverse((known.held.contains(oid), known.last.get(oid).copied().unwrap_or(0), *oid))
        });
        let mut choice = Choice { store: &self.store, kept: HashSet::new(), bytes: 0, lost: HashSet::new() };
        let mut evicted = Evicted::default();
        let mut is_full = false;
        for (oid, bindings) in &ranked {
            let chunks = choice.chunks_of(bindings);
            let bytes: u64 = chunks.values().map(|bytes| u64::from(*bytes)).sum();
            let fits = choice.bytes.saturating_add(bytes) <= target;
            // One that is larger than all there may be does not push out the others.
            is_full |= !fits && bytes <= target;
            if known.held.contains(oid) || (fits && !is_full) {
                choice.keep(chunks);
            } else {
                evicted.contents += 1;
                choice.lost.extend(chunks.into_keys());
            }
        }
        let Choice { kept, lost, .. } = choice;
        if evicted.contents > 0 || (target == 0 && !known.is_busy) {
            let keep = |id: &ChunkId| kept.contains(id) || (known.is_busy && !lost.contains(id));
            self.store.keep_only(&packs, &keep)?;
        }
        self.merge(uses, &known)?;
        evicted.bytes = before.saturating_sub(self.disk_bytes()?);
        Ok(evicted)
    }

    /// Merges the records of uses, unless another process is at it.
    pub(super) fn merge_uses(&self, uses: &Uses) -> Result<(), StoreError> {
        let lock = self.lock()?;
        lock.map_or(Ok(()), |_lock| self.merge(uses, &uses.known()))
    }

    fn merge(&self, uses: &Uses, known: &Known) -> Result<(), StoreError> {
        uses.merge(known, |oid| !self.store.bindings(oid).is_ok_and(|bindings| bindings.is_empty()))
    }

    /// The right to evict, if nobody else has it.
    fn lock(&self) -> Result<Option<File>, StoreError> {
        let lock = durable::lock_file(&self.dir.join("evict.lock"), self.modes)?;
        Ok(lock.try_lock().is_ok().then_some(lock))
    }

    /// All contents with what is bound to them.
    fn contents(&self) -> Result<HashMap<Oid, Vec<Binding>>, StoreError> {
        let mut contents: HashMap<Oid, Vec<Binding>> = HashMap::new();
        self.store.visit(&mut |item| {
            if let Item::Binding(binding) = item {
                let bindings = contents.entry(binding.oid).or_default();
                bindings.extend(Some(binding).filter(|binding| binding.proof != Proof::Refuted));
            }
            Ok(())
        })?;
        Ok(contents)
    }
}

/// Chunks that were decided on.
struct Choice<'a> {
    store: &'a crate::PackStore,
    kept: HashSet<ChunkId>,
    bytes: u64,
    lost: HashSet<ChunkId>,
}

impl Choice<'_> {
    fn keep(&mut self, chunks: HashMap<ChunkId, u32>) {
        self.bytes += chunks.values().map(|bytes| u64::from(*bytes)).sum::<u64>();
        self.kept.extend(chunks.into_keys());
    }

    /// The chunks of a content that are not kept yet, with their lengths. What is torn is followed as far as it goes.
    fn chunks_of(&self, bindings: &[Binding]) -> HashMap<ChunkId, u32> {
        let mut chunks = HashMap::new();
        for binding in bindings {
            if let Ok(manifest) = content::manifest(self.store, &binding.manifest) {
                self.enter(binding.manifest, manifest.encode().len() as u32, &mut chunks);
                self.streams(&manifest, &mut chunks);
            }
        }
        chunks
    }

    fn streams(&self, manifest: &Manifest, chunks: &mut HashMap<ChunkId, u32>) {
        for stream in manifest.streams.iter().filter(|stream| stream.bytes > 0) {
            let bytes = u32::try_from(stream.bytes).unwrap_or(u32::MAX);
            self.tree(stream.root.id, stream.root.height, bytes, chunks);
        }
    }

    fn tree(&self, id: ChunkId, level: u8, bytes: u32, chunks: &mut HashMap<ChunkId, u32>) {
        if level == 0 {
            self.enter(id, bytes, chunks);
            return;
        }
        // All below a kept node is kept.
        if chunks.contains_key(&id) || self.kept.contains(&id) {
            return;
        }
        let mut node = Vec::new();
        if !matches!(self.store.read(&id, &mut node), Ok(Some(Kind::Node))) {
            return;
        }
        self.enter(id, node.len() as u32, chunks);
        for entry in decode_node(&node, level).unwrap_or_default() {
            self.tree(entry.id, level - 1, u32::try_from(entry.bytes).unwrap_or(u32::MAX), chunks);
        }
    }

    fn enter(&self, id: ChunkId, bytes: u32, chunks: &mut HashMap<ChunkId, u32>) {
        if !self.kept.contains(&id) {
            chunks.insert(id, bytes);
        }
    }
}
