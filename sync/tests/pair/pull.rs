//! Pulling: what is wanted and there arrives, what is here already does not travel.

use crate::content::{MIB, add, add_cut, assert_holds, bindings, data, noise, proof, pull};
use dits_chunk::Profile;
use dits_format::{Oid, Proof};
use dits_store::MemoryStore;
use dits_sync::machine::Machine;

#[test]
fn wanted_contents_arrive_whole_and_claimed() {
    for sizes in [vec![], vec![1], vec![0, 1, 4095, 300_000, 3 * MIB]] {
        let contents: Vec<_> = sizes.iter().zip(0..).map(|(size, seed)| noise(seed, *size)).collect();
        let (from, to) = (MemoryStore::new(), MemoryStore::new());
        let oids: Vec<_> = contents.iter().map(|bytes| add(&from, bytes)).collect();
        add(&from, b"nobody wants this");
        let ended = pull(&to, &from, oids.clone());
        for (bytes, oid) in contents.iter().zip(&oids) {
            assert_holds(&to, bytes);
            assert_eq!(proof(&to, oid), Some(Proof::Claimed));
        }
        assert_eq!(bindings(&to).len(), oids.len());
        let tally = ended.left.tally();
        assert_eq!(tally, ended.right.tally());
        assert_eq!((tally.contents, (tally.chunks, tally.chunk_bytes)), (oids.len() as u64, data(&to)));
        assert_eq!((tally.chunks_needed, tally.needed_bytes), data(&to));
        assert_eq!(ended.flights(), if sizes.is_empty() { 2 } else { 4 });
    }
}

#[test]
fn pulling_again_sends_no_chunk_and_keeps_the_proof() {
    let bytes = noise(1, 3 * MIB);
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let oid = add(&from, &bytes);
    add(&to, &bytes);
    let again = pull(&to, &from, vec![oid]);
    assert_eq!((again.count("Chunks"), again.right.tally().chunks), (0, 0));
    assert_eq!(proof(&to, &oid), Some(Proof::Proved));
}

#[test]
fn chunks_that_came_with_anything_else_are_not_sent() {
    let old = noise(1, 8 * MIB);
    let mut new = old.clone();
    new[4 * MIB..4 * MIB + 100].copy_from_slice(&noise(2, 100));
    let moved = [&old[4 * MIB..], &old[..4 * MIB]].concat();
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    add(&to, &old);
    let oids = vec![add(&from, &new), add(&from, &moved)];
    let ended = pull(&to, &from, oids);
    assert_holds(&to, &new);
    assert_holds(&to, &moved);
    let chunks = ended.left.tally().chunks;
    assert!((1..=7).contains(&chunks), "{chunks} chunks");
}

#[test]
fn what_is_absent_is_named_and_the_rest_arrives() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let contents = [noise(1, 100), noise(2, 200_000)];
    let (lost, gone) = (Oid::of(b"lost"), Oid::of(b"gone"));
    let oids = vec![lost, add(&from, &contents[0]), gone, add(&from, &contents[1])];
    let ended = pull(&to, &from, oids);
    assert_eq!(ended.left.absent(), [lost, gone]);
    contents.iter().for_each(|bytes| assert_holds(&to, bytes));
    assert_eq!(pull(&to, &from, vec![lost]).left.absent(), [lost]);
}

#[test]
fn more_wants_than_one_message_holds() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let contents: Vec<_> = (0..8500u64).map(|seed| noise(seed, 20)).collect();
    let mut oids: Vec<_> = contents.iter().map(|bytes| add_cut(&from, bytes, Profile::Small)).collect();
    oids.push(Oid::of(b"lost"));
    let ended = pull(&to, &from, oids);
    assert_eq!((ended.count("Want"), ended.left.absent().len(), data(&to).0), (2, 1, 8500));
    contents.iter().step_by(500).chain(contents.last()).for_each(|bytes| assert_holds(&to, bytes));
}
