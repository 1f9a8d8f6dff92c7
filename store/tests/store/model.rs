//! Random histories of a store on disk, told to a hash map as well.
//!
//! Two handles take turns, so each meets what the other added, merged and removed behind its back. At the
//! end both, and a third that opens then, must show, read and count exactly what the map holds. Chunks are
//! drawn from forty, so that copies and removals hit; a third of them compress and the lengths pass the
//! bound between small and large.

use crate::common::{fsck, id, noise, open};
use dits_format::Kind;
use dits_store::{ChunkPrune, ChunkRead, ChunkWrite, Item};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

#[derive(Debug, Clone)]
enum Step {
    /// Chunks by seed, committed or dropped.
    Batch(Vec<u8>, bool),
    Remove(Vec<u8>),
    Reopen,
    /// Another handle goes on, with what it knew.
    Switch,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let seeds = || proptest::collection::vec(0u8..40, 0..6);
    let step = prop_oneof![
        8 => (seeds(), proptest::bool::weighted(0.9)).prop_map(|(seeds, commit)| Step::Batch(seeds, commit)),
        2 => seeds().prop_map(Step::Remove),
        1 => Just(Step::Reopen),
        2 => Just(Step::Switch),
    ];
    proptest::collection::vec(step, 1..40)
}

/// Of very different lengths; every third compresses.
fn chunk(seed: u8) -> Vec<u8> {
    let len = [0, 10, 1000, 70_000][usize::from(seed) % 4] + usize::from(seed);
    if seed.is_multiple_of(3) { vec![seed; len] } else { noise(seed.into(), len) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_a_map(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let mut model: HashMap<_, Vec<u8>> = HashMap::new();
        let (mut store, mut other) = (open(dir.path()), open(dir.path()));
        for step in steps {
            match step {
                Step::Batch(seeds, commit) => {
                    let mut batch = store.batch().unwrap();
                    let mut new = HashMap::new();
                    for bytes in seeds.into_iter().map(chunk) {
                        let is_new = batch.put(id(&bytes), Kind::Data, &bytes).unwrap();
                        prop_assert_eq!(is_new, !model.contains_key(&id(&bytes)) && !new.contains_key(&id(&bytes)));
                        new.insert(id(&bytes), bytes);
                    }
                    if commit {
                        batch.commit().unwrap();
                        model.extend(new);
                    }
                }
                Step::Remove(seeds) => {
                    let ids: HashSet<_> = seeds.into_iter().map(|seed| id(&chunk(seed))).collect();
                    let known = ids.iter().filter(|id| model.remove(id).is_some()).count();
                    prop_assert_eq!(store.remove(&ids).unwrap(), known as u64);
                }
                Step::Reopen => store = open(dir.path()),
                Step::Switch => std::mem::swap(&mut store, &mut other),
            }
        }
        let mut out = Vec::new();
        for store in [&store, &other, &open(dir.path())] {
            let mut shown = HashSet::new();
            store.visit(&mut |item| {
                if let Item::Chunk { id, .. } = item {
                    assert!(shown.insert(id));
                }
                Ok(())
            }).unwrap();
            prop_assert_eq!(&shown, &model.keys().copied().collect());
            for (id, bytes) in &model {
                prop_assert_eq!(store.read(id, &mut out).unwrap(), Some(Kind::Data));
                prop_assert_eq!(&out, bytes);
            }
            prop_assert_eq!(fsck(store), Vec::<String>::new());
        }
    }
}
