//! The kernel cuts exactly as `fastcdc::v2020` does with level 1 and seed 0.

use crate::content::{KINDS, cuts, edge_lengths, of_kind, oracle, random, sizes};
use dits_chunk::{Profile, next_cut};
use proptest::prelude::*;

#[test]
fn every_kind_at_every_edge_length() {
    for profile in Profile::ALL {
        for kind in 0..KINDS {
            for len in edge_lengths(profile) {
                let data = of_kind(kind, 0x5eed + u64::from(kind), len);
                assert_eq!(cuts(profile, &data), oracle(profile, &data), "{profile:?} kind {kind} len {len}");
            }
        }
    }
}

/// Ends the content at, just before and just after a place where more content would be cut: there the lone
/// last byte of an odd window decides.
#[test]
fn content_that_ends_next_to_a_cut() {
    for profile in Profile::ALL {
        let data = random(77, 16 * sizes(profile).2);
        let mut start = 0;
        for length in cuts(profile, &data) {
            for end in (start + length - 2..=start + length + 3).filter(|&end| end <= data.len()) {
                let part = &data[start..end];
                assert_eq!(cuts(profile, part), oracle(profile, part), "{profile:?} {start}..{end}");
            }
            start += length;
        }
    }
}

#[test]
fn megabytes_of_every_kind() {
    for profile in Profile::ALL {
        for kind in 0..KINDS {
            let data = of_kind(kind, 99, (8 << 20) + 1);
            assert_eq!(cuts(profile, &data), oracle(profile, &data), "{profile:?} kind {kind}");
        }
    }
}

#[test]
fn bytes_after_the_longest_chunk_do_not_matter() {
    for profile in Profile::ALL {
        let (_, _, max) = sizes(profile);
        for seed in 1..50 {
            let data = random(seed, 2 * max);
            assert_eq!(next_cut(profile, &data), next_cut(profile, &data[..max]));
        }
        assert_eq!(next_cut(profile, &vec![0; 2 * max]), max);
        assert_eq!(next_cut(profile, &[]), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_content(code in 0..3usize, kind in 0..KINDS, seed in 1..u64::MAX, len in 0..1_500_000usize) {
        let profile = Profile::ALL[code];
        let data = of_kind(kind, seed, len);
        prop_assert_eq!(cuts(profile, &data), oracle(profile, &data));
    }
}
