//! New chunks of an edit travel as what distinguishes them from those in their place, and arrive whatever the receiver has.

use crate::content::{MIB, add, add_pieces, assert_holds, assert_sound, data, item, noise, pieces, proof};
use crate::content::{pull_items, push, push_over};
use crate::hostile::{feed, protocol, wrong_chunk};
use crate::link::{Ended, Link, Side};
use bytes::Bytes;
use dits_chunk::Profile;
use dits_format::{ChunkId, Kind, Oid, Proof};
use dits_store::codec::Codec;
use dits_store::{ChunkPrune, ChunkRead, MemoryStore, delta};
use dits_sync::direct::converse;
use dits_sync::machine::Machine;
use dits_sync::message::{Delta, Message};
use dits_sync::pull::PullItem;
use dits_sync::push::{Pusher, Taker};
use dits_sync::receiver::DELTAS_PER_STREAM_MAX;
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

/// `old` with `edits` runs of bytes replaced by others, of 1 to 4096 bytes, and how many bytes these are.
pub fn edited(old: &[u8], edits: usize) -> (Vec<u8>, usize) {
    let (mut new, mut changed) = (old.to_vec(), 0);
    for nth in 0..edits {
        let at = (2 * nth + 1) * old.len() / (2 * edits);
        let bytes = noise(100 + nth as u64, 1 + nth * 997 % 4096);
        new.splice(at..at + bytes.len() * (nth % 3), bytes.iter().copied());
        changed += bytes.len();
    }
    (new, changed)
}

fn text(seed: u64, len: usize) -> Vec<u8> {
    noise(seed, len).into_iter().map(|byte| byte % 17).collect()
}

/// A message with its chunks as they are.
pub fn whole(store: &MemoryStore, message: &Message) -> Message {
    let Message::Deltas { early, deltas } = message else { return message.clone() };
    let chunks = deltas.iter().map(|delta| plain(store, delta).into()).collect();
    if *early { Message::Early(chunks) } else { Message::Chunks(chunks) }
}

/// The chunk that a delta is.
fn plain(store: &MemoryStore, delta: &Delta) -> Vec<u8> {
    let read = |id| store.read_bytes(id).expect("memory does not fail").expect("it was a base").1;
    let base: Vec<u8> = delta.bases.iter().flat_map(read).collect();
    let mut plain = Vec::new();
    let len = delta.plain_bytes as usize;
    delta::decode(&base, &delta.bytes, len, &mut plain).expect("it is honest");
    plain
}

/// Who has what: both `old`, one `new`.
fn stores(old: &[u8], new: &[u8]) -> (MemoryStore, MemoryStore) {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    [old, new].iter().for_each(|bytes| _ = add(&from, bytes));
    add(&to, old);
    (from, to)
}

fn chunks<A, B>(ended: &Ended<A, B>) -> u64 {
    ended.bytes(|sent| ["Chunks", "Early", "Deltas"].contains(&sent.kind))
}

#[test]
fn an_edit_costs_its_bytes_and_a_little_for_each_chunk() {
    for (old, edits, flights) in [(noise(1, 16 * MIB), 3, 2), (noise(2, 24 * MIB), 50, 4)] {
        let (new, changed) = edited(&old, edits);
        let (from, to) = stores(&old, &new);
        let ended = push(&from, &to, vec![item(&from, Oid::of(&new), Some(Oid::of(&old)))]);
        let tally = ended.left.tally();
        assert_eq!((tally, ended.flights()), (ended.right.tally(), flights));
        assert!(tally.chunks >= edits as u64 && tally.chunk_bytes > 20_000 * tally.chunks);
        let most = changed as u64 + 250 * tally.chunks;
        assert!(chunks(&ended) <= most, "{} of {most} for {tally:?}", chunks(&ended));
        assert_holds(&to, &new);
        assert_sound(&to);
        assert_eq!((proof(&to, &Oid::of(&new)), data(&to)), (Some(Proof::Proved), data(&from)));
        // The same the other way round.
        let here = stores(&old, &old).1;
        let items = vec![PullItem { oid: Oid::of(&new), base: Some(Oid::of(&old)) }];
        let ended = pull_items(Link::default(), &here, &from, items, false).ok();
        assert!(chunks(&ended) <= most, "{} of {most}", chunks(&ended));
        assert_holds(&here, &new);
    }
}

#[test]
fn where_there_is_no_line_chunks_stay_as_they_are() {
    let old = noise(1, 4 * MIB);
    let (new, _) = edited(&old, 2);
    let (from, to) = stores(&old, &new);
    let items = vec![item(&from, Oid::of(&new), Some(Oid::of(&old)))];
    let (mut pusher, mut taker) = (Pusher::new(Arc::new(from), items), Taker::new(&to).unwrap());
    converse(&mut pusher, &mut taker, &mut |_| {}).expect("nothing is wrong");
    let tally = taker.tally();
    assert!(tally.chunks >= 2 && tally.stored_bytes == tally.chunk_bytes, "{tally:?}");
    assert_holds(&to, &new);
}

#[test]
fn what_came_as_a_delta_is_kept_as_any_chunk() {
    let old = text(1, 4 * MIB);
    let (new, _) = edited(&old, 2);
    let (from, to) = stores(&old, &new);
    let ended = push(&from, &to, vec![item(&from, Oid::of(&new), Some(Oid::of(&old)))]);
    assert_eq!((ended.count("Deltas"), ended.count("Early")), (1, 0));
    for piece in pieces(&new, Profile::Video) {
        let id = ChunkId::of(Kind::Data, &piece);
        let [ours, theirs] = [&from, &to].map(|store| store.read_encoded(&id).unwrap().unwrap());
        assert_eq!((theirs.1.codec, &theirs), (Codec::Zstd, &ours));
    }
}

#[test]
fn what_has_nothing_in_common_travels_whole() {
    let old = noise(1, 8 * MIB);
    let new = [&old[..2 * MIB], &noise(2, 4 * MIB), &old[6 * MIB..]].concat();
    let (from, to) = stores(&old, &new);
    let ended = push(&from, &to, vec![item(&from, Oid::of(&new), Some(Oid::of(&old)))]);
    assert!(chunks(&ended) > 4 * MIB as u64 - 300_000);
    assert_holds(&to, &new);
}

/// The chunks of `old` that `new` has not.
pub fn replaced(old: &[u8], new: &[u8]) -> HashSet<ChunkId> {
    let ids = |bytes: &[u8]| -> HashSet<ChunkId> {
        pieces(bytes, Profile::Video).iter().map(|piece| ChunkId::of(Kind::Data, piece)).collect()
    };
    &ids(old) - &ids(new)
}

#[test]
fn a_receiver_without_the_base_is_sent_the_chunk() {
    // Early, and needed: both ways.
    for (edits, is_early) in [(2, true), (50, false)] {
        let old = noise(1, 24 * MIB);
        let (new, _) = edited(&old, edits);
        let (from, to) = stores(&old, &new);
        let gone = replaced(&old, &new);
        assert!(to.remove(&gone).unwrap() >= edits as u64);
        let ended = push(&from, &to, vec![item(&from, Oid::of(&new), Some(Oid::of(&old)))]);
        assert_eq!((ended.count("Deltas") > 0, ended.count("Wrong") > 0), (true, !is_early));
        assert!(ended.count("Chunks") > 0);
        assert_holds(&to, &new);
        // A client that loses its base in the middle.
        let here = stores(&old, &old).1;
        let lose = |side: Side, message: Message| {
            if side == Side::Right {
                here.remove(&gone).unwrap();
            }
            vec![message]
        };
        let items = vec![PullItem { oid: Oid::of(&new), base: Some(Oid::of(&old)) }];
        let link = Link { tamper: Box::new(lose), ..Link::default() };
        let ended = pull_items(link, &here, &from, items, false).ok();
        assert!(ended.count("Deltas") > 0 && ended.count("Chunks") > 0);
        assert_holds(&here, &new);
    }
}

#[test]
fn a_sender_without_the_base_sends_the_chunk() {
    let old = noise(1, 4 * MIB);
    let (new, _) = edited(&old, 2);
    let (from, to) = stores(&old, &new);
    from.remove(&replaced(&old, &new)).unwrap();
    let ended = push(&from, &to, vec![item(&from, Oid::of(&new), Some(Oid::of(&old)))]);
    assert_eq!(ended.count("Deltas"), 0);
    assert_holds(&to, &new);
}

/// Two contents that differ in their last chunk; what a pusher of the second says up to its chunk; and that, as a delta.
struct Script {
    store: MemoryStore,
    old: Vec<u8>,
    new: Vec<u8>,
    said: Vec<Message>,
    honest: Delta,
}

impl Script {
    fn new() -> Script {
        let [old, new] = [&b"old"[..], b"new"].map(|end| [&noise(1, 200_000), end].concat());
        let (store, _) = stores(&old, &new);
        let said = RefCell::new(Vec::new());
        let record = |side, message: Message| {
            if side == Side::Left {
                said.borrow_mut().push(message.clone());
            }
            vec![message]
        };
        let link = Link { tamper: Box::new(record), ..Link::default() };
        let items = vec![item(&store, Oid::of(&new), Some(Oid::of(&old)))];
        push_over(link, &store, &stores(&old, &old).1, items).ok();
        let mut said = said.into_inner();
        let Message::Deltas { mut deltas, early: true } = said.remove(1) else { panic!("it is one") };
        assert_eq!((said.len(), said.pop()), (3, Some(Message::EarlyCommit)));
        Script { store, old, new, said, honest: deltas.remove(0) }
    }

    fn taker(&self) -> (MemoryStore, Taker) {
        let server = stores(&self.old, &self.old).1;
        add_pieces(&server, &[noise(8, MIB), noise(9, MIB)], 0, Oid([8; 32]));
        let taker = Taker::new(&server).expect("memory has room");
        (server, taker)
    }
}

fn needed(deltas: Vec<Delta>) -> Message {
    Message::Deltas { early: false, deltas }
}

#[test]
fn deltas_that_lie_make_no_chunk_and_the_honest_one_does() {
    let script = Script::new();
    let Script { honest, said, .. } = &script;
    let other = |seed| ChunkId::of(Kind::Data, &noise(seed, MIB));
    let new = plain(&script.store, honest);
    let bytes = |bytes: Bytes| Delta { bytes, ..honest.clone() };
    let from = |bases: Vec<ChunkId>| Delta { bases, ..honest.clone() };
    let bomb = delta::encode(b"", &vec![0; MIB], 9000).expect("it is small");
    let lies = [
        ("another base", from(vec![other(8)])),
        ("too long a base", from(vec![other(8), other(9)])),
        ("no such base", from(vec![ChunkId([7; 32])])),
        ("a base that is no data", from(vec![ChunkId::of(Kind::Manifest, b"")])),
        ("cut off", bytes(honest.bytes.slice(..honest.bytes.len() - 1))),
        ("garbage", bytes(noise(5, 300).into())),
        ("nothing", bytes(Bytes::new())),
        ("a bomb", bytes(bomb)),
        ("another chunk", bytes(delta::encode(b"", &vec![7; new.len()], 9000).expect("it is small"))),
    ];
    for (name, lie) in lies {
        let (server, mut taker) = script.taker();
        let before = data(&server);
        let early = Message::Deltas { early: true, deltas: vec![lie.clone()] };
        // Twice wrong is no fault, and a commit in between means nothing; then it comes whole, or as it should have.
        for good in [needed(vec![honest.clone()]), Message::Chunks(vec![new.clone().into()])] {
            let (server, mut taker) = script.taker();
            let rest = [early.clone(), said[0].clone(), said[1].clone(), needed(vec![lie.clone()])];
            let rest = rest.into_iter().chain([Message::Commit, needed(vec![lie.clone()]), good]);
            let error = feed(&mut taker, rest.chain([Message::Commit]).collect());
            assert!(error.is_none() && taker.is_done(), "{name}: {error:?}");
            assert_holds(&server, &script.new);
        }
        assert!(feed(&mut taker, [said.clone(), vec![needed(vec![lie])]].concat()).is_none());
        let error = feed(&mut taker, vec![Message::Chunks(vec![vec![0; new.len()].into()]); 2]);
        assert!(error.as_ref().is_some_and(wrong_chunk), "{name}: {error:?}");
        taker.salvage().unwrap();
        assert_eq!(data(&server), before, "{name}");
    }
}

#[test]
fn deltas_beyond_their_bounds_are_refused() {
    let script = Script::new();
    let longer = Delta { plain_bytes: script.honest.plain_bytes + 1, ..script.honest.clone() };
    let error = feed(&mut script.taker().1, [script.said.clone(), vec![needed(vec![longer])]].concat());
    assert!(error.as_ref().is_some_and(wrong_chunk), "{error:?}");
    let error = feed(&mut script.taker().1, vec![needed(vec![script.honest.clone()])]);
    assert!(error.as_ref().is_some_and(protocol), "nobody needs it: {error:?}");
    // Each may be wrong, and is asked for anew, but not for ever.
    let lie = Delta { bases: vec![ChunkId([7; 32])], ..script.honest.clone() };
    let mut taker = script.taker().1;
    assert!(feed(&mut taker, script.said.clone()).is_none());
    assert!(feed(&mut taker, vec![needed(vec![lie.clone()]); DELTAS_PER_STREAM_MAX]).is_none());
    let error = feed(&mut taker, vec![needed(vec![lie])]);
    assert!(error.as_ref().is_some_and(protocol), "{error:?}");
    // As many bytes may come unasked in this form as in the other.
    let zeros = delta::encode(b"", &vec![0; MIB], 9000).expect("it is small");
    let bases = script.honest.bases.clone();
    let deltas = vec![Delta { bases, plain_bytes: MIB as u32, bytes: zeros }];
    let early = Message::Deltas { early: true, deltas };
    assert!(feed(&mut script.taker().1, vec![early.clone(); 4]).is_none());
    let error = feed(&mut script.taker().1, vec![early; 5]);
    assert!(error.as_ref().is_some_and(protocol), "{error:?}");
}

#[test]
fn a_chunk_that_was_no_delta_may_be_called_wrong_once() {
    let script = Script::new();
    let items = vec![item(&script.store, Oid::of(&script.new), Some(Oid::of(&script.old)))];
    let mut pusher = Pusher::new(Arc::new(script.store.clone()), items);
    while pusher.poll().unwrap().is_some() {}
    let id = ChunkId::of(Kind::Data, &plain(&script.store, &script.honest));
    for _ in 0..2 {
        pusher.receive(Message::Wrong(id)).expect("as a delta, then as it is");
        assert!(matches!(pusher.poll(), Ok(Some(Message::Chunks(_)))));
    }
    let error = pusher.receive(Message::Wrong(id)).expect_err("it was checked");
    assert!(protocol(&error), "{error:?}");
}
