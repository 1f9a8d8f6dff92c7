//! After an edit in the middle, the chunks before it and those far after it are the same as before.

use crate::content::{cuts, random, sizes, text};
use dits_chunk::Profile;
use proptest::prelude::*;

/// The places in `data` where its chunks end.
fn ends(profile: Profile, data: &[u8]) -> Vec<usize> {
    let add = |sum: &mut usize, length: usize| {
        *sum += length;
        Some(*sum)
    };
    cuts(profile, data).into_iter().scan(0, add).collect()
}

/// Inserts, and returns how far behind the insertion (in bytes of the old content) the cuts are the old ones.
fn distance_to_common_cuts(profile: Profile, old: &[u8], at: usize, insert: &[u8]) -> usize {
    let new = [&old[..at], insert, &old[at..]].concat();
    let (old_ends, new_ends) = (ends(profile, old), ends(profile, &new));

    // A cut is decided by the bytes up to and including the one after it.
    let before = old_ends.iter().take_while(|&&end| end < at).count();
    assert_eq!(old_ends[..before], new_ends[..before], "a chunk before the insertion changed");

    let pairs = old_ends.iter().rev().zip(new_ends.iter().rev());
    let same = pairs.take_while(|&(&old_end, &new_end)| old_end + insert.len() == new_end);
    let first_same = same.map(|(&old_end, _)| old_end).last().expect("the content ends at the same place");
    first_same.saturating_sub(at)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chunks_before_and_far_after_an_insertion_stay(
        code in 0..3usize,
        is_text in any::<bool>(),
        seed in 1..u64::MAX,
        at_percent in 0..50usize,
        insert_len in 1..20_000usize,
    ) {
        let profile = Profile::ALL[code];
        let (_, _, max) = sizes(profile);
        let old = if is_text { text(seed, 40 * max) } else { random(seed, 40 * max) };
        let at = old.len() * at_percent / 100;
        let distance = distance_to_common_cuts(profile, &old, at, &random(!seed | 1, insert_len));
        // Half of the content, some 60 mean chunks, is left behind `at`: failing to meet again has no chance.
        prop_assert!(distance < 10 * max, "{} bytes until the cuts meet again", distance);
    }
}
