//! What open files and workers share: chunks in memory, pieces, and under one lock what is wanted, who waits, and what is known of
//! remotes.
//!
//! Always holds: nobody reads a store or waits for a network while holding the lock. A chunk that comes is handed to everybody who
//! waits for it at once, so it does not matter how soon memory has to forget it. Every wait ends: with bytes, with the fault of the
//! fetch that should have brought them, or when nothing came for [`Options::patience`](super::Options).

use super::breaker::Breaker;
use super::faults::Faults;
use super::layout::Layouts;
use super::parts::{Got, cut};
use super::queue::{self, Owner, Queue, Reader};
use super::ram::Ram;
use super::stats::Counters;
use super::window::per_second;
use super::{Options, fetch};
use crate::outside::{ContentFault, Contents, Piece, Priority};
use bytes::Bytes;
use dits_format::{ChunkId, Oid};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A flight is as long as what comes in this time.
const FLIGHT_SECONDS: u64 = 2;

pub(super) struct Shared {
    pub(super) contents: Arc<dyn Contents>,
    pub(super) options: Options,
    pub(super) counters: Arc<Counters>,
    pub(super) ram: Ram,
    pub(super) layouts: Layouts,
    /// Open files that are read in order, which share the memory for windows.
    pub(super) sequential: AtomicUsize,
    began: Instant,
    state: Mutex<State>,
    work: Condvar,
}

/// What is under the lock.
pub(super) struct State {
    pub(super) queue: Queue,
    pub(super) breaker: Breaker,
    pub(super) faults: Faults,
    pub(super) closing: bool,
    waiters: HashMap<Owner, Waiter>,
    owners: Owner,
    workers: Vec<JoinHandle<()>>,
    idle: usize,
    /// When bytes last came.
    came: Duration,
    /// How fast flights are, in bytes a second; 0 before the first.
    rate: u64,
}

/// Somebody who waits for bytes.
struct Waiter {
    oid: Oid,
    got: Got,
    fault: Option<ContentFault>,
    wake: Arc<Condvar>,
    /// When bytes of this content last came.
    came: Duration,
}

/// What changes in what somebody would like to have.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) withdraw: Vec<Range<u64>>,
    pub(super) wish: Vec<(Range<u64>, Priority)>,
}

impl Wishes {
    pub(super) fn is_empty(&self) -> bool {
        self.wish.is_empty() && self.withdraw.is_empty()
    }
}

impl Shared {
    pub(super) fn new(contents: Arc<dyn Contents>, options: Options) -> Shared {
        let counters = Arc::new(Counters::default());
        let state = State {
            queue: Queue::default(),
            breaker: Breaker::new(options.probe_after),
            faults: Faults::default(),
            closing: false,
            waiters: HashMap::new(),
            owners: 0,
            workers: Vec::new(),
            idle: 0,
            came: Duration::ZERO,
            rate: 0,
        };
        Shared {
            contents,
            ram: Ram::new(options.ram_bytes, counters.clone()),
            options,
            counters,
            layouts: Layouts::new(),
            sequential: AtomicUsize::new(0),
            began: Instant::now(),
            state: Mutex::new(state),
            work: Condvar::new(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn new_owner(&self) -> Owner {
        let mut state = self.state();
        state.owners += 1;
        state.owners
    }

    /// What is on this machine of a range.
    pub(super) fn gather(&self, reader: &Reader, range: &Range<u64>) -> Result<Got, ContentFault> {
        let mut got = Got::default();
        let pieces = self.layouts.pieces(&*self.contents, &reader.oid, reader.bytes, range)?;
        let Some(pieces) = pieces else {
            got.miss(range.clone());
            return Ok(got);
        };
        for piece in pieces {
            match self.here(&piece.id) {
                Some(chunk) => got.parts.push(cut(&piece, &chunk, range)?),
                None => got.miss(range.start.max(piece.start)..range.end.min(piece.range().end)),
            }
        }
        Ok(got)
    }

    /// A chunk that is on this machine. One that cannot be read counts as absent: a remote may have it.
    pub(super) fn here(&self, id: &ChunkId) -> Option<Bytes> {
        if let Some(chunk) = self.ram.get(id) {
            self.counters.ram.add(chunk.len() as u64);
            return Some(chunk);
        }
        self.ram.get_or_load(id, || {
            let chunk = self.contents.local(id).ok().flatten()?;
            self.counters.store.add(chunk.len() as u64);
            Some(chunk)
        })
    }

    /// Takes from memory what came since somebody looked, or what he could not know of because the pieces beside it were not told
    /// yet. With the lock held, nothing comes between this and his wish for the rest.
    fn take_what_came(&self, oid: &Oid, got: &mut Got) -> Result<(), ContentFault> {
        for missing in got.missing.clone() {
            let mut at = missing.start;
            while let Some(piece) = self.layouts.known(oid, at).filter(|_| at < missing.end) {
                if let Some(chunk) = self.ram.get(&piece.id) {
                    self.counters.ram.add(chunk.len() as u64);
                    got.offer(&piece, &chunk)?;
                }
                at = piece.range().end;
            }
        }
        Ok(())
    }

    /// Why a range that is not here cannot be had, as far as that is known already.
    pub(super) fn known_fault(&self, reader: &Reader, missing: &[Range<u64>]) -> Option<ContentFault> {
        self.state().known_fault(&reader.oid, missing, self.now())
    }

    /// Takes note of what somebody would like to have.
    pub(super) fn submit(self: &Arc<Self>, reader: &Reader, wishes: Wishes) {
        let mut state = self.state();
        state.submit(reader, wishes);
        self.set_to_work(&mut state);
    }

    /// Waits until all of a range is there.
    pub(super) fn wait(
        self: &Arc<Self>,
        reader: &Reader,
        mut got: Got,
        wishes: Wishes,
    ) -> Result<Got, ContentFault> {
        let mut state = self.state();
        let now = self.now();
        self.take_what_came(&reader.oid, &mut got)?;
        if got.missing.is_empty() {
            state.submit(reader, wishes);
            self.set_to_work(&mut state);
            return Ok(got);
        }
        if let Some(fault) = state.known_fault(&reader.oid, &got.missing, now) {
            return Err(fault);
        }
        state.owners += 1;
        let owner = state.owners;
        for range in &got.missing {
            state.queue.wish(&Reader { owner, ..*reader }, range.clone(), Priority::Blocking);
        }
        state.submit(reader, wishes);
        let wake = Arc::new(Condvar::new());
        let waiter = Waiter { oid: reader.oid, got, fault: None, wake: wake.clone(), came: now };
        state.waiters.insert(owner, waiter);
        self.set_to_work(&mut state);
        let (mut state, result) = self.wait_for(state, owner, &wake);
        state.waiters.remove(&owner);
        state.queue.withdraw(owner, &reader.oid, &(0..u64::MAX));
        result
    }

    fn wait_for<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        owner: Owner,
        wake: &Condvar,
    ) -> (MutexGuard<'a, State>, Result<Got, ContentFault>) {
        loop {
            let state_now = &mut *state;
            let Some(waiter) = state_now.waiters.get_mut(&owner) else {
                return (state, Err(ContentFault::Cancelled));
            };
            if waiter.got.missing.is_empty() {
                let got = std::mem::take(&mut waiter.got);
                return (state, Ok(got));
            }
            if let Some(fault) = waiter.fault.take() {
                return (state, Err(fault));
            }
            let in_flight = |range: &_| state_now.queue.is_in_flight(&waiter.oid, range);
            let queued = !waiter.got.missing.iter().all(in_flight);
            let last = if queued { waiter.came.max(state_now.came) } else { waiter.came };
            let left = (last + self.options.patience).saturating_sub(self.now());
            if left.is_zero() {
                for range in &waiter.got.missing {
                    state_now.queue.give_up_flights(&waiter.oid, range);
                }
                let seconds = self.options.patience.as_secs_f32();
                return (state, Err(ContentFault::Failed(format!("nothing came for {seconds} s"))));
            }
            state = wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sees to it that somebody does what there is to do.
    pub(super) fn set_to_work(self: &Arc<Self>, state: &mut State) {
        if state.idle > 0 {
            self.work.notify_one();
        } else if state.workers.len() < self.options.flights.max(1) && !state.closing {
            let shared = self.clone();
            let worker = std::thread::Builder::new().name("dits-fetch".to_owned());
            match worker.spawn(move || fetch::work(&shared)) {
                Ok(worker) => state.workers.push(worker),
                Err(error) if state.workers.is_empty() => {
                    state.fail_all(&ContentFault::Failed(format!("cannot start a thread: {error}")));
                }
                Err(_) => {}
            }
        }
    }

    /// Waits for something to do.
    pub(super) fn idle<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let due = state.breaker.due().map(|due| due.saturating_sub(self.now()));
        state.idle += 1;
        let mut state = match due {
            Some(due) => self.work.wait_timeout(state, due).unwrap_or_else(PoisonError::into_inner).0,
            None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
        state.idle -= 1;
        state
    }

    /// Ends all fetches and waits for the workers.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closing = true;
        state.queue.give_up_all();
        let workers = std::mem::take(&mut state.workers);
        drop(state);
        self.work.notify_all();
        for worker in workers {
            // One that panicked has told so on its own.
            let _ = worker.join();
        }
    }
}

impl State {
    fn submit(&mut self, reader: &Reader, wishes: Wishes) {
        for range in &wishes.withdraw {
            self.queue.withdraw(reader.owner, &reader.oid, range);
        }
        if !self.breaker.is_away() {
            for (range, priority) in wishes.wish {
                self.queue.wish(reader, range, priority);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    fn known_fault(&mut self, oid: &Oid, missing: &[Range<u64>], now: Duration) -> Option<ContentFault> {
        let first = missing.first()?;
        if let Some(why) = self.breaker.refuses((*oid, first.start)) {
            return Some(ContentFault::Offline(why.to_owned()));
        }
        missing.iter().find_map(|range| self.faults.find(oid, range, now)).cloned()
    }

    /// How flights are bounded now.
    pub(super) fn bounds(&self, options: &Options) -> queue::Bounds {
        let flights = options.flights.max(1);
        let in_time = match self.rate {
            0 => queue::FLIGHT_BYTES_MIN,
            rate => rate.saturating_mul(FLIGHT_SECONDS).max(queue::FLIGHT_BYTES_MIN),
        };
        let share = (options.flight_bytes / flights as u64).max(1);
        queue::Bounds { flights, flight_bytes: in_time.min(queue::FLIGHT_BYTES_MAX).min(share) }
    }

    /// Takes note of how long a flight took.
    pub(super) fn note_rate(&mut self, bytes: u64, time: Duration) {
        let rate = per_second(bytes, time).max(1);
        self.rate = if self.rate == 0 { rate } else { self.rate / 4 * 3 + rate / 4 + 1 };
    }

    /// Whether somebody waits for bytes of this piece.
    pub(super) fn is_awaited(&self, oid: &Oid, piece: &Piece) -> bool {
        let missing =
            |waiter: &Waiter| waiter.got.missing.iter().any(|range| queue::overlap(range, &piece.range()));
        self.waiters.values().any(|waiter| waiter.oid == *oid && missing(waiter))
    }

    /// Hands a chunk to all who wait for it; how many bytes they took.
    pub(super) fn deliver(&mut self, oid: &Oid, piece: &Piece, chunk: &Bytes, now: Duration) -> u64 {
        let mut taken = 0;
        self.came = now;
        for waiter in self.waiters.values_mut().filter(|waiter| waiter.oid == *oid) {
            waiter.came = now;
            match waiter.got.offer(piece, chunk) {
                Ok(bytes) => taken += bytes,
                Err(fault) => waiter.fault = Some(fault),
            }
            if waiter.got.missing.is_empty() || waiter.fault.is_some() {
                waiter.wake.notify_one();
            }
        }
        taken
    }

    /// Ends the wait of one.
    pub(super) fn fail(&mut self, owner: Owner, fault: &ContentFault) {
        if let Some(waiter) = self.waiters.get_mut(&owner) {
            waiter.fault.get_or_insert_with(|| fault.clone());
            waiter.wake.notify_one();
        }
    }

    /// Ends the wait of all.
    pub(super) fn fail_all(&mut self, fault: &ContentFault) {
        let owners: Vec<_> = self.waiters.keys().copied().collect();
        owners.into_iter().for_each(|owner| self.fail(owner, fault));
    }

    /// Ends the wait of all who would need another fetch.
    pub(super) fn fail_grounded(&mut self, fault: &ContentFault) {
        let flies = |waiter: &Waiter| {
            waiter.got.missing.iter().all(|range| self.queue.is_in_flight(&waiter.oid, range))
        };
        let grounded = self.waiters.iter().filter(|(_, waiter)| !flies(waiter));
        let owners: Vec<_> = grounded.map(|(owner, _)| *owner).collect();
        owners.into_iter().for_each(|owner| self.fail(owner, fault));
    }
}
