//! The kernel in plain code: two streams, so that the steps of one fill the waits of the other.
//!
//! A block is two halves of whole words and a rest. What must always hold: every word with a place that matches
//! the bits common to both masks is noted, in ascending order; a word cut short by the end of the block is noted
//! untested.

use crate::Profile;
use crate::candidates::{STREAMS, WORD, prime};
use crate::gear::GEAR;
use crate::next_cut::masks;

/// Notes the words worth a test in `data[from..]`, by their starts in it.
pub(super) fn scan(profile: Profile, data: &[u8], from: usize, hits: &mut [Vec<u32>; STREAMS]) {
    let (strict, loose) = masks(profile);
    let common = strict & loose;
    let half = (data.len() - from) / (2 * WORD) * WORD;
    streams::<2>(data, from, half, common, hits);
    rest(data, from, 2 * half, common, &mut hits[1]);
}

/// Reads `N` adjoining streams of `stride` bytes (whole words) each, from `data[from]` on.
fn streams<const N: usize>(
    data: &[u8],
    from: usize,
    stride: usize,
    common: u64,
    hits: &mut [Vec<u32>; STREAMS],
) {
    let parts: [&[[u8; WORD]]; N] =
        std::array::from_fn(|n| data[from + n * stride..][..stride].as_chunks::<WORD>().0);
    let mut hashes: [u64; N] = std::array::from_fn(|n| prime(data, from + n * stride));
    for turn in 0..stride / WORD {
        let words: [[u8; WORD]; N] = std::array::from_fn(|n| parts[n][turn]);
        let mut hit = [false; N];
        for place in 0..WORD {
            for n in 0..N {
                hashes[n] = (hashes[n] << 1).wrapping_add(GEAR[usize::from(words[n][place])]);
                hit[n] |= hashes[n] & common == 0;
            }
        }
        for n in 0..N {
            if hit[n] {
                hits[n].push((n * stride + turn * WORD) as u32);
            }
        }
    }
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
