//! Parts of contents, and the filter of a realm, over real QUIC.
//!
//! What hangs together and what is refused is tested on the machines (`sync/tests/pair`); here it is the way through the
//! client, the server and its stores on disk.

mod common;

use common::*;
use dits_format::{ChunkId, Kind, Oid};
use dits_store::{ChunkRead, MemoryStore, PackStore};
use dits_sync::SyncError;
use dits_sync::client::{Client, Parts, Push};
use dits_sync::message::{Reason, priority};
use dits_sync::range::{InStore, RangeItem};
use std::ops::Range;
use std::sync::Arc;

fn item(oid: Oid, range: Range<u64>) -> RangeItem {
    RangeItem { oid, range, manifest: None }
}

#[test]
fn a_part_of_a_content_comes_without_the_rest() {
    let rig = Rig::new();
    let store = MemoryStore::new();
    let bytes = noise(1, 2000 * PIECE);
    let pushed = add(&store, &bytes);
    rig.push("team/a", &store, vec![pushed]).unwrap();
    let client = rig.client("team/a");
    let dir = tempfile::tempdir().unwrap();
    let here = PackStore::open(dir.path()).unwrap();
    let lost = Oid::of(b"lost");
    let piece = PIECE as u64;
    let items = vec![item(pushed.oid, 1000 * piece + 5..1001 * piece + 5), item(lost, 0..1)];
    let fetch = |client: &Client, items| {
        let mut land = InStore::new(&here).unwrap();
        let ranged = client.range(&rig.token, &mut land, Parts::new(items, priority::URGENT), &|| false);
        land.keep().unwrap();
        ranged
    };
    let ranged = fetch(&client, items).unwrap();
    assert_eq!((ranged.report.tally.chunks, &ranged.absent[..]), (2, &[lost][..]));
    assert!(ranged.report.wire.0 < 300, "{:?}", ranged.report.wire);
    let id = |n: usize| ChunkId::of(Kind::Data, &bytes[n * PIECE..(n + 1) * PIECE]);
    assert!(here.has(&id(1000)).unwrap() && here.has(&id(1001)).unwrap());
    assert!(!here.has(&id(999)).unwrap() && !here.has(&id(1002)).unwrap());
    assert!(here.bindings(&pushed.oid).unwrap().is_empty(), "a part is not the content");
    let (oid, manifest) = &ranged.manifests[0];
    assert_eq!((*oid, manifest.size), (pushed.oid, bytes.len() as u64));
    // Once the way is known, only chunks come.
    let again =
        RangeItem { manifest: Some(manifest.clone()), ..item(pushed.oid, 1000 * piece..1000 * piece + 1) };
    let ranged = fetch(&client, vec![again]).unwrap();
    assert!(ranged.report.wire.1 < piece + 100, "{:?}", ranged.report.wire);
    let beyond = vec![item(pushed.oid, 0..bytes.len() as u64 + 1)];
    let refused = fetch(&client, beyond);
    assert!(matches!(refused, Err(SyncError::Refused { reason: Reason::BadRequest, .. })), "{refused:?}");
    let elsewhere = rig.client("other/a");
    let absent = fetch(&elsewhere, vec![item(pushed.oid, 0..1)]).unwrap().absent;
    assert_eq!(absent, [pushed.oid], "a realm knows nothing of another");
}

#[test]
fn a_filter_comes_once_and_saves_a_question() {
    let rig = Rig::new();
    let store = MemoryStore::new();
    rig.push("team/a", &store, vec![add(&store, &noise(1, 100 * PIECE))]).unwrap();
    let client = rig.client("team/a");
    let filter = client.filter(&rig.token, 0, 1 << 20).unwrap().unwrap();
    assert!(filter.may_have(&ChunkId::of(Kind::Data, &noise(1, 100 * PIECE)[..PIECE])));
    assert!(client.filter(&rig.token, filter.epoch(), 1 << 20).unwrap().is_none(), "it still is the same");
    assert!(client.filter(&rig.token, 0, 10).unwrap().is_none(), "not at any price");
    let empty = rig.client("other/a").filter(&rig.token, 0, 1 << 20).unwrap().unwrap();
    assert!(!empty.may_have(&ChunkId::of(Kind::Data, &noise(1, 100 * PIECE)[..PIECE])));
    let new = add(&store, &noise(2, 50 * PIECE));
    let push = Push { items: vec![new], filter: Some(Arc::new(filter)), ..Push::default() };
    let report = client.push(&rig.token, Arc::new(store.clone()), push, &mut |_| {}).unwrap();
    assert_eq!(report.tally.chunks, 50);
    // One bit for each chunk, all of them no: nothing was asked for.
    assert!(report.wire.1 < 200, "{:?}", report.wire);
    assert_eq!(bytes_of(&rig.pull("team/a", &[new.oid]).0, &new.oid), noise(2, 50 * PIECE));
}
