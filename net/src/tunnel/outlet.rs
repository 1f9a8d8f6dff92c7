//! What this side sends: kept until the other side has it.
//!
//! Always holds: `base` is an offset that the other side has said, or 0; the buffer holds what follows it.
//! Errors leave everything as it was.

use super::{Fault, WINDOW};
use bytes::{Buf, Bytes, BytesMut};

/// Bytes on their way.
#[derive(Debug, Default)]
pub struct Outlet {
    base: u64,
    kept: BytesMut,
    ended: bool,
}

/// Some of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where they stand.
    pub at: u64,
    /// The bytes; none while there are none.
    pub bytes: Bytes,
    /// Whether the stream ends behind them.
    pub last: bool,
}

impl Outlet {
    /// Takes as many of `bytes` as there is room for, and says how many. After the end it takes none.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        let room = if self.ended { 0 } else { WINDOW - self.kept.len() };
        let taken = bytes.len().min(room);
        self.kept.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// No more follow.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Whether the end was said.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the end was said and everything is acknowledged.
    pub fn is_drained(&self) -> bool {
        self.ended && self.kept.is_empty()
    }

    /// Whether there is anything to say behind the offset `at`.
    pub fn has_news(&self, at: u64) -> bool {
        self.ended || self.base + self.kept.len() as u64 > at
    }

    /// What stands at `at`. Who asks has everything before, so that is forgotten.
    ///
    /// # Errors
    /// [`Fault::TooOld`], [`Fault::Gap`].
    pub fn piece(&mut self, at: u64) -> Result<Piece, Fault> {
        let had = at.checked_sub(self.base).ok_or(Fault::TooOld { oldest: self.base })?;
        let next = self.base + self.kept.len() as u64;
        if at > next {
            return Err(Fault::Gap { next });
        }
        self.kept.advance(usize::try_from(had).expect("not longer than the buffer"));
        self.base = at;
        Ok(Piece { at, bytes: Bytes::copy_from_slice(&self.kept), last: self.ended })
    }
}
