//! What a machine holds does not grow with what it moves: offers ahead, chunks queued, sizes of messages.

use crate::content::{add_pieces, assert_holds, item, noise, proof, push};
use dits_format::manifest::Extent;
use dits_format::tree::Root;
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, Proof, Stream};
use dits_store::{ChunkWrite, MemoryStore};
use dits_sync::machine::{Machine, SyncError};
use dits_sync::message::{Message, OFFER_CHUNKS_MAX, Offer};
use dits_sync::push::{Pusher, Taker};
use dits_sync::sender::OFFERS_AHEAD;
use std::sync::Arc;

/// A pusher of one content of so many chunks that was told to send it.
fn pusher(chunks: u64) -> Pusher {
    let from = MemoryStore::new();
    let pieces: Vec<_> = (0..chunks).map(|seed| noise(seed, 8)).collect();
    let oid = add_pieces(&from, &pieces, 0, Oid::of(&pieces.concat())).oid;
    let items = vec![item(&from, oid, None)];
    let mut pusher = Pusher::new(Arc::new(from), items);
    assert!(matches!(pusher.poll(), Ok(Some(Message::Ask(_)))));
    pusher.receive(Message::Have(vec![false])).expect("one answer to one question");
    pusher
}

fn new_chunks(message: &Message) -> Option<usize> {
    let Message::Offer(steps) = message else { return None };
    let count = |step: &Offer| if let Offer::New(entries) = step { entries.len() } else { 0 };
    Some(steps.iter().map(count).sum())
}

#[test]
fn without_answers_only_so_many_offers_are_made() {
    let mut pusher = pusher(60_000);
    for answered in 0..3 {
        let mut offers = 0;
        while let Some(message) = pusher.poll().unwrap() {
            assert_eq!(new_chunks(&message), Some(OFFER_CHUNKS_MAX));
            offers += 1;
        }
        assert_eq!(offers, if answered == 0 { OFFERS_AHEAD } else { 1 });
        pusher.receive(Message::Need(vec![false; OFFER_CHUNKS_MAX])).unwrap();
    }
}

#[test]
fn with_quick_answers_and_a_slow_line_the_queue_is_bounded() {
    let mut pusher = pusher(60_000);
    let (mut most, mut sent) = (0, 0);
    while let Some(message) = pusher.poll().unwrap() {
        if let Some(count) = new_chunks(&message) {
            pusher.receive(Message::Need(vec![true; count])).unwrap();
        } else if let Message::Chunks(chunks) = message {
            sent += chunks.len();
        }
        let tally = pusher.tally();
        most = most.max(tally.chunks_needed - tally.chunks);
    }
    assert_eq!(sent, 60_000);
    // Four offers' worth, and the answers to the last ones.
    assert!(most <= 8 * OFFER_CHUNKS_MAX as u64, "{most} chunks were queued");
    assert!(most > OFFER_CHUNKS_MAX as u64, "{most}: offers did not run ahead");
}

#[test]
fn more_chunks_than_any_sender_of_ours_offers_are_refused() {
    let mut taker = Taker::new(&MemoryStore::new()).unwrap();
    let entry = |i: u64| dits_format::tree::Entry { id: ChunkId::of(Kind::Data, &i.to_le_bytes()), bytes: 8 };
    let root = Root { height: 3, id: ChunkId([1; 32]) };
    let manifest = Manifest::plain(0, Oid([1; 32]), 1 << 30, root);
    taker.receive(Message::Offer(vec![Offer::Content { manifest, base: None }])).unwrap();
    let mut taken = 0;
    let error = loop {
        let entries = (taken..taken + OFFER_CHUNKS_MAX as u64).map(entry).collect();
        match taker.receive(Message::Offer(vec![Offer::New(entries)])) {
            Ok(()) => taken += OFFER_CHUNKS_MAX as u64,
            Err(error) => break error,
        }
        assert!(taken <= 1 << 17, "no limit");
    };
    assert!(matches!(error, SyncError::Protocol(_)), "{error:?}");
    assert!(taken > 8 * OFFER_CHUNKS_MAX as u64, "an honest sender may need that");
}

/// A content that is one stream backwards, byte by byte: the largest manifest there is.
fn add_backwards(store: &MemoryStore, seed: u64) -> Vec<u8> {
    let bytes = noise(seed, 30_000);
    let content: Vec<u8> = bytes.iter().rev().copied().collect();
    let (oid, size) = (Oid::of(&content), bytes.len() as u64);
    let id = ChunkId::of(Kind::Data, &bytes);
    let streams = vec![Stream { bytes: size, root: Root { height: 0, id } }];
    let layout = (0..size).rev().map(|offset| Extent { bytes: 1, stream: 0, offset }).collect();
    let manifest = Manifest { profile: 0, transform: (1, 1), oid, size, streams, layout };
    let mut batch = store.batch().expect("memory has room");
    batch.put(id, Kind::Data, &bytes).expect("memory has room");
    batch.put(manifest.id(), Kind::Manifest, &manifest.encode()).expect("memory has room");
    batch.bind(Binding { oid, manifest: manifest.id(), size, proof: Proof::Proved });
    batch.commit().expect("memory has room");
    content
}

#[test]
fn large_manifests_fill_many_offers() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let contents: Vec<_> = (0..5).map(|seed| add_backwards(&from, seed)).collect();
    let ended = push(&from, &to, contents.iter().map(|c| item(&from, Oid::of(c), None)).collect());
    assert_eq!(ended.count("Offer"), 5, "600 kB of manifest each");
    for content in &contents {
        assert_holds(&to, content);
        assert_eq!(proof(&to, &Oid::of(content)), Some(Proof::Claimed), "not proved while streaming");
    }
    assert_eq!(ended.right.claimed().len(), 5);
}

#[test]
fn a_proof_waits_for_a_chunk_that_an_unproved_content_asked_for() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let backwards = add_backwards(&from, 1);
    let forwards = noise(1, 30_000);
    let last = noise(2, 100);
    let mut items = vec![item(&from, Oid::of(&backwards), None)];
    for pieces in [&[&forwards[..]][..], &[&last, &forwards, &last]] {
        let oid = add_pieces(&from, pieces, 0, Oid::of(&pieces.concat())).oid;
        items.push(item(&from, oid, None));
    }
    let ended = push(&from, &to, items.clone());
    assert_eq!(ended.left.tally().chunks, 2);
    let proofs: Vec<_> = items.iter().map(|item| proof(&to, &item.oid)).collect();
    assert_eq!(proofs, [Some(Proof::Claimed), Some(Proof::Proved), Some(Proof::Proved)]);
}
