//! The pause between two tries: how long by chance, so that clients which failed together do not come back together, and the wait itself.
//!
//! Waiting blocks its thread and nothing else.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// A number from 0 to 1 that differs from process to process and from call to call.
pub(crate) fn chance() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}

/// Waits. A signal that ends the process does so at once.
pub(super) fn wait(pause: Duration) {
    let end = Instant::now() + pause;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}
