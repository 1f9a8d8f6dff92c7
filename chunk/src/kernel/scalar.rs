//! The kernel in plain code: two streams, so that the steps of one fill the waits of the other.
//!
//! A block is two halves of whole words and a rest. Two bytes a step, as in [`crate::next_cut`]. What must always
//! hold: every word with a place that matches the bits common to both masks is noted, in ascending order; a word cut
//! short by the end of the block is noted untested.
//!
//! Compilers are touchy here: the same loop over an array of streams, or with its step in a function, runs at
//! two thirds of the speed. Three and four streams are slower than two.

use crate::candidates::{STREAMS, WORD, prime};
use crate::gear::GEAR;

/// Notes the words worth a test in `data[from..]`, by their starts in it, but for those of a rest. How much was read.
pub(super) fn scan(data: &[u8], from: usize, common: u64, hits: &mut [Vec<u32>; STREAMS]) -> usize {
    let half = (data.len() - from) / (2 * WORD) * WORD;
    let (left, right) = data[from..][..2 * half].split_at(half);
    let (mut hash, mut other) = (prime(data, from), prime(data, from + half));
    let words = left.as_chunks::<WORD>().0.iter().zip(right.as_chunks::<WORD>().0);
    for (turn, (left, right)) in words.enumerate() {
        let mut hit = false;
        for at in 0..WORD / 2 {
            hash = (hash << 2).wrapping_add(GEAR[usize::from(left[2 * at])] << 1);
            other = (other << 2).wrapping_add(GEAR[usize::from(right[2 * at])] << 1);
            if hash & (common << 1) == 0 || other & (common << 1) == 0 {
                hit = true;
            }
            hash = hash.wrapping_add(GEAR[usize::from(left[2 * at + 1])]);
            other = other.wrapping_add(GEAR[usize::from(right[2 * at + 1])]);
            if hash & common == 0 || other & common == 0 {
                hit = true;
            }
        }
        if hit {
            note(hits, turn * WORD, half);
        }
    }
    2 * half
}

/// Notes the word at `place` of both streams; a test more does not matter.
#[cold]
fn note(hits: &mut [Vec<u32>; STREAMS], place: usize, half: usize) {
    hits[0].push(place as u32);
    hits[1].push((half + place) as u32);
}

/// Reads on from `data[from + start]`, in one stream.
pub(super) fn rest(data: &[u8], from: usize, start: usize, common: u64, hits: &mut Vec<u32>) {
    let mut hash = prime(data, from + start);
    let (words, short) = data[from + start..].as_chunks::<WORD>();
    for (turn, word) in words.iter().enumerate() {
        let mut hit = false;
        for &byte in word {
            hash = (hash << 1).wrapping_add(GEAR[usize::from(byte)]);
            hit |= hash & common == 0;
        }
        if hit {
            hits.push((start + turn * WORD) as u32);
        }
    }
    if !short.is_empty() {
        hits.push((start + words.len() * WORD) as u32);
    }
}
