//! Weighing: it says what a pull would move, and moves nothing.

use crate::content::{MIB, add, data, noise, pull};
use crate::link::{Ended, Link, Pair, Side};
use dits_format::Oid;
use dits_store::{ChunkRead, MemoryStore};
use dits_sync::Tally;
use dits_sync::machine::{Machine, SyncError};
use dits_sync::message::{Message, Offer};
use dits_sync::pull::Giver;
use dits_sync::weigh::Weigher;
use std::sync::Arc;

fn weigh_over(link: Link<'_>, to: &MemoryStore, from: &MemoryStore, oids: Vec<Oid>) -> Ended<Weigher, Giver> {
    let weigher = Weigher::new(Arc::new(to.clone()), oids);
    Pair::new(weigher, Giver::new(Arc::new(from.clone())), link).run()
}

#[test]
fn it_says_exactly_what_the_pull_then_moves() {
    let old = noise(1, 3 * MIB);
    let edited = [&old[..MIB], &noise(2, 1000), &old[MIB..]].concat();
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    add(&to, &old);
    let new = noise(3, MIB);
    let oids = vec![add(&from, &edited), Oid::of(b"lost"), add(&from, &new), add(&from, &old)];
    let before = data(&to);
    let weighed = weigh_over(Link::default(), &to, &from, oids.clone()).ok();
    assert_eq!((weighed.count("Chunks"), data(&to)), (0, before), "nothing moved");
    assert_eq!(weighed.left.absent(), [Oid::of(b"lost")]);
    let Tally { chunks_needed, needed_bytes, contents, content_bytes, .. } = weighed.left.tally();
    let all = (edited.len() + new.len() + old.len()) as u64;
    assert_eq!((contents, content_bytes), (3, all));
    assert!(needed_bytes < 2 * MIB as u64, "what is here is not counted: {needed_bytes}");
    assert!(to.bindings(&oids[0]).expect("memory does not fail").is_empty(), "nothing is bound");
    let pulled = pull(&to, &from, oids).left.tally();
    assert_eq!((pulled.chunks, pulled.chunk_bytes), (chunks_needed, needed_bytes));
}

#[test]
fn a_chunk_of_two_contents_counts_once_and_nothing_costs_two_flights() {
    let shared = noise(1, 2 * MIB);
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let oids = vec![add(&from, &shared), add(&from, &[&shared[..], b"tail"].concat())];
    let weighed = weigh_over(Link::default(), &to, &from, oids).ok();
    assert_eq!(weighed.left.tally().needed_bytes, data(&from).1);
    let nothing = weigh_over(Link::default(), &to, &from, Vec::new()).ok();
    assert_eq!((nothing.flights(), nothing.left.tally()), (2, Tally::default()));
}

#[test]
fn a_giver_out_of_place_is_refused() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let oids = vec![add(&from, &noise(1, 100))];
    for instead in [
        Message::Chunks(vec![vec![1].into()]),
        Message::Offer(vec![Offer::Keep { start: 0, count: 1 }]),
        Message::Have(vec![true]),
    ] {
        let tamper = |side, message: Message| match (side, &message) {
            (Side::Right, Message::Offer(_)) => vec![instead.clone()],
            _ => vec![message],
        };
        let link = Link { tamper: Box::new(tamper), ..Link::default() };
        let ended = weigh_over(link, &to, &from, oids.clone());
        assert!(matches!(ended.results[0], Err(SyncError::Protocol(_))), "{:?}", ended.results);
    }
}
