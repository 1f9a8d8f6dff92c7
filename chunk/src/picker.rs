//! The picker: chooses the cuts of a content from the candidates of its blocks, in order.
//!
//! A candidate is a cut only if its chunk is long enough, and strictness depends on how long it is; so this part
//! walks from chunk to chunk. It looks at a few candidates for each chunk, and at the [`REACH`] bytes behind its
//! minimum: there the published scan, which starts from zero behind the minimum, has seen fewer bytes than
//! a candidate rests on. Those places are hashed anew.
//!
//! What must always hold:
//! - The cuts are those of [`crate::next_cut`], whatever the sizes of the blocks.
//! - A cut is told as soon as it is certain whatever follows. A match at an even place (counted from the start of the
//!   chunk) counts only when one more byte follows, as the published scan takes bytes in pairs.
//! - Blocks come in the order of the content and without gaps, each with its own candidates.
//!
//! Units: bytes from the start of the content, but for places in a block.

use crate::gear::GEAR;
use crate::next_cut::{REACH, masks};
use crate::{Candidates, Profile};

/// Picks the cuts of one content. A few words of state, no memory.
#[derive(Clone, Debug)]
pub struct Picker {
    profile: Profile,
    /// Where the open chunk starts.
    start: u64,
    /// How much of the content was seen.
    seen: u64,
    /// The hash of the bytes seen behind the minimum of the open chunk, while they are less than `REACH`.
    cold: u64,
    /// The last byte seen is a match that waits for another byte.
    pending: bool,
}

impl Picker {
    /// A picker at the start of a content.
    pub fn new(profile: Profile) -> Self {
        Self { profile, start: 0, seen: 0, cold: 0, pending: false }
    }

    /// Takes the next block of the content, and adds to `ends` where chunks end for certain, counted from the start of
    /// the content.
    ///
    /// # Panics
    /// When `candidates` are not those of a block of this length and profile: the cuts would be wrong.
    pub fn block(&mut self, block: &[u8], candidates: &Candidates, ends: &mut Vec<u64>) {
        assert!(
            (candidates.profile, candidates.length) == (self.profile, block.len()),
            "the candidates are those of another block"
        );
        if block.is_empty() {
            return;
        }
        let first = self.seen;
        self.seen += block.len() as u64;
        if std::mem::take(&mut self.pending) {
            self.end_at(first - 1, ends);
        }
        let mut hint = 0;
        while let Some(end) = self.find(block, first, candidates, &mut hint) {
            self.end_at(end, ends);
        }
    }

    /// Where the last chunk ends, given that no content follows: `None` when all chunks were told.
    pub fn finish(self) -> Option<u64> {
        (self.seen > self.start).then_some(self.seen)
    }

    fn end_at(&mut self, end: u64, ends: &mut Vec<u64>) {
        (self.start, self.cold) = (end, 0);
        ends.push(end);
    }

    /// The end of the open chunk, if it lies in this block, which starts at `first`.
    fn find(&mut self, block: &[u8], first: u64, candidates: &Candidates, hint: &mut usize) -> Option<u64> {
        let sizes = self.profile.sizes();
        let [min, avg, max] = [sizes.min_bytes, sizes.avg_bytes, sizes.max_bytes].map(u64::from);
        // The place in the block of a place in the chunk. What lies before or behind the block is its first or last.
        let start = self.start;
        let here = |place: u64| (start + place).saturating_sub(first).min(block.len() as u64) as usize;
        let (warm, middle, longest) = (here(min + REACH as u64), here(avg), here(max));

        let matched = self
            .first_cold(&block[..warm], here(min))
            .or_else(|| candidates.first(hint, warm, middle, true))
            .or_else(|| candidates.first(hint, middle, longest, false));
        if let Some(place) = matched {
            let end = first + place as u64;
            self.pending = end + 1 == self.seen && (end - start).is_multiple_of(2);
            return (!self.pending).then_some(end);
        }
        (start + max <= self.seen).then_some(start + max)
    }

    /// The first match in `block[from..]`, where the hash has not yet seen `REACH` bytes. It is strict there.
    fn first_cold(&mut self, block: &[u8], from: usize) -> Option<usize> {
        let (strict, _) = masks(self.profile);
        block.iter().enumerate().skip(from).find_map(|(place, &byte)| {
            self.cold = (self.cold << 1).wrapping_add(GEAR[usize::from(byte)]);
            (self.cold & strict == 0).then_some(place)
        })
    }
}
