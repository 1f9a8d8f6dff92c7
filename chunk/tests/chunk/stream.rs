//! The cutter gives the kernel's cuts whatever the sizes in which content arrives.

use crate::content::{KINDS, cuts, of_kind, random, sizes};
use dits_chunk::{Cutter, Profile};
use proptest::prelude::*;
use std::convert::Infallible;

/// Writes into the cutter's own space, in pieces of the given sizes in turn.
fn through_space(cutter: &mut Cutter, data: &[u8], pieces: &[usize]) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    let mut rest = data;
    for &piece in pieces.iter().cycle() {
        let space = cutter.space();
        assert!(!space.is_empty());
        let (now, later) = rest.split_at(piece.min(space.len()).min(rest.len()));
        space[..now.len()].copy_from_slice(now);
        cutter.filled(now.len());
        while let Some(chunk) = cutter.next_chunk() {
            chunks.push(chunk.to_vec());
        }
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    finish(cutter, &mut chunks);
    chunks
}

/// Pushes pieces of the given sizes in turn.
fn through_push(cutter: &mut Cutter, data: &[u8], pieces: &[usize]) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    let mut rest = data;
    for &piece in pieces.iter().cycle() {
        let (now, later) = rest.split_at(piece.min(rest.len()));
        let mut keep = |chunk: &[u8]| -> Result<(), Infallible> {
            chunks.push(chunk.to_vec());
            Ok(())
        };
        let Ok(()) = cutter.push(now, &mut keep);
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    finish(cutter, &mut chunks);
    chunks
}

fn finish(cutter: &mut Cutter, chunks: &mut Vec<Vec<u8>>) {
    while let Some(chunk) = cutter.finish_chunk() {
        chunks.push(chunk.to_vec());
    }
}

/// Checks both ways in; `cutter` may have been used before.
fn check(cutter: &mut Cutter, profile: Profile, data: &[u8], pieces: &[usize]) {
    let (min, _, max) = sizes(profile);
    for way in [through_space, through_push] {
        cutter.reset(profile);
        let chunks = way(cutter, data, pieces);
        assert!(chunks.concat() == data, "the chunks together are not the content");
        let lengths: Vec<usize> = chunks.iter().map(Vec::len).collect();
        assert_eq!(lengths, cuts(profile, data));
        assert!(lengths.iter().all(|&length| length <= max));
        assert!(lengths.iter().rev().skip(1).all(|&length| length >= min));
    }
}

#[test]
fn edge_lengths_and_piece_sizes() {
    let mut cutter = Cutter::new(Profile::Video);
    for profile in Profile::ALL {
        let (min, avg, max) = sizes(profile);
        for len in [0, 1, min, min + 1, avg, max - 1, max, max + 1, 2 * max + 3, 3 << 20] {
            let data = random(5, len);
            for pieces in [[4096, 4096], [65_537, 1], [max, max - 1], [usize::MAX, 1]] {
                check(&mut cutter, profile, &data, &pieces);
            }
        }
        check(&mut cutter, profile, &random(6, max + min), &[1]);
    }
}

#[test]
fn no_chunk_is_certain_below_the_longest() {
    for profile in Profile::ALL {
        let (_, _, max) = sizes(profile);
        let data = random(8, max);
        let mut cutter = Cutter::new(profile);
        cutter.space()[..max - 1].copy_from_slice(&data[..max - 1]);
        cutter.filled(max - 1);
        assert_eq!(cutter.next_chunk(), None);
        cutter.space()[0] = data[max - 1];
        cutter.filled(1);
        assert_eq!(cutter.next_chunk().map(<[u8]>::len), Some(cuts(profile, &data)[0]));
    }
}

#[test]
fn an_error_stops_push_and_reset_starts_afresh() {
    let data = random(9, 2 << 20);
    let mut cutter = Cutter::new(Profile::Small);
    let mut calls = 0;
    let result = cutter.push(&data, &mut |_| {
        calls += 1;
        if calls == 3 { Err("full") } else { Ok(()) }
    });
    assert_eq!((result, calls), (Err("full"), 3));
    check(&mut cutter, Profile::Project, &data, &[100_000]);
}

#[test]
#[should_panic(expected = "more bytes filled")]
fn filling_more_than_the_space_is_refused() {
    let mut cutter = Cutter::new(Profile::Video);
    let room = cutter.space().len();
    cutter.filled(room + 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_do_not_depend_on_read_sizes(
        code in 0..3usize,
        kind in 0..KINDS,
        seed in 1..u64::MAX,
        len in 0..4_000_000usize,
        pieces in prop::collection::vec(prop_oneof![1..200usize, 1..70_000usize, 1..2_000_000usize], 1..12),
    ) {
        let profile = Profile::ALL[code];
        check(&mut Cutter::new(Profile::Video), profile, &of_kind(kind, seed, len), &pieces);
    }
}
