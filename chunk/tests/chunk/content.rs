//! Content made from a seed, and the plain way to cut it. The generator is fixed: golden vectors rest on it.

use dits_chunk::{Profile, next_cut};
use fastcdc::v2020::{FastCDC, Normalization};

/// `len` bytes of xorshift64 (13, 7, 17), eight at a time, little-endian. `seed` is not 0.
pub fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Low entropy: words of a small set in random order, like text.
pub fn text(seed: u64, len: usize) -> Vec<u8> {
    const WORDS: [&str; 8] = ["the ", "clip ", "of ", "frame ", "a ", "layer,\n", "track ", "and "];
    let choices = random(seed, len);
    choices.iter().flat_map(|c| WORDS[usize::from(c % 8)].bytes()).take(len).collect()
}

/// A random block of `period` bytes, over and over.
pub fn periodic(seed: u64, period: usize, len: usize) -> Vec<u8> {
    random(seed, period).into_iter().cycle().take(len).collect()
}

/// The kinds of content by number, so that proptest can choose one.
pub fn of_kind(kind: u8, seed: u64, len: usize) -> Vec<u8> {
    match kind {
        0 => random(seed, len),
        1 => text(seed, len),
        2 => vec![0; len],
        3 => periodic(seed, 7, len),
        _ => periodic(seed, 5000, len),
    }
}

/// How many kinds [`of_kind`] knows.
pub const KINDS: u8 = 5;

/// The (min, avg, max) of a profile in bytes.
pub fn sizes(profile: Profile) -> (usize, usize, usize) {
    let sizes = profile.sizes();
    (sizes.min_bytes as usize, sizes.avg_bytes as usize, sizes.max_bytes as usize)
}

/// The chunk lengths of `data`, straight from the kernel.
pub fn cuts(profile: Profile, data: &[u8]) -> Vec<usize> {
    let mut rest = data;
    let mut lengths = Vec::new();
    while !rest.is_empty() {
        let length = next_cut(profile, rest);
        lengths.push(length);
        rest = &rest[length..];
    }
    lengths
}

/// The chunk lengths of `data`, as crate `fastcdc` cuts it.
pub fn oracle(profile: Profile, data: &[u8]) -> Vec<usize> {
    let (min, avg, max) = sizes(profile);
    let chunker = FastCDC::with_level_and_seed(data, min, avg, max, Normalization::Level1, 0);
    chunker.map(|chunk| chunk.length).collect()
}

/// Lengths around every edge of the scan, odd and even.
pub fn edge_lengths(profile: Profile) -> Vec<usize> {
    let (min, avg, max) = sizes(profile);
    let around = |edge: usize| edge - 2..=edge + 3;
    let edges = [2, min, avg, max, max + min, max + avg, 2 * max, 2 * max + min];
    edges.into_iter().flat_map(around).collect()
}
