//! Tests of deltas: small edits take few bytes, what comes back is the chunk, and no input takes more memory than it states.

use super::*;
use crate::conformance::noise;
use proptest::prelude::*;

/// Decodes into a vector that must not grow beyond what was stated.
fn decoded(base: &[u8], delta: &[u8], plain_bytes: usize) -> Result<Vec<u8>, FormatError> {
    let mut out = Vec::new();
    let result = decode(base, delta, plain_bytes, &mut out);
    assert!(out.capacity() <= plain_bytes.min(CHUNK_BYTES_MAX), "{} for {plain_bytes}", out.capacity());
    result.map(|()| out)
}

/// `old` with `len` bytes at `at` replaced by others.
fn edit(old: &[u8], at: usize, len: usize, by: usize) -> Vec<u8> {
    let end = old.len().min(at + len);
    [&old[..at], &noise(99, by), &old[end..]].concat()
}

#[test]
fn an_edit_takes_a_little_more_than_its_bytes() {
    for (len, by) in [(1, 1), (100, 100), (0, 50), (3000, 0)] {
        let old = noise(1, 80_000);
        let new = edit(&old, 40_000, len, by);
        let delta = encode(&old, &new, new.len()).unwrap();
        assert!(delta.len() < by + 60, "{} for {by}", delta.len());
        assert_eq!(decoded(&old, &delta, new.len()).unwrap(), new);
    }
    // The largest of both, and the farthest way back.
    let old = noise(1, BASE_BYTES_MAX);
    let new = edit(&old, 500_000, 10, 10);
    let delta = encode(&old, &new, new.len()).unwrap();
    assert!(delta.len() < 2000, "{}", delta.len());
    assert_eq!(decoded(&old, &delta, new.len()).unwrap(), new);
}

#[test]
fn what_does_not_pay_is_no_delta() {
    let (old, new) = (noise(1, 80_000), noise(2, 80_000));
    assert_eq!(encode(&old, &new, 60_000), None);
    assert_eq!(encode(&noise(1, BASE_BYTES_MAX + 1), &new, 80_100), None);
    assert_eq!(encode(&old, &noise(1, CHUNK_BYTES_MAX + 1), 2 << 20), None);
}

#[test]
fn a_base_that_begins_like_a_dictionary_is_taken_as_bytes() {
    let old = [&[0x37, 0xa4, 0x30, 0xec][..], &noise(1, 50_000)].concat();
    let new = edit(&old, 20_000, 5, 5);
    let delta = encode(&old, &new, 1000).unwrap();
    assert_eq!(decoded(&old, &delta, new.len()).unwrap(), new);
}

#[test]
fn lies_are_told_apart_from_chunks() {
    let old = noise(1, 50_000);
    let new = edit(&old, 20_000, 5, 5);
    let delta = encode(&old, &new, 1000).unwrap();
    for len in [0, 1, new.len() - 1, new.len() + 1] {
        assert!(matches!(decoded(&old, &delta, len), Err(FormatError::Invalid { .. })), "{len}");
    }
    assert!(matches!(decoded(&old, &delta, CHUNK_BYTES_MAX + 1), Err(FormatError::Limit { .. })));
    assert!(matches!(decoded(&noise(1, BASE_BYTES_MAX + 1), &delta, 9), Err(FormatError::Limit { .. })));
    let behind = [&delta[..], &[0]].concat();
    let twice = [&delta[..], &delta].concat();
    for lie in [&behind, &twice, &delta[..delta.len() - 1].to_vec(), &Vec::new()] {
        assert!(matches!(decoded(&old, lie, new.len()), Err(FormatError::Invalid { .. })));
    }
    let bomb = encode(&old, &vec![0; CHUNK_BYTES_MAX], 1000).unwrap();
    assert!(matches!(decoded(&old, &bomb, 1000), Err(FormatError::Invalid { .. })));
    assert_ne!(decoded(&noise(2, 50_000), &delta, new.len()).ok(), Some(new), "of another base");
}

proptest! {
    #[test]
    fn edits_come_back(seed in 0u64..50, len in 1usize..60_000, at: u16, cut in 0usize..5000, by in 0usize..5000) {
        let old = noise(seed, len);
        let new = edit(&old, usize::from(at) % len, cut, by);
        if let Some(delta) = encode(&old, &new, new.len()) {
            prop_assert!(delta.len() <= new.len());
            prop_assert_eq!(decoded(&old, &delta, new.len()).unwrap(), new);
        }
    }

    #[test]
    fn hostile_deltas_fail_or_keep_to_their_length(
        base_len in 0usize..3000, cut: u16, at: u16, byte: u8, plain_bytes in 0usize..5000, is_stated: bool,
    ) {
        let old = noise(3, 3000);
        let new = edit(&old, 1000, 20, 20);
        let mut delta = encode(&old, &new, 3000).unwrap().to_vec();
        let at = usize::from(at) % delta.len();
        delta[at] = byte;
        delta.truncate(delta.len() - usize::from(cut) % 3);
        let plain_bytes = if is_stated { new.len() } else { plain_bytes };
        if let Ok(plain) = decoded(&old[..base_len], &delta, plain_bytes) {
            prop_assert_eq!(plain.len(), plain_bytes);
        }
    }

    #[test]
    fn garbage_fails_or_keeps_to_its_length(delta in proptest::collection::vec(any::<u8>(), 0..200), len in 0usize..300) {
        let framed = [&[0x28, 0xb5, 0x2f, 0xfd][..], &delta].concat();
        for delta in [delta, framed] {
            prop_assert!(decoded(&noise(4, 500), &delta, len).map_or(true, |plain| plain.len() == len));
        }
    }
}
