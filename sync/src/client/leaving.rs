//! Leaving a transport in the middle of a large transfer, when another one is faster or was never tried.
//!
//! A stream that is ended keeps what it brought, so the rest can go another way for the price of describing it again. That
//! is worth it once much has moved, so that the rate is known, and much is left. Whether there is a better way is what the
//! memory of routes says, with this stream's rate in it; a stream is judged once.

use super::Client;
use crate::driver::Wire;
use crate::machine::Tally;
use dits_net::route::EXPLORE_FROM;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Less than this to go is not worth another connection.
const LEFT_MIN: u64 = 2 * EXPLORE_FROM;
/// Between two looks at how far a stream is.
const LOOK: Duration = Duration::from_millis(20);

/// Bytes that are known to be still to move.
#[derive(Debug, Default)]
pub(super) struct Left(AtomicU64);

impl Left {
    /// Learns how far it is.
    pub fn is(&self, tally: &Tally) {
        self.0.store(tally.needed_bytes.saturating_sub(tally.chunk_bytes), Ordering::Relaxed);
    }
}

impl Client {
    /// Lets pushes and pulls end with [`SyncError::Elsewhere`](crate::SyncError::Elsewhere) when the rest would be faster
    /// over another connection.
    pub fn set_leaving(&self, leaves: bool) {
        self.leaves.store(leaves, Ordering::Relaxed);
    }

    /// Returns when the stream of `wire` is better ended here and gone on with elsewhere; else never.
    pub(super) async fn leave(&self, wire: &Wire, left: &Left) {
        let begun = Instant::now();
        if self.leaves.load(Ordering::Relaxed) {
            loop {
                sleep(LOOK).await;
                let (sent, received) = wire.bytes();
                if sent + received < EXPLORE_FROM {
                    continue;
                }
                let enough = left.0.load(Ordering::Relaxed) >= LEFT_MIN;
                if enough && self.connection().is_better_elsewhere(sent + received, begun.elapsed()) {
                    return;
                }
                break;
            }
        }
        std::future::pending().await
    }
}
