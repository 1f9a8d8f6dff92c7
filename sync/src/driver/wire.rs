//! What a stream of messages has moved, for reports, and a look at it from outside while it runs.
//!
//! A stream is silent when nothing comes and nothing is done with what came. That is no error yet: whoever needs its
//! place decides.

use crate::budget::Account;
use crate::pace::Pace;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Between two looks at a stream of which a sign of life is wanted.
const PULSE_LOOK: Duration = Duration::from_millis(10);

/// What was written before the rate of a line is told, more than buffers on the way hold; how long that took at least;
/// and how long it is remembered.
const LINE_BYTES_MIN: u64 = 4 << 20;
const LINE_TIME_MIN: Duration = Duration::from_millis(100);
const LINE_TIME_MAX: Duration = Duration::from_secs(4);

/// Bytes of messages on a stream, lengths included, the overhead of what carries it not.
#[derive(Debug, Default)]
pub struct Wire {
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
    /// The machine is at work, so it is not the peer that is waited for.
    pub(super) works: AtomicBool,
    pub(super) pace: Option<Arc<Pace>>,
}

impl Wire {
    /// Bytes sent and received so far.
    pub fn bytes(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }

    /// The same counts, at a pace.
    pub(super) fn paced(&self, pace: &Arc<Pace>) -> Wire {
        let (sent, received) = self.bytes();
        Wire {
            sent: sent.into(),
            received: received.into(),
            works: AtomicBool::default(),
            pace: Some(pace.clone()),
        }
    }
}

/// How fast a stream takes what is written to it, of late.
#[derive(Debug, Default)]
pub(super) struct Line {
    bytes: u64,
    time: Duration,
}

impl Line {
    /// Learns that writing `bytes` took `time`.
    pub fn wrote(&mut self, bytes: u64, time: Duration) {
        (self.bytes, self.time) = (self.bytes + bytes, self.time + time);
        if self.time > LINE_TIME_MAX {
            (self.bytes, self.time) = (self.bytes / 2, self.time / 2);
        }
    }

    /// Bytes a second; `None` while too little was written to tell, or it never had to wait.
    pub fn rate(&self) -> Option<u64> {
        let tells = self.bytes >= LINE_BYTES_MIN && self.time >= LINE_TIME_MIN;
        tells.then(|| (self.bytes as f64 / self.time.as_secs_f64()) as u64)
    }
}

/// A look at a stream that runs, from outside.
#[derive(Debug, Clone)]
pub struct Pulse {
    pub(super) wire: Arc<Wire>,
    pub(super) account: Account,
}

impl Pulse {
    /// Returns after `max` if the peer sent nothing all the time and nothing was done with what it had sent; at once,
    /// with `false`, when there is a sign of life.
    pub async fn is_silent_for(&self, max: Duration) -> bool {
        let (start, before) = (Instant::now(), self.wire.bytes().1);
        while start.elapsed() < max {
            sleep(PULSE_LOOK).await;
            if self.wire.works.load(Ordering::Relaxed) || self.wire.bytes().1 != before {
                return false;
            }
        }
        true
    }

    /// Ends the stream, as if its connection were lost.
    pub fn end(&self) {
        self.account.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_known_when_it_has_taken_much_and_made_us_wait() {
        let mut line = Line::default();
        line.wrote(LINE_BYTES_MIN - 1, Duration::from_secs(1));
        assert_eq!(line.rate(), None, "that may all lie in buffers");
        let mut line = Line::default();
        line.wrote(1 << 30, Duration::from_millis(99));
        assert_eq!(line.rate(), None, "nobody waited");
        line.wrote(0, Duration::from_millis(901));
        assert_eq!(line.rate(), Some(1 << 30));
        // What was is forgotten.
        (0..40).for_each(|_| line.wrote(1 << 20, Duration::from_secs(1)));
        assert!(line.rate() < Some(3 << 20), "{:?}", line.rate());
    }
}
