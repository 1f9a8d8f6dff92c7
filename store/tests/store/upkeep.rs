//! Merges that commits leave to others, and what becomes of them when these fail, are killed, or meet each other.
//!
//! A handle with [`Upkeep::Later`] is a client's, one with [`Upkeep::Thread`] a server's. What a kill leaves behind is what
//! a step that fails leaves behind ([`fault`]), beside a temporary file, which `disk` is about.

use crate::common::{add, commit_each, files, fsck, is_whole, noise, open};
use dits_store::{ChunkRead, ChunkWrite, PackStore, Upkeep, durable::fault};
use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path;

fn later(dir: &Path) -> PackStore {
    open(dir).with_upkeep(Upkeep::Later)
}

fn contents(count: u64, len: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| noise(n, len)).collect()
}

fn packs(dir: &Path) -> usize {
    files(&dir.join("objects"), ".pack").len()
}

#[test]
fn a_commit_returns_without_a_large_merge_and_somebody_does_it_later() {
    let dir = tempfile::tempdir().unwrap();
    let all = contents(9, 1 << 20);
    let store = later(dir.path());
    commit_each(&store, &all[..7]);
    assert!(!store.is_due().unwrap());
    commit_each(&store, &all[7..]);
    assert_eq!(packs(dir.path()), 9, "no commit merged");
    assert!(store.is_due().unwrap());
    let other = open(dir.path());
    other.tend().unwrap();
    assert!(packs(dir.path()) < 9 && !other.is_due().unwrap());
    for store in [store, other, open(dir.path())] {
        assert!(all.iter().all(|bytes| is_whole(&store, bytes)));
        assert_eq!(fsck(&store), [""; 0]);
    }
}

#[test]
fn small_packs_and_segments_stay_few_though_nobody_comes() {
    let dir = tempfile::tempdir().unwrap();
    let store = later(dir.path());
    commit_each(&store, &contents(8, 100));
    assert_eq!(packs(dir.path()), 8, "a few can wait");
    assert!(store.is_due().unwrap());
    commit_each(&store, &contents(200, 100));
    assert!(packs(dir.path()) < 64 && files(dir.path(), ".seg").len() < 24);
    assert_eq!(fsck(&store), [""; 0]);
}

#[test]
fn a_merge_that_stops_anywhere_leaves_everything_readable() {
    let all = contents(9, 1 << 20);
    let mut stopped = 0;
    for good in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let store = later(dir.path());
        commit_each(&store, &all);
        fault::arm(good, u64::MAX);
        let result = store.tend();
        fault::arm(0, 0);
        for store in [&store, &open(dir.path())] {
            assert!(all.iter().all(|bytes| is_whole(store, bytes)), "step {good}");
            assert_eq!(fsck(store), [""; 0], "step {good}");
        }
        store.tend().unwrap();
        assert!(packs(dir.path()) < 9 && all.iter().all(|bytes| is_whole(&store, bytes)), "step {good}");
        match result {
            Ok(()) => break,
            Err(error) => assert!(error.is_disk_full(), "step {good}: {error}"),
        }
        stopped += 1;
    }
    assert!(stopped > 5, "the plan was never met");
}

#[test]
fn who_finds_another_at_it_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = later(dir.path());
    commit_each(&store, &contents(8, 1 << 20));
    let lock = File::options().write(true).open(dir.path().join("consolidate.lock")).unwrap();
    lock.lock().unwrap();
    store.tend().unwrap();
    commit_each(&store, &[noise(100, 100)]);
    assert_eq!(packs(dir.path()), 9, "neither waited nor merged");
    drop(lock);
    store.tend().unwrap();
    assert!(packs(dir.path()) < 9);
}

#[test]
fn two_that_tend_while_others_write_and_read_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let old = contents(16, 200_000);
    commit_each(&later(dir.path()), &old);
    std::thread::scope(|scope| {
        for writer in 1..3u64 {
            let dir = dir.path();
            scope.spawn(move || {
                let all: Vec<_> = (0..40).map(|n| noise(writer * 1000 + n, 50_000)).collect();
                commit_each(&open(dir).with_upkeep(Upkeep::Thread), &all);
            });
            scope.spawn(move || (0..8).for_each(|_| open(dir).tend().unwrap()));
        }
        let reader = open(dir.path());
        (0..20).for_each(|_| assert!(old.iter().all(|bytes| is_whole(&reader, bytes))));
    });
    let store = open(dir.path());
    let new = (1..3).flat_map(|writer| (0..40).map(move |n| noise(writer * 1000 + n, 50_000)));
    assert!(old.into_iter().chain(new).all(|bytes| is_whole(&store, &bytes)));
    assert_eq!(fsck(&store), [""; 0]);
}

#[test]
fn a_segment_of_an_older_version_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let all = contents(3, 500);
    commit_each(&open(dir.path()), &all);
    for segment in files(dir.path(), ".seg") {
        fs::remove_file(&segment).unwrap();
        fs::write(&segment, [b"DITSINDX\x01\0\0\0", &[0; 4000][..]].concat()).unwrap();
    }
    let store = open(dir.path());
    assert!(all.iter().all(|bytes| is_whole(&store, bytes)));
    assert_eq!(files(dir.path(), ".seg").len(), 0);
    commit_each(&store, &[b"next".to_vec()]);
    assert!(all.iter().all(|bytes| is_whole(&open(dir.path()), bytes)));
    assert_eq!(fsck(&store), [""; 0]);
}

#[test]
fn bindings_keep_their_strongest_proof_through_merges() {
    let dir = tempfile::tempdir().unwrap();
    let store = later(dir.path());
    let mut batch = store.batch().unwrap();
    let binding = add(&mut *batch, b"content").unwrap();
    batch.commit().unwrap();
    let mut weak = store.batch().unwrap();
    weak.bind(dits_format::Binding { proof: dits_format::Proof::Refuted, ..binding });
    weak.commit().unwrap();
    commit_each(&store, &contents(10, 100));
    store.tend().unwrap();
    let proofs = |store: &PackStore| {
        let mut found = HashSet::new();
        store
            .visit(&mut |item| {
                if let dits_store::Item::Binding(known) = item
                    && known.oid == binding.oid
                {
                    found.insert(known.proof);
                }
                Ok(())
            })
            .unwrap();
        found
    };
    assert_eq!(proofs(&open(dir.path())), HashSet::from([dits_format::Proof::Refuted]));
}
