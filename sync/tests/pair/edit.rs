//! Pushing an edited content against the version before: little travels, and what arrives is right.

use crate::content::{
    MIB, add, add_cut, add_pieces, assert_holds, binding, item, noise, pieces, proof, push, push_over,
};
use crate::link::{Ended, Link, Side};
use dits_chunk::Profile;
use dits_format::{ChunkId, Kind, Oid, Proof};
use dits_store::{ChunkPrune, MemoryStore, content};
use dits_sync::machine::Machine;
use dits_sync::message::{Message, Offer};
use dits_sync::push::{Pusher, Taker};
use std::collections::HashSet;

/// The client has `old` and `new`, the server has `old`.
fn stores(old: &[u8], new: &[u8]) -> (MemoryStore, MemoryStore) {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    add(&from, old);
    add(&from, new);
    add(&to, old);
    (from, to)
}

fn push_edit(old: &[u8], new: &[u8]) -> Ended<Pusher, Taker> {
    let (from, to) = stores(old, new);
    let ended = push(&from, &to, vec![item(&from, Oid::of(new), Some(Oid::of(old)))]);
    assert_holds(&to, new);
    assert_eq!(proof(&to, &Oid::of(new)), Some(Proof::Proved));
    ended
}

/// Pushes `new` and returns the bases its offers named.
fn bases(from: &MemoryStore, to: &MemoryStore, new: &[u8], old: &[u8]) -> (Ended<Pusher, Taker>, usize) {
    let mut bases = 0;
    let tamper = |_: Side, message: Message| {
        if let Message::Offer(steps) = &message {
            bases += steps.iter().filter(|s| matches!(s, Offer::Content { base: Some(_), .. })).count();
        }
        vec![message]
    };
    let link = Link { tamper: Box::new(tamper), ..Link::default() };
    let ended = push_over(link, from, to, vec![item(from, Oid::of(new), Some(Oid::of(old)))]).ok();
    assert_holds(to, new);
    (ended, bases)
}

#[test]
fn an_overwrite_costs_three_chunks_and_a_kilobyte() {
    let old = noise(1, 24 * MIB);
    let mut new = old.clone();
    new[12 * MIB..12 * MIB + 100].copy_from_slice(&noise(2, 100));
    let ended = push_edit(&old, &new);
    let chunks = ended.left.tally().chunks;
    assert!((1..=3).contains(&chunks), "{chunks} chunks");
    assert!(ended.overhead() <= 1024, "{} bytes", ended.overhead());
    assert_eq!(ended.flights(), 2);
}

#[test]
fn an_edit_behind_an_edit_in_one_chunk_many_times_over() {
    // As a sparse file: all chunks are one, but for those that were edited.
    let blank = vec![0; 48 * MIB];
    let mut old = blank.clone();
    old[24 * MIB] = 1;
    for at in [24 * MIB + 100_000, 24 * MIB + 5 * MIB, 20 * MIB] {
        let mut new = old.clone();
        new[at] = 2;
        let ended = push_edit(&old, &new);
        assert!(ended.left.tally().chunks <= 3, "{}", ended.left.tally().chunks);
        // Up to four chunks are told by others, whose ids travel; a description of all that follows took 3,700 bytes.
        assert!(ended.overhead() <= 2048, "{} bytes at {at}", ended.overhead());
        old = new;
    }
    assert!(push_edit(&old, &blank).overhead() <= 2048, "all of it taken back");
}

#[test]
fn inserts_appends_and_truncations_cost_little() {
    let old = noise(1, 8 * MIB);
    let inserted = [&old[..3 * MIB], b"inserted", &old[3 * MIB..]].concat();
    let appended = [&old[..], &noise(2, MIB)].concat();
    let truncated = old[..5 * MIB + 77].to_vec();
    let removed = [&old[..3 * MIB], &old[4 * MIB..]].concat();
    for (new, most) in [(inserted, MIB / 2), (appended, 3 * MIB / 2), (truncated, MIB / 4), (removed, MIB)] {
        let ended = push_edit(&old, &new);
        let sent = ended.left.tally().chunk_bytes as usize;
        assert!(sent <= most, "{sent} bytes for {} of {}", new.len(), old.len());
        assert!(ended.overhead() <= 2048, "{} bytes", ended.overhead());
    }
    assert_eq!(push_edit(&old, &[]).left.tally().chunks, 0);
}

#[test]
fn shuffled_parts_come_out_right_and_are_not_sent() {
    let old = noise(1, 8 * MIB);
    let part = |i: usize| &old[i * 2 * MIB..(i + 1) * 2 * MIB];
    let ended = push_edit(&old, &[part(2), part(0), part(3), part(1), part(2)].concat());
    assert!(ended.left.tally().chunk_bytes < 2 * MIB as u64);
}

#[test]
fn a_base_that_the_taker_cut_otherwise_costs_one_try() {
    let old = noise(1, 2 * MIB);
    let new = [&old[..], b"more"].concat();
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    add(&from, &old);
    add(&from, &new);
    add_cut(&to, &old, Profile::Small);
    let (ended, bases) = bases(&from, &to, &new, &old);
    assert_eq!(
        (bases, ended.count("Again"), ended.count("EarlyCommit"), ended.count("Commit")),
        (1, 1, 1, 1)
    );
    assert_eq!(ended.flights(), 6);
}

#[test]
fn a_base_with_a_hole_is_filled_by_the_way() {
    let old = noise(1, 2 * MIB);
    let new = [&old[..], b"more"].concat();
    let (video, small) = (Profile::Video, Profile::Small);
    for (ours, pruned, lacks) in [(video, video, 1), (video, small, 0), (small, small, 1), (small, video, 0)]
    {
        let (from, to) = (MemoryStore::new(), MemoryStore::new());
        [&old, &new].into_iter().for_each(|bytes| _ = add_cut(&from, bytes, ours));
        [video, small].into_iter().for_each(|profile| _ = add_cut(&to, &old, profile));
        let id = ChunkId::of(Kind::Data, &pieces(&old, pruned)[3]);
        assert_eq!(to.remove(&HashSet::from([id])).unwrap(), 1);
        let (ended, bases) = bases(&from, &to, &new, &old);
        assert_eq!((bases, ended.count("Lack")), (1, lacks), "{ours:?} is the base, {pruned:?} is not whole");
    }
}

#[test]
fn a_base_that_repeats_itself_is_spliced_in_one_run() {
    let old = vec![0; 16 * MIB];
    let ended = push_edit(&old, &[&old[..], b"end"].concat());
    assert!(ended.left.tally().chunks <= 1);
    assert!(ended.overhead() <= 1024, "{} bytes", ended.overhead());
}

#[test]
fn a_base_whose_nodes_are_not_here_is_left_out() {
    let old = noise(1, 4 * MIB);
    let new = [&old[..], b"more"].concat();
    let (from, to) = stores(&old, &new);
    assert_eq!(bases(&from, &to, &new, &old).1, 1, "with its nodes it is used");
    let (from, to) = stores(&old, &new);
    let known = content::find(&from, &Oid::of(&old)).unwrap().unwrap();
    from.remove(&HashSet::from([known.manifest.streams[0].root.id])).unwrap();
    let (ended, bases) = bases(&from, &to, &new, &old);
    assert_eq!(bases, 0);
    assert!(ended.left.tally().chunks <= 1, "a flat list still sends only what is not there");
}

#[test]
fn a_base_that_is_not_here_at_all_does_no_harm() {
    let (old, new) = (noise(1, 100_000), noise(2, 100_000));
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    add(&from, &new);
    assert_eq!(bases(&from, &to, &new, &old).1, 0);
    // Bound, but the manifest is gone; and bound at both, but gone there.
    let (from, to) = stores(&old, &new);
    from.remove(&HashSet::from([binding(&from, &Oid::of(&old)).unwrap().manifest])).unwrap();
    assert_eq!(bases(&from, &to, &new, &old).1, 0);
    let (from, to) = stores(&old, &new);
    to.remove(&HashSet::from([binding(&to, &Oid::of(&old)).unwrap().manifest])).unwrap();
    let (ended, bases) = bases(&from, &to, &new, &old);
    assert_eq!((bases, ended.count("Again")), (1, 1));
}

#[test]
fn many_small_splices_fill_many_offers() {
    let old: Vec<Vec<u8>> = (0..40_000).map(|seed| noise(seed, 16)).collect();
    let new: Vec<Vec<u8>> = old.iter().step_by(2).cloned().collect();
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let (old_oid, new_oid) = (Oid::of(&old.concat()), Oid::of(&new.concat()));
    for store in [&from, &to] {
        add_pieces(store, &old, 0, old_oid);
    }
    add_pieces(&from, &new, 0, new_oid);
    let ended = push(&from, &to, vec![item(&from, new_oid, Some(old_oid))]);
    assert_holds(&to, &new.concat());
    assert_eq!((ended.left.tally().chunks, ended.count("Offer")), (0, 2));
}
