//! The end of the first chunk in a slice, by the published scan: byte after byte, until a cut is found.
//!
//! This is what the cuts are; [`crate::Kernel`] finds the same ones faster, and the tests compare both with the
//! oracle. It needs nothing but the slice, so it serves contents too small for the preparations of a kernel.
//!
//! The search, for data that starts at a chunk start:
//! 1. Skip `min_bytes` unread: no cut may lie there. The hash starts at zero behind them.
//! 2. Up to `avg_bytes` end the chunk where `hash & strict == 0`; from there to `max_bytes` where
//!    `hash & loose == 0`. This pulls the sizes towards the average (normalized chunking, level 1: the masks
//!    are those of twice and of half the average size).
//! 3. The byte that makes the hash match is the first of the next chunk, not the last of this one.
//! 4. Without a match the chunk ends at `max_bytes` or where the content ends.
//!
//! What must always hold:
//! - The last byte of a window of odd length is tested by nobody: the published scan takes bytes in pairs and
//!   drops a lone one. Cutting there would make a one-byte chunk that the oracle does not make.
//! - No mask has bit 63. The first byte of a pair is tested in a hash already shifted for the second, against
//!   the mask shifted alike, and that shift loses the top bit.
//! - No mask goes above bit 47, so a match depends on the 48 latest bytes at most ([`REACH`]): a kernel may
//!   start in the middle of a window, 47 bytes ahead of the first place it tests.
//!
//! Units: bytes. Source: the FastCDC paper of 2020, section 3; masks as in `destor` and crate `fastcdc`.

use crate::{Profile, gear::GEAR};

/// A match depends on this many bytes before the tested one, and on that one.
pub(crate) const REACH: usize = 47;

/// The (strict, loose) masks of a profile. Spread bits find slightly more repeats than adjacent ones.
pub(crate) const fn masks(profile: Profile) -> (u64, u64) {
    match profile {
        Profile::Video => (0x0000_d907_0353_7000, 0x0000_d90f_0353_0000),
        Profile::Project => (0x0000_d903_1353_0000, 0x0000_d901_0353_0000),
        Profile::Small => (0x0000_d903_0353_0000, 0x0000_d900_0353_0000),
    }
}

/// The length in bytes of the first chunk of `data`.
///
/// `data` starts at a chunk start, and either is at least `max_bytes` long or reaches to the end of the
/// content; otherwise the answer is not the cut of the content. It is 0 only for empty `data`. Bytes after
/// `max_bytes` are not looked at.
pub fn next_cut(profile: Profile, data: &[u8]) -> usize {
    let sizes = profile.sizes();
    let (min, avg) = (sizes.min_bytes as usize, sizes.avg_bytes as usize);
    let len = data.len().min(sizes.max_bytes as usize);
    if len <= min {
        return len;
    }
    let (strict, loose) = masks(profile);
    let middle = len.min(avg);
    let mut hash = 0;
    if let Some(at) = scan(&data[min..middle], strict, &mut hash) {
        return min + at;
    }
    scan(&data[middle..len], loose, &mut hash).map_or(len, |at| middle + at)
}

/// The index of the byte that makes the hash match `mask`, among the whole pairs of `window`.
///
/// Two bytes a turn: one shift of the hash serves both, and shifting the table entry instead is off the chain
/// of steps that wait for each other. Measured a third faster than byte by byte.
#[inline]
fn scan(window: &[u8], mask: u64, hash: &mut u64) -> Option<usize> {
    let mut rolling = *hash;
    for (turn, &[first, second]) in window.as_chunks::<2>().0.iter().enumerate() {
        rolling = (rolling << 2).wrapping_add(GEAR[usize::from(first)] << 1);
        if rolling & (mask << 1) == 0 {
            return Some(turn * 2);
        }
        rolling = rolling.wrapping_add(GEAR[usize::from(second)]);
        if rolling & mask == 0 {
            return Some(turn * 2 + 1);
        }
    }
    *hash = rolling;
    None
}
