//! Contents that are made up, and a remote that does what a test says. Their bytes follow from chunk ids, so that a large one costs
//! nothing. A test waits for what the remote notes, never for time.

use crate::outside::{ContentFault, Contents, Piece, Priority, Sink, Want};
use bytes::Bytes;
use dits_format::{ChunkId, Oid};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Longer does nobody wait in a test.
const PATIENCE: Duration = Duration::from_secs(20);
pub(super) const CHUNK: u64 = 64 << 10;

/// A content.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) oid: Oid,
    pub(super) bytes: u64,
    seed: u8,
    listed: Option<Arc<[Piece]>>,
}

impl Made {
    /// Of chunks of [`CHUNK`] bytes.
    pub(super) fn new(seed: u8, bytes: u64) -> Made {
        Made { oid: Oid([seed; 32]), bytes, seed, listed: None }
    }

    /// Of parts of chunks: the chunk, its bytes, those that are skipped, those that are used.
    pub(super) fn of(seed: u8, chunks: impl IntoIterator<Item = (u64, u32, u32, u32)>) -> Made {
        let mut start = 0;
        let pieces = chunks.into_iter().map(|(key, len, skip, bytes)| {
            let piece = Piece { start, skip, bytes, id: chunk_id(key, len) };
            start += u64::from(bytes);
            piece
        });
        let listed: Arc<[_]> = pieces.collect();
        Made { oid: Oid([seed; 32]), bytes: start, seed, listed: Some(listed) }
    }

    pub(super) fn pieces(&self, range: &Range<u64>) -> Vec<Piece> {
        let meets = |piece: &Piece| piece.start < range.end && piece.range().end > range.start;
        if let Some(listed) = &self.listed {
            return listed.iter().copied().filter(meets).collect();
        }
        let indexes = range.start / CHUNK..range.end.div_ceil(CHUNK);
        let piece = |index| {
            let bytes = CHUNK.min(self.bytes - index * CHUNK) as u32;
            let id = chunk_id(u64::from(self.seed) << 40 | index, bytes);
            Piece { start: index * CHUNK, skip: 0, bytes, id }
        };
        indexes.map(piece).collect()
    }

    /// The right bytes.
    pub(super) fn read(&self, range: Range<u64>) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in self.pieces(&range) {
            let (from, to) = (range.start.max(piece.start), range.end.min(piece.range().end));
            let first = (u64::from(piece.skip) + from - piece.start) as usize;
            out.extend_from_slice(&chunk_bytes(&piece.id)[first..first + (to - from) as usize]);
        }
        out
    }
}

fn chunk_id(key: u64, bytes: u32) -> ChunkId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&key.to_le_bytes());
    id[8..12].copy_from_slice(&bytes.to_le_bytes());
    ChunkId(id)
}

fn chunk_bytes(id: &ChunkId) -> Vec<u8> {
    let key = u64::from_le_bytes(id.0[..8].try_into().unwrap());
    let bytes = u32::from_le_bytes(id.0[8..12].try_into().unwrap()) as usize;
    let mut word = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        word = word.wrapping_mul(0xd129_42a3_91f1_7b35).rotate_left(17) ^ 0x55;
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.truncate(bytes);
    out
}

/// Bytes that are counted while anybody has them.
pub(super) fn counted(bytes: Vec<u8>, alive: &Arc<AtomicU64>) -> Bytes {
    struct Counted(Vec<u8>, Arc<AtomicU64>);
    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.fetch_sub(self.0.len() as u64, Relaxed);
        }
    }
    alive.fetch_add(bytes.len() as u64, Relaxed);
    Bytes::from_owner(Counted(bytes, alive.clone()))
}

/// What a test says and sees.
#[derive(Debug, Default)]
pub(super) struct World {
    /// Whether pieces can be told.
    pub(super) layout: bool,
    /// Whether what is fetched stays.
    pub(super) keeps: bool,
    /// Chunks on this machine.
    pub(super) here: HashSet<ChunkId>,
    /// Chunks that cannot be fetched.
    pub(super) broken: HashMap<ChunkId, ContentFault>,
    /// Chunks on this machine that cannot be read.
    pub(super) unreadable: HashSet<ChunkId>,
    pub(super) offline: bool,
    /// Chunks from here on do not come; all do when `None`.
    pub(super) held_from: Option<u64>,
    /// So many of these do.
    pub(super) allowed: u64,
    /// Fetches that wait to be allowed one.
    pub(super) held: usize,
    pub(super) fetches: Vec<Fetch>,
    pub(super) flying: usize,
    pub(super) flying_most: usize,
    /// Most bytes of chunks that were in memory.
    pub(super) alive_most: u64,
    /// Chunks that were read on this machine.
    pub(super) loads: u64,
}

/// A fetch that was begun.
#[derive(Debug, Clone)]
pub(super) struct Fetch {
    pub(super) range: Range<u64>,
    pub(super) began: Priority,
    pub(super) ended: Option<Priority>,
    /// Bytes of chunks that it gave.
    pub(super) bytes: u64,
    pub(super) cancelled: bool,
}

pub(super) struct Fake {
    made: HashMap<Oid, Made>,
    world: Mutex<World>,
    changed: Condvar,
    pub(super) alive: Arc<AtomicU64>,
}

impl Fake {
    pub(super) fn new(made: impl IntoIterator<Item = Made>) -> Arc<Fake> {
        let made = made.into_iter().map(|made| (made.oid, made)).collect();
        let world = Mutex::new(World { keeps: true, ..World::default() });
        Arc::new(Fake { made, world, changed: Condvar::new(), alive: Arc::default() })
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(super) fn set<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.world());
        self.changed.notify_all();
        result
    }

    pub(super) fn know_layout(&self) {
        self.set(|world| world.layout = true);
    }

    /// Lets no chunk come before it is allowed.
    pub(super) fn hold(&self) {
        self.set(|world| world.held_from = Some(0));
    }

    pub(super) fn release(&self) {
        self.set(|world| world.held_from = None);
    }

    /// Waits until the world is so.
    pub(super) fn until(&self, so: impl Fn(&World) -> bool) {
        let world = self.changed.wait_timeout_while(self.world(), PATIENCE, |world| !so(world)).unwrap();
        let World { fetches, flying, held, .. } = &*world.0;
        assert!(!world.1.timed_out(), "it did not happen: {flying} fly, {held} are held of {fetches:#?}");
    }

    /// Bytes of chunks that were fetched.
    pub(super) fn fetched_bytes(&self) -> u64 {
        self.world().fetches.iter().map(|fetch| fetch.bytes).sum()
    }

    fn give(&self, id: &ChunkId) -> Bytes {
        let chunk = counted(chunk_bytes(id), &self.alive);
        let alive = self.alive.load(Relaxed);
        self.set(|world| world.alive_most = world.alive_most.max(alive));
        chunk
    }

    /// Waits until a chunk may come.
    fn come(&self, fetch: usize, piece: &Piece, want: &Want) -> Result<(), ContentFault> {
        let mut world = self.world();
        let held =
            |world: &World| world.held_from.is_some_and(|from| piece.start >= from) && world.allowed == 0;
        if held(&world) {
            world.held += 1;
            self.changed.notify_all();
            // Nobody tells when a fetch is over: that is looked at, as a real one would.
            while held(&world) && !want.is_over() {
                world = self.changed.wait_timeout(world, Duration::from_millis(2)).unwrap().0;
            }
            world.held -= 1;
        }
        if want.is_over() {
            return Err(ContentFault::Cancelled);
        }
        world.allowed = world.allowed.saturating_sub(1);
        if world.offline {
            return Err(ContentFault::Offline("the cable is out".to_owned()));
        }
        if let Some(fault) = world.broken.get(&piece.id) {
            return Err(fault.clone());
        }
        world.fetches[fetch].bytes += u64::from(piece.bytes);
        if world.keeps {
            world.here.insert(piece.id);
        }
        Ok(())
    }
}

impl Contents for Fake {
    fn pieces(&self, oid: &Oid, range: Range<u64>) -> Result<Option<Vec<Piece>>, ContentFault> {
        assert!(range.end <= self.made[oid].bytes);
        Ok(self.world().layout.then(|| self.made[oid].pieces(&range)))
    }

    fn local(&self, id: &ChunkId) -> Result<Option<Bytes>, ContentFault> {
        let here = self.set(|world| {
            let here = world.here.contains(id);
            world.loads += u64::from(here);
            let fault = ContentFault::Damaged("a pack".to_owned());
            if world.unreadable.contains(id) { Err(fault) } else { Ok(here) }
        })?;
        Ok(here.then(|| self.give(id)))
    }

    fn has(&self, id: &ChunkId) -> bool {
        let world = self.world();
        world.here.contains(id) || world.unreadable.contains(id)
    }

    fn fetch(
        &self,
        oid: &Oid,
        range: Range<u64>,
        want: &Want,
        sink: &mut Sink<'_>,
    ) -> Result<(), ContentFault> {
        let at = self.set(|world| {
            world.flying += 1;
            world.flying_most = world.flying_most.max(world.flying);
            let (began, range) = (want.priority(), range.clone());
            world.fetches.push(Fetch { range, began, ended: None, bytes: 0, cancelled: false });
            world.fetches.len() - 1
        });
        let mut result = Ok(());
        for piece in self.made[oid].pieces(&range) {
            result = self.come(at, &piece, want);
            if result.is_err() || !sink(piece, self.give(&piece.id)) {
                break;
            }
        }
        self.set(|world| {
            world.flying -= 1;
            world.fetches[at].ended = Some(want.priority());
            world.fetches[at].cancelled = want.is_over();
        });
        result
    }

    fn whole(&self, _: &Oid) -> Option<File> {
        None
    }
}
