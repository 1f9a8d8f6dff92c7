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
