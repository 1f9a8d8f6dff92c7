//! When a transfer is too slow to go on (`http.lowSpeedLimit`, `http.lowSpeedTime`), in Git's words.
//!
//! [`Slow`] is told now and then how many bytes have moved; when each look of a whole `time` saw less than `limit` bytes a
//! second, it is enough. Time is an argument.

use crate::SyncError;
use dits_net::stream::Activity;
use std::num::NonZeroU64;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Watches one transfer.
#[derive(Debug)]
pub struct Slow {
    limit: NonZeroU64,
    time: Duration,
    looked: Duration,
    moved: u64,
    /// Since when it was slow.
    since: Duration,
}

impl Slow {
    /// A transfer that begins at time 0 with no bytes moved.
    pub fn new(limit: NonZeroU64, time: Duration) -> Slow {
        Slow { limit, time, looked: Duration::ZERO, moved: 0, since: Duration::ZERO }
    }

    /// Whether it is to be given up at `now`, when so many bytes have moved in all.
    pub fn is_enough(&mut self, now: Duration, moved: u64) -> bool {
        let span = now.saturating_sub(self.looked);
        let fast = (moved - self.moved) as f64 >= self.limit.get() as f64 * span.as_secs_f64();
        if fast {
            self.since = now;
        }
        (self.looked, self.moved) = (now, moved);
        now.saturating_sub(self.since) >= self.time
    }
}

/// Returns when the transfers behind `activity` have been too slow for too long; never without a limit.
pub(crate) async fn watch(limit: Option<(NonZeroU64, Duration)>, activity: &Activity) -> SyncError {
    let Some((limit, time)) = limit else { return std::future::pending().await };
    let (start, before) = (Instant::now(), activity.bytes());
    let mut slow = Slow::new(limit, time);
    loop {
        sleep(LOOK).await;
        if slow.is_enough(start.elapsed(), activity.bytes() - before) {
            return SyncError::TooSlow { limit: limit.get(), time };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks each second at a transfer that moves `speed(second)` bytes in it; when it is given up.
    fn given_up_at(speed: impl Fn(u64) -> u64) -> Option<u64> {
        let mut slow = Slow::new(NonZeroU64::new(1000).unwrap(), Duration::from_secs(5));
        let mut moved = 0;
        (1..100).find(|second| {
            moved += speed(*second);
            slow.is_enough(Duration::from_secs(*second), moved)
        })
    }

    #[test]
    fn only_a_whole_stretch_of_slowness_counts() {
        assert_eq!(given_up_at(|_| 1000), None);
        assert_eq!(given_up_at(|_| 999), Some(5));
        assert_eq!(given_up_at(|_| 0), Some(5));
        assert_eq!(given_up_at(|second| if second % 5 == 0 { 1000 } else { 0 }), None);
        assert_eq!(given_up_at(|second| if second < 20 { 5000 } else { 0 }), Some(24));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_transfer_is_told_in_gits_words() {
        let limit = NonZeroU64::new(1000).map(|limit| (limit, Duration::from_secs(30)));
        let error = watch(limit, &Activity::default()).await;
        assert_eq!(
            error.to_string(),
            "Operation too slow. Less than 1000 bytes/sec transferred the last 30 seconds"
        );
    }
}
