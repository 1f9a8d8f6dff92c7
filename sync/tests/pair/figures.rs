//! What things cost: round trips and bytes. The figures are printed; `--nocapture` shows them.

#![expect(clippy::print_stdout, reason = "figures are to be seen")]

use crate::content::{
    MIB, add, add_pieces, assert_holds, data, filter_of, item, noise, pull_items, push, push_over, push_with,
};
use crate::link::{Ended, LATENCY, Link, Side};
use dits_format::tree::{Builder, Entry};
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, Proof};
use dits_store::{ChunkWrite, MemoryStore, content};
use dits_sync::machine::Machine;
use dits_sync::pull::PullItem;
use dits_sync::push::PushItem;
use dits_sync::sender::UNSURE_BYTES;

fn say<A, B>(what: &str, ended: &Ended<A, B>) {
    let of = |side| ended.bytes(|sent| sent.from == side);
    println!(
        "{what}: {} round trips, {} bytes sent, {} received, {} of them no chunks",
        f64::from(ended.flights()) / 2.0,
        of(Side::Left),
        of(Side::Right),
        ended.overhead()
    );
}

/// A content of 10 GB that takes a quarter of a megabyte: one chunk over and over, but for `edited`. Nobody hashes
/// 10 GB here: its oid is of something else.
fn vast(store: &MemoryStore, edited: Option<(u64, &[u8])>) -> (Oid, u64) {
    const ROOM: &str = "memory has room";
    let zeros = vec![0; MIB / 4];
    let entry = |bytes: &[u8]| Entry { id: ChunkId::of(Kind::Data, bytes), bytes: bytes.len() as u64 };
    let (often, chunk) = (entry(&zeros), edited.map_or(&zeros[..], |(_, chunk)| chunk));
    let (once, at) = (entry(chunk), edited.map_or(0, |(at, _)| at));
    let mut batch = store.batch().expect(ROOM);
    batch.put(often.id, Kind::Data, &zeros).expect(ROOM);
    batch.put(once.id, Kind::Data, chunk).expect(ROOM);
    let mut builder = Builder::new();
    for n in 0..40_960 {
        let entry = if n == at { once } else { often };
        builder.push(entry, &mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).expect(ROOM);
    }
    let size = builder.bytes();
    let root = builder.finish(&mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).expect(ROOM);
    let oid = Oid::of(chunk);
    let manifest = Manifest::plain(0, oid, size, root);
    batch.put(manifest.id(), Kind::Manifest, &manifest.encode()).expect(ROOM);
    batch.bind(Binding { oid, manifest: manifest.id(), size, proof: Proof::Proved });
    batch.commit().expect(ROOM);
    (oid, size)
}

#[test]
fn an_edit_in_10_gb_is_one_round_trip_and_its_chunk() {
    let (from, to, reader) = (MemoryStore::new(), MemoryStore::new(), MemoryStore::new());
    let chunk = noise(7, 100_000);
    let (old, _) = vast(&from, None);
    let (new, size) = vast(&from, Some((20_000, &chunk)));
    [&to, &reader].into_iter().for_each(|store| _ = vast(store, None));
    assert!(size > 10_000_000_000);
    let ended = push(&from, &to, vec![PushItem { oid: new, size, base: Some(old) }]);
    say("push of an edit in 10 GB", &ended);
    assert_eq!((ended.flights(), ended.left.tally().chunks), (2, 1));
    assert!(ended.bytes(|_| true) <= chunk.len() as u64 + 4096);
    assert!(content::is_whole(&to, &new).unwrap());

    let ended =
        pull_items(Link::default(), &reader, &to, vec![PullItem { oid: new, base: Some(old) }], false).ok();
    say("pull of it", &ended);
    assert_eq!((ended.flights(), ended.left.tally().chunks), (2, 1));
    assert!(ended.bytes(|_| true) <= chunk.len() as u64 + 4096);
    assert!(content::is_whole(&reader, &new).unwrap());
}

#[test]
fn ten_thousand_haves_take_a_kilobyte() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let mut pieces: Vec<Vec<u8>> = (0..10_000).map(|seed| noise(seed, 64)).collect();
    let old = Oid::of(&pieces.concat());
    [&from, &to].into_iter().for_each(|store| _ = add_pieces(store, &pieces, 0, old));
    pieces[5000] = noise(10_000, 64);
    let new = Oid::of(&pieces.concat());
    add_pieces(&from, &pieces, 0, new);
    let ended =
        pull_items(Link::default(), &to, &from, vec![PullItem { oid: new, base: Some(old) }], false).ok();
    say("pull with 10,000 haves", &ended);
    assert_eq!((ended.flights(), ended.left.tally().chunks), (2, 1));
    assert!(ended.bytes(|sent| sent.from == Side::Left) <= 1024);
    assert_holds(&to, &pieces.concat());
}

#[test]
fn new_data_takes_two_round_trips_and_with_a_filter_one() {
    let (from, other) = (MemoryStore::new(), noise(2, MIB));
    let bytes = noise(1, 3 * MIB);
    let items = vec![item(&from, add(&from, &bytes), None)];
    let to = MemoryStore::new();
    add(&to, &other);
    let filter = filter_of(&to);
    let ended = push(&from, &to, items.clone());
    say("first push of 3 MiB", &ended);
    assert_eq!(ended.flights(), 4);
    assert_holds(&to, &bytes);

    let to = MemoryStore::new();
    add(&to, &other);
    let ended = push_with(Some(filter), Link::default(), &from, &to, items).ok();
    say("the same with a filter", &ended);
    assert_eq!((ended.flights(), ended.count("Commit")), (2, 0));
    assert!(ended.overhead() < 4096);
    assert_holds(&to, &bytes);
}

#[test]
fn a_filter_that_is_wrong_costs_bytes_or_a_round_trip() {
    let bytes = noise(1, 3 * MIB);
    let from = MemoryStore::new();
    let oid = add(&from, &bytes);
    let items = vec![item(&from, oid, None)];
    // It was built before the server got the chunks: all of them travel in vain.
    let to = MemoryStore::new();
    let stale = filter_of(&to);
    add(&to, &[&bytes[..], b"more"].concat());
    let ended = push_with(Some(stale), Link::default(), &from, &to, items.clone()).ok();
    say("push with a filter that is too old", &ended);
    assert_eq!(ended.flights(), 2);
    assert_holds(&to, &bytes);
    // The server has lost what it was built of: nothing goes ahead.
    let (to, full) = (MemoryStore::new(), filter_of(&from));
    let ended = push_with(Some(full), Link::default(), &from, &to, items).ok();
    say("push with a filter that promises too much", &ended);
    assert_eq!((ended.flights(), ended.count("Early")), (4, 0));
    assert_holds(&to, &bytes);
    assert_eq!(data(&to), data(&from));
}

#[test]
fn a_clone_streams_after_one_round_trip() {
    let from = MemoryStore::new();
    let small = PullItem::from(add(&from, &noise(1, 2 * MIB)));
    let to = MemoryStore::new();
    let ended = pull_items(Link::default(), &to, &from, vec![small], true).ok();
    say("clone of 2 MiB", &ended);
    assert_eq!(ended.flights(), 2);
    assert_holds(&to, &noise(1, 2 * MIB));

    let large = noise(2, 48 * MIB);
    let oid = add(&from, &large);
    let link = Link { bytes_per_second: Some(100_000_000), ..Link::default() };
    let to = MemoryStore::new();
    let ended = pull_items(link, &to, &from, vec![PullItem::from(oid)], true).ok();
    let first = ended.log.iter().position(|sent| sent.kind == "Early").unwrap();
    let answers = ended.log.iter().position(|sent| sent.kind == "Need").unwrap();
    assert!(first < answers, "the first chunk waits for no answer");
    let sending = ended.bytes(|sent| sent.from == Side::Right) * 10;
    let idle = ended.at[0].as_nanos() as u64 - sending;
    say("clone of 48 MiB at 100 MB/s", &ended);
    println!("  the line is idle for {} ms, at {} ms one way", idle / 1_000_000, LATENCY.as_millis());
    assert!(idle <= 5 * LATENCY.as_nanos() as u64, "{idle} ns without use of the line");
    assert_holds(&to, &large);
}

#[test]
fn a_rename_costs_no_more_than_its_budget() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let bytes = noise(1, 40 * MIB);
    let oid = add(&from, &bytes);
    let known = add(&from, &bytes[..MIB]);
    push(&from, &to, vec![item(&from, oid, None), item(&from, known, None)]);
    let before = data(&to);
    for (what, items) in [
        ("rename of 40 MiB", vec![item(&from, oid, None)]),
        ("rename of 40 MiB with an edit's base", vec![item(&from, oid, Some(known))]),
        ("two names for one content", vec![item(&from, known, None); 2]),
    ] {
        let ended = push(&from, &to, items);
        say(what, &ended);
        assert_eq!((ended.left.tally().contents_had, ended.count("Chunks")), (1, 0));
        assert!(ended.overhead() <= UNSURE_BYTES[1] as u64 + 1024, "{} bytes", ended.overhead());
        assert_eq!(data(&to), before);
    }
}

#[test]
fn what_a_cut_push_says_again_is_a_thousandth() {
    let bytes = noise(1, 64 * MIB);
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let items = vec![item(&from, add(&from, &bytes), None)];
    let link = Link { cut_after: Some(bytes.len() as u64 / 2), ..Link::default() };
    let broken = push_over(link, &from, &to, items.clone());
    broken.right.salvage().unwrap();
    let there = data(&to).1;
    let again = push(&from, &to, items);
    let total = bytes.len() as u64;
    let twice = again.bytes(|sent| sent.from == Side::Left) - (total - there);
    println!(
        "push of 64 MiB cut in the middle: {twice} bytes said again, {:.3} %",
        twice as f64 * 100.0 / total as f64
    );
    assert_eq!(again.left.tally().chunk_bytes, total - there);
    assert!(twice * 1000 < total);
    assert_holds(&to, &bytes);
}
