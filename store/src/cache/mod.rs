//! A cache that the repositories of a machine share: content that remotes have, and that may be dropped again.
//!
//! It is a store of packs of its own kind ([`Role::Cache`]) with a limit on its size, and a record of
//! when each content was last used ([`uses`]). Only what came from a remote is put in, so losing any of it
//! costs time and nothing else. Many processes use it at once; what a living process said it is about to use
//! ([`Cache::hold`]) is not evicted. Between a process that looks and one that evicts no lock is held: who
//! finds that something just went away fetches it again.
//!
//! A folder that cannot be written is read; one that cannot be read is no cache, and every user of it goes
//! on without.

mod evict;
mod uses;

pub use evict::Evicted;

use crate::pack::Role;
use crate::{ChunkRead, Item, Modes, PackStore, StoreError, durable};
use dits_format::{ChunkId, Oid};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use uses::Uses;

/// A cache in a folder.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    store: PackStore,
    /// Largest size in bytes; 0 for none.
    cap: u64,
    modes: Modes,
    /// `None` when nothing can be written.
    uses: Option<Uses>,
    /// Whether this process used it, so that at the end somebody should look at its size.
    used: AtomicBool,
}

/// The end of a process is the end of its use.
impl Drop for Cache {
    fn drop(&mut self) {
        // What cannot be evicted now is tried again by the next process.
        let _ = self.trim();
    }
}

/// What is in a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its folder.
    pub dir: PathBuf,
    /// Bytes on disk.
    pub bytes: u64,
    /// Largest size in bytes; 0 for none.
    pub cap: u64,
    /// Different contents.
    pub contents: u64,
    /// Chunks of all kinds.
    pub chunks: u64,
    /// Whether it can be added to.
    pub writable: bool,
}

impl Cache {
    /// Opens the cache in `dir`, making it if there is none.
    ///
    /// # Errors
    /// When there is something else in its place, or it can be neither made nor read.
    pub fn open(dir: &Path, cap: u64, modes: Modes) -> Result<Cache, StoreError> {
        let opened = PackStore::open_as(dir, Role::Cache, modes);
        let uses = opened.is_ok().then(|| Uses::open(&dir.join("uses"), modes).ok()).flatten();
        let store = match opened {
            Ok(store) => store,
            // Perhaps it is somebody else's, who lets us read.
            Err(error) => PackStore::look(dir, Role::Cache).ok().flatten().ok_or(error)?,
        };
        Ok(Cache { dir: dir.to_owned(), store, cap, modes, uses, used: AtomicBool::new(false) })
    }

    /// Its chunks.
    pub fn store(&self) -> &PackStore {
        &self.store
    }

    /// Whether it can be added to.
    pub fn is_writable(&self) -> bool {
        self.uses.is_some()
    }

    /// Whether files at `path` take space from the same disk.
    pub fn shares_disk(&self, path: &Path) -> bool {
        let device = |path: &Path| path.ancestors().find_map(|above| Some(above.metadata().ok()?.dev()));
        self.is_writable() && device(path) == device(&self.dir)
    }

    /// Notes that these contents are used now, and keeps them from being evicted while this process lives, or
    /// until [`Cache::trim`].
    pub fn hold(&self, oids: &[Oid]) {
        self.used.store(true, Ordering::Relaxed);
        // Not noted is evicted earlier than it should be.
        let _ = self.uses.as_ref().map(|uses| uses.add(oids));
    }

    /// Ends a use of the cache: lets go of what was held, and evicts what was not used for longest if the
    /// cache is larger than it may be. One that nobody used since it was opened is not looked at.
    pub fn trim(&self) -> Result<Evicted, StoreError> {
        let Some(uses) = self.uses.as_ref().filter(|_| self.used.swap(false, Ordering::Relaxed)) else {
            return Ok(Evicted::default());
        };
        uses.let_go();
        let bytes = self.disk_bytes()?;
        if self.cap > 0 && bytes > self.cap {
            // Some below, so that not each of the next fetches has to make room again.
            return self.evict(self.cap - self.cap / 4);
        }
        if uses.are_many() {
            self.merge_uses(uses)?;
        }
        Ok(Evicted::default())
    }

    /// Evicts all that no living process holds.
    pub fn clear(&self) -> Result<Evicted, StoreError> {
        self.evict(0)
    }

    /// Makes it smaller by `bytes`, or a quarter if that is more.
    pub(crate) fn shrink_by(&self, bytes: u64) -> Result<Evicted, StoreError> {
        let now = self.disk_bytes()?;
        self.evict(now.saturating_sub(bytes.max(now / 4)))
    }

    /// Removes a chunk that cannot be read, with what lies next to it; says whether it is gone.
    pub(crate) fn discard(&self, id: &ChunkId) -> bool {
        self.is_writable() && self.store.discard(id)
    }

    /// Makes what somebody removed of the folders; whether it can be added to.
    pub(crate) fn mend(&self) -> bool {
        self.is_writable()
            && self.store.mend(Role::Cache).is_ok()
            && durable::create_shared_dir(&self.dir.join("uses"), self.modes).is_ok()
    }

    fn disk_bytes(&self) -> Result<u64, StoreError> {
        self.store.refresh()?;
        self.store.disk_bytes()
    }

    /// Counts what is in it.
    pub fn info(&self) -> Result<Info, StoreError> {
        let bytes = self.disk_bytes()?;
        let (mut contents, mut chunks, mut last) = (0, 0, None);
        // Bindings of one content follow each other.
        self.store.visit(&mut |item| {
            match item {
                Item::Chunk { .. } => chunks += 1,
                Item::Binding(binding) => {
                    contents += u64::from(last.replace(binding.oid) != Some(binding.oid))
                }
            }
            Ok(())
        })?;
        let (dir, writable) = (self.dir.clone(), self.is_writable());
        Ok(Info { dir, bytes, cap: self.cap, contents, chunks, writable })
    }
}
