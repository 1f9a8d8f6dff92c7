//! A realm's store as one caller may see it.
//!
//! Who may read the whole realm sees the store as it is. Anybody else sees contents that are attached to
//! repositories he may read ([`crate::contents`]), each by the manifests it is attached by; everything else is absent,
//! found out without looking at the store, so that the answer takes as long either way. Of single chunks he may only learn
//! of those below contents of the repository that he is talking to, and those that arrived through it: any other is asked
//! for although it is here, and stored once all the same.
//!
//! Always holds: a peer names contents, manifests and new chunks. `bindings` and reading a manifest answer for the first
//! two, `admits` for the last. Nodes and data are reached only from a manifest that could be read, so they are read as they are.
//!
//! A batch of a view is loose (see [`PackStore::loose_batch`]): a push may take a week.

use crate::contents::Contents;
use dits_format::{Binding, ChunkId, Kind, Oid};
use dits_store::{Batch, ChunkRead, ChunkWrite, Encoded, Item, PackStore, StoreError, Written};
use std::collections::HashSet;
use std::sync::Arc;

/// See the file head.
#[derive(Debug, Clone)]
pub(crate) struct View {
    store: PackStore,
    scope: Option<Arc<Scope>>,
}

/// What a caller with less than the whole realm may see.
#[derive(Debug)]
pub(crate) struct Scope {
    pub contents: Arc<Contents>,
    /// The repository he is talking to.
    pub repository: String,
    /// Those he may read.
    pub readable: Vec<String>,
    /// The time, in seconds since 1970.
    pub clock: fn() -> u64,
}

impl View {
    /// The store within `scope`, or all of it.
    pub fn new(store: PackStore, scope: Option<Scope>) -> View {
        View { store, scope: scope.map(Arc::new) }
    }

    /// Whether something may be hidden.
    pub fn is_partial(&self) -> bool {
        self.scope.is_some()
    }
}

impl ChunkRead for View {
    fn has(&self, id: &ChunkId) -> Result<bool, StoreError> {
        self.store.has(id)
    }

    fn admits(&self, id: &ChunkId) -> Result<bool, StoreError> {
        let Some(scope) = &self.scope else { return self.store.has(id) };
        Ok(scope.contents.has_chunk(&scope.repository, &self.store, id)? && self.store.has(id)?)
    }

    fn read(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        let kind = self.store.read(id, out)?;
        match &self.scope {
            Some(scope)
                if kind == Some(Kind::Manifest) && !scope.contents.has_manifest(&scope.readable, id)? =>
            {
                out.clear();
                Ok(None)
            }
            _ => Ok(kind),
        }
    }

    fn read_encoded(&self, id: &ChunkId) -> Result<Option<(Kind, Encoded)>, StoreError> {
        let found = self.store.read_encoded(id)?;
        match (&self.scope, &found) {
            (Some(scope), Some((Kind::Manifest, _)))
                if !scope.contents.has_manifest(&scope.readable, id)? =>
            {
                Ok(None)
            }
            _ => Ok(found),
        }
    }

    fn bindings(&self, oid: &Oid) -> Result<Vec<Binding>, StoreError> {
        let Some(scope) = &self.scope else { return self.store.bindings(oid) };
        let manifests = scope.contents.manifests(&scope.readable, oid)?;
        if manifests.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = self.store.bindings(oid)?;
        found.retain(|binding| manifests.contains(&binding.manifest));
        Ok(found)
    }

    fn visit(&self, each: &mut dyn FnMut(Item) -> Result<(), StoreError>) -> Result<(), StoreError> {
        match self.scope {
            None => self.store.visit(each),
            Some(_) => Ok(()),
        }
    }
}

impl ChunkWrite for View {
    fn batch(&self) -> Result<Box<dyn Batch>, StoreError> {
        let batch = self.store.loose_batch()?;
        let view = self.clone();
        Ok(Box::new(ViewBatch { batch, view, mine: HashSet::new(), unnoted: Vec::new(), binds: false }))
    }
}

struct ViewBatch {
    batch: Box<dyn Batch>,
    view: View,
    /// Chunks of data that came with this very stream.
    mine: HashSet<ChunkId>,
    /// Those of them that no ledger knows.
    unnoted: Vec<ChunkId>,
    binds: bool,
}

impl ViewBatch {
    fn arrived(&mut self, id: ChunkId, kind: Kind) {
        if self.view.scope.is_some() && kind == Kind::Data && self.mine.insert(id) {
            self.unnoted.push(id);
        }
    }

    /// Notes what came, before it is kept: the next try through the same repository is not asked for it.
    fn note(&mut self) -> Result<(), StoreError> {
        match &self.view.scope {
            Some(scope) if !self.unnoted.is_empty() => {
                scope.contents.arrived(&scope.repository, &std::mem::take(&mut self.unnoted), (scope.clock)())
            }
            _ => Ok(()),
        }
    }
}

impl Batch for ViewBatch {
    fn has(&mut self, id: &ChunkId) -> Result<bool, StoreError> {
        self.batch.has(id)
    }

    fn admits(&mut self, id: &ChunkId) -> Result<bool, StoreError> {
        if self.view.scope.is_none() {
            return self.batch.has(id);
        }
        Ok(self.mine.contains(id) || self.view.admits(id)?)
    }

    fn read(&mut self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        self.batch.read(id, out)
    }

    fn put(&mut self, id: ChunkId, kind: Kind, bytes: &[u8]) -> Result<bool, StoreError> {
        let new = self.batch.put(id, kind, bytes)?;
        self.arrived(id, kind);
        Ok(new)
    }

    fn put_encoded(&mut self, id: ChunkId, kind: Kind, encoded: &Encoded) -> Result<bool, StoreError> {
        let new = self.batch.put_encoded(id, kind, encoded)?;
        self.arrived(id, kind);
        Ok(new)
    }

    fn bind(&mut self, binding: Binding) {
        self.binds = true;
        self.batch.bind(binding);
    }

    fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.note()?;
        self.batch.checkpoint()
    }

    fn commit(mut self: Box<Self>) -> Result<Written, StoreError> {
        // What is bound is attached, and known by that.
        if !self.binds {
            self.note()?;
        }
        self.batch.commit()
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
