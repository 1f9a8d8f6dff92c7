//! Puts into the store what came from remotes, behind the backs of those who read it.
//!
//! What was put is in memory until its batch is durable, and is found there ([`Keeper::pending`]). One thread writes: a batch ends
//! when it is large, old, or nothing has come for a while. Readers never wait for it: what comes faster than the disk takes it is not kept,
//! and counted. Whoever fetches in advance waits instead.
//!
//! When the store cannot be written (full, reserve reached, read-only), what is pending is dropped, that is told once, and nothing is
//! kept for [`CLOSED_FOR`]; then it is tried again. Losing any of it costs time: it can be fetched again.

use super::{Tell, Told};
use bytes::Bytes;
use dits_format::{ChunkId, Kind};
use dits_store::{Batch, StoreError};
use serde::Serialize;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of chunks that may wait in memory.
pub const PENDING_BYTES_MAX: u64 = 160 << 20;
/// A batch of so many bytes is made durable.
const BATCH_BYTES: u64 = 64 << 20;
/// A batch that nothing was added to for so long is, too,
const QUIET: Duration = Duration::from_secs(1);
/// and one that is so old.
const AGE_MAX: Duration = Duration::from_secs(10);
/// How long nothing is kept after the store could not be written.
const CLOSED_FOR: Duration = Duration::from_secs(30);
/// How long one who fetches in advance waits for the disk.
const ROOM_MAX: Duration = Duration::from_secs(60);

/// Begins a batch of the store.
pub type Open = Box<dyn Fn() -> Result<Box<dyn Batch>, StoreError> + Send>;

/// What came from remotes, in chunks of data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Chunks that came.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these bytes, those that are durable here.
    pub kept_bytes: u64,
    /// And those that could not be kept.
    pub dropped_bytes: u64,
}

/// See the file head.
pub struct Keeper {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    tell: Tell,
    /// Bytes that may be pending.
    most: u64,
}

#[derive(Default)]
struct State {
    pending: HashMap<ChunkId, (Kind, Bytes)>,
    pending_bytes: u64,
    queue: VecDeque<ChunkId>,
    counts: Counts,
    /// Since when nothing is kept.
    closed: Option<Instant>,
    /// Asked for by those who flush, and done.
    flushes: (u64, u64),
    ends: bool,
    open: Option<Open>,
}

impl Keeper {
    /// Writes to the batches that `open` begins.
    pub fn new(open: Open, tell: Tell) -> Keeper {
        Keeper::with(open, tell, PENDING_BYTES_MAX)
    }

    fn with(open: Open, tell: Tell, most: u64) -> Keeper {
        let state = Mutex::new(State { open: Some(open), ..State::default() });
        let shared = Shared { state, changed: Condvar::new(), tell, most };
        Keeper { shared: Arc::new(shared), thread: Mutex::default() }
    }

    /// A chunk that is not in the store yet.
    pub fn pending(&self, id: &ChunkId) -> Option<(Kind, Bytes)> {
        self.shared.lock().pending.get(id).cloned()
    }

    /// Whether there is such a chunk.
    pub fn has(&self, id: &ChunkId) -> bool {
        self.shared.lock().pending.contains_key(id)
    }

    /// Takes a chunk that was checked and is not in the store; with `waits`, when there is room.
    pub fn put(&self, id: ChunkId, kind: Kind, bytes: Bytes, waits: bool) {
        let len = bytes.len() as u64;
        let mut state = self.shared.lock();
        if kind == Kind::Data {
            state.counts.chunks += 1;
            state.counts.bytes += len;
        }
        let most = self.shared.most;
        let is_full = |state: &mut State| state.pending_bytes + len > most && !state.is_closed();
        if waits {
            let waited = self.shared.changed.wait_timeout_while(state, ROOM_MAX, is_full);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.ends || state.is_closed() || is_full(&mut state) {
            state.counts.dropped_bytes += len;
            return;
        }
        if state.pending.insert(id, (kind, bytes)).is_some() {
            return;
        }
        state.pending_bytes += len;
        state.queue.push_back(id);
        self.shared.changed.notify_all();
        let open = state.open.take();
        drop(state);
        if let Some(open) = open {
            let shared = self.shared.clone();
            let thread = std::thread::Builder::new().name("keeper".into()).spawn(move || shared.write(&open));
            match thread {
                Ok(thread) => *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread),
                // Nobody writes: nothing is kept.
                Err(_) => self.shared.lock().give_up(),
            }
        }
    }

    /// Returns when all that was put so far is durable, or dropped.
    pub fn flush(&self) {
        let mut state = self.shared.lock();
        state.flushes.0 += 1;
        let number = state.flushes.0;
        self.shared.changed.notify_all();
        // Without a thread nothing was put.
        let waits = |state: &mut State| state.open.is_none() && state.flushes.1 < number && !state.ends;
        drop(self.shared.changed.wait_while(state, waits));
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts
    }
}

impl Drop for Keeper {
    /// What is pending is kept.
    fn drop(&mut self) {
        self.shared.lock().ends = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl State {
    /// Drops all that is pending; nothing more is taken.
    fn give_up(&mut self) {
        self.ends = true;
        self.counts.dropped_bytes += std::mem::take(&mut self.pending_bytes);
        self.pending.clear();
        self.queue.clear();
    }

    fn is_closed(&self) -> bool {
        self.closed.is_some_and(|since| since.elapsed() < CLOSED_FOR)
    }

    /// Lets go of these, which are durable or lost.
    fn forget(&mut self, ids: &[ChunkId]) -> u64 {
        let mut data_bytes = 0;
        for (kind, bytes) in ids.iter().filter_map(|id| self.pending.remove(id)) {
            self.pending_bytes -= bytes.len() as u64;
            data_bytes += if kind == Kind::Data { bytes.len() as u64 } else { 0 };
        }
        data_bytes
    }
}

/// Whether the thread goes on.
#[derive(PartialEq)]
enum Next {
    Put(ChunkId, Kind, Bytes),
    Commit,
    End,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: one batch after the other.
    fn write(&self, open: &Open) {
        loop {
            let mut ids = Vec::new();
            let result = self.one_batch(open, &mut ids);
            let goes_on = *result.as_ref().unwrap_or(&true);
            let mut state = self.lock();
            match result {
                Ok(_) => {
                    let bytes = state.forget(&ids);
                    state.counts.kept_bytes += bytes;
                    // A batch with nothing in it says nothing about the store.
                    state.closed = state.closed.filter(|_| ids.is_empty());
                }
                Err(error) => {
                    ids.extend(std::mem::take(&mut state.queue));
                    let bytes = state.forget(&ids);
                    state.counts.dropped_bytes += bytes;
                    // Told again only after something could be kept.
                    if state.closed.replace(Instant::now()).is_none() {
                        (self.tell)(Told::NotKept { why: error.to_string() });
                    }
                }
            }
            if state.queue.is_empty() {
                state.flushes.1 = state.flushes.0;
            }
            self.changed.notify_all();
            if !goes_on {
                state.ends = true;
                return;
            }
        }
    }

    /// Fills a batch with what comes, and makes it durable; says whether another one follows.
    fn one_batch(&self, open: &Open, ids: &mut Vec<ChunkId>) -> Result<bool, StoreError> {
        let (mut batch, mut bytes, mut began) = (None::<Box<dyn Batch>>, 0, Instant::now());
        loop {
            let next = if bytes >= BATCH_BYTES { Next::Commit } else { self.next(batch.is_some(), began) };
            match next {
                Next::Put(id, kind, chunk) => {
                    ids.push(id);
                    let batch = match &mut batch {
                        Some(batch) => batch,
                        none => {
                            began = Instant::now();
                            none.insert(open()?)
                        }
                    };
                    batch.put(id, kind, &chunk)?;
                    bytes += chunk.len() as u64;
                }
                Next::Commit | Next::End => {
                    batch.map_or(Ok(()), |batch| batch.commit().map(drop))?;
                    return Ok(next != Next::End);
                }
            }
        }
    }

    /// What the thread does next; waits for it.
    fn next(&self, has_batch: bool, began: Instant) -> Next {
        let mut state = self.lock();
        loop {
            if let Some(id) = state.queue.pop_front() {
                if let Some((kind, bytes)) = state.pending.get(&id).cloned() {
                    return Next::Put(id, kind, bytes);
                }
                continue;
            }
            if state.ends {
                return Next::End;
            }
            if state.flushes.1 < state.flushes.0 || (has_batch && began.elapsed() >= AGE_MAX) {
                return Next::Commit;
            }
            if !has_batch {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited = self.changed.wait_timeout_while(state, QUIET, |state| {
                state.queue.is_empty() && !state.ends && state.flushes.1 == state.flushes.0
            });
            let (next, timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
            state = next;
            if timed_out.timed_out() {
                return Next::Commit;
            }
        }
    }
}

#[cfg(test)]
#[path = "keep_tests.rs"]
mod tests;
