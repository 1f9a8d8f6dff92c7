//! Tests of the index segment: what goes in is found, what does not is not, and no byte can make it panic.

use super::*;
use proptest::prelude::*;

fn location(seed: u64, pack: u32) -> Location {
    let id = ChunkId::of(Kind::Data, &seed.to_le_bytes());
    Location { id, pack, frame: 1, offset: seed as u32, bytes: 1 + (seed % 1000) as u32, kind: Kind::Data }
}

fn binding(seed: u64, manifest: u8, proof: Proof) -> Binding {
    Binding { oid: Oid::of(&seed.to_le_bytes()), manifest: ChunkId([manifest; 32]), size: seed, proof }
}

fn packs(count: u8) -> Vec<PackId> {
    (0..count).map(|n| PackId([n; 32])).collect()
}

#[test]
fn golden_segment() {
    let bytes = encode(&packs(2), vec![location(1, 0), location(2, 1)], vec![binding(1, 1, Proof::Proved)]);
    assert_eq!(
        blake3::hash(&bytes).to_hex().as_str(),
        "ec25146755bc579c60efb03f37ab4fee165154d02b713f91f42497f6a587e7fe"
    );
}

#[test]
fn what_was_stored_is_found_and_nothing_else() {
    let chunks: Vec<_> = (0..5000).map(|seed| location(seed, 0)).collect();
    let bindings: Vec<_> = (0..500).map(|seed| binding(seed, 1, Proof::Claimed)).collect();
    let segment = Segment::open(encode(&packs(1), chunks.clone(), bindings.clone()), true).unwrap();
    assert!(chunks.iter().all(|chunk| segment.find(&chunk.id) == Some(*chunk)));
    assert!((5000..9000).all(|seed| segment.find(&location(seed, 0).id).is_none()));
    assert!(bindings.iter().all(|b| segment.find_bindings(&b.oid) == [*b]));
    assert!(segment.find_bindings(&Oid([1; 32])).is_empty());
    assert_eq!((segment.chunks().count(), segment.bindings().count()), (5000, 500));
}

#[test]
fn the_strongest_proof_wins() {
    let all =
        vec![binding(1, 1, Proof::Claimed), binding(1, 1, Proof::Refuted), binding(1, 1, Proof::Proved)];
    let segment = Segment::open(encode(&[], vec![], all), true).unwrap();
    assert_eq!(segment.find_bindings(&Oid::of(&1u64.to_le_bytes())), [binding(1, 1, Proof::Refuted)]);
}

#[test]
fn every_copy_is_found_by_pack_and_no_place_twice() {
    let copies = [2, 0, 1, 2].map(|pack| location(7, pack));
    let alone = (0..100).filter(|seed| *seed != 7).map(|seed| location(seed, 1));
    let segment = Segment::open(encode(&packs(3), alone.chain(copies).collect(), vec![]), true).unwrap();
    assert_eq!(segment.find_all(&copies[0].id).collect::<Vec<_>>(), [0, 1, 2].map(|pack| location(7, pack)));
    assert_eq!(segment.find(&copies[0].id), Some(location(7, 0)));
    assert_eq!(segment.find_all(&location(8, 0).id).collect::<Vec<_>>(), [location(8, 1)]);
    assert_eq!(segment.find_all(&location(100, 0).id).count(), 0);
}

#[test]
fn an_empty_segment_finds_nothing() {
    let segment = Segment::open(encode(&[], vec![], vec![]), true).unwrap();
    assert_eq!(segment.find(&ChunkId([0; 32])), None);
}

#[test]
fn every_cut_and_every_changed_byte_is_found() {
    let bytes =
        encode(&packs(2), (0..20).map(|s| location(s, 1)).collect(), vec![binding(1, 1, Proof::Proved)]);
    for len in 0..bytes.len() {
        assert!(Segment::open(&bytes[..len], true).is_err(), "cut at {len}");
    }
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        assert!(Segment::open(bytes, true).is_err(), "byte {at}");
    }
}

#[test]
fn a_filter_of_impossible_shape_is_refused() {
    let bytes = encode(&packs(1), (0..300).map(|s| location(s, 0)).collect(), vec![]);
    let at = Segment::open(&bytes[..], true).unwrap().filter.start;
    let (length, total) = (word(&bytes, at + 16), word(&bytes, at + 24));
    // Longer segments with a total that still fits the fingerprints, and is no multiple of them.
    let mut bad = bytes.clone();
    for (at, value) in [(at + 16, 2 * length), (at + 20, 2 * length - 1), (at + 24, total - 2 * length)] {
        bad[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    assert_ne!((total - 2 * length) % (2 * length), 0, "choose another number of chunks");
    assert!(Segment::open(bad, false).is_err());
}

#[test]
fn a_large_segment_has_a_filter_in_parts_and_narrow_slots() {
    let chunks: Vec<_> = (0..300_000).map(|seed| location(seed, 0)).collect();
    let segment = Segment::open(encode(&packs(1), chunks.clone(), vec![]), true).unwrap();
    assert_eq!(segment.filter_bits, 2);
    let all = segment.bytes();
    let widest = chunks.iter().map(|chunk| segment.chunks.range(all, &chunk.id.0).len()).max();
    assert!(widest < Some(32), "{widest:?}");
    assert!(chunks.iter().all(|chunk| segment.find(&chunk.id) == Some(*chunk)));
    let passed = (300_000..400_000).filter(|seed| segment.may_have(&location(*seed, 0).id)).count();
    assert!((200..800).contains(&passed), "0.4 % is right: {passed} of 100,000");
    assert!(segment.filter.len() + (4 << segment.chunks.bits) < 3 * chunks.len(), "bytes beside the records");
}

/// Nobody can choose hashes like that; memory and lookups must hold all the same.
#[test]
fn ids_that_all_begin_alike_are_found() {
    let alike = |seed: u64| {
        let mut chunk = location(seed, 0);
        chunk.id.0[..4].fill(7);
        chunk
    };
    let chunks: Vec<_> = (0..1_100_000).map(alike).collect();
    let segment = Segment::open(encode(&packs(1), chunks.clone(), vec![]), true).unwrap();
    let filled = |part: usize| word(&segment.bytes()[segment.filter.clone()], part * PART_BYTES + 4) > 0;
    assert!(!(0..1 << segment.filter_bits).any(filled), "too many keys for a part");
    assert!(chunks.iter().step_by(101).all(|chunk| segment.find(&chunk.id) == Some(*chunk)));
    assert_eq!(segment.find(&location(0, 0).id), None);
}

#[test]
fn records_go_out_as_they_come_in_small_pieces() {
    let mut chunks: Vec<_> = (0..100_000).map(|seed| location(seed, 0)).collect();
    chunks.sort();
    let (sizes, mut whole) = (std::cell::RefCell::new(Vec::new()), Vec::new());
    let mut builder = Builder::new(chunks.len(), 0, |bytes: &[u8]| {
        sizes.borrow_mut().push(bytes.len());
        whole.extend_from_slice(bytes);
        Ok::<(), std::convert::Infallible>(())
    })
    .unwrap();
    for (count, chunk) in chunks.iter().enumerate() {
        builder.chunk(chunk).unwrap();
        assert!(sizes.borrow().iter().sum::<usize>() + (256 << 10) >= count * ENTRY_BYTES);
    }
    builder.finish(&packs(1)).unwrap();
    assert!(sizes.borrow().iter().all(|size| *size <= 256 << 10));
    assert!(whole == encode(&packs(1), chunks, vec![]));
}

#[test]
fn a_segment_of_another_version_is_told_from_a_damaged_one() {
    let mut bytes = encode(&packs(1), vec![location(1, 0)], vec![]);
    bytes[8] = 1;
    assert!(matches!(Segment::open(bytes, true), Err(FormatError::Version { found: 1, .. })));
}

proptest! {
    /// Without the checksum (segments too large to hash at opening) lookups must still be safe and exact.
    #[test]
    fn unverified_damage_never_panics_and_never_answers_for_another_id(
        at: usize,
        byte: u8,
        probe in 0u64..40,
    ) {
        let bytes = encode(&packs(2), (0..20).map(|s| location(s, 1)).collect(), vec![binding(1, 1, Proof::Proved)]);
        let mut bytes = bytes;
        let len = bytes.len();
        bytes[at % len] = byte;
        if let Ok(segment) = Segment::open(bytes, false) {
            let id = location(probe, 0).id;
            prop_assert!(segment.find_all(&id).all(|found| found.id == id));
            prop_assert_eq!(segment.find(&id), segment.find_all(&id).next());
            let _ = (segment.chunks().count(), segment.bindings().count(), segment.find_bindings(&Oid(id.0)));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Segment::open(bytes, false).is_ok();
    }
}
