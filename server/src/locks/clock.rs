//! The time of locks: the machine's clock, but never going back and never standing still.
//!
//! A clock that is set back would end leases late, or make a lock older than the one before it. So from the latest time seen on,
//! seconds are counted by the monotonic clock of the system until the machine's clock has caught up. Pure: both clocks are arguments.

use std::time::Instant;

/// The latest time that was seen, and when.
#[derive(Debug)]
pub(super) struct Clock {
    time: u64,
    at: Instant,
}

impl Clock {
    /// Nothing before `time`, in seconds since 1970.
    pub fn from(time: u64, at: Instant) -> Clock {
        Clock { time, at }
    }

    /// The time when the machine's clock says `clock`, and the monotonic one `instant`.
    pub fn now(&mut self, clock: u64, instant: Instant) -> u64 {
        let counted = self.time.saturating_add(instant.saturating_duration_since(self.at).as_secs());
        if clock > counted {
            *self = Clock::from(clock, instant);
        }
        counted.max(clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_goes_on_when_the_machine_s_clock_jumps_back() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut clock = Clock::from(500, start);
        assert_eq!(clock.now(20, at(3)), 503, "a server that starts with a wrong clock");
        assert_eq!(clock.now(1000, at(10)), 1000);
        assert_eq!(clock.now(1005, at(12)), 1005, "the machine's clock is the one that counts");
        assert_eq!(clock.now(7, at(13)), 1006);
        assert_eq!(clock.now(60, at(72)), 1065);
        assert_eq!(clock.now(1064, at(72)), 1065);
        assert_eq!(clock.now(1100, at(73)), 1100);
    }
}
