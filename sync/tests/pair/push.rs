//! Pushing new contents, and pushing them again.

use crate::content::{
    MIB, add, add_cut, assert_holds, bind_pieces, binding, data, item, noise, pieces, proof, push, push_over,
};
use crate::link::{LATENCY, Link, Pair, Side};
use dits_chunk::Profile;
use dits_format::{Binding, Oid, Proof};
use dits_store::{ChunkPrune, ChunkWrite, MemoryStore, content};
use dits_sync::filter::Filter;
use dits_sync::machine::{Machine, SyncError, Tally};
use dits_sync::message::{Ask, Message, Reason};
use dits_sync::push::{PushItem, Pusher, Taker};
use dits_sync::sender::UNSURE_BYTES;
use dits_sync::there::{self, There};
use std::collections::HashSet;
use std::sync::Arc;

fn filled(contents: &[Vec<u8>]) -> (MemoryStore, Vec<PushItem>) {
    let store = MemoryStore::new();
    let items = contents.iter().map(|bytes| item(&store, add(&store, bytes), None)).collect();
    (store, items)
}

#[test]
fn new_contents_arrive_whole_and_proved() {
    let many: Vec<usize> = vec![0, 1, 2, 4095, 65536, 300_000, 3 * MIB, 1_000_003];
    for sizes in [vec![], vec![1], vec![3 * MIB], many] {
        let contents: Vec<_> = sizes.iter().zip(0..).map(|(size, seed)| noise(seed, *size)).collect();
        let ((from, items), to) = (filled(&contents), MemoryStore::new());
        let ended = push(&from, &to, items);
        for bytes in &contents {
            assert_holds(&to, bytes);
            assert_eq!(proof(&to, &Oid::of(bytes)), Some(Proof::Proved));
        }
        let (chunks, chunk_bytes) = data(&from);
        assert_eq!(data(&to), (chunks, chunk_bytes));
        let tally = Tally {
            contents: contents.len() as u64,
            content_bytes: sizes.iter().sum::<usize>() as u64,
            contents_had: 0,
            chunks,
            chunk_bytes,
            stored_bytes: chunk_bytes,
            chunks_needed: chunks,
            needed_bytes: chunk_bytes,
        };
        assert_eq!((ended.left.tally(), ended.right.tally()), (tally, tally));
        assert!(ended.right.claimed().is_empty());
        assert_eq!(ended.flights(), if contents.is_empty() { 2 } else { 4 });
    }
}

#[test]
fn pushing_again_is_one_question_for_each_content() {
    let contents: Vec<_> = (0..100).map(|seed| noise(seed, 5000 + seed as usize)).collect();
    let ((from, items), to) = (filled(&contents), MemoryStore::new());
    push(&from, &to, items.clone());
    let again = push(&from, &to, items);
    assert_eq!((again.count("Early"), again.count("Chunks")), (0, 0));
    let (tally, all) = (again.left.tally(), contents.len() as u64);
    assert_eq!((tally.contents, tally.contents_had, tally.chunks), (all, all, 0));
    // One more bit for each content in the answer; and what may be described in vain.
    let bytes = again.bytes(|sent| sent.kind != "Offer");
    assert!(bytes <= 100 + 33 * all + all.div_ceil(8), "{bytes} bytes");
    let described = again.bytes(|sent| sent.kind == "Offer");
    assert!(described <= UNSURE_BYTES[0] as u64 + 200, "{described} bytes");
    assert_eq!(again.flights(), 4);
}

#[test]
fn what_is_taken_to_be_there_is_asked_for_before_it_is_described() {
    let contents: Vec<_> = (0..3).map(|seed| noise(seed, 300_000)).collect();
    let ((from, items), to) = (filled(&contents), MemoryStore::new());
    let keys: Vec<u8> = items.iter().flat_map(|item| there::key(&item.oid)).collect();
    let again = |items: &[PushItem]| {
        let mut pusher = Pusher::new(Arc::new(from.clone()), items.to_vec());
        // As old as can be: all of it seems new.
        pusher.set_filter(Arc::new(Filter::build(std::iter::empty()).unwrap()));
        pusher.set_there(Arc::new(There::decode(&keys)));
        Pair::new(pusher, Taker::new(&to).unwrap(), Link::default()).run().ok()
    };
    // A hint that is wrong costs a round trip, and no content.
    again(&items[..2]);
    contents[..2].iter().for_each(|bytes| assert_holds(&to, bytes));
    let had = again(&items[..2]);
    assert_eq!((had.count("Offer"), had.count("Early"), had.count("Chunks")), (0, 0, 0));
    assert!(had.bytes(|_| true) < 200);
    again(&items);
    assert_holds(&to, &contents[2]);
}

#[test]
fn a_content_of_many_chunks_is_offered_in_parts() {
    let bytes = noise(1, 28 * MIB);
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let oid = add_cut(&from, &bytes, Profile::Small);
    assert!(data(&from).0 > 4096);
    let ended = push(&from, &to, vec![item(&from, oid, None)]);
    assert_holds(&to, &bytes);
    assert_eq!(proof(&to, &oid), Some(Proof::Proved));
    // One more, which goes ahead of the answer.
    assert_eq!((ended.count("Offer"), ended.flights()), (data(&from).0.div_ceil(4096) as usize + 1, 6));
}

#[test]
fn more_contents_than_one_question_holds() {
    let contents: Vec<_> = (0..8500u64).map(|seed| noise(seed, 20)).collect();
    let ((from, items), to) = (filled(&contents), MemoryStore::new());
    let ended = push(&from, &to, items);
    assert_eq!((ended.count("Ask"), ended.right.tally().contents, data(&to).0), (2, 8500, 8500));
    contents.iter().step_by(500).chain(contents.last()).for_each(|bytes| assert_holds(&to, bytes));
}

#[test]
fn bandwidth_is_used_while_answers_travel() {
    let bytes = noise(1, 40 * MIB);
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let oid = add_cut(&from, &bytes, Profile::Small);
    let link = Link { bytes_per_second: Some(100_000_000), ..Link::default() };
    let ended = push_over(link, &from, &to, vec![item(&from, oid, None)]).ok();
    let sent = ended.bytes(|sent| sent.from == Side::Left);
    let nanos = sent * 10 + ended.bytes(|sent| sent.from == Side::Right) * 10;
    let idle = ended.at[0].as_nanos() as u64 - nanos.min(ended.at[0].as_nanos() as u64);
    assert!(ended.count("Offer") > 1);
    assert!(idle <= 6 * LATENCY.as_nanos() as u64, "{idle} ns without use of the line");
}

#[test]
fn the_same_content_twice_is_asked_about_once() {
    let ((from, items), to) = (filled(&[noise(1, 1000)]), MemoryStore::new());
    let ended = push(&from, &to, vec![items[0], items[0]]);
    assert_eq!((ended.left.tally().contents, ended.right.tally().contents), (1, 1));
}

#[test]
fn a_content_that_nobody_has_is_named() {
    let bytes = noise(1, MIB);
    for lost in ["all", "manifest", "nodes"] {
        let (from, to) = (MemoryStore::new(), MemoryStore::new());
        let oid = Oid::of(&bytes);
        if lost != "all" {
            add(&from, &bytes);
            let known = content::find(&from, &oid).unwrap().unwrap();
            let root = known.manifest.streams[0].root.id;
            let id = if lost == "nodes" { root } else { known.binding.manifest };
            from.remove(&HashSet::from([id])).unwrap();
        }
        let items = vec![PushItem { oid, size: bytes.len() as u64, base: None }];
        let ended = push_over(Link::default(), &from, &to, items);
        let [Err(error), Err(SyncError::Refused { reason, .. })] = &ended.results else { panic!("{lost}") };
        assert!(matches!(error, SyncError::MissingContent { oid: it } if *it == oid), "{lost}: {error}");
        assert_eq!(*reason, Reason::BadRequest);
    }
}

#[test]
fn questions_are_answered_by_oid_and_manifest() {
    let to = MemoryStore::new();
    let (a, b) = (noise(1, 1000), noise(2, 1000));
    let (oid_a, oid_b) = (add(&to, &a), add(&to, &b));
    let [id_a, id_b] = [oid_a, oid_b].map(|oid| binding(&to, &oid).unwrap().manifest);
    let asks = [(oid_a, None), (oid_a, Some(id_a)), (oid_a, Some(id_b)), (Oid::of(b"lost"), Some(id_a))];
    let mut taker = Taker::new(&to).unwrap();
    taker.receive(Message::Ask(asks.map(|(oid, manifest)| Ask { oid, manifest }).to_vec())).unwrap();
    assert_eq!(taker.poll().unwrap(), Some(Message::Have(vec![true, true, false, false])));
}

#[test]
fn a_refusal_reaches_the_pusher_in_the_peers_words() {
    let ((from, items), to) = (filled(&[noise(1, 1000)]), MemoryStore::new());
    let refuse = |side, message| match side {
        Side::Left => vec![message],
        Side::Right => {
            vec![Message::Refuse { reason: Reason::DiskFull, text: "full".into(), challenges: vec![] }]
        }
    };
    let link = Link { tamper: Box::new(refuse), ..Link::default() };
    let ended = push_over(link, &from, &to, items);
    let Err(SyncError::Refused { reason, text, .. }) = &ended.results[0] else { panic!("not refused") };
    assert_eq!((*reason, text.as_str()), (Reason::DiskFull, "full"));
}

#[test]
fn a_claim_of_somebody_else_does_not_stand_for_a_content() {
    let (bytes, lie) = (noise(1, 3 * MIB), noise(2, 3 * MIB));
    let ((from, items), to) = (filled(std::slice::from_ref(&bytes)), MemoryStore::new());
    let oid = Oid::of(&bytes);
    let claim = bind_pieces(&to, &pieces(&lie, Profile::Video), 0, oid, Proof::Claimed);

    let ended = push(&from, &to, items);
    assert_eq!(ended.left.tally().contents_had, 0);
    assert!(
        content::find(&to, &oid).unwrap().unwrap().binding.proof == Proof::Proved,
        "the truth comes first"
    );
    let mut batch = to.batch().unwrap();
    batch.bind(Binding { proof: Proof::Refuted, ..claim });
    batch.commit().unwrap();
    assert_holds(&to, &bytes);
}
