//! Every kernel with the picker gives the oracle's cuts, whatever the blocks and the order of their scans.

use crate::content::{KINDS, edge_lengths, of_kind, oracle, random, sizes};
use dits_chunk::{Candidates, Kernel, Picker, Profile};
use proptest::prelude::*;

/// How far a kernel looks back.
const BACK: usize = 47;

/// The ends of the blocks of `data`, of the given lengths in turn.
fn blocks(data: &[u8], lengths: &[usize]) -> Vec<std::ops::Range<usize>> {
    let mut start = 0;
    let mut blocks = Vec::new();
    for &length in lengths.iter().cycle() {
        if start == data.len() {
            break;
        }
        let end = data.len().min(start.saturating_add(length));
        blocks.push(start..end);
        start = end;
    }
    blocks
}

/// The chunk lengths that kernel and picker give. Blocks are scanned from the last to the first.
fn picked(kernel: Kernel, profile: Profile, data: &[u8], lengths: &[usize]) -> Vec<usize> {
    let blocks = blocks(data, lengths);
    let scan = |block: &std::ops::Range<usize>| {
        let back = block.start.saturating_sub(BACK);
        let mut candidates = Candidates::new();
        kernel.scan(profile, &data[back..block.end], block.start - back, &mut candidates);
        candidates
    };
    let mut scans: Vec<_> = blocks.iter().rev().map(scan).collect();
    scans.reverse();

    let (mut picker, mut ends) = (Picker::new(profile), Vec::new());
    for (block, candidates) in blocks.into_iter().zip(&scans) {
        picker.block(&data[block], candidates, &mut ends);
    }
    ends.extend(picker.finish());
    let starts = std::iter::once(&0).chain(&ends);
    ends.iter().zip(starts).map(|(end, start)| (end - start) as usize).collect()
}

fn check(profile: Profile, data: &[u8], lengths: &[usize], what: &str) {
    let expected = oracle(profile, data);
    for kernel in Kernel::usable() {
        let cuts = picked(kernel, profile, data, lengths);
        assert!(cuts == expected, "{} {profile:?} blocks of {lengths:?}: {what}", kernel.name());
    }
}

#[test]
fn every_kind_at_every_edge_length() {
    for profile in Profile::ALL {
        for kind in 0..KINDS {
            for len in edge_lengths(profile).into_iter().chain(0..100) {
                let data = of_kind(kind, 0x5eed + u64::from(kind), len);
                for lengths in [&[usize::MAX][..], &[4096], &[1, 1 << 14], &[47, 48, 1001]] {
                    check(profile, &data, lengths, &format!("kind {kind} len {len}"));
                }
            }
        }
    }
}

/// The content, and then each block, ends right before, at and behind a cut.
#[test]
fn contents_and_blocks_that_end_next_to_a_cut() {
    for profile in Profile::ALL {
        let (_, _, max) = sizes(profile);
        let data = random(77, 8 * max);
        let mut start = 0;
        for length in oracle(profile, &data) {
            for end in (length - 2..=length + 3).filter(|end| start + end <= data.len()) {
                check(profile, &data[start..start + end], &[usize::MAX], "content ends next to a cut");
                check(profile, &data[start..], &[end, max], "block ends next to a cut");
            }
            start += length;
        }
    }
}

#[test]
fn megabytes_of_every_kind() {
    for profile in Profile::ALL {
        for kind in 0..KINDS {
            let data = of_kind(kind, 99, (4 << 20) + 1);
            check(profile, &data, &[1 << 20], &format!("kind {kind}"));
        }
    }
}

/// What is scanned in one piece has the candidates of what is scanned in parts by other kernels.
#[test]
fn all_kernels_find_the_same_candidates() {
    for profile in Profile::ALL {
        for kind in 0..KINDS {
            for len in (0..300).chain([1023, 4096, 4097, 70_001, 1 << 20]) {
                let data = of_kind(kind, 3, len);
                for from in [0, 1, 47, 64, 101].map(|from| from.min(len)) {
                    let mut expected = Candidates::new();
                    Kernel::scalar().scan(profile, &data, from, &mut expected);
                    for kernel in Kernel::usable() {
                        let mut found = Candidates::new();
                        kernel.scan(profile, &data, from, &mut found);
                        assert!(found == expected, "{} {profile:?} kind {kind} {from}..{len}", kernel.name());
                    }
                }
            }
        }
    }
}

#[test]
fn threads_share_a_content() {
    let profile = Profile::Video;
    let data = random(4, (9 << 20) + 12_345);
    for kernel in Kernel::usable() {
        let blocks = blocks(&data, &[1 << 20]);
        let scans: Vec<Candidates> = std::thread::scope(|scope| {
            let scan = |block: std::ops::Range<usize>| {
                let data = &data;
                scope.spawn(move || {
                    let back = block.start.saturating_sub(BACK);
                    let mut candidates = Candidates::new();
                    kernel.scan(profile, &data[back..block.end], block.start - back, &mut candidates);
                    candidates
                })
            };
            let threads: Vec<_> = blocks.iter().cloned().map(scan).collect();
            threads.into_iter().map(|thread| thread.join().expect("no scan panics")).collect()
        });
        let (mut picker, mut ends) = (Picker::new(profile), Vec::new());
        for (block, candidates) in blocks.into_iter().zip(&scans) {
            picker.block(&data[block], candidates, &mut ends);
        }
        ends.extend(picker.finish());
        let cuts = oracle(profile, &data);
        let expected = cuts.iter().scan(0, |end, &length| {
            *end += length as u64;
            Some(*end)
        });
        assert!(expected.eq(ends), "{}", kernel.name());
    }
}

#[test]
#[should_panic(expected = "of another block")]
fn candidates_of_another_profile_are_refused() {
    let mut candidates = Candidates::new();
    Kernel::scalar().scan(Profile::Small, &[0; 100], 0, &mut candidates);
    Picker::new(Profile::Video).block(&[0; 100], &candidates, &mut Vec::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_content_in_any_blocks(
        code in 0..3usize,
        kind in 0..KINDS,
        seed in 1..u64::MAX,
        len in 0..1_500_000usize,
        lengths in prop::collection::vec(prop_oneof![1..200usize, 1..70_000usize, 1..2_000_000usize], 1..12),
    ) {
        check(Profile::ALL[code], &of_kind(kind, seed, len), &lengths, &format!("kind {kind} seed {seed} len {len}"));
    }
}
