//! Connections that break or fall silent: what arrived stays, nothing half-way is bound, a retry ends it.

use crate::content::{
    MIB, add, assert_holds, assert_sound, bindings, data, item, noise, pull, pull_over, push, push_over,
};
use crate::link::{LATENCY, Link, Sent, Side};
use dits_format::Oid;
use dits_store::{MemoryStore, content};
use dits_sync::machine::{Machine, SILENCE_MAX, SyncError};
use std::time::Duration;

const STEP: usize = 37_337;

fn contents() -> Vec<Vec<u8>> {
    let shared = noise(1, MIB / 2);
    let mixed = [&shared[..], &noise(2, MIB), &shared].concat();
    vec![shared, mixed, noise(3, 100), vec![], noise(4, MIB)]
}

fn filled() -> (MemoryStore, Vec<Oid>) {
    let store = MemoryStore::new();
    let oids = contents().iter().map(|bytes| add(&store, bytes)).collect();
    (store, oids)
}

/// Checks a salvaged store: every chunk of every message that came whole was kept, and nothing else.
fn check_salvaged(to: &MemoryStore, log: &[Sent], at: u64) {
    assert_sound(to);
    let came: Vec<u64> =
        log.iter().filter(|sent| sent.kind == "Chunks" && sent.arrived).map(|sent| sent.bytes).collect();
    let (chunks, bytes) = data(to);
    // A message has 9 bytes of its own, and 5 for each chunk.
    assert_eq!(came.iter().sum::<u64>(), bytes + 5 * chunks + 9 * came.len() as u64, "cut at {at}");
}

#[test]
fn a_push_cut_anywhere_goes_on_where_it_was() {
    let (from, oids) = filled();
    let items: Vec<_> = oids.iter().map(|oid| item(&from, *oid, None)).collect();
    let whole = push(&from, &MemoryStore::new(), items.clone());
    let total = whole.bytes(|_| true);
    // Besides even steps, right before and after the last messages: commit and done.
    let ends = [total - 27, total - 26, total - 22, total - 21, total - 1];
    for at in (0..total).step_by(STEP).chain(ends) {
        let to = MemoryStore::new();
        let link = Link { cut_after: Some(at), ..Link::default() };
        let broken = push_over(link, &from, &to, items.clone());
        assert!(matches!(broken.results[0], Err(SyncError::Lost(_))), "cut at {at}");
        let committed = broken.log.iter().any(|sent| sent.kind == "Commit" && sent.arrived);
        broken.right.salvage().unwrap();
        check_salvaged(&to, &broken.log, at);
        assert_eq!(bindings(&to).len(), if committed { oids.len() } else { 0 }, "cut at {at}");
        let before = data(&to);
        let retry = push(&from, &to, items.clone());
        contents().iter().for_each(|bytes| assert_holds(&to, bytes));
        assert_eq!(retry.left.tally().chunk_bytes, data(&from).1 - before.1);
    }
}

#[test]
fn a_pull_cut_anywhere_goes_on_where_it_was() {
    let (from, oids) = filled();
    let whole = pull(&MemoryStore::new(), &from, oids.clone());
    let total = whole.bytes(|_| true);
    for at in (0..total).step_by(STEP).chain([total - 27, total - 26, total - 22, total - 21]) {
        let to = MemoryStore::new();
        let link = Link { cut_after: Some(at), ..Link::default() };
        let broken = pull_over(link, &to, &from, oids.clone());
        assert!(matches!(broken.results[1], Err(SyncError::Lost(_))), "cut at {at}");
        let committed = broken.left.is_done();
        broken.left.salvage().unwrap();
        check_salvaged(&to, &broken.log, at);
        assert_eq!(bindings(&to).len(), if committed { oids.len() } else { 0 }, "cut at {at}");
        let before = data(&to);
        let retry = pull(&to, &from, oids.clone());
        contents().iter().for_each(|bytes| assert_holds(&to, bytes));
        assert_eq!(retry.left.tally().chunk_bytes, data(&from).1 - before.1);
    }
}

#[test]
fn without_salvage_a_cut_leaves_nothing() {
    let (from, oids) = filled();
    let to = MemoryStore::new();
    let link = Link { cut_after: Some(MIB as u64), ..Link::default() };
    drop(pull_over(link, &to, &from, oids.clone()));
    assert_eq!((data(&to), bindings(&to).len()), ((0, 0), 0));
    assert!(oids.iter().all(|oid| !content::is_whole(&to, oid).unwrap()));
}

#[test]
fn a_silent_peer_is_given_up_at_the_limit_and_not_before() {
    let (from, oids) = filled();
    let items: Vec<_> = oids.iter().map(|oid| item(&from, *oid, None)).collect();
    // Silent from the start; silent after the answer to the question (5 contents: 10 bytes).
    for (heard, silent_from) in [(0, Duration::ZERO), (10, 2 * LATENCY)] {
        let link = Link { stall: Some((Side::Right, heard)), ..Link::default() };
        let ended = push_over(link, &from, &MemoryStore::new(), items.clone());
        assert!(matches!(ended.results[0], Err(SyncError::Silence(SILENCE_MAX))), "{:?}", ended.results[0]);
        assert_eq!(ended.at[0], silent_from + SILENCE_MAX);
    }
    let link = Link { stall: Some((Side::Left, 0)), ..Link::default() };
    let ended = pull_over(link, &MemoryStore::new(), &from, oids);
    assert!(matches!(ended.results[1], Err(SyncError::Silence(_))));
    assert_eq!(ended.at[1], SILENCE_MAX);
}

#[test]
fn a_slow_line_is_no_silence() {
    let (from, oids) = filled();
    let items: Vec<_> = oids.iter().map(|oid| item(&from, *oid, None)).collect();
    let nearly = SILENCE_MAX / 2 - Duration::from_millis(1);
    let slow = |latency| Link { latency, ..Link::default() };
    let to = MemoryStore::new();
    push_over(slow(nearly), &from, &to, items.clone()).ok();
    contents().iter().for_each(|bytes| assert_holds(&to, bytes));
    let ended = push_over(slow(SILENCE_MAX / 2), &from, &MemoryStore::new(), items);
    assert!(matches!(ended.results[0], Err(SyncError::Silence(_))), "{:?}", ended.results[0]);
}
