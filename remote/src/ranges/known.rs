//! What is known here of how contents are cut: manifests and nodes, found without the network.
//!
//! A content may have several manifests: those bound to it in the store, and the one that a server named last. The first counts that leads
//! to all chunks of a range. Nodes stay in memory ([`TREE_BYTES_MAX`]): each read asks for the way to its chunks.

use super::RangeError;
use super::claims::Claims;
use super::keep::Keeper;
use bytes::Bytes;
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid};
use dits_store::content::{self, Walk};
use dits_store::{ChunkRead, Item, PackStore, StoreError};
use dits_sync::range::Part;
use moka::sync::Cache;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of manifests and nodes in memory.
pub const TREE_BYTES_MAX: u64 = 32 << 20;
/// Contents whose manifests are in memory.
const MANIFESTS_MAX: u64 = 4096;
/// Of one content.
const MANIFESTS_OF_ONE_MAX: usize = 4;
/// What an entry of a cache takes beside its bytes, about.
const ENTRY_BYTES: u32 = 128;

/// A manifest, and the chunks that cover a range by it.
pub type Cut = (Arc<Manifest>, Vec<Part>);

/// See the file head.
pub struct Known {
    store: PackStore,
    keeper: Arc<Keeper>,
    claims: Claims,
    trees: Cache<ChunkId, (Kind, Bytes)>,
    manifests: Cache<Oid, Arc<[Arc<Manifest>]>>,
}

impl Known {
    pub fn new(store: PackStore, keeper: Arc<Keeper>, claims: Claims) -> Known {
        let weigh = |_: &ChunkId, (_, bytes): &(Kind, Bytes)| bytes.len() as u32 + ENTRY_BYTES;
        let trees = Cache::builder().max_capacity(TREE_BYTES_MAX).weigher(weigh).build();
        Known { store, keeper, claims, trees, manifests: Cache::new(MANIFESTS_MAX) }
    }

    /// The chunks that cover `range`, and the manifest that says so; `None` when nothing here says it.
    pub fn parts(&self, oid: &Oid, range: Range<u64>) -> Result<Option<Cut>, RangeError> {
        for manifest in self.manifests(oid)?.iter() {
            match self.walk(manifest, &range) {
                Ok(parts) => return Ok(Some((manifest.clone(), parts))),
                Err(error @ StoreError::Io { .. }) => return Err(error.into()),
                // Damaged is as good as absent: a remote has it.
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Remembers what a remote named, behind what the store is sure of.
    pub fn learn(&self, oid: Oid, manifest: &Manifest) {
        let known = self.manifests.get(&oid).unwrap_or_else(|| Arc::from([]));
        if !known.iter().any(|known| **known == *manifest) {
            let most = known.iter().take(MANIFESTS_OF_ONE_MAX - 1).cloned();
            self.manifests.insert(oid, most.chain([Arc::new(manifest.clone())]).collect());
        }
        self.claims.put(oid, manifest.id());
    }

    /// Takes a manifest or node that came.
    pub fn put(&self, id: ChunkId, kind: Kind, bytes: Bytes) {
        self.trees.insert(id, (kind, bytes));
    }

    /// A manifest or node.
    pub fn tree(&self, id: &ChunkId) -> Result<Option<(Kind, Bytes)>, StoreError> {
        if let Some(found) = self.trees.get(id).or_else(|| self.keeper.pending(id)) {
            return Ok(Some(found));
        }
        if !self.store.has(id)? {
            return Ok(None);
        }
        let found = self.store.read_bytes(id)?;
        if let Some((kind, bytes)) = &found {
            self.put(*id, *kind, bytes.clone());
        }
        Ok(found)
    }

    fn manifests(&self, oid: &Oid) -> Result<Arc<[Arc<Manifest>]>, RangeError> {
        if let Some(known) = self.manifests.get(oid) {
            return Ok(known);
        }
        let bound = self.store.bindings(oid)?.into_iter().map(|binding| binding.manifest);
        let ids = bound.chain(self.claims.get(oid));
        let mut found: Vec<Arc<Manifest>> = Vec::new();
        for id in ids {
            match content::manifest(&Trees(self), &id) {
                Ok(manifest) if manifest.oid == *oid => found.push(Arc::new(manifest)),
                Err(error @ StoreError::Io { .. }) => return Err(error.into()),
                _ => {}
            }
        }
        let found: Arc<[_]> = found.into();
        // That nothing is known may be otherwise soon.
        if !found.is_empty() {
            self.manifests.insert(*oid, found.clone());
        }
        Ok(found)
    }

    fn walk(&self, manifest: &Manifest, range: &Range<u64>) -> Result<Vec<Part>, StoreError> {
        let cut_short = || StoreError::Mismatch { oid: manifest.oid };
        if range.end > manifest.size {
            return Err(cut_short());
        }
        let (mut parts, mut start) = (Vec::new(), 0);
        for extent in manifest.extents() {
            let end = start + extent.bytes;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                let mut at = from - start + extent.offset;
                let mut walk = Walk::new(&manifest.streams[extent.stream as usize], at);
                while at < to - start + extent.offset {
                    let piece = walk.next_chunk(&Trees(self))?.ok_or_else(cut_short)?;
                    let chunk = at - piece.skip;
                    let first = chunk.max(extent.offset);
                    at = (chunk + piece.entry.bytes).min(extent.offset + extent.bytes);
                    let (skip, bytes) = ((first - chunk) as u32, (at - first) as u32);
                    parts.push(Part {
                        id: piece.entry.id,
                        start: start + first - extent.offset,
                        skip,
                        bytes,
                    });
                }
            }
            start = end;
        }
        Ok(parts)
    }
}

/// Manifests and nodes as a store, for those that walk through one.
struct Trees<'a>(&'a Known);

impl ChunkRead for Trees<'_> {
    fn has(&self, id: &ChunkId) -> Result<bool, StoreError> {
        Ok(self.0.tree(id)?.is_some())
    }

    fn read(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        let Some((kind, bytes)) = self.0.tree(id)? else { return Ok(None) };
        out.clear();
        out.extend_from_slice(&bytes);
        Ok(Some(kind))
    }

    fn bindings(&self, oid: &Oid) -> Result<Vec<Binding>, StoreError> {
        self.0.store.bindings(oid)
    }

    fn visit(&self, each: &mut dyn FnMut(Item) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.0.store.visit(each)
    }
}
