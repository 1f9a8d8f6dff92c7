//! Ends leases when they are over, whether anybody asks or not: watches hear of it, and the owner has news.
//!
//! Nothing depends on it for truth: whoever looks at a table ends what is over first.

use super::{Locks, LocksError};
use crate::prover::Tell;
use std::time::{Duration, Instant};
use tokio::task::block_in_place;
use tokio::time::sleep;

/// It looks at least this often: the machine may have slept, or its clock been set.
const LOOK_EVERY: Duration = Duration::from_secs(60);

impl Locks {
    /// Runs until the server stops.
    pub async fn end_leases_in_time(&self, clock: fn() -> u64, tell: &Tell) {
        loop {
            let wait = block_in_place(|| self.end_all_leases(clock())).unwrap_or_else(|error| {
                tell(&format!("cannot end leases of locks: {error}"));
                LOOK_EVERY
            });
            tokio::select! {
                () = sleep(wait.min(LOOK_EVERY)) => {}
                () = self.leased.notified() => {}
                () = self.stopped() => return,
            }
        }
    }

    /// Ends what is over at `clock` in all repositories; says how long the next lease still lasts.
    pub(super) fn end_all_leases(&self, clock: u64) -> Result<Duration, LocksError> {
        let mut state = self.state();
        let now = state.clock.now(clock, Instant::now());
        let is_due =
            |(_, table): &(&String, &dits_lock::Table)| table.next_end().is_some_and(|end| end <= now);
        let due: Vec<String> = state.tables.iter().filter(is_due).map(|(name, _)| name.clone()).collect();
        due.iter().try_for_each(|repository| self.end_leases(&mut state, repository, now))?;
        let next = state.tables.values().filter_map(dits_lock::Table::next_end).min();
        Ok(next.map_or(LOOK_EVERY, |end| Duration::from_secs(end.saturating_sub(now))))
    }
}
