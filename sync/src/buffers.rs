//! Buffers of messages, used again: memory that is fresh from the system costs more than filling it.
//!
//! What was received comes back when the machine has it, for any stream of the same budget; what was sent, when the
//! transport has let go of it (QUIC keeps it until it is acknowledged), for the same stream. At most [`KEPT_MAX`] buffers
//! of at most [`BYTES_MAX`] are kept by a budget, and by a stream for what it sends.

use bytes::Bytes;
use std::collections::VecDeque;
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

    /// Takes a buffer back.
    pub fn give(&self, buffer: Vec<u8>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX && buffer.capacity() <= BYTES_MAX {
            kept.push(buffer);
        }
    }
}

/// Messages that were sent a short while ago.
#[derive(Debug, Default)]
pub(crate) struct Sent(VecDeque<Bytes>);

impl Sent {
    /// An empty buffer: the oldest one, if it is free.
    pub fn take(&mut self) -> Vec<u8> {
        let free = self.0.pop_front().and_then(|oldest| oldest.try_into_mut().ok());
        let mut buffer: Vec<u8> = free.map(Into::into).unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Remembers a message that is about to be sent.
    pub fn keep(&mut self, message: &Bytes) {
        if self.0.len() < KEPT_MAX && message.len() <= BYTES_MAX {
            self.0.push_back(message.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_nobody_has_it_any_more() {
        let mut sent = Sent::default();
        let (held, free) = (Bytes::from(vec![1; 1000]), Bytes::from(vec![2; 1000]));
        sent.keep(&held);
        sent.keep(&free);
        drop(free);
        assert_eq!(sent.take().capacity(), 0, "somebody still sends it");
        let again = sent.take();
        assert!(again.is_empty() && again.capacity() >= 1000);
        assert_eq!(held[0], 1);
    }

    #[test]
    fn few_and_small_buffers_are_kept() {
        let received = Received::default();
        received.give(vec![0; BYTES_MAX + 1]);
        assert_eq!(received.take().capacity(), 0);
        (0..KEPT_MAX * 2).for_each(|_| received.give(vec![0; 10]));
        assert_eq!(received.0.lock().unwrap().len(), KEPT_MAX);
    }
}
