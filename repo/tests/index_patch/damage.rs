//! Damaged index files: every flipped byte, every length, random edits and random bytes.
//!
//! With the hash on, any damage is an error. With a right hash over damaged bytes, or none, the parser
//! sees them: it must not panic, the length must stay, and an error must leave the bytes alone.

use std::fs;
use std::sync::LazyLock;

use dits_repo::index::{
    Change, HashKind, IndexError, Outcome, PointerSize, Stat, blob_id, patch, set_sizes, walk,
};
use proptest::prelude::*;

use crate::repo::{FILES, Repo, pointer};

/// Real index files of different shapes, with the entries' names as targets.
static SAMPLES: LazyLock<Vec<(HashKind, Vec<u8>)>> = LazyLock::new(|| {
    let shapes: [(HashKind, &[(&str, &str)]); 4] = [
        (HashKind::Sha1, &[]),
        (HashKind::Sha1, &[("index.version", "4"), ("index.threads", "2")]),
        (HashKind::Sha256, &[("index.version", "4")]),
        (HashKind::Sha1, &[("index.skipHash", "true")]),
    ];
    let read = |(kind, config)| (kind, fs::read(Repo::with_pointers(kind, config).index()).unwrap());
    shapes.into_iter().map(read).collect()
});

/// Patches a copy: whatever comes in, the length stays, and an error changes nothing.
fn try_patch(kind: HashKind, bytes: &[u8]) -> Result<Outcome, IndexError> {
    let hydrated = |file: &&str| Change::Hydrated {
        expected_oid: blob_id(kind, pointer(file).as_bytes()),
        stat: Stat { size: 5000, ..Stat::default() },
    };
    let size = |file: &&str| PointerSize { oid: blob_id(kind, pointer(file).as_bytes()), hydrated_size: 1 };
    let changes = FILES.iter().map(|file| (file.as_bytes().to_vec(), hydrated(file))).collect();
    let sizes = FILES.iter().map(|file| (file.as_bytes().to_vec(), size(file))).collect();
    let mut copy = bytes.to_vec();
    let result = patch(&mut copy, kind, &changes);
    assert_eq!(copy.len(), bytes.len());
    assert!(result.as_ref().is_ok_and(|outcome| !outcome.patched.is_empty()) || copy == bytes);
    let resized = set_sizes(&mut copy, kind, &sizes);
    assert_eq!((copy.len(), resized.is_ok()), (bytes.len(), result.is_ok()));
    if result.is_ok() {
        assert!(patch(&mut copy, kind, &changes).is_ok(), "our own result is an index again");
    }
    result
}

#[test]
fn any_flipped_byte_is_noticed_by_the_hash() {
    for (kind, sample) in SAMPLES.iter().filter(|(kind, bytes)| bytes[bytes.len() - kind.len()..] != [0; 20])
    {
        assert_eq!(try_patch(*kind, sample).unwrap().patched.len(), FILES.len());
        for at in 0..sample.len() {
            let mut bytes = sample.clone();
            bytes[at] ^= 1 << (at % 8);
            assert!(try_patch(*kind, &bytes).is_err(), "byte {at}");
        }
        for len in 0..sample.len() {
            assert!(try_patch(*kind, &sample[..len]).is_err(), "length {len}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// With a right (or no) hash, damage reaches the parser.
    #[test]
    fn mutated_index_never_panics(
        sample in 0..4_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        zero_hash: bool,
    ) {
        let (kind, sample) = &SAMPLES[sample];
        let mut body = sample[..sample.len() - kind.len()].to_vec();
        for (at, value) in edits {
            let at = at.index(body.len());
            body[at] = value;
        }
        body.truncate(cut.map_or(body.len(), |cut| cut.index(body.len())));
        let hash = if zero_hash { vec![0; kind.len()] } else { kind.hash(&[&body]) };
        body.extend(hash);
        let _ = try_patch(*kind, &body);
    }

    #[test]
    fn random_bytes_never_panic(version in 0..6_u8, entries in 0..4_u8, tail in prop::collection::vec(0..80_u8, 0..400)) {
        for kind in [HashKind::Sha1, HashKind::Sha256] {
            let _ = try_patch(kind, &tail);
            let mut bytes = [b"DIRC\0\0\0".as_slice(), &[version, 0, 0, 0, entries], &tail].concat();
            bytes.extend([0; 32]);
            let _ = try_patch(kind, &bytes);
            let _ = walk(&bytes, kind, |_| Ok(()));
        }
    }
}
