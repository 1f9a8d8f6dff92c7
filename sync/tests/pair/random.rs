//! Random sets of contents and edits on both sides, and random damage on the way.

use crate::content::{
    add_cut, assert_holds, assert_sound, bindings, data, filter_of, item, noise, pieces, pull, pull_items,
    push, push_over, push_with,
};
use crate::link::{Link, Side};
use dits_chunk::Profile;
use dits_format::{ChunkId, Kind, Oid, Proof};
use dits_store::{ChunkPrune, MemoryStore, StoreError, content};
use dits_sync::machine::Machine;
use dits_sync::pull::PullItem;
use proptest::prelude::*;
use std::collections::HashSet;

/// One step in making a set of contents: a new one, or an edit of an earlier one.
#[derive(Debug, Clone)]
enum Make {
    New { seed: u64, bytes: usize },
    Zeros { bytes: usize },
    Edit { of: usize, at: usize, remove: usize, insert: usize },
    Join { of: usize, and: usize },
}

fn make() -> impl Strategy<Value = Make> {
    prop_oneof![
        (0u64..20, 0usize..60_000).prop_map(|(seed, bytes)| Make::New { seed, bytes }),
        (0usize..60_000).prop_map(|bytes| Make::Zeros { bytes }),
        (any::<usize>(), any::<usize>(), 0usize..9000, 0usize..9000)
            .prop_map(|(of, at, remove, insert)| Make::Edit { of, at, remove, insert }),
        (any::<usize>(), any::<usize>()).prop_map(|(of, and)| Make::Join { of, and }),
    ]
}

/// The contents, and for each the one it was made from.
fn build(steps: &[Make]) -> Vec<(Vec<u8>, Option<usize>)> {
    let mut all: Vec<(Vec<u8>, Option<usize>)> = vec![(noise(99, 30_000), None)];
    for step in steps {
        let made = match step {
            Make::New { seed, bytes } => (noise(*seed, *bytes), None),
            Make::Zeros { bytes } => (vec![0; *bytes], None),
            Make::Edit { of, at, remove, insert } => {
                let of = of % all.len();
                let old = &all[of].0;
                let at = at % (old.len() + 1);
                let end = (at + remove).min(old.len());
                ([&old[..at], &noise(at as u64, *insert), &old[end..]].concat(), Some(of))
            }
            Make::Join { of, and } => {
                let (of, and) = (of % all.len(), and % all.len());
                let mut joined = [&all[of].0[..], &all[and].0].concat();
                joined.truncate(200_000);
                (joined, Some(of))
            }
        };
        all.push(made);
    }
    all
}

proptest! {
    #[test]
    fn any_set_arrives(
        steps in proptest::collection::vec(make(), 0..12),
        there in any::<u16>(),
        here in any::<u16>(),
        cut_otherwise in any::<u16>(),
    ) {
        let all = build(&steps);
        let (client, server, reader) = (MemoryStore::new(), MemoryStore::new(), MemoryStore::new());
        for (i, (bytes, _)) in all.iter().enumerate() {
            add_cut(&client, bytes, Profile::Small);
            if there >> i & 1 == 1 {
                let other = cut_otherwise >> i & 1 == 1;
                add_cut(&server, bytes, if other { Profile::Project } else { Profile::Small });
            }
            if here >> i & 1 == 1 {
                add_cut(&reader, bytes, Profile::Small);
            }
        }
        let oid = |i: usize| Oid::of(&all[i].0);
        let items = (0..all.len()).map(|i| item(&client, oid(i), all[i].1.map(oid))).collect();
        let ended = push(&client, &server, items);
        prop_assert!(ended.right.claimed().is_empty());
        prop_assert!(ended.flights() <= 6);
        let before = data(&reader);
        let ended = pull(&reader, &server, (0..all.len()).map(oid).collect());
        prop_assert_eq!(ended.left.tally().chunk_bytes, data(&reader).1 - before.1);
        for (bytes, _) in &all {
            assert_holds(&server, bytes);
            assert_holds(&reader, bytes);
        }
        assert_sound(&server);
    }

    #[test]
    fn any_hint_ends_equal(
        steps in proptest::collection::vec(make(), 0..8),
        there in any::<u16>(),
        promised in any::<u16>(),
        cold: bool,
        cut in proptest::option::of(0u64..200_000),
    ) {
        let all = build(&steps);
        let (client, server, reader) = (MemoryStore::new(), MemoryStore::new(), MemoryStore::new());
        let other = MemoryStore::new();
        for (i, (bytes, _)) in all.iter().enumerate() {
            add_cut(&client, bytes, Profile::Small);
            for (store, bits) in [(&server, there), (&reader, there), (&other, promised)] {
                if bits >> i & 1 == 1 {
                    add_cut(store, bytes, Profile::Small);
                }
            }
        }
        let oid = |i: usize| Oid::of(&all[i].0);
        let items: Vec<_> = (0..all.len()).map(|i| item(&client, oid(i), all[i].1.map(oid))).collect();
        let filter = || Some(filter_of(&other));
        if let Some(cut) = cut {
            let link = Link { cut_after: Some(cut), ..Link::default() };
            push_with(filter(), link, &client, &server, items.clone()).right.salvage().expect("memory has room");
            assert_sound(&server);
        }
        let ended = push_with(filter(), Link::default(), &client, &server, items).ok();
        prop_assert!(ended.flights() <= 6 && ended.count("Lack") == 0);
        let wanted = || (0..all.len()).map(|i| PullItem { oid: oid(i), base: all[i].1.map(oid) }).collect();
        if let Some(cut) = cut {
            let link = Link { cut_after: Some(cut), ..Link::default() };
            pull_items(link, &reader, &server, wanted(), cold).left.salvage().expect("memory has room");
        }
        pull_items(Link::default(), &reader, &server, wanted(), cold).ok();
        for (bytes, _) in &all {
            assert_holds(&server, bytes);
            assert_holds(&reader, bytes);
        }
        [&server, &reader].into_iter().for_each(assert_sound);
    }

    #[test]
    fn chunks_that_vanish_at_any_moment_come_back_or_end_it(
        which in any::<u64>(),
        moment in 0usize..12,
        base: bool,
    ) {
        let old = noise(1, 60_000);
        let new = [&old[..30_000], b"edit", &old[30_000..]].concat();
        let (client, server) = (MemoryStore::new(), MemoryStore::new());
        let old_oid = add_cut(&client, &old, Profile::Small);
        let new_oid = add_cut(&client, &new, Profile::Small);
        add_cut(&server, &old, Profile::Small);
        let victims: HashSet<ChunkId> =
            pieces(&old, Profile::Small).iter().enumerate()
                .filter(|(i, _)| which >> (i % 64) & 1 == 1)
                .map(|(_, piece)| ChunkId::of(Kind::Data, piece)).collect();
        let mut left = moment;
        let lose = |_, message| {
            if left == 0 {
                server.remove(&victims).expect("memory does not fail");
            }
            left = left.wrapping_sub(1);
            vec![message]
        };
        let link = Link { tamper: Box::new(lose), ..Link::default() };
        let items = vec![item(&client, new_oid, base.then_some(old_oid))];
        let ended = push_over(link, &client, &server, items).ok();
        drop(ended);
        // What goes after the commit is not the push's business.
        if left > moment {
            push(&client, &server, vec![item(&client, new_oid, None), item(&client, old_oid, None)]);
        }
        assert_holds(&server, &new);
    }

    #[test]
    fn damage_on_the_way_is_never_bound_as_proved(
        place in any::<u64>(),
        mask in 1u8..,
        from_left: bool,
    ) {
        let old = noise(1, 60_000);
        let new = [&old[..30_000], b"edit", &old[30_000..], &[0; 40_000]].concat();
        let (client, server) = (MemoryStore::new(), MemoryStore::new());
        let old_oid = add_cut(&client, &old, Profile::Small);
        let new_oid = add_cut(&client, &new, Profile::Small);
        add_cut(&server, &old, Profile::Small);
        // Half of the places lie in what describes, half anywhere.
        let (side, len) = if from_left { (Side::Left, 30_000) } else { (Side::Right, 60) };
        let at = if place & 1 == 0 { place / 2 % 600 } else { place / 2 % len };
        let link = Link { flip: Some((side, at, mask)), ..Link::default() };
        let ended = push_over(link, &client, &server, vec![item(&client, new_oid, Some(old_oid))]);
        let good = ended.results.iter().all(Result::is_ok);
        ended.right.salvage().expect("memory has room");
        assert_sound(&server);
        for binding in bindings(&server) {
            prop_assert_eq!(binding.proof, Proof::Proved);
            let manifest = content::manifest(&server, &binding.manifest).expect("bound, so it is here");
            content::rebuild(&server, &manifest, &mut |_| Ok::<(), StoreError>(())).expect("proved");
        }
        // Without an error all is there; only "I have it" cannot be checked by the one who is told.
        if good && side == Side::Left {
            assert_holds(&server, &new);
        }
    }
}
