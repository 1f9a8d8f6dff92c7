//! Chunks travel in the form in which they are stored, are kept in it, and are never taken for what they are not.

use crate::content::{MIB, add, assert_holds, data, item, noise, proof, pull, push};
use crate::hostile::{feed, protocol, wrong_chunk};
use crate::link::{Ended, Link, Pair, Side};
use bytes::Bytes;
use dits_format::{Binding, ChunkId, Kind, Oid, Proof};
use dits_store::codec::Codec;
use dits_store::{ChunkRead, ChunkWrite, Compression, Encoded, Encoder, Item, MemoryStore, StoreError};
use dits_sync::machine::{Machine, SyncError};
use dits_sync::message::Message;
use dits_sync::pull::Giver;
use dits_sync::push::{Pusher, Taker};
use dits_sync::range::{InStore, RangeItem, Ranger};
use std::sync::Arc;

/// Bytes that compress to about half.
fn text(seed: u64, len: usize) -> Vec<u8> {
    noise(seed, len).into_iter().map(|byte| byte % 17).collect()
}

/// What each data chunk of a store is kept as.
fn forms(store: &MemoryStore) -> Vec<(ChunkId, Encoded)> {
    let mut found = Vec::new();
    let each = &mut |item| {
        if let Item::Chunk { id, kind: Kind::Data, .. } = item {
            found.push((id, store.read_encoded(&id)?.expect("it was shown").1));
        }
        Ok(())
    };
    store.visit(each).expect("memory does not fail");
    found.sort_by_key(|(id, _)| *id);
    found
}

/// The same contents with nothing compressed.
fn raw_copy(store: &MemoryStore) -> MemoryStore {
    let raw = MemoryStore::new();
    let mut batch = raw.batch().expect("memory has room");
    let each = &mut |item| {
        match item {
            Item::Chunk { id, .. } => {
                let (kind, bytes) = store.read_bytes(&id)?.expect("it was shown");
                batch.put(id, kind, &bytes)?;
            }
            Item::Binding(binding) => batch.bind(binding),
        }
        Ok(())
    };
    store.visit(each).expect("memory has room");
    batch.commit().expect("memory has room");
    raw
}

#[test]
fn a_compressed_chunk_is_compressed_once_for_all() {
    let (from, server, clone) = (MemoryStore::new(), MemoryStore::new(), MemoryStore::new());
    let bytes = [text(1, 3 * MIB), noise(2, MIB)].concat();
    let oid = add(&from, &bytes);
    let pushed = push(&from, &server, vec![item(&from, oid, None)]);
    let plain = data(&from).1;
    let tally = pushed.left.tally();
    assert_eq!((tally, tally.chunk_bytes), (pushed.right.tally(), plain));
    assert!(tally.stored_bytes < plain * 7 / 10, "{} of {plain}", tally.stored_bytes);
    let on_the_wire = pushed.bytes(|sent| ["Chunks", "Early"].contains(&sent.kind));
    assert!(on_the_wire < tally.stored_bytes + 4096, "{on_the_wire}");
    assert_eq!(proof(&server, &oid), Some(Proof::Proved), "of plain bytes");
    assert_holds(&server, &bytes);
    assert_eq!(forms(&server), forms(&from));
    pull(&clone, &server, vec![oid]);
    assert_eq!(forms(&clone), forms(&from));
    assert_holds(&clone, &bytes);
    assert_eq!(push(&clone, &server, vec![item(&clone, oid, None)]).left.tally().chunks, 0);
}

#[test]
fn what_is_stored_as_it_is_is_compressed_for_a_slow_line_only() {
    let all = MemoryStore::new();
    let oid = add(&all, &[text(1, 2 * MIB), noise(2, MIB)].concat());
    let raw = raw_copy(&all);
    for (line, squeezed) in [(None, false), (Some(1_200_000_000), false), (Some(1_000_000), true)] {
        let server = MemoryStore::new();
        let mut pusher = Pusher::new(Arc::new(raw.clone()), vec![item(&raw, oid, None)]);
        line.into_iter().for_each(|rate| pusher.line(rate));
        let ended = Pair::new(pusher, Taker::new(&server).unwrap(), Link::default()).run().ok();
        let tally = ended.left.tally();
        assert_eq!(tally.stored_bytes < tally.chunk_bytes * 8 / 10, squeezed, "{line:?} {tally:?}");
        assert_eq!(forms(&server) == forms(&raw), !squeezed, "{line:?}");
        assert_eq!(data(&server), data(&raw));
    }
}

/// A store whose unchecked reads give other bytes, and whose checked ones fail if `is_lost`.
#[derive(Clone)]
struct Rotten {
    store: MemoryStore,
    at: ChunkId,
    is_lost: bool,
}

impl ChunkRead for Rotten {
    fn has(&self, id: &ChunkId) -> Result<bool, StoreError> {
        self.store.has(id)
    }

    fn read(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        match self.is_lost && *id == self.at {
            true => Err(StoreError::Corrupt { id: *id, why: "for the test".into() }),
            false => self.store.read(id, out),
        }
    }

    fn read_encoded(&self, id: &ChunkId) -> Result<Option<(Kind, Encoded)>, StoreError> {
        let mut found = self.store.read_encoded(id)?;
        if let Some((_, encoded)) = found.as_mut().filter(|_| *id == self.at) {
            let mut bytes = encoded.bytes.to_vec();
            bytes[20..40].reverse();
            encoded.bytes = bytes.into();
        }
        Ok(found)
    }

    fn bindings(&self, oid: &Oid) -> Result<Vec<Binding>, StoreError> {
        self.store.bindings(oid)
    }

    fn visit(&self, each: &mut dyn FnMut(Item) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.store.visit(each)
    }
}

/// Pushes `bytes` out of a store that is damaged at its chunk number `nth`.
fn push_rotten(bytes: &[u8], nth: usize, is_lost: bool) -> (Ended<Pusher, Taker>, MemoryStore) {
    let (store, server) = (MemoryStore::new(), MemoryStore::new());
    let oid = add(&store, bytes);
    let item = item(&store, oid, None);
    let at = forms(&store)[nth].0;
    let pusher = Pusher::new(Arc::new(Rotten { store, at, is_lost }), vec![item]);
    let taker = Taker::new(&server).expect("memory has room");
    (Pair::new(pusher, taker, Link::default()).run(), server)
}

#[test]
fn a_sender_that_reads_damaged_bytes_sends_others_or_learns_of_it() {
    for bytes in [text(1, MIB), noise(1, MIB)] {
        for nth in [0, 3] {
            let (ended, server) = push_rotten(&bytes, nth, false);
            let ended = ended.ok();
            assert_eq!(ended.count("Wrong"), 1, "a good copy is sent in its place");
            assert_holds(&server, &bytes);
            let (ended, server) = push_rotten(&bytes, nth, true);
            assert!(matches!(ended.results[0], Err(SyncError::Store(StoreError::Corrupt { .. }))));
            assert!(ended.results[1].is_err());
            assert_eq!(proof(&server, &Oid::of(&bytes)), None);
        }
    }
}

#[test]
fn a_server_that_reads_damaged_bytes_learns_of_it() {
    let store = MemoryStore::new();
    let oid = add(&store, &text(1, MIB));
    for is_lost in [false, true] {
        let clone = MemoryStore::new();
        // Cold: the chunk that goes ahead is damaged too.
        let giver = Giver::new(Arc::new(Rotten { store: store.clone(), at: forms(&store)[2].0, is_lost }));
        let puller = dits_sync::pull::Puller::new(&clone, vec![oid.into()], true).unwrap();
        let ended = Pair::new(puller, giver, Link::default()).run();
        let knows = matches!(ended.results[1], Err(SyncError::Store(StoreError::Corrupt { .. })));
        assert_eq!((knows, ended.results[0].is_err()), (is_lost, is_lost), "{:?}", ended.results);
        assert_eq!(proof(&clone, &oid), (!is_lost).then_some(Proof::Claimed));
    }
}

#[test]
fn nobody_can_ask_for_a_chunk_by_calling_it_wrong() {
    let store = MemoryStore::new();
    let (oid, other) = (add(&store, b"shown"), add(&store, b"hidden"));
    let mut pusher = Pusher::new(Arc::new(store.clone()), vec![item(&store, oid, None)]);
    while pusher.poll().unwrap().is_some() {}
    let hidden = ChunkId::of(Kind::Data, b"hidden");
    assert!(protocol(&pusher.receive(Message::Wrong(hidden)).unwrap_err()));
    assert_ne!(oid, other);
    let shown = ChunkId::of(Kind::Data, b"shown");
    pusher.receive(Message::Wrong(shown)).unwrap();
    assert!(protocol(&pusher.receive(Message::Wrong(shown)).unwrap_err()), "it was checked");
}

/// What a pusher sends before its chunks, and the chunk.
fn script(bytes: &[u8]) -> (Vec<Message>, Encoded) {
    let store = MemoryStore::new();
    let oid = add(&store, bytes);
    let mut said = Vec::new();
    let record = |side, message: Message| {
        if side == Side::Left {
            said.push(message.clone());
        }
        vec![message]
    };
    let pusher = Pusher::new(Arc::new(store.clone()), vec![item(&store, oid, None)]);
    let taker = Taker::new(&MemoryStore::new()).expect("memory has room");
    Pair::new(pusher, taker, Link { tamper: Box::new(record), ..Link::default() }).run().ok();
    let at = said.iter().position(|message| matches!(message, Message::Chunks(_))).expect("it is needed");
    let Message::Chunks(chunks) = said.remove(at) else { panic!("found as such") };
    said.truncate(at);
    (said, chunks[0].clone())
}

#[test]
fn forms_that_lie_are_refused() {
    let bytes = text(1, 10_000);
    let (said, honest) = script(&bytes);
    let zstd = |bytes: &[u8]| Encoder::new(Compression::Auto).encode(Bytes::copy_from_slice(bytes));
    let with = |bytes: Bytes| Encoded { bytes, ..honest.clone() };
    let other = zstd(&text(2, 10_000));
    assert_eq!([honest.codec, other.codec], [Codec::Zstd; 2]);
    let bomb = zstd(&vec![0; MIB]);
    let lies: [(&str, Encoded); 8] = [
        ("another length", Encoded { plain_bytes: 10_001, ..honest.clone() }),
        ("a frame that is longer than it says", with(bomb.bytes.clone())),
        ("a bomb", bomb),
        ("garbage", with(noise(5, 3000).into())),
        ("another chunk", other),
        ("raw bytes called a frame", with(bytes[..5000].to_vec().into())),
        ("a frame called raw", honest.bytes.clone().into()),
        ("nothing", with(Bytes::new())),
    ];
    for (name, lie) in lies {
        let server = MemoryStore::new();
        let mut taker = Taker::new(&server).unwrap();
        let twice = [Message::Chunks(vec![lie.clone()]), Message::Chunks(vec![lie])];
        let error = feed(&mut taker, said.iter().cloned().chain(twice).collect());
        assert!(error.as_ref().is_some_and(wrong_chunk), "{name}: {error:?}");
        taker.salvage().unwrap();
        assert!(forms(&server).is_empty(), "{name}");
    }
    // The honest one after a lie, and the plain bytes in place of the frame: both are that chunk.
    for good in [honest.clone(), bytes.clone().into()] {
        let server = MemoryStore::new();
        let mut taker = Taker::new(&server).unwrap();
        let lie = with(noise(5, 3000).into());
        let rest =
            [Message::Chunks(vec![lie]), Message::Commit, Message::Chunks(vec![good]), Message::Commit];
        assert!(feed(&mut taker, said.iter().cloned().chain(rest).collect()).is_none());
        assert!(taker.is_done());
        assert_holds(&server, &bytes);
    }
}

#[test]
fn parts_of_contents_travel_in_that_form_too() {
    let (server, to) = (MemoryStore::new(), MemoryStore::new());
    let bytes = text(1, 2 * MIB);
    let oid = add(&server, &bytes);
    let range = RangeItem { oid, range: 0..bytes.len() as u64, manifest: None };
    let ranger = Ranger::new(InStore::new(&to).unwrap(), vec![range]);
    let ended = Pair::new(ranger, Giver::new(Arc::new(server.clone())), Link::default()).run().ok();
    assert!(ended.bytes(|sent| sent.kind == "Chunks") < bytes.len() as u64 * 7 / 10);
    let tally = ended.left.tally();
    assert!(tally.stored_bytes < tally.chunk_bytes * 7 / 10);
    ended.left.into_land().keep().unwrap();
    assert_eq!(data(&to), data(&server));
}
