//! How many streams share one transfer: the rule, without streams.
//!
//! Where each stream is a connection of its own (TLS, HTTPS), several of them fill a long or lossy path that one cannot:
//! a lost packet slows down one of many. More than the path carries only costs. So the number is found by climbing from
//! [`START`]: one lane more, and it stays if the rate grew by [`GAIN`]; if not, one less, and no new try for [`REST`] samples.
//! A lane that breaks halves the number, as the path is then probably overfull.
//!
//! Always holds: at least one lane, at most the limit given. Time comes as an argument; rates are bytes per second.

use std::time::Duration;

/// Lanes at the start: a peer that is at work on what one brought, or waits for its disk, takes what the other brings.
pub const START: usize = 2;
/// By how much the rate must grow for one more lane to be worth it.
pub const GAIN: f64 = 1.1;
/// Samples without a new try after one that gained nothing.
pub const REST: u32 = 10;
/// Samples shorter than this say nothing.
pub const SAMPLE_MIN: Duration = Duration::from_millis(500);

/// The number of lanes, and how it was found.
#[derive(Debug, Clone)]
pub struct Lanes {
    now: usize,
    limit: usize,
    /// The rate before the last lane was added, while it is on trial.
    before: Option<f64>,
    rest: u32,
}

impl Lanes {
    /// Starts with [`START`] lanes, if so many are allowed; `limit` is at least one.
    pub fn new(limit: usize) -> Lanes {
        let limit = limit.max(1);
        Lanes { now: START.min(limit), limit, before: None, rest: 0 }
    }

    /// How many lanes to use now.
    pub fn count(&self) -> usize {
        self.now
    }

    /// Learns that all lanes together moved `bytes` in `elapsed`.
    pub fn sample(&mut self, bytes: u64, elapsed: Duration) {
        if elapsed < SAMPLE_MIN {
            return;
        }
        let rate = bytes as f64 / elapsed.as_secs_f64();
        if let Some(before) = self.before.take()
            && rate < before * GAIN
        {
            self.now -= 1;
            self.rest = REST;
            return;
        }
        if self.rest > 0 {
            self.rest -= 1;
        } else if self.now < self.limit {
            self.before = Some(rate);
            self.now += 1;
        }
    }

    /// Learns that a lane broke.
    pub fn broke(&mut self) {
        self.now = (self.now / 2).max(1);
        (self.before, self.rest) = (None, REST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Lanes after many samples on a path where `lanes` of them move `rate(lanes)` bytes a second.
    fn settled(limit: usize, rate: impl Fn(usize) -> u64) -> usize {
        let mut lanes = Lanes::new(limit);
        // The last sample of a rest: what is found is in use, and nothing is on trial.
        for _ in 0..100 {
            lanes.sample(rate(lanes.count()), SECOND);
        }
        while lanes.before.is_some() {
            lanes.sample(rate(lanes.count()), SECOND);
        }
        lanes.count()
    }

    #[test]
    fn a_path_that_the_first_lanes_fill_gets_no_more() {
        assert_eq!(settled(8, |_| 1_000_000), START);
        assert_eq!(settled(1, |_| 1_000_000), 1);
    }

    #[test]
    fn lanes_that_are_slow_one_by_one_are_added_until_the_path_is_full() {
        let rate = |lanes: usize| (lanes as u64 * 1_000_000).min(4_000_000);
        assert_eq!(settled(8, rate), 4);
        assert_eq!(settled(3, rate), 3);
    }

    #[test]
    fn a_broken_lane_halves_and_nothing_is_tried_for_a_while() {
        let mut lanes = Lanes::new(8);
        for _ in 0..8 {
            lanes.sample(lanes.count() as u64 * 1_000_000, SECOND);
        }
        assert_eq!(lanes.count(), 8);
        lanes.broke();
        for _ in 0..REST {
            assert_eq!(lanes.count(), 4);
            lanes.sample(4_000_000, SECOND);
        }
        lanes.sample(4_000_000, SECOND);
        assert_eq!(lanes.count(), 5);
    }

    proptest! {
        #[test]
        fn there_is_always_one_and_never_more_than_allowed(
            limit in 0usize..20,
            events in proptest::collection::vec((0u64..10_000_000, 0u64..3000, any::<bool>()), 0..200),
        ) {
            let mut lanes = Lanes::new(limit);
            for (bytes, millis, broke) in events {
                if broke { lanes.broke() } else { lanes.sample(bytes, Duration::from_millis(millis)) }
                prop_assert!((1..=limit.max(1)).contains(&lanes.count()));
            }
        }
    }
}
