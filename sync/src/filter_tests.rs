//! Tests of the filter: golden bytes, nothing that was put in is absent, everything odd is refused before memory is
//! taken for it.

use super::*;
use dits_format::Kind;
use proptest::prelude::*;

fn ids(count: u32, seed: u8) -> Vec<ChunkId> {
    let mut ids: Vec<_> =
        (0..count).map(|n| ChunkId::of(Kind::Data, &[&n.to_le_bytes()[..], &[seed]].concat())).collect();
    ids.sort_unstable();
    ids
}

fn filter(count: u32) -> Filter {
    Filter::build(ids(count, 0).into_iter()).unwrap()
}

/// The same bytes with a right epoch.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let epoch = epoch_of(&bytes[HEAD_BYTES..]);
    bytes[HEAD_BYTES - 8..HEAD_BYTES].copy_from_slice(&epoch.to_le_bytes());
    bytes
}

#[test]
fn what_is_in_it_is_never_absent_and_little_else_is_present() {
    for count in [0, 1, 2, 3, 100, 50_000] {
        let filter = filter(count);
        assert!(ids(count, 0).iter().all(|id| filter.may_have(id)), "{count}");
        let wrong = ids(10_000, 1).iter().filter(|id| filter.may_have(id)).count();
        assert!(wrong < 100, "{wrong} of 10,000 are falsely present among {count}");
    }
    let bytes = filter(50_000).encode().len();
    assert!(bytes * 8 < 50_000 * 10, "{bytes} bytes");
}

#[test]
fn parts_follow_each_other() {
    // Ids that differ in their first bytes only, so that making them is cheap.
    let id = |n: u32| {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.wrapping_mul(4000).to_be_bytes());
        ChunkId(id)
    };
    let count = PART_IDS as u32 + 1000;
    let filter = Filter::build((0..count).map(id)).unwrap();
    assert_eq!(filter.parts.len(), 2);
    assert!((0..count).all(|n| filter.may_have(&id(n))));
    assert_eq!(Filter::decode(&filter.encode()).as_ref(), Ok(&filter));
    let mut building = Building::default();
    building.push(&id(2)).unwrap();
    assert!(building.push(&id(1)).is_none(), "out of order");
}

#[test]
fn golden_bytes() {
    let filter = filter(1000);
    let bytes = filter.encode();
    assert_eq!(
        (bytes.len(), blake3::hash(&bytes).to_hex().as_str()),
        (1464, "2409d89f77e395997ccbab92137be34d22f5bc1365b8e8960ebdbf42b431696d")
    );
    assert_eq!(Filter::epoch_in(&bytes), Some(filter.epoch()));
    assert_eq!(Filter::decode(&bytes), Ok(filter));
    assert_eq!(Filter::epoch_in(&[]), None);
}

#[test]
fn what_is_odd_is_refused() {
    let good = filter(1000).encode();
    let change = |at: usize, with: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        Filter::decode(&sealed(bytes))
    };
    assert!(change(0, b"DITSFLTR").is_ok());
    assert!(matches!(change(0, b"X"), Err(FormatError::Magic { .. })));
    assert!(matches!(change(8, &[2]), Err(FormatError::Version { .. })));
    assert!(matches!(change(20, &u32::MAX.to_le_bytes()), Err(FormatError::Limit { .. })));
    assert!(change(20, &[0]).is_err() && change(20, &[2]).is_err());
    // Segment length, mask, length of all segments, count of fingerprints: none of them without the others.
    for at in [40, 44, 48] {
        assert!(matches!(change(at, &[0xff]), Err(FormatError::Invalid { .. })), "{at}");
        assert!(matches!(change(at, &[0; 4]), Err(FormatError::Invalid { .. })), "{at}");
    }
    assert!(matches!(change(52, &u32::MAX.to_le_bytes()), Err(FormatError::Limit { .. })));
    let twice = [&[2, 0, 0, 0][..], &good[24..], &[0], &good[25..]].concat();
    let falling = sealed([&good[..20], &twice].concat());
    assert!(Filter::decode(&falling).is_err(), "a part that begins before the one before it");
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(Filter::decode(&damaged), Err(FormatError::Checksum { .. })));
    assert!(matches!(Filter::decode(&vec![0; FILTER_BYTES_MAX + 1]), Err(FormatError::Limit { .. })));
    for len in 0..good.len() {
        assert!(Filter::decode(&good[..len]).is_err());
    }
    assert!(Filter::decode(&sealed([&good[..], b"x"].concat())).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..300), id: [u8; 32]) {
        let bytes = sealed([MAGIC, &VERSION.to_le_bytes(), &[0; 8], &body].concat());
        if let Ok(filter) = Filter::decode(&bytes) {
            let _ = filter.may_have(&ChunkId(id));
        }
    }

    #[test]
    fn changed_filters_are_safe_to_ask(at in 20usize..1000, byte: u8, id: [u8; 32]) {
        let mut bytes = filter(200).encode();
        let at = 20 + at % (bytes.len() - 20);
        bytes[at] = byte;
        if let Ok(filter) = Filter::decode(&sealed(bytes)) {
            let _ = filter.may_have(&ChunkId(id));
            prop_assert_eq!(Filter::decode(&filter.encode()), Ok(filter));
        }
    }
}
