//! One push or pull over several streams at once, where each stream is a connection of its own.
//!
//! The contents are cut into shares in their order; a lane takes the next share when it is done with one, and how many lanes
//! there are is found while it goes ([`Lanes`]). Each share is a push or pull of its own: what it brought is bound when it
//! ends, which is earlier than all, and does no harm. The first lane goes alone until it moves something, so a refusal comes once.
//! The first error ends the whole as soon as each lane has ended its share.

use super::{Client, Observer, Report};
use crate::lanes::{Lanes, SAMPLE_MIN};
use crate::machine::{SyncError, Tally};
use dits_net::route::Way;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lanes of one transfer.
pub const LANES_MAX: usize = 8;
/// Contents of a share, unless there would be too many shares.
const SHARE_CONTENTS: usize = 256;
/// Bytes of contents after which a share takes no more, with the same exception.
const SHARE_BYTES: u64 = 16 << 20;
/// About so many shares at most: each costs a connection and a commit.
const SHARES_TARGET: usize = 32;
/// Between two samples of the rate.
const SAMPLE: Duration = SAMPLE_MIN;

/// Cuts `items` into shares; `bytes` tells what one weighs.
pub(super) fn shares<T>(items: Vec<T>, bytes: impl Fn(&T) -> u64) -> Vec<Vec<T>> {
    let total = items.iter().map(&bytes).fold(0, u64::saturating_add);
    let bytes_max = SHARE_BYTES.max(total / SHARES_TARGET as u64);
    let contents_max = SHARE_CONTENTS.max(items.len() / SHARES_TARGET);
    let (mut shares, mut weight) = (vec![Vec::new()], 0);
    for item in items {
        let last = shares.last_mut().expect("there is always one");
        if last.len() >= contents_max || weight >= bytes_max {
            weight = bytes(&item);
            shares.push(vec![item]);
        } else {
            weight = weight.saturating_add(bytes(&item));
            last.push(item);
        }
    }
    shares
}

/// What all lanes work with.
struct Road<'a, T> {
    state: Mutex<State<'a, T>>,
    changed: Condvar,
}

struct State<'a, T> {
    waiting: VecDeque<T>,
    lanes: Lanes,
    /// Of shares that are done, and of those under way.
    tallies: Vec<Tally>,
    wire: (u64, u64),
    sampled: (Instant, u64),
    /// Lanes that are at work on a share.
    busy: usize,
    /// Whether anything moved, or a share is done: the peer takes what comes, so others may join.
    has_moved: bool,
    error: Option<SyncError>,
    observe: Observer<'a>,
}

impl Client {
    /// Whether more streams may move more.
    pub(super) fn has_lanes(&self) -> bool {
        self.way() != Way::Quic
    }
}

/// Runs `one` for each share, several at once.
pub(super) fn side_by_side<T: Send>(
    shares: Vec<T>,
    observe: Observer<'_>,
    one: impl Fn(T, Observer<'_>) -> Result<Report, SyncError> + Sync,
) -> Result<Report, SyncError> {
    let count = shares.len().clamp(1, LANES_MAX);
    let state = State {
        waiting: shares.into(),
        lanes: Lanes::new(count),
        tallies: Vec::new(),
        wire: (0, 0),
        sampled: (Instant::now(), 0),
        busy: 0,
        has_moved: false,
        error: None,
        observe,
    };
    let road = Road { state: Mutex::new(state), changed: Condvar::new() };
    std::thread::scope(|scope| {
        // The first lane is this thread.
        for _ in 1..count {
            scope.spawn(|| road.work(&one));
        }
        road.work(&one);
    });
    let state = road.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match state.error {
        Some(error) => Err(error),
        None => Ok(Report { tally: total(&state.tallies), wire: state.wire }),
    }
}

impl<'a, T: Send> Road<'a, T> {
    fn lock(&self) -> MutexGuard<'_, State<'a, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One lane: a share after the other, as long as there is room for it.
    fn work(&self, one: &(impl Fn(T, Observer<'_>) -> Result<Report, SyncError> + Sync)) {
        while let Some((slot, share)) = self.next() {
            let result = one(share, &mut |tally| self.moved(slot, tally));
            let mut state = self.lock();
            state.busy -= 1;
            match result {
                Ok(report) => {
                    state.has_moved = true;
                    state.tallies[slot] = report.tally;
                    state.wire = (state.wire.0 + report.wire.0, state.wire.1 + report.wire.1);
                }
                Err(error) => drop(state.error.get_or_insert(error)),
            }
            self.changed.notify_all();
        }
    }

    /// The next share and its number; waits while there are lanes enough.
    fn next(&self) -> Option<(usize, T)> {
        let mut state = self.lock();
        loop {
            if state.error.is_some() || state.waiting.is_empty() {
                return None;
            }
            if state.busy < if state.has_moved { state.lanes.count() } else { 1 } {
                let share = state.waiting.pop_front()?;
                state.busy += 1;
                state.tallies.push(Tally::default());
                return Some((state.tallies.len() - 1, share));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn moved(&self, slot: usize, tally: Tally) {
        let mut state = self.lock();
        state.tallies[slot] = tally;
        let all = total(&state.tallies);
        if all.chunk_bytes > 0 && !std::mem::replace(&mut state.has_moved, true) {
            self.changed.notify_all();
        }
        let (since, before) = state.sampled;
        if since.elapsed() >= SAMPLE {
            state.lanes.sample(all.chunk_bytes - before, since.elapsed());
            state.sampled = (Instant::now(), all.chunk_bytes);
            self.changed.notify_all();
        }
        (state.observe)(all);
    }
}

fn total(tallies: &[Tally]) -> Tally {
    tallies.iter().fold(Tally::default(), |sum, tally| sum.plus(*tally))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(chunk_bytes: u64) -> Tally {
        Tally { chunk_bytes, ..Tally::default() }
    }

    #[test]
    fn a_second_lane_joins_while_the_first_is_under_way() {
        const PATIENCE: Duration = Duration::from_secs(20);
        let busy = Mutex::new(0);
        let all_here = Condvar::new();
        let mut seen = 0;
        let report = side_by_side(vec![1u64, 2], &mut |tally| seen = tally.chunk_bytes, |share, observe| {
            let start = Instant::now();
            let mut busy = busy.lock().unwrap();
            *busy += 1;
            all_here.notify_all();
            while *busy < 2 {
                assert!(start.elapsed() < PATIENCE, "nobody joined");
                busy = all_here.wait_timeout(busy, Duration::from_millis(50)).unwrap().0;
                observe(moved(share));
            }
            observe(moved(share * 1000));
            Ok(Report { tally: moved(share * 1000), wire: (share, 0) })
        });
        let report = report.unwrap();
        assert_eq!((report.tally.chunk_bytes, report.wire.0, seen), (3000, 3, 3000));
    }

    #[test]
    fn the_first_error_ends_it_before_the_shares_that_wait() {
        let tried = Mutex::new(Vec::new());
        let result = side_by_side(vec![1, 2, 3], &mut |_| {}, |share, _| {
            tried.lock().unwrap().push(share);
            Err(SyncError::Lost("gone".into()))
        });
        assert!(matches!(result, Err(SyncError::Lost(_))));
        assert_eq!(*tried.lock().unwrap(), [1]);
    }

    #[test]
    fn shares_keep_the_order_and_their_bounds() {
        let mib = |n: u64| n << 20;
        let cut = |sizes: &[u64]| shares(sizes.to_vec(), |size| *size);
        assert_eq!(cut(&[]), [Vec::<u64>::new()]);
        assert_eq!(cut(&[mib(100), mib(1), mib(1)]), [vec![mib(100)], vec![mib(1), mib(1)]]);
        assert_eq!(cut(&[mib(10), mib(10), mib(10)]), [vec![mib(10), mib(10)], vec![mib(10)]]);
        let many = cut(&vec![1; 600]);
        assert_eq!(many.iter().map(Vec::len).collect::<Vec<_>>(), [256, 256, 88]);
        assert!(cut(&vec![mib(1); 20_000]).len() <= SHARES_TARGET + 1);
        assert!(cut(&vec![1; 100_000]).len() <= SHARES_TARGET + 1);
    }
}
