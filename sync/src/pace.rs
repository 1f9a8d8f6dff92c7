//! How fast contents may travel (`dits.maxUploadRate`, `dits.maxDownloadRate`).
//!
//! A [`Bucket`] fills with its rate and holds at most what it gets in [`BURST`]; sending takes out of it, below zero if need
//! be, and what is below zero is the time to wait. So of n bytes, all but the first burst take n / rate, however they are
//! cut. Time is an argument. [`Pace`] is one bucket for each direction, shared by all streams of a connection.
//!
//! Only messages are counted, as they are by far the most of what travels; Git's own traffic is not.

use dits_net::options::Limits;
use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What may go at once after a rest, as the time in which it comes in.
pub const BURST: Duration = Duration::from_millis(100);
/// Nanoseconds in a second.
const NANOS: u128 = 1_000_000_000;

/// One direction.
#[derive(Debug)]
pub struct Bucket {
    rate: NonZeroU64,
    /// When it would be empty had nothing more been taken: behind now by at most a burst, before it while there is a debt.
    empty_at: Duration,
}

impl Bucket {
    /// A full bucket at time 0, filled with `rate` bytes a second.
    pub fn new(rate: NonZeroU64) -> Bucket {
        Bucket { rate, empty_at: Duration::ZERO }
    }

    /// Takes `bytes` at `now`, and says how long to wait before they go.
    pub fn take(&mut self, bytes: u64, now: Duration) -> Duration {
        let nanos = u128::from(bytes) * NANOS / u128::from(self.rate.get());
        let costs = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.empty_at = self.empty_at.max(now).saturating_add(costs);
        self.empty_at.saturating_sub(now.saturating_add(BURST))
    }
}

/// Both directions of a connection.
#[derive(Debug)]
pub struct Pace {
    start: Instant,
    up: Option<Mutex<Bucket>>,
    down: Option<Mutex<Bucket>>,
}

impl Pace {
    /// As `limits` say.
    pub fn new(limits: &Limits) -> Pace {
        let bucket = |rate: Option<NonZeroU64>| rate.map(|rate| Mutex::new(Bucket::new(rate)));
        Pace { start: Instant::now(), up: bucket(limits.up), down: bucket(limits.down) }
    }

    /// Whether sending has a rate to keep to.
    pub fn holds_back(&self) -> bool {
        self.up.is_some()
    }

    /// Returns when so many bytes may be sent.
    pub async fn send(&self, bytes: u64) {
        self.wait(self.up.as_ref(), bytes).await;
    }

    /// Returns when so many bytes, which have been received, are paid for.
    pub async fn received(&self, bytes: u64) {
        self.wait(self.down.as_ref(), bytes).await;
    }

    async fn wait(&self, bucket: Option<&Mutex<Bucket>>, bytes: u64) {
        let Some(bucket) = bucket else { return };
        let wait = bucket.lock().unwrap_or_else(PoisonError::into_inner).take(bytes, self.start.elapsed());
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_stretch_of_time_lets_more_through_than_it_earns(
            rate in 1..10_000_000_u64,
            takes in proptest::collection::vec((0..2_000_000_u64, 0..3_000_u64), 1..40),
        ) {
            let mut bucket = Bucket::new(NonZeroU64::new(rate).unwrap());
            let (mut now, mut sent) = (Duration::ZERO, 0);
            for (bytes, rest) in takes {
                now += Duration::from_millis(rest);
                now += bucket.take(bytes, now);
                sent += bytes;
                let earned = (now + BURST).as_secs_f64() * rate as f64;
                prop_assert!(sent as f64 <= earned * 1.000_001 + 1.0, "{sent} bytes by {now:?} at {rate} a second");
            }
        }

        #[test]
        fn a_steady_sender_gets_its_rate(rate in 1_000..10_000_000_u64, piece in 1..2_000_000_u64) {
            let mut bucket = Bucket::new(NonZeroU64::new(rate).unwrap());
            let mut now = Duration::ZERO;
            for _ in 0..50 {
                now += bucket.take(piece, now);
            }
            let ideal = 50.0 * piece as f64 / rate as f64;
            prop_assert!(now.as_secs_f64() <= ideal + 0.001, "{now:?} where {ideal} s would do");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn streams_of_a_connection_share_its_rate() {
        let limits = Limits { up: NonZeroU64::new(1000), ..Limits::default() };
        let (pace, start) = (Pace::new(&limits), Instant::now());
        let stream = async || {
            for _ in 0..10 {
                pace.send(500).await;
            }
        };
        tokio::join!(stream(), stream(), pace.received(1_000_000));
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(9_900) && took < Duration::from_millis(10_100), "{took:?}");
    }
}
