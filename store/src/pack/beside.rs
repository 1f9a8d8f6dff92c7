//! What stands beside a store: other stores that are only read, a cache, and a reserve of the disk.
//!
//! As Git's own alternates: chunks and bindings that are absent here are looked for there, so the content of a
//! repository cloned with `--shared`, or of a cache that several clones use, is here without being here.
//! Nothing beside is ever counted on: it may be pruned, evicted, damaged or gone at any moment. So whatever is
//! wrong there is "absent", for this handle for good: then the chunk is fetched again. And what is added
//! here is added whole, whatever stands beside.
//!
//! What comes from a remote goes to the cache ([`PackStore::for_fetched`]), where it can be had again; what a
//! user adds goes to the store itself, which nobody evicts.

use super::layout::Role;
use super::merge::Upkeep;
use super::packs::is_gone;
use super::refresh::Depth;
use super::{LOCK, PackStore};
use crate::cache::Cache;
use crate::{Modes, StoreError, space};
use dits_format::{Binding, ChunkId, Kind, Oid, Proof};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// How a repository wants its store.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Modes of new files and folders.
    pub modes: Modes,
    /// Bytes of the disk to leave free.
    pub reserve: u64,
    /// Stores of other repositories to read from; those that are none are passed over.
    pub alternates: Vec<PathBuf>,
    /// Folder and largest size of the cache (0: no limit). One that cannot be used is passed over.
    pub cache: Option<(PathBuf, u64)>,
    /// Who does large merges of packs and segments, here and in the cache.
    pub upkeep: Upkeep,
}

/// See the file head.
#[derive(Debug, Default)]
pub struct Beside {
    near: Vec<PackStore>,
    cache: Option<Arc<Cache>>,
    reserve: u64,
    /// Chunks that cannot be read though the index of that one of `near` says so.
    unreadable: Mutex<HashSet<(usize, ChunkId)>>,
}

impl PackStore {
    /// Opens the store in `dir` as [`PackStore::open`], with what shall stand beside it.
    pub fn open_with(dir: &Path, options: &Options) -> Result<PackStore, StoreError> {
        let store = PackStore::open_as(dir, Role::Store, options.modes)?.with_upkeep(options.upkeep);
        let look = |dir: &PathBuf| PackStore::look(dir, Role::Store).ok().flatten();
        let mut near: Vec<PackStore> = options.alternates.iter().filter_map(look).collect();
        let cache = options.cache.as_ref();
        let cache = cache.and_then(|(dir, cap)| Cache::open(dir, *cap, options.modes).ok()).map(Arc::new);
        near.extend(cache.iter().map(|cache| cache.store().clone().with_upkeep(options.upkeep)));
        Ok(store.with(Beside { near, cache, reserve: options.reserve, unreadable: Mutex::default() }))
    }

    /// Opens the store of another repository only to read it, with what stands beside it; `None` when there is
    /// no store.
    pub fn open_to_read(dir: &Path, options: &Options) -> Result<Option<PackStore>, StoreError> {
        let Some(store) = PackStore::look(dir, Role::Store)? else { return Ok(None) };
        let alternates = options.alternates.iter().map(|dir| (dir, Role::Store));
        let cache = options.cache.iter().map(|(dir, _)| (dir, Role::Cache));
        let look = |(dir, role): (&PathBuf, Role)| PackStore::look(dir, role).ok().flatten();
        let near = alternates.chain(cache).filter_map(look).collect();
        Ok(Some(store.with(Beside { near, ..Beside::default() })))
    }

    fn with(&self, beside: Beside) -> PackStore {
        PackStore { shared: self.shared.clone(), beside: Arc::new(beside) }
    }

    /// This store and nothing beside it: for whoever counts, checks or removes what is in it.
    pub fn own(&self) -> PackStore {
        self.with(Beside { reserve: self.beside.reserve, ..Beside::default() })
    }

    /// This store alone, for writes that need not keep to the reserve of the disk.
    pub(super) fn unreserved(&self) -> PackStore {
        self.with(Beside::default())
    }

    /// The same chunks to be read, but what is added goes to the cache if there is one: for content that a
    /// remote has.
    pub fn for_fetched(&self) -> PackStore {
        let Some(cache) = self.beside.cache.as_ref().filter(|cache| cache.mend()) else {
            return self.clone();
        };
        let is_other = |near: &&PackStore| !Arc::ptr_eq(&near.shared, &cache.store().shared);
        let near = [self.own()].into_iter().chain(self.beside.near.iter().filter(is_other).cloned());
        let (near, cache) = (near.collect(), cache.clone());
        let reserve = self.beside.reserve;
        cache.store().with(Beside { near, cache: Some(cache.clone()), reserve, unreadable: Mutex::default() })
    }

    /// This store and those beside it.
    pub(super) fn stores(&self) -> impl Iterator<Item = &PackStore> {
        [self].into_iter().chain(&self.beside.near)
    }

    /// The cache beside this store.
    pub fn cache(&self) -> Option<&Cache> {
        self.beside.cache.as_deref()
    }

    /// Says that these contents are about to be used, so that no other process evicts them from the cache.
    pub fn hold(&self, oids: &[Oid]) {
        if let Some(cache) = self.cache() {
            cache.hold(oids);
        }
    }

    /// Whether so many bytes may be written at `path` as it is, the reserve left alone.
    pub fn has_room(&self, path: &Path, bytes: u64) -> bool {
        space::free_bytes(path).is_ok_and(|free| free >= bytes.saturating_add(self.beside.reserve))
    }

    /// How many bytes, at least `bytes`, may be written at `path`. If need be the cache is made smaller.
    ///
    /// # Errors
    /// [`StoreError::Reserve`] when there is too little space even then.
    pub fn make_room(&self, path: &Path, bytes: u64) -> Result<u64, StoreError> {
        let reserve = self.beside.reserve;
        match (space::allowance(path, bytes, reserve), self.cache()) {
            (Err(StoreError::Reserve { free, .. }), Some(cache)) if cache.shares_disk(path) => {
                // What fails here is told by the second look.
                let _ = cache.shrink_by(bytes + reserve.saturating_sub(free));
                space::allowance(path, bytes, reserve)
            }
            (allowed, _) => allowed,
        }
    }
}

impl Beside {
    /// Refreshes the stores; one that cannot be read stays as it was known.
    pub(super) fn look_again(&self, depth: Depth) {
        for near in &self.near {
            let _ = near.look_again(depth);
        }
    }

    pub(super) fn has(&self, id: &ChunkId) -> bool {
        self.keepers(id).next().is_some()
    }

    /// The stores that have the chunk, as far as is known.
    fn keepers<'a>(&'a self, id: &'a ChunkId) -> impl Iterator<Item = (usize, &'a PackStore)> {
        let is_known_bad = |number| self.unreadable.lock().expect(LOCK).contains(&(number, *id));
        let near = self.near.iter().enumerate();
        near.filter(move |(number, near)| near.keeps(id) && !is_known_bad(*number))
    }

    /// The same, for those to whom their numbers say nothing.
    pub(super) fn keeping<'a>(&'a self, id: &'a ChunkId) -> impl Iterator<Item = &'a PackStore> {
        self.keepers(id).map(|(_, near)| near)
    }

    pub(super) fn read(&self, id: &ChunkId, out: &mut Vec<u8>) -> Option<Kind> {
        for (number, near) in self.keepers(id) {
            match near.read_known(id, out) {
                Ok(Some(kind)) => return Some(kind),
                Ok(None) => {}
                // It may have moved: whoever asks looks again.
                Err(error) if is_gone(&error) => {}
                Err(_) => {
                    let cache = self.cache.as_ref().filter(|cache| cache.is(near));
                    if !cache.is_some_and(|cache| cache.discard(id)) {
                        self.unreadable.lock().expect(LOCK).insert((number, *id));
                    }
                }
            }
        }
        None
    }

    /// What each store knows of `oid` by a manifest that it has.
    pub(super) fn bindings(&self, oid: &Oid) -> Vec<Vec<Binding>> {
        let of = |near: &PackStore| {
            let mut found = near.bound(oid);
            found.retain(|binding| binding.proof == Proof::Refuted || near.keeps(&binding.manifest));
            found
        };
        self.near.iter().map(of).collect()
    }
}

impl Cache {
    fn is(&self, store: &PackStore) -> bool {
        Arc::ptr_eq(&self.store().shared, &store.shared)
    }
}
