//! The streaming front: takes content in pieces of any size, gives whole chunks.
//!
//! A [`Cutter`] owns one buffer, allocated once and of the same size for every profile, so memory is bounded
//! whatever the length of the content, and one cutter serves file after file. There are two ways in:
//!
//! - Read straight into it, with no copy between:
//!   `loop { read into space(); filled(n); while let Some(chunk) = next_chunk() { .. } }`, and after the end
//!   of the content `while let Some(chunk) = finish_chunk() { .. }`.
//! - [`Cutter::push`] copies a slice in and hands out the chunks; the end is the same.
//!
//! What must always hold:
//! - `start <= end <= buffer.len()`, and `start` is a chunk start; `buffer[start..end]` is content not yet
//!   handed out, older bytes are gone.
//! - Before the end of content is known, a chunk is cut only when `max_bytes` are held: with less, the kernel
//!   could not tell the end of the buffer from the end of the content, and cuts would depend on read sizes.
//! - Bytes are moved only when no complete cut is held, so at most `max_bytes` are moved, and only when the
//!   room behind them is short, so once per about a megabyte and not once per read.
//!
//! Units: bytes.

use crate::{Profile, next_cut, profile::MAX_CHUNK_BYTES};

/// Room for a read of a megabyte behind one unfinished chunk.
const BUFFER_BYTES: usize = 1024 * 1024 + MAX_CHUNK_BYTES;

/// Cuts a content that arrives in pieces. Cuts do not depend on the sizes of the pieces.
#[derive(Debug)]
pub struct Cutter {
    profile: Profile,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Cutter {
    /// A cutter for one content, with its buffer (1.25 MiB) allocated.
    pub fn new(profile: Profile) -> Self {
        Self { profile, buffer: vec![0; BUFFER_BYTES].into_boxed_slice(), start: 0, end: 0 }
    }

    /// Forgets all content and starts the next one with `profile`, in the same buffer.
    pub fn reset(&mut self, profile: Profile) {
        (self.profile, self.start, self.end) = (profile, 0, 0);
    }

    /// Where to write the next bytes of the content; tell how many with [`Cutter::filled`].
    ///
    /// At least 256 KiB once [`Cutter::next_chunk`] has given `None`; may be empty before that.
    pub fn space(&mut self) -> &mut [u8] {
        if !self.holds_cut() && self.buffer.len() - self.end < MAX_CHUNK_BYTES {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.buffer[self.end..]
    }

    /// Takes over the first `bytes` bytes of the last [`Cutter::space`].
    ///
    /// # Panics
    /// When `bytes` is more than that space holds.
    pub fn filled(&mut self, bytes: usize) {
        assert!(bytes <= self.buffer.len() - self.end, "more bytes filled than there was space for");
        self.end += bytes;
    }

    /// The next chunk, if its end is certain whatever content follows.
    pub fn next_chunk(&mut self) -> Option<&[u8]> {
        if self.holds_cut() { self.finish_chunk() } else { None }
    }

    /// The next chunk, given that no content follows. Call it until it gives `None`.
    pub fn finish_chunk(&mut self) -> Option<&[u8]> {
        let held = &self.buffer[self.start..self.end];
        if held.is_empty() {
            return None;
        }
        let chunk = &held[..next_cut(self.profile, held)];
        self.start += chunk.len();
        Some(chunk)
    }

    /// Copies `data` in and hands every chunk that becomes certain to `on_chunk`.
    ///
    /// # Errors
    /// Those of `on_chunk`, at once. How much of `data` was taken is then unknown: [`Cutter::reset`].
    pub fn push<E>(
        &mut self,
        mut data: &[u8],
        on_chunk: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            while let Some(chunk) = self.next_chunk() {
                on_chunk(chunk)?;
            }
            if data.is_empty() {
                return Ok(());
            }
            let space = self.space();
            let (now, later) = data.split_at(space.len().min(data.len()));
            space[..now.len()].copy_from_slice(now);
            self.filled(now.len());
            data = later;
        }
    }

    fn holds_cut(&self) -> bool {
        self.end - self.start >= self.profile.sizes().max_bytes as usize
    }
}
