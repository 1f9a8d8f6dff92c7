//! Buffers of messages, used again: memory that is fresh from the system costs more than filling it.
//!
//! What was received comes back when the machine has it, for any stream of the same budget. At most [`KEPT_MAX`] buffers
//! of at most [`BYTES_MAX`] are kept by a budget.

use bytes::Bytes;
use std::sync::{Mutex, PoisonError};

/// Buffers that are kept.
const KEPT_MAX: usize = 8;
/// A larger one is given back to the system: most messages are a quarter of it.
const BYTES_MAX: usize = 1 << 20;

/// Buffers that nobody uses, shared by those who fill and those who empty them.
#[derive(Debug, Default)]
pub(crate) struct Received(Mutex<Vec<Vec<u8>>>);

impl Received {
    /// An empty buffer.
    pub fn take(&self) -> Vec<u8> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Takes a buffer back: as it was while it was filled, or as what it became, unless somebody still has a part of that.
    pub fn give(&self, filling: Vec<u8>, filled: Bytes) {
        let buffer = filled.try_into_mut().map_or(filling, Into::into);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX && (1..=BYTES_MAX).contains(&buffer.capacity()) {
            kept.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_unless_somebody_has_a_part_of_it() {
        let received = Received::default();
        let filled = Bytes::from(vec![1; 1000]);
        let part = filled.slice(10..20);
        received.give(Vec::new(), filled);
        assert_eq!(received.take().capacity(), 0, "somebody still has a part");
        received.give(Vec::new(), Bytes::from(vec![2; 1000]));
        let again = received.take();
        assert!(again.is_empty() && again.capacity() >= 1000);
        assert_eq!(part[..], [1; 10]);
    }

    #[test]
    fn few_and_small_buffers_are_kept() {
        let received = Received::default();
        received.give(vec![0; BYTES_MAX + 1], Bytes::new());
        assert_eq!(received.take().capacity(), 0);
        (0..KEPT_MAX * 2).for_each(|_| received.give(vec![0; 10], Bytes::new()));
        assert_eq!(received.0.lock().unwrap().len(), KEPT_MAX);
    }
}
