//! What this side is sent: put in order, each byte once.
//!
//! Always holds: `next` counts every byte that was taken; a piece that repeats what was taken changes nothing; one that does
//! not fit wholly is taken as far as it fits, and the sender learns from `next` where to go on. Errors leave
//! everything as it was.

use super::{Fault, WINDOW};
use bytes::{Buf, BytesMut};

/// Bytes that arrived.
#[derive(Debug, Default)]
pub struct Inlet {
    next: u64,
    waiting: BytesMut,
    end: Option<u64>,
}

impl Inlet {
    /// The offset of the next byte that was not taken yet.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Bytes that fit.
    pub fn room(&self) -> usize {
        WINDOW - self.waiting.len()
    }

    /// Whether everything up to the end was taken.
    pub fn has_ended(&self) -> bool {
        self.end == Some(self.next)
    }

    /// Takes a piece, and says the next offset that is wanted.
    ///
    /// # Errors
    /// [`Fault::Gap`], [`Fault::PastEnd`].
    pub fn take(&mut self, at: u64, bytes: &[u8], last: bool) -> Result<u64, Fault> {
        let next = self.next;
        let known = next.checked_sub(at).ok_or(Fault::Gap { next })?;
        let stop = at.checked_add(bytes.len() as u64).ok_or(Fault::Gap { next })?;
        match self.end {
            Some(end) if stop > end || (last && stop != end) => return Err(Fault::PastEnd { end }),
            None if last && stop < next => return Err(Fault::PastEnd { end: next }),
            _ => {}
        }
        if last {
            self.end = Some(stop);
        }
        let new = usize::try_from(known).ok().and_then(|known| bytes.get(known..)).unwrap_or_default();
        let taken = new.len().min(self.room());
        self.waiting.extend_from_slice(&new[..taken]);
        self.next += taken as u64;
        Ok(self.next)
    }

    /// Moves bytes to `out`, and says how many.
    pub fn read(&mut self, out: &mut [u8]) -> usize {
        let count = out.len().min(self.waiting.len());
        self.waiting.copy_to_slice(&mut out[..count]);
        count
    }

    /// Whether bytes wait.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
