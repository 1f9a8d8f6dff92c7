//! Which contents a repository has, and who was promised what.
//!
//! Chunks belong to a realm, but not everybody who may push to one of its repositories may know what is in the
//! others. So each repository has a ledger of the contents *attached* to it: pushed through it, or found here by a
//! push through it that could see them. A content is attached by a manifest: who claims somebody else's oid for chunks of
//! his own gets his own chunks and nothing more. A second ledger lists chunks that *arrived* through the repository and
//! belong to no content yet, so that a broken push goes on where it was. A third, of the realm, lists contents that
//! somebody was told are here (*leases*); the collector keeps them for its period of grace.
//!
//! Attaching is durable before the push is answered. A repository that is older than its ledger gets one from its refs.
//! What was read is remembered and read on from there; the chunks below a repository's contents are listed when somebody
//! asks for the first time, newest contents first, at most [`CHUNKS_MAX`] (for more a chunk may be sent that is here).
//!
//! Fails with [`ContentsError`]. Damaged entries count as nothing here: such a content is attached again by the next push.

use crate::layout::Layout;
use crate::repositories::exists;
use dits_format::ledger::Entry;
use dits_format::{Binding, ChunkId, Manifest, Oid};
use dits_repo::{Git, RepoError, roots};
use dits_store::content::{self, Walk};
use dits_store::ledger::{Position, Sync};
use dits_store::{ChunkRead, Ledger, PackStore, StoreError};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Chunks of one repository that are known by their ids: 200 GB of video, 40 MB of memory.
pub const CHUNKS_MAX: usize = 1 << 21;
/// Repositories whose chunks are known at once.
const LISTED_MAX: usize = 8;

/// Why it is not known what a repository has.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// The disk failed, or a ledger is none.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The refs of a repository could not be looked through.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

/// The ledgers of a server's repositories.
#[derive(Debug)]
pub(crate) struct Contents {
    layout: Layout,
    known: Mutex<HashMap<String, Arc<Mutex<Attached>>>>,
}

/// What one repository has, as far as its ledger was read.
#[derive(Debug, Default)]
struct Attached {
    position: Option<Position>,
    manifests: HashMap<Oid, Vec<ChunkId>>,
    /// In the order in which they were attached.
    order: Vec<ChunkId>,
    ids: HashSet<ChunkId>,
    chunks: Option<Chunks>,
}

/// Chunks below contents, by keyed hashes of their ids: nobody can make two that collide.
#[derive(Debug, Default)]
struct Chunks {
    key: RandomState,
    set: HashSet<u64>,
    arrived: Option<Position>,
    /// Manifests of [`Attached::order`] that are in.
    done: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `git` in one of the server's repositories, with nothing of the owner's own settings.
pub(crate) fn git_in(repository: &Path) -> Git {
    let git = Git::at(repository).elsewhere(repository).with_env("GIT_DIR", repository);
    let git = git.with_env("GIT_CONFIG_NOSYSTEM", "1").with_env("GIT_CONFIG_GLOBAL", "/dev/null");
    let git = git.with_env("GIT_CONFIG_COUNT", "1").with_env("GIT_CONFIG_KEY_0", "safe.directory");
    git.with_env("GIT_CONFIG_VALUE_0", "*").with_env("LC_ALL", "C")
}

impl Contents {
    pub fn new(layout: Layout) -> Contents {
        Contents { layout, known: Mutex::default() }
    }

    fn ledger(&self, repository: &str) -> Ledger {
        Ledger::at(self.layout.ledgers(repository).0)
    }

    /// Makes the ledger of a repository that is older than it, from what its refs reach.
    pub fn ensure(&self, repository: &str, store: &PackStore) -> Result<(), ContentsError> {
        let ledger = self.ledger(repository);
        let Ok(folder) = self.layout.repository(repository) else { return Ok(()) };
        if ledger.exists() || !exists(&folder) {
            return Ok(());
        }
        // One at a time, so that nothing that is attached meanwhile is overwritten.
        let _known = lock(&self.known);
        if ledger.exists() {
            return Ok(());
        }
        let mut entries = Vec::new();
        for oid in roots::named_by_refs(&git_in(&folder))? {
            let bound = store.bindings(&oid)?;
            entries.extend(bound.iter().map(|known| Entry {
                id: oid.0,
                manifest: known.manifest,
                seconds: 0,
            }));
        }
        Ok(ledger.create(&entries)?)
    }

    /// Attaches contents by these bindings, durably.
    pub fn attach(
        &self,
        repository: &str,
        store: &PackStore,
        bindings: &[Binding],
        now: u64,
    ) -> Result<(), ContentsError> {
        self.ensure(repository, store)?;
        let entry = |known: &Binding| Entry { id: known.oid.0, manifest: known.manifest, seconds: now };
        let entries: Vec<Entry> = bindings.iter().map(entry).collect();
        // Also with nothing to say: that the repository is used here, keeps what it has.
        Ok(self.ledger(repository).append(&entries, Sync::Durable)?)
    }

    /// Notes that these chunks came through a repository and belong to no content yet.
    pub fn arrived(&self, repository: &str, chunks: &[ChunkId], now: u64) -> Result<(), StoreError> {
        let entry = |id: &ChunkId| Entry { id: id.0, manifest: ChunkId([0; 32]), seconds: now };
        let entries: Vec<Entry> = chunks.iter().map(entry).collect();
        Ledger::at(self.layout.ledgers(repository).1).append(&entries, Sync::Cached)
    }

    /// Notes that somebody is being told that these contents are here.
    pub fn lease(&self, realm: &str, contents: &[Oid], now: u64) -> Result<(), StoreError> {
        let entry = |oid: &Oid| Entry { id: oid.0, manifest: ChunkId([0; 32]), seconds: now };
        let entries: Vec<Entry> = contents.iter().map(entry).collect();
        Ledger::at(self.layout.leases(realm)).append(&entries, Sync::Cached)
    }

    /// What a repository has, as of now.
    fn attached(&self, repository: &str) -> Result<Arc<Mutex<Attached>>, StoreError> {
        let attached = lock(&self.known).entry(repository.to_owned()).or_default().clone();
        lock(&attached).read_on(&self.ledger(repository))?;
        Ok(attached)
    }

    /// The manifests by which a content is attached to any of these repositories.
    pub fn manifests(&self, repositories: &[String], oid: &Oid) -> Result<HashSet<ChunkId>, StoreError> {
        let mut found = HashSet::new();
        for repository in repositories {
            let attached = self.attached(repository)?;
            found.extend(lock(&attached).manifests.get(oid).into_iter().flatten().copied());
        }
        Ok(found)
    }

    /// Whether a manifest stands for a content of any of these repositories.
    pub fn has_manifest(&self, repositories: &[String], id: &ChunkId) -> Result<bool, StoreError> {
        for repository in repositories {
            if lock(&*self.attached(repository)?).ids.contains(id) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a chunk is known to be below a content of the repository, or arrived through it.
    pub fn has_chunk(&self, repository: &str, store: &PackStore, id: &ChunkId) -> Result<bool, StoreError> {
        let attached = self.attached(repository)?;
        self.make_room(repository);
        let arrived = Ledger::at(self.layout.ledgers(repository).1);
        let mut attached = lock(&attached);
        attached.list_chunks(store, &arrived)?;
        Ok(attached.chunks.as_ref().is_some_and(|chunks| chunks.set.contains(&chunks.key.hash_one(id))))
    }

    /// Drops the lists of other repositories when there are many.
    fn make_room(&self, repository: &str) {
        let known = lock(&self.known);
        let mut listed: Vec<_> = known.iter().filter(|(name, _)| *name != repository).collect();
        // One that is locked is in use.
        listed.retain(|(_, attached)| attached.try_lock().is_ok_and(|attached| attached.chunks.is_some()));
        for (_, attached) in listed.into_iter().skip(LISTED_MAX - 1) {
            if let Ok(mut attached) = attached.try_lock() {
                attached.chunks = None;
            }
        }
    }
}

impl Attached {
    fn read_on(&mut self, ledger: &Ledger) -> Result<(), StoreError> {
        let part = ledger.read(self.position)?;
        if part.all {
            *self = Attached::default();
        }
        self.position = Some(part.end);
        for entry in part.entries {
            let manifests = self.manifests.entry(Oid(entry.id)).or_default();
            if !manifests.contains(&entry.manifest) {
                manifests.push(entry.manifest);
            }
            if self.ids.insert(entry.manifest) {
                self.order.push(entry.manifest);
            }
        }
        Ok(())
    }

    fn list_chunks(&mut self, store: &PackStore, arrived: &Ledger) -> Result<(), StoreError> {
        let Attached { chunks, order, .. } = self;
        let chunks = chunks.get_or_insert_default();
        let part = arrived.read(chunks.arrived)?;
        chunks.arrived = Some(part.end);
        for entry in part.entries {
            chunks.add(&ChunkId(entry.id));
        }
        for id in order[chunks.done..].iter().rev() {
            // What is damaged or gone is asked for again.
            if let Ok(manifest) = content::manifest(store, id) {
                chunks.add_all(store, &manifest);
            }
        }
        chunks.done = order.len();
        Ok(())
    }
}

impl Chunks {
    fn add(&mut self, id: &ChunkId) {
        if self.set.len() < CHUNKS_MAX {
            self.set.insert(self.key.hash_one(id));
        }
    }

    fn add_all(&mut self, store: &PackStore, manifest: &Manifest) {
        for stream in &manifest.streams {
            let mut walk = Walk::new(stream, 0);
            while self.set.len() < CHUNKS_MAX
                && let Ok(Some(piece)) = walk.next_chunk(store)
            {
                self.add(&piece.entry.id);
            }
        }
    }
}
