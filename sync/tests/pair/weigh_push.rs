//! Weighing a push: it says what the push would send, and the server is as it was.

use crate::content::{MIB, add, data, noise, push};
use crate::link::{Ended, Link, Pair, Side};
use dits_format::Oid;
use dits_store::{ChunkRead, MemoryStore};
use dits_sync::Tally;
use dits_sync::machine::{Machine, SyncError};
use dits_sync::message::Message;
use dits_sync::pull::Giver;
use dits_sync::push::PushItem;
use dits_sync::weigh_push::PushWeigher;
use std::sync::Arc;

fn of(oid: Oid, size: usize) -> PushItem {
    PushItem { oid, size: size as u64, base: None }
}

fn weigh(
    link: Link<'_>,
    from: &MemoryStore,
    to: &MemoryStore,
    items: Vec<PushItem>,
) -> Ended<PushWeigher, Giver> {
    let weigher = PushWeigher::new(Arc::new(from.clone()), items);
    Pair::new(weigher, Giver::new(Arc::new(to.clone())), link).run()
}

#[test]
fn it_says_exactly_what_the_push_then_sends() {
    let old = noise(1, 3 * MIB);
    let edited = [&old[..MIB], &noise(2, 1000), &old[MIB..]].concat();
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    add(&to, &old);
    let mut items = vec![];
    // A content twice, and one that repeats itself.
    let twice = [noise(3, MIB), noise(3, MIB)].concat();
    for content in [&edited, &twice, &old, &edited] {
        items.push(of(add(&from, content), content.len()));
    }
    let before = (data(&to), to.bindings(&items[0].oid).unwrap().len());
    let weighed = weigh(Link::default(), &from, &to, items.clone()).ok();
    assert_eq!((weighed.count("Chunks"), weighed.count("Commit")), (0, 1));
    assert_eq!((data(&to), to.bindings(&items[0].oid).unwrap().len()), before, "the server was changed");
    let Tally { contents, contents_had, chunks_needed, needed_bytes, .. } = weighed.left.tally();
    assert_eq!((contents, contents_had), (3, 1));
    let pushed = push(&from, &to, items).left.tally();
    assert_eq!((pushed.chunks, pushed.chunk_bytes), (chunks_needed, needed_bytes));
    assert!(needed_bytes > MIB as u64 && needed_bytes < 3 * MIB as u64, "{needed_bytes}");
}

#[test]
fn nothing_to_send_is_two_flights_and_what_is_lost_is_named() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let oid = add(&to, &noise(1, MIB));
    let ended = weigh(Link::default(), &from, &to, vec![of(oid, MIB)]).ok();
    assert_eq!((ended.left.tally().needed_bytes, ended.count("Offer")), (0, 0));
    let lost = Oid::of(b"lost");
    let ended = weigh(Link::default(), &from, &to, vec![of(lost, 4)]);
    assert!(matches!(ended.results[0], Err(SyncError::MissingContent { oid }) if oid == lost));
}

#[test]
fn an_answer_of_another_length_is_no_answer() {
    for wrong in ["Have", "Need"] {
        let (from, to) = (MemoryStore::new(), MemoryStore::new());
        let items = vec![of(add(&from, &noise(1, MIB)), MIB)];
        let tamper = |_: Side, message: Message| match message {
            Message::Have(bits) if wrong == "Have" => vec![Message::Have([&bits[..], &[true]].concat())],
            Message::Need(bits) if wrong == "Need" => vec![Message::Need(bits[1..].to_vec())],
            other => vec![other],
        };
        let link = Link { tamper: Box::new(tamper), ..Link::default() };
        let ended = weigh(link, &from, &to, items);
        assert!(matches!(ended.results[0], Err(SyncError::Protocol(_))), "{:?}", ended.results);
    }
}
