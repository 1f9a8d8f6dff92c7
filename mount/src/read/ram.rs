//! Chunks in memory, by id; those that were not used for longest make room.
//!
//! Always holds: what is in here has no more bytes than it was given room for. The cache below settles late what was put in, so some
//! of the room is kept for that. Plain LRU: a chunk that was fetched ahead must not be turned away because nobody used it yet.

use super::stats::Counters;
use bytes::Bytes;
use dits_format::ChunkId;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of the room, this part is for what is not settled yet.
const UNSETTLED_PART: u64 = 8;

/// Chunks in memory.
#[derive(Debug)]
pub(super) struct Ram {
    chunks: Cache<ChunkId, Arc<Held>>,
    unsettled: AtomicU64,
    unsettled_max: u64,
    counters: Arc<Counters>,
}

/// A chunk in memory.
#[derive(Debug)]
pub(super) struct Held {
    /// `None` when it had to make room: the cache itself lets go of it later.
    bytes: Mutex<Option<Bytes>>,
    len: u32,
    /// Whether it was brought here ahead and nobody has used it.
    fresh: AtomicBool,
}

impl Held {
    fn new(bytes: Bytes, fresh: bool) -> Arc<Held> {
        let len = bytes.len() as u32;
        Arc::new(Held { bytes: Mutex::new(Some(bytes)), len, fresh: AtomicBool::new(fresh) })
    }

    fn bytes(&self) -> MutexGuard<'_, Option<Bytes>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ram {
    /// Room for so many bytes.
    pub(super) fn new(bytes: u64, counters: Arc<Counters>) -> Ram {
        let unsettled_max = bytes / UNSETTLED_PART;
        let evicted = counters.clone();
        let chunks = Cache::builder()
            .max_capacity(bytes - unsettled_max)
            .weigher(|_, held: &Arc<Held>| held.len)
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |_, held: Arc<Held>, why| {
                held.bytes().take();
                // Only who loads it himself at the same moment replaces one.
                let unused = &evicted.ahead_unused_bytes;
                let used = &evicted.ahead_used_bytes;
                if held.fresh.swap(false, Relaxed) {
                    let counter = if why == RemovalCause::Replaced { used } else { unused };
                    counter.fetch_add(held.len.into(), Relaxed);
                }
            })
            .build();
        Ram { chunks, unsettled: AtomicU64::new(0), unsettled_max, counters }
    }

    /// A chunk, for somebody who reads it.
    pub(super) fn get(&self, id: &ChunkId) -> Option<Bytes> {
        self.chunks.get(id).and_then(|held| self.give(&held))
    }

    /// Whether a chunk is here.
    pub(super) fn has(&self, id: &ChunkId) -> bool {
        self.chunks.contains_key(id)
    }

    /// A chunk that is here or can be loaded. However many ask at once, one loads it.
    pub(super) fn get_or_load(&self, id: &ChunkId, load: impl FnOnce() -> Option<Bytes>) -> Option<Bytes> {
        let mut loaded = None;
        let load = || {
            let bytes = load()?;
            self.make_room(&bytes);
            loaded = Some(bytes.clone());
            Some(Held::new(bytes, false))
        };
        let held = self.chunks.optionally_get_with_by_ref(id, load)?;
        loaded.or_else(|| self.give(&held))
    }

    /// Puts a chunk here that came from a remote; `None` when it was here already.
    pub(super) fn put_fetched(&self, id: ChunkId, bytes: Bytes) -> Option<Arc<Held>> {
        self.make_room(&bytes);
        let entry = self.chunks.entry(id).or_insert(Held::new(bytes, true));
        entry.is_fresh().then(|| entry.into_value())
    }

    /// Counts a chunk that came from a remote, and whether somebody waited for it.
    pub(super) fn count_fetched(&self, held: &Held, awaited: bool) {
        if awaited {
            held.fresh.store(false, Relaxed);
        } else {
            self.counters.ahead_bytes.fetch_add(held.len.into(), Relaxed);
        }
    }

    /// Bytes in here.
    pub(super) fn bytes(&self) -> u64 {
        self.chunks.weighted_size()
    }

    fn make_room(&self, bytes: &Bytes) {
        let bytes = bytes.len() as u64;
        if self.unsettled.fetch_add(bytes, Relaxed) + bytes > self.unsettled_max {
            self.unsettled.store(bytes, Relaxed);
            self.chunks.run_pending_tasks();
        }
    }

    fn give(&self, held: &Held) -> Option<Bytes> {
        let bytes = held.bytes().clone()?;
        if held.fresh.load(Relaxed) && held.fresh.swap(false, Relaxed) {
            self.counters.ahead_used_bytes.fetch_add(held.len.into(), Relaxed);
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: usize = 1000;

    fn id(at: usize) -> ChunkId {
        ChunkId::of(dits_format::Kind::Data, &at.to_le_bytes())
    }

    #[test]
    fn it_never_holds_more_than_its_room() {
        let counters = Arc::new(Counters::default());
        let ram = Ram::new(100 * CHUNK as u64, counters.clone());
        let alive = Arc::new(AtomicU64::new(0));
        for at in 0..2000 {
            ram.put_fetched(id(at), super::super::fake::counted(vec![1; CHUNK], &alive));
            assert!(alive.load(Relaxed) <= 100 * CHUNK as u64, "{at}: {alive:?}");
        }
        assert!(ram.get(&id(1999)).is_some() && ram.get(&id(0)).is_none());
        assert!(counters.ahead_unused_bytes.load(Relaxed) >= 1_800 * CHUNK as u64);
        assert_eq!(counters.ahead_used_bytes.load(Relaxed), CHUNK as u64);
    }

    #[test]
    fn new_chunks_take_the_place_of_old_ones_however_often_these_were_used() {
        let ram = Ram::new(80 * CHUNK as u64, Arc::default());
        for round in 0..50 {
            (0..60).for_each(|at| match round {
                0 => drop(ram.put_fetched(id(at), Bytes::from(vec![0; CHUNK]))),
                _ => assert!(ram.get(&id(at)).is_some()),
            });
        }
        (100..200).for_each(|at| {
            ram.put_fetched(id(at), Bytes::from(vec![0; CHUNK]));
            assert!(ram.get(&id(at)).is_some(), "{at}");
        });
    }
}
