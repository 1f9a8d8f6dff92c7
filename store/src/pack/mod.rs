//! The store on disk: packs, and index segments that say which chunk is where.
//!
//! Many processes use one store at once, without a daemon. Writers only add files with new names; the one
//! process that holds `consolidate.lock` also takes files away, after what they held is durable elsewhere.
//! So a reader holds a snapshot of the index, and when a file it names is gone, or a chunk is not found, it
//! looks at the folders again ([`PackStore::refresh`]).
//!
//! What is known of other processes: [`ChunkWrite::batch`] and [`ChunkRead::visit`] refresh first, `read` and
//! `bindings` when they find nothing, `has` never (it is asked in tight loops; a stale "no" costs a duplicate).
//! A "yes" stays true for as long as a batch or a [`Lease`] lives: contents are forgotten by one who is alone
//! (see `lease`). Only [`ChunkPrune::remove`] does not ask: it is for chunks that are damaged.
//!
//! Other stores may stand beside this one, to be read only ([`Beside`]): what is absent here is read there.
//! What is *added* is measured against this store alone, since the others may go away.
//!
//! Crash order: pack data, footer, name, index segment. Packs are the truth, the index is a cache: a damaged
//! or missing segment is rebuilt from footers, a pack without valid trailer never gets a name.

mod batch;
mod beside;
mod closing;
mod fsck;
mod indexed;
mod journal;
mod keep;
mod layout;
mod lease;
mod listing;
mod merge;
mod packer;
mod packs;
mod refresh;
mod remove;
mod repack;
mod rewrite;
mod runs;
mod segments;
mod sweep;
mod sys;
mod trash;
mod writer;

pub use beside::{Beside, Options};
pub use fsck::{Finding, FsckStats, Stats, damaged_segments};
pub use lease::{Alone, Lease};
pub use merge::Upkeep;
pub use remove::Tell;
pub use repack::RepackPlan;
pub use runs::Whereabouts;
pub use sweep::{PackInfo, Quiet};
pub use trash::Trash;

use crate::{Batch, ChunkPrune, ChunkRead, ChunkWrite, Encoded, Forgotten, Item, Modes, Part, StoreError};
use dits_format::pack::{Entry, Frame};
use dits_format::segment::Location;
use dits_format::{Binding, ChunkId, Kind, Oid, PackId, Proof};
use indexed::{Snapshot, find_bindings, merged};
use layout::Layout;
pub(crate) use layout::Role;
use listing::Listing;
use packs::{Packs, is_gone};
use refresh::{Depth, SEGMENTS_MAX};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

const LOCK: &str = "no holder of the lock panics";
/// How often a file may vanish under a reader before it gives up; each time somebody else merged packs.
const RETRIES: usize = 16;

/// A store in a folder. Clones share what they know and have open.
#[derive(Debug, Clone)]
pub struct PackStore {
    shared: Arc<Shared>,
    beside: Arc<Beside>,
}

#[derive(Debug)]
struct Shared {
    layout: Arc<Layout>,
    packs: Packs,
    /// Changed only by who holds `listing`.
    snapshot: RwLock<Snapshot>,
    listing: Mutex<Listing>,
    /// The packs and segments that were last found to fit each other.
    matched: Mutex<refresh::Matched>,
    upkeep: merge::Policy,
}

impl PackStore {
    /// Opens the store in `dir`, creating what is missing, and removes what dead writers left.
    pub fn open(dir: &Path) -> Result<PackStore, StoreError> {
        PackStore::open_as(dir, Role::Store, Modes::default())
    }

    pub(crate) fn open_as(dir: &Path, role: Role, modes: Modes) -> Result<PackStore, StoreError> {
        let store = PackStore::unread(Layout::open(dir, role, modes)?);
        store.refresh()?;
        // What cannot be taken up now, say on a full disk, stays for the next one; reading must go on.
        let _ = store.salvage();
        // The packs of one running or dead writer are indexed by its commit or ours; more means that
        // the index was lost, and reading all footers at each start would be slow.
        let bare =
            |indexed: &Arc<indexed::Indexed>| indexed.name.is_none() && indexed.packs.len() >= SEGMENTS_MAX;
        if store.snapshot().iter().any(bare) {
            let _ = store.write_index();
        }
        Ok(store)
    }

    /// Opens the store in `dir` only to read it, if there is one: nothing is created, mended or removed.
    pub(crate) fn look(dir: &Path, role: Role) -> Result<Option<PackStore>, StoreError> {
        let Some(layout) = Layout::look(dir, role)? else { return Ok(None) };
        let store = PackStore::unread(layout);
        store.refresh()?;
        Ok(Some(store))
    }

    /// Makes what somebody removed of the folders.
    pub(crate) fn mend(&self, role: Role) -> Result<(), StoreError> {
        Layout::open(&self.layout().root, role, self.layout().modes).map(drop)
    }

    /// A store with nothing beside it, not looked at yet.
    fn unread(layout: Layout) -> PackStore {
        let layout = Arc::new(layout);
        let packs = Packs::new(layout.clone());
        let shared = Shared {
            layout,
            packs,
            snapshot: RwLock::default(),
            listing: Mutex::default(),
            matched: Mutex::default(),
            upkeep: merge::Policy::default(),
        };
        PackStore { shared: Arc::new(shared), beside: Arc::default() }
    }

    /// Learns what other processes and handles added or merged since, here and in the stores beside.
    pub fn refresh(&self) -> Result<(), StoreError> {
        self.look_around(Depth::Packs)
    }

    fn look_around(&self, depth: Depth) -> Result<(), StoreError> {
        self.beside.look_again(depth);
        self.look_again(depth)
    }

    /// How many chunks this store itself has, as far as is known now; a copy counts once more.
    pub fn chunks_known(&self) -> u64 {
        self.snapshot().iter().map(|indexed| indexed.segment.chunk_count() as u64).sum()
    }

    /// Whether the chunk is in this store itself.
    fn keeps(&self, id: &ChunkId) -> bool {
        let snapshot = self.shared.snapshot.read().expect(LOCK);
        snapshot.iter().any(|indexed| indexed.segment.find(id).is_some())
    }

    /// The strongest proof here for each manifest of `oid`.
    fn bound(&self, oid: &Oid) -> Vec<Binding> {
        find_bindings(&self.snapshot(), oid)
    }

    fn layout(&self) -> &Layout {
        &self.shared.layout
    }

    fn snapshot(&self) -> Snapshot {
        self.shared.snapshot.read().expect(LOCK).clone()
    }

    /// Every place the index knows for a chunk.
    fn places(&self, id: &ChunkId) -> Vec<(PackId, Location)> {
        let snapshot = self.shared.snapshot.read().expect(LOCK);
        snapshot.iter().flat_map(|indexed| indexed.places(id)).collect()
    }

    /// Reads what is known now, here or beside.
    fn read_anywhere(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        match self.read_known(id, out) {
            Ok(Some(kind)) => Ok(Some(kind)),
            // A good copy beside makes up for a damaged one here.
            other => self.beside.read(id, out).map_or(other, |kind| Ok(Some(kind))),
        }
    }

    /// As [`Self::bound`], of what stands beside too: what was refuted anywhere stays refuted.
    fn bound_anywhere(&self, oid: &Oid) -> Vec<Binding> {
        let sets = [self.bound(oid)].into_iter().chain(self.beside.bindings(oid));
        merged(sets.map(Vec::into_iter).collect(), |binding| binding.manifest).collect()
    }

    /// Reads what the index knows now. Of several copies one good one is enough.
    fn read_known(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        let mut failed = None;
        for (pack, at) in self.places(id) {
            match self.shared.packs.read(&pack, &entry_of(&at), out) {
                Ok(entry) => return Ok(Some(entry.kind)),
                // That a copy is gone matters more than that another is damaged: it has moved.
                Err(error) if is_gone(&error) => failed = Some(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// The frames of each pack of a snapshot; packs that cannot be read are left out.
    fn frames(&self, snapshot: &Snapshot) -> HashMap<PackId, Vec<Frame>> {
        let packs: HashSet<PackId> =
            snapshot.iter().flat_map(|indexed| indexed.packs.iter().copied()).collect();
        let frames = |id: PackId| Some((id, self.shared.packs.footer(&id).ok()?.frames));
        packs.into_iter().filter_map(frames).collect()
    }
}

fn entry_of(at: &Location) -> Entry {
    Entry { id: at.id, kind: at.kind, frame: at.frame, offset: at.offset, bytes: at.bytes }
}

/// A chunk's share of what its frame takes on disk.
fn stored_bytes(frame: Option<&Frame>, bytes: u32) -> u32 {
    match frame {
        Some(frame) if frame.plain_bytes > 0 => {
            (u64::from(bytes) * u64::from(frame.stored_bytes) / u64::from(frame.plain_bytes)) as u32
        }
        _ => bytes,
    }
}

impl ChunkRead for PackStore {
    fn has(&self, id: &ChunkId) -> Result<bool, StoreError> {
        Ok(self.keeps(id) || self.beside.has(id))
    }

    fn read(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        let mut found = self.read_anywhere(id, out);
        for retry in 0..RETRIES {
            match &found {
                Ok(Some(_)) => return found,
                Ok(None) if retry > 1 => return found,
                Err(error) if !is_gone(error) => return found,
                _ => {}
            }
            // What another process committed is in its segment; what it left when it died is not.
            self.look_around(if retry == 0 { Depth::Index } else { Depth::Packs })?;
            found = self.read_anywhere(id, out);
        }
        found
    }

    fn read_encoded(&self, id: &ChunkId) -> Result<Option<(Kind, Encoded)>, StoreError> {
        for (pack, at) in self.places(id) {
            // Whatever goes wrong here goes better, or is told, on the way that checks.
            if let Ok(Some(encoded)) = self.shared.packs.read_encoded(&pack, &entry_of(&at)) {
                return Ok(Some((at.kind, encoded)));
            }
        }
        Ok(self.read_bytes(id)?.map(|(kind, bytes)| (kind, Encoded::raw(bytes))))
    }

    fn read_run(&self, parts: &[Part], out: &mut [u8]) -> usize {
        self.run(parts, out)
    }

    fn bindings(&self, oid: &Oid) -> Result<Vec<Binding>, StoreError> {
        let mut found = self.bound_anywhere(oid);
        if found.is_empty() {
            self.look_around(Depth::Index)?;
            found = self.bound_anywhere(oid);
        }
        found.retain(|binding| binding.proof != Proof::Refuted);
        found.sort_by_key(|binding| std::cmp::Reverse(binding.proof));
        Ok(found)
    }

    fn visit(&self, each: &mut dyn FnMut(Item) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.refresh()?;
        let snapshot = self.snapshot();
        let frames = self.frames(&snapshot);
        // By id through all segments at once: each chunk is met once, and nothing is held in memory.
        let chunks = snapshot
            .iter()
            .map(|indexed| indexed.walk_chunks().map(|at| (at.id, indexed.packs[at.pack as usize], at)));
        for (id, pack, at) in merged(chunks.collect(), |(id, ..)| *id) {
            let frame = frames.get(&pack).and_then(|frames| frames.get(at.frame as usize));
            let stored_bytes = stored_bytes(frame, at.bytes);
            each(Item::Chunk { id, kind: at.kind, bytes: at.bytes, stored_bytes })?;
        }
        let bindings = snapshot.iter().map(|indexed| indexed.walk_bindings());
        merged(bindings.collect(), |binding| (binding.oid, binding.manifest))
            .try_for_each(|binding| each(Item::Binding(binding)))
    }
}

impl ChunkWrite for PackStore {
    fn batch(&self) -> Result<Box<dyn Batch>, StoreError> {
        // In this order: what is found from now on stays.
        let lease = self.lease()?;
        self.refresh()?;
        Ok(Box::new(batch::PackBatch::new(self, Some(lease))))
    }
}

impl ChunkPrune for PackStore {
    fn remove(&self, ids: &HashSet<ChunkId>) -> Result<u64, StoreError> {
        self.remove_chunks(ids)
    }

    fn forget(&self, contents: &HashSet<Oid>) -> Result<Forgotten, StoreError> {
        self.alone()?.forget(contents, &[], None, &|_, _| ())
    }
}
