//! Senders, and the answers they get: wrong ones, late ones, and ones that keep something back.

use crate::content::{add, assert_holds, bindings, item, noise, pieces, push, push_over};
use crate::hostile::{feed, new, protocol, wrong_chunk};
use crate::link::Link;
use dits_chunk::Profile;
use dits_format::Oid;
use dits_store::MemoryStore;
use dits_sync::machine::Machine;
use dits_sync::message::{Message, Wanted};
use dits_sync::pull::Giver;
use dits_sync::push::Pusher;
use std::sync::Arc;

#[test]
fn wrong_answers_end_the_push() {
    let from = MemoryStore::new();
    let items = vec![item(&from, add(&from, &new()), None)];
    let store: Arc<MemoryStore> = Arc::new(from);
    let done = Message::Done { contents: 1, proved: 1 };
    let needs = |count| Message::Need(vec![true; count]);
    let new_chunks = pieces(&new(), Profile::Video).len();
    let have = Message::Have(vec![false]);
    let bad = [
        vec![Message::Have(vec![])],
        vec![Message::Have(vec![false, false])],
        vec![have.clone(), have.clone()],
        vec![needs(1)],
        vec![have.clone(), needs(new_chunks - 1)],
        vec![have.clone(), needs(new_chunks + 1)],
        vec![have.clone(), needs(new_chunks), needs(0)],
        vec![done.clone()],
        vec![have.clone(), done.clone()],
        vec![have.clone(), needs(new_chunks), done.clone(), done.clone()],
        vec![Message::Chunks(vec![])],
        vec![Message::Commit],
    ];
    for messages in bad {
        let mut pusher = Pusher::new(store.clone(), items.clone());
        while pusher.poll().unwrap().is_some() {}
        let error = feed(&mut pusher, messages.clone());
        assert!(error.as_ref().is_some_and(protocol), "{messages:?}: {error:?}");
    }
    let mut pusher = Pusher::new(store, items);
    while pusher.poll().unwrap().is_some() {}
    assert!(feed(&mut pusher, vec![have, needs(new_chunks), done]).is_none() && pusher.is_done());
}

#[test]
fn wrong_answers_end_the_pull() {
    let from = MemoryStore::new();
    let oids = [add(&from, &noise(1, 1000))];
    let wanted = |oid: &Oid| Wanted { oid: *oid, base: None };
    let want = |last| Message::Want { wanted: oids.iter().map(wanted).collect(), last, cold: false };
    let done = Message::Done { contents: 1, proved: 0 };
    for messages in [
        vec![Message::Need(vec![true])],
        vec![done.clone()],
        vec![want(true), done.clone()],
        vec![want(true), want(true)],
        vec![want(false), Message::Need(vec![true, true])],
        vec![want(true), Message::Need(vec![true]), done.clone(), done.clone()],
        vec![want(true), Message::Ask(vec![])],
    ] {
        let mut giver = Giver::new(Arc::new(from.clone()));
        let error = feed(&mut giver, messages.clone());
        assert!(error.as_ref().is_some_and(protocol), "{messages:?}: {error:?}");
    }
}

#[test]
fn a_need_left_out_keeps_the_content_unbound() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let oid = add(&from, &new());
    let drop_one = |_, mut message| {
        if let Message::Need(bits) = &mut message {
            bits[3] = false;
        }
        vec![message]
    };
    let link = Link { tamper: Box::new(drop_one), ..Link::default() };
    let ended = push_over(link, &from, &to, vec![item(&from, oid, None)]);
    assert!(ended.results[1].as_ref().is_err_and(wrong_chunk), "{:?}", ended.results[1]);
    ended.right.salvage().unwrap();
    assert_eq!(bindings(&to).len(), 0);
    push(&from, &to, vec![item(&from, oid, None)]);
    assert_holds(&to, &new());
}
