//! The kernel in plain code: two streams, so that the steps of one fill the waits of the other.
//!
//! A block is two halves of whole words and a rest. Two bytes of each half are hashed, then tested, as in
//! [`crate::next_cut`], but with a table for the first of them that is shifted already. What must always hold: every word with
//! a place that matches the bits common to both masks is noted, in ascending order and once; a word cut short by
//! the end of the block is noted untested.
//!
//! Compilers and processors are touchy here. The same machine code runs at 3.2 or 4.6 GB a second on one core of an EPYC,
//! as it happens to lie in memory. This loop had 4.0 to 4.7 in four layouts; four bytes before any test 3.2 to 5.0, eight 2.9 to
//! 4.1, one pair a turn 2.7 to 4.9, three streams 3.7, four 3.3, flags in place of branches 1.8 to 3.7, whole words loaded 3.4.

use crate::candidates::{STREAMS, WORD, prime};
use crate::gear::GEAR;

/// What a byte adds, and behind all of them what it adds as the first of two: the second one's shift is done.
static ADDED: [u64; 512] = {
    let (mut table, mut byte) = ([0; 512], 0);
    while byte < FIRST {
        (table[byte], table[FIRST + byte]) = (GEAR[byte], GEAR[byte] << 1);
        byte += 1;
    }
    table
};
const FIRST: usize = 256;

/// Bytes of each half a turn.
const TURN: usize = 4;

/// Notes the words worth a test in `data[from..]`, by their starts in it, but for those of a rest. How much was read.
pub(super) fn scan(data: &[u8], from: usize, common: u64, hits: &mut [Vec<u32>; STREAMS]) -> usize {
    let half = (data.len() - from) / (2 * WORD) * WORD;
    let (left, right) = data[from..][..2 * half].split_at(half);
    let (mut a4, mut b4) = (prime(data, from), prime(data, from + half));
    let (shifted, mut at) = (common << 1, 0);
    while let (Some(a), Some(b)) = (left.get(at..at + TURN), right.get(at..at + TURN)) {
        let a1 = (a4 << 2).wrapping_add(ADDED[FIRST + usize::from(a[0])]);
        let a2 = a1.wrapping_add(ADDED[usize::from(a[1])]);
        let b1 = (b4 << 2).wrapping_add(ADDED[FIRST + usize::from(b[0])]);
        let b2 = b1.wrapping_add(ADDED[usize::from(b[1])]);
        if a1 & shifted == 0 || b1 & shifted == 0 || a2 & common == 0 || b2 & common == 0 {
            note(hits, at, half);
        }
        let a3 = (a2 << 2).wrapping_add(ADDED[FIRST + usize::from(a[2])]);
        a4 = a3.wrapping_add(ADDED[usize::from(a[3])]);
        let b3 = (b2 << 2).wrapping_add(ADDED[FIRST + usize::from(b[2])]);
        b4 = b3.wrapping_add(ADDED[usize::from(b[3])]);
        if a3 & shifted == 0 || b3 & shifted == 0 || a4 & common == 0 || b4 & common == 0 {
            note(hits, at, half);
        }
        at += TURN;
    }
    2 * half
}

/// Notes the word that `place` is in, once, of both streams; a test more does not matter.
#[cold]
fn note(hits: &mut [Vec<u32>; STREAMS], place: usize, half: usize) {
    let word = place / WORD * WORD;
    if hits[0].last() != Some(&(word as u32)) {
        hits[0].push(word as u32);
        hits[1].push((half + word) as u32);
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
