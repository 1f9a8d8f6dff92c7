//! How many flights there may be, and how long. Some are kept free for who waits, so that he does not wait behind what is fetched ahead;
//! with only one or two, everybody shares them.

use crate::outside::Priority;

/// What bounds the flights.
#[derive(Debug, Clone, Copy)]
pub(in crate::read) struct Bounds {
    /// Flights at a time.
    pub(in crate::read) flights: usize,
    /// Bytes of a flight.
    pub(in crate::read) flight_bytes: u64,
}

impl Bounds {
    /// How many flights of this priority and of less urgent ones there may be.
    pub(super) fn most(&self, priority: Priority) -> usize {
        let all = self.flights;
        match priority {
            Priority::Blocking => all,
            Priority::Playhead => all.saturating_sub(1).max(1),
            Priority::Ahead => all.saturating_sub(2).max(1),
            Priority::Background => (all / 2).max(1),
        }
    }
}
