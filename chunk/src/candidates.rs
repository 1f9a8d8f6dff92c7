//! Candidates: the places of one block at which a chunk might end, found without knowing where chunks start.
//!
//! A kernel only says in which words (eight bytes, counted from the start of the block) some place matches the
//! bits that both masks of the profile share. The exact tests of those few words are here, once for all kernels,
//! so that a kernel cannot get them wrong, nor the order.
//!
//! What must always hold:
//! - The candidates are all places of the block where the hash of the last 48 bytes matches a mask, and no others.
//!   Where `data` holds fewer bytes, the hash is that of those; no chunk can end there, as it would be too short.
//! - Words are in ascending order, each once.
//! - Memory is bounded: eight bytes for a word with candidates and four for a hit, so at most 1.5 bytes for each byte
//!   of the block, on content made to match everywhere. Common content has a candidate in some 10 KiB.
//!
//! Units: bytes from the start of the block.

use crate::Profile;
use crate::gear::GEAR;
use crate::next_cut::{REACH, masks};

/// Bytes of a word.
pub(crate) const WORD: usize = 8;

/// The most streams in which a kernel reads a block.
pub(crate) const STREAMS: usize = 8;

/// Where chunks might end in one block. Made by [`crate::Kernel::scan`], used up by [`crate::Picker::block`].
///
/// It keeps its memory: use one for block after block.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    pub(crate) profile: Profile,
    pub(crate) length: usize,
    words: Vec<Word>,
    /// What the kernel noted: starts of words, in ascending order within a stream and from stream to stream.
    pub(crate) hits: [Vec<u32>; STREAMS],
}

/// The candidates in one word.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Word {
    start: u32,
    /// Bit `n` is set where the byte at `start + n` matches the mask.
    strict: u8,
    loose: u8,
}

/// Compares what was found, not what it was found by.
impl PartialEq for Candidates {
    fn eq(&self, other: &Self) -> bool {
        (self.profile, self.length, &self.words) == (other.profile, other.length, &other.words)
    }
}

impl Eq for Candidates {}

impl Candidates {
    /// None yet, with no memory taken.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all, for a block of `length` bytes.
    pub(crate) fn begin(&mut self, profile: Profile, length: usize) {
        (self.profile, self.length) = (profile, length);
        self.words.clear();
        self.hits.iter_mut().for_each(Vec::clear);
    }

    /// The bits that both masks share. Without them a place matches neither.
    pub(crate) fn common(&self) -> u64 {
        let (strict, loose) = masks(self.profile);
        strict & loose
    }

    /// Tests every place of the words that were hit, in the block `data[from..]`.
    pub(crate) fn settle(&mut self, data: &[u8], from: usize) {
        let (strict_mask, loose_mask) = masks(self.profile);
        let (mut hash, mut hashed) = (0, None);
        for &start in self.hits.iter().flatten() {
            let at = from + start as usize;
            if hashed != Some(at) {
                hash = prime(data, at);
            }
            let (mut strict, mut loose) = (0, 0);
            for (bit, &byte) in data[at..data.len().min(at + WORD)].iter().enumerate() {
                hash = (hash << 1).wrapping_add(GEAR[usize::from(byte)]);
                strict |= u8::from(hash & strict_mask == 0) << bit;
                loose |= u8::from(hash & loose_mask == 0) << bit;
            }
            hashed = Some(at + WORD);
            if strict | loose != 0 {
                self.words.push(Word { start, strict, loose });
            }
        }
    }

    /// The first place in `from..before` that matches, `strict` or loose. `hint` is a word to start at, at or before
    /// that place, and is moved on.
    pub(crate) fn first(&self, hint: &mut usize, from: usize, before: usize, strict: bool) -> Option<usize> {
        while let Some(word) = self.words.get(*hint) {
            let start = word.start as usize;
            if start >= before {
                return None;
            }
            let bits = if strict { word.strict } else { word.loose };
            let early = from.saturating_sub(start).min(WORD);
            let bits = u32::from(bits) >> early << early;
            if bits != 0 {
                let place = start + bits.trailing_zeros() as usize;
                return (place < before).then_some(place);
            }
            if start + WORD > before {
                return None;
            }
            *hint += 1;
        }
        None
    }
}

/// The hash of the up to [`REACH`] bytes before `data[at]`.
pub(crate) fn prime(data: &[u8], at: usize) -> u64 {
    let add = |hash: u64, &byte: &u8| (hash << 1).wrapping_add(GEAR[usize::from(byte)]);
    data[at.saturating_sub(REACH)..at].iter().fold(0, add)
}
