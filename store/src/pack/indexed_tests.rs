//! Merging segments as a stream says what sorting everything in memory says.

use super::*;
use crate::Modes;
use crate::pack::layout::Role;
use dits_format::{Kind, Proof};
use proptest::prelude::*;

fn chunk(seed: u8, pack: u32) -> Location {
    // Few and far apart, so that there are copies and several parts of tables.
    let id = ChunkId(*blake3::hash(&[seed]).as_bytes());
    Location { id, pack, frame: pack, offset: u32::from(seed), bytes: 10, kind: Kind::Data }
}

fn binding(seed: u8, proof: u8) -> Binding {
    let (oid, manifest) = (Oid(*blake3::hash(&[seed / 2]).as_bytes()), ChunkId([seed % 2; 32]));
    Binding {
        oid,
        manifest,
        size: 7,
        proof: [Proof::Claimed, Proof::Proved, Proof::Refuted][usize::from(proof % 3)],
    }
}

type Source = (Vec<(u8, bool)>, Vec<(u8, u8)>);

/// A segment over two packs of its own.
fn segment_of(number: usize, (chunks, bindings): &Source) -> Arc<Indexed> {
    let packs = [0, 1].map(|side| PackId([(2 * number + side) as u8; 32]));
    let chunks = chunks.iter().map(|(seed, second)| chunk(*seed, u32::from(*second))).collect();
    let bindings = bindings.iter().map(|(seed, proof)| binding(*seed, *proof)).collect();
    let bytes = segment::encode(&packs, chunks, bindings);
    Arc::new(Indexed::new(None, Bytes::Memory(bytes)).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stream_says_what_sorting_says(
        sources in proptest::collection::vec(
            (
                proptest::collection::vec(any::<(u8, bool)>(), 0..100),
                proptest::collection::vec((0u8..40, 0u8..3), 0..20),
            ),
            1..9,
        ),
        dead in 0u8..18,
        forgotten in 0u8..40,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(dir.path(), Role::Store, Modes::default()).unwrap();
        let old: Vec<_> = sources.iter().enumerate().map(|(number, source)| segment_of(number, source)).collect();
        let dead = HashSet::from([PackId([dead; 32])]);
        let oid = binding(forgotten, 0).oid;
        let new = Indexed::combine(&old, &dead, |binding| binding.oid == oid, &layout).unwrap().unwrap();
        prop_assert!(new.segment.verify(|_| ()));
        prop_assert!(new.packs.is_sorted() && !new.covers_any(&dead));

        let place = |indexed: &Indexed, at: Location| (indexed.packs[at.pack as usize], Location { pack: 0, ..at });
        let living = |indexed: &Arc<Indexed>| {
            let all: Vec<_> = indexed.segment.chunks().map(|at| place(indexed, at)).collect();
            all.into_iter().filter(|(pack, _)| !dead.contains(pack))
        };
        let expected: HashSet<_> = old.iter().flat_map(living).map(|(pack, at)| (pack, at.id, at.offset)).collect();
        let found: Vec<Location> = new.segment.chunks().collect();
        prop_assert!(found.is_sorted_by(|a, b| (a.id, a.pack) < (b.id, b.pack)), "by id and pack, each once");
        for at in &found {
            let of_id = found.iter().filter(|other| other.id == at.id).copied();
            prop_assert!(new.segment.find_all(&at.id).eq(of_id));
        }
        let found = found.into_iter().map(|at| place(&new, at)).map(|(pack, at)| (pack, at.id, at.offset));
        prop_assert_eq!(found.collect::<HashSet<_>>(), expected, "every copy that one of them knew");

        let all = old.iter().flat_map(|indexed| indexed.segment.bindings().collect::<Vec<_>>());
        let kept = all.filter(|binding| binding.oid != oid).collect();
        let sorted = Segment::open(segment::encode(&[], vec![], kept), true).unwrap();
        prop_assert!(new.segment.bindings().eq(sorted.bindings()), "the strongest proofs, in order");
    }
}
