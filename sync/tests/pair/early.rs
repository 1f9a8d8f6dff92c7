//! What goes ahead of its answer: it is taken within bounds, given up when it was in vain, and never believed.

use crate::content::{
    MIB, add, assert_holds, assert_sound, bindings, data, item, noise, pieces, pull_items, push, push_over,
};
use crate::hostile::{feed, hasty_script, new, protocol};
use crate::link::{Link, Side};
use dits_chunk::Profile;
use dits_format::Oid;
use dits_store::{ChunkPrune, MemoryStore, content};
use dits_sync::machine::Machine;
use dits_sync::message::{Message, Offer};
use dits_sync::pull::{PullItem, Puller};
use dits_sync::push::Taker;
use dits_sync::receiver::EARLY_BYTES_MAX;
use dits_sync::sender::GUESS_BYTES;
use std::collections::HashSet;

fn takers() -> [Box<dyn Machine>; 2] {
    let store = MemoryStore::new();
    let taker = Taker::new(&store).expect("memory has room");
    [Box::new(taker), Box::new(Puller::new(&store, vec![], false).expect("memory has room"))]
}

#[test]
fn more_than_may_come_unasked_is_refused() {
    for mut machine in takers() {
        let most = EARLY_BYTES_MAX as usize / MIB;
        for seed in 0..most {
            assert!(
                feed(&mut *machine, vec![Message::Early(vec![noise(seed as u64, MIB).into()])]).is_none()
            );
        }
        let error = feed(&mut *machine, vec![Message::Early(vec![vec![1].into()])]);
        assert!(error.as_ref().is_some_and(protocol), "{error:?}");
    }
    for mut machine in takers() {
        let error = feed(&mut *machine, vec![Message::Early(vec![vec![].into()])]);
        assert!(error.as_ref().is_some_and(protocol), "{error:?}");
    }
}

#[test]
fn an_early_commit_that_promises_too_much_does_not_count() {
    let base = || {
        let store = MemoryStore::new();
        add(&store, &noise(1, 2 * MIB));
        store
    };
    // Without the chunks: they are asked for, and nothing is bound.
    let mut lies = hasty_script();
    lies.retain(|message| !matches!(message, Message::Early(_)));
    let store = base();
    let mut taker = Taker::new(&store).unwrap();
    assert!(feed(&mut taker, lies.clone()).is_none() && !taker.is_done());
    let error = feed(&mut taker, vec![Message::Commit]);
    assert!(error.as_ref().is_some_and(protocol), "{error:?}");
    assert_eq!(bindings(&store).len(), 1);
    // In the middle of a description; twice; a real one behind one that counted.
    let (mut early, twice, mut both) = (hasty_script(), hasty_script(), hasty_script());
    match &mut early[2] {
        Message::Offer(steps) => drop(steps.pop()),
        other => panic!("no offer: {other:?}"),
    }
    lies.push(Message::EarlyCommit);
    both.push(Message::Commit);
    let more = [&twice[..], &[Message::EarlyCommit]].concat();
    for messages in [early, lies, both, more] {
        let mut taker = Taker::new(&base()).unwrap();
        let error = feed(&mut taker, messages);
        assert!(error.as_ref().is_some_and(protocol), "{error:?}");
    }
    let store = base();
    let mut taker = Taker::new(&store).unwrap();
    assert!(feed(&mut taker, hasty_script()).is_none() && taker.is_done());
    assert_holds(&store, &new());
}

#[test]
fn a_description_in_vain_is_given_up_in_the_middle() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let bytes = noise(1, 60 * MIB);
    let (known, tail) = (add(&from, &bytes), noise(2, MIB));
    add(&to, &bytes);
    let unknown = add(&from, &tail);
    let mut cancels = 0;
    let count = |_, message: Message| {
        if let Message::Offer(steps) = &message {
            cancels += steps.iter().filter(|step| **step == Offer::Cancel).count();
        }
        vec![message]
    };
    let link = Link { tamper: Box::new(count), ..Link::default() };
    let items = vec![item(&from, known, None), item(&from, unknown, None)];
    let bound = bindings(&to);
    let ended = push_over(link, &from, &to, items).ok();
    assert_eq!((cancels, ended.left.tally().contents_had), (1, 1));
    assert_holds(&to, &tail);
    assert_eq!(bindings(&to).len(), bound.len() + 1, "what was there is not bound again");
    assert_eq!(ended.right.tally().contents, 1);
}

#[test]
fn an_edit_of_what_is_pushed_with_it_leans_on_the_base_of_that() {
    let old = noise(1, 20 * MIB);
    let next = [&old[..], &noise(2, 1000)].concat();
    let last = [&noise(3, 1000), &next[..]].concat();
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let oids = [&old, &next, &last].map(|bytes| add(&from, bytes));
    add(&to, &old);
    let items = vec![item(&from, oids[1], Some(oids[0])), item(&from, oids[2], Some(oids[1]))];
    let ended = push(&from, &to, items);
    assert_eq!((ended.flights(), ended.count("Again")), (2, 0));
    assert!(ended.overhead() < 2048, "{} bytes", ended.overhead());
    [next, last].iter().for_each(|bytes| assert_holds(&to, bytes));
    // In a circle, as a change and its revert are.
    let (a, b) = (noise(4, 100_000), noise(5, 100_000));
    let [a_oid, b_oid] = [&a, &b].map(|bytes| add(&from, bytes));
    push(&from, &to, vec![item(&from, a_oid, Some(b_oid)), item(&from, b_oid, Some(a_oid))]);
    [a, b].iter().for_each(|bytes| assert_holds(&to, bytes));
}

#[test]
fn only_a_whole_edit_goes_ahead() {
    let old = noise(1, 8 * MIB);
    let new = [&old[..4 * MIB], &noise(2, GUESS_BYTES as usize + MIB), &old[4 * MIB..]].concat();
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let items = vec![item(&from, add(&from, &new), Some(add(&from, &old)))];
    add(&to, &old);
    let ended = push(&from, &to, items);
    assert_eq!((ended.count("Early"), ended.flights()), (0, 4));
    assert_holds(&to, &new);
}

#[test]
fn a_pull_uses_bases_that_both_ends_have_whole() {
    let old = noise(1, 8 * MIB);
    let new = [&old[..], b"more"].concat();
    let (server, here) = (MemoryStore::new(), MemoryStore::new());
    let oid = add(&server, &new);
    let items = |base| vec![PullItem { oid, base: Some(base) }];
    // The server lacks it; the client lacks it; it is the content itself.
    let base = add(&here, &old);
    let there = pull_items(Link::default(), &here, &server, items(base), false).ok();
    assert_eq!((there.count("Again"), there.count("Early")), (0, 0));
    assert_holds(&here, &new);
    add(&server, &old);
    for base in [base, oid] {
        let empty = MemoryStore::new();
        pull_items(Link::default(), &empty, &server, items(base), false).ok();
        assert_holds(&empty, &new);
    }
    // Torn here: it is not named. Gone after the question: the server describes it again.
    let torn = MemoryStore::new();
    add(&torn, &old);
    let chunk = dits_format::ChunkId::of(dits_format::Kind::Data, &pieces(&old, Profile::Video)[3]);
    torn.remove(&HashSet::from([chunk])).unwrap();
    let ended = pull_items(Link::default(), &torn, &server, items(base), false).ok();
    assert_eq!(ended.count("Early"), 0);
    let gone = MemoryStore::new();
    add(&gone, &old);
    let manifest = content::find(&gone, &base).unwrap().unwrap().binding.manifest;
    let forget = |_: Side, message: Message| {
        if let Message::Deltas { early: true, .. } = message {
            gone.remove(&HashSet::from([manifest])).unwrap();
        }
        vec![message]
    };
    let link = Link { tamper: Box::new(forget), ..Link::default() };
    let ended = pull_items(link, &gone, &server, items(base), false).ok();
    assert_eq!(ended.count("Again"), 1);
    [torn, gone].iter().for_each(|store| assert_holds(store, &new));
}

#[test]
fn who_says_to_have_nothing_and_has_all_loses_bytes_only() {
    let bytes = noise(1, 10 * MIB);
    let (server, here) = (MemoryStore::new(), MemoryStore::new());
    let oid = add(&server, &bytes);
    add(&here, &[&bytes[..], b"more"].concat());
    let before = data(&here);
    let ended = pull_items(Link::default(), &here, &server, vec![PullItem::from(oid)], true).ok();
    assert!(ended.left.tally().chunk_bytes <= EARLY_BYTES_MAX + MIB as u64);
    assert_eq!(data(&here).0, before.0 + 1, "its last chunk is another one");
    assert_holds(&here, &bytes);
    assert_sound(&here);
}

#[test]
fn again_is_for_what_leant_on_a_base_and_once() {
    let (from, old) = (MemoryStore::new(), noise(1, MIB));
    let base = add(&from, &old);
    let edit = add(&from, &[&old[..], b"more"].concat());
    let plain = add(&from, &noise(2, 1000));
    let again = |oid: Oid| Message::Again(vec![oid]);
    for bad in [vec![again(plain)], vec![again(base)], vec![again(edit), again(edit)]] {
        let items = vec![item(&from, edit, Some(base)), item(&from, plain, None)];
        let mut pusher = dits_sync::push::Pusher::new(std::sync::Arc::new(from.clone()), items);
        while pusher.poll().unwrap().is_some() {}
        let error = feed(&mut pusher, bad);
        assert!(error.as_ref().is_some_and(protocol), "{error:?}");
    }
}
