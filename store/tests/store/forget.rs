//! Forgetting contents: what stays, what can be had back, and what a crash, a writer or damage does to it.
//!
//! Shared chunks are what matters: contents here are made of chunks drawn from one row, so that neighbours share
//! most. A dead process is played by a step that fails for good, by a batch dropped after its checkpoint,
//! or by a journal that is still locked.

use crate::common::{add, commit_each, files, flip, fsck, id, noise, open};
use dits_format::{ChunkId, Kind, Oid};
use dits_store::conformance::add_content;
use dits_store::durable::fault;
use dits_store::pack::Options;
use dits_store::{Batch, ChunkPrune, ChunkRead, ChunkWrite, PackStore, StoreError, content};
use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::{self, File};
use std::ops::Range;
use std::path::Path;

const NOW: u64 = 1_000_000;

/// A content of some chunks of the row.
fn add_row(batch: &mut dyn Batch, range: Range<u64>) -> Oid {
    let row: Vec<Vec<u8>> = range.map(|n| noise(n, 3000)).collect();
    add_content(batch, &row.iter().map(Vec::as_slice).collect::<Vec<_>>(), true)
}

/// The same in a pack of its own.
fn commit_row(store: &PackStore, range: Range<u64>) -> Oid {
    let mut batch = store.batch().expect("a batch");
    let oid = add_row(&mut *batch, range);
    batch.commit().expect("it is committed");
    oid
}

fn whole(store: &PackStore, oid: &Oid) -> bool {
    content::is_whole(store, oid).expect("the store is intact")
}

fn forget(store: &PackStore, oid: Oid) -> Result<u64, StoreError> {
    Ok(store.alone()?.forget(&HashSet::from([oid]), &[], Some(NOW), &|_, _| ())?.chunks)
}

fn bytes_in(dir: &Path) -> u64 {
    files(dir, ".pack").iter().map(|path| fs::metadata(path).expect("a file").len()).sum()
}

#[test]
fn what_was_forgotten_can_be_restored_until_the_trash_is_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (gone, kept) = (commit_row(&store, 0..60), commit_row(&store, 40..100));
    assert_eq!(store.trash().unwrap(), []);
    assert!(forget(&store, gone).unwrap() >= 40);
    assert!(!whole(&store, &gone) && whole(&store, &kept));
    let trash = store.trash().unwrap();
    assert_eq!((trash.len(), trash[0].time, trash[0].packs), (1, NOW, 1));
    assert_eq!(trash[0].bytes, bytes_in(&dir.path().join("trash")));
    assert_eq!(store.restore_trash().unwrap(), 1);
    for store in [&store, &open(dir.path())] {
        assert!(whole(store, &gone) && whole(store, &kept));
        assert_eq!(fsck(store), [""; 0]);
    }
    assert_eq!(store.restore_trash().unwrap(), 0);
    assert!(!dir.path().join(format!("trash/{NOW}")).exists());

    forget(&store, gone).unwrap();
    assert_eq!(store.empty_trash(NOW).unwrap(), 0, "it came in at that time, not before");
    let emptied = store.empty_trash(NOW + 1).unwrap();
    assert!((40 * 3000..45 * 3000).contains(&emptied), "only what went is there: {emptied}");
    assert_eq!((store.trash().unwrap(), store.restore_trash().unwrap()), (vec![], 0));
    assert!(!whole(&store, &gone) && whole(&store, &kept));
    assert_eq!(fsck(&store), [""; 0]);
}

#[test]
fn without_trash_the_disk_is_free_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let gone = commit_row(&store, 0..60);
    let before = bytes_in(dir.path());
    store.forget(&HashSet::from([gone])).unwrap();
    assert!(before > 60 * 3000 && bytes_in(dir.path()) == 0);
}

#[test]
fn a_copy_in_another_pack_goes_too() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (open(dir.path()), open(dir.path()));
    let (mut racing, mut other) = (one.batch().unwrap(), two.batch().unwrap());
    for (batch, own) in [(&mut racing, b"one"), (&mut other, b"two")] {
        add(&mut **batch, b"twice").unwrap();
        add(&mut **batch, own).unwrap();
    }
    racing.commit().unwrap();
    other.commit().unwrap();
    assert_eq!(files(dir.path(), ".pack").len(), 2);
    one.forget(&HashSet::from([Oid::of(b"twice")])).unwrap();
    for store in [&one, &open(dir.path())] {
        assert!(!store.has(&id(b"twice")).unwrap() && whole(store, &Oid::of(b"two")));
        assert_eq!(store.bindings(&Oid::of(b"twice")).unwrap(), []);
    }
}

#[test]
fn a_crash_at_any_step_touches_nothing_else_and_the_next_try_completes() {
    let rows = [0..30, 20..50, 45..75, 60..90];
    for good in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let [kept, gone, also, last] = rows.clone().map(|range| commit_row(&store, range));
        let going = HashSet::from([gone, last]);
        let act = |store: &PackStore| store.alone()?.forget(&going, &[], Some(NOW), &|_, _| ()).map(drop);
        fault::arm(good, u64::MAX);
        let result = act(&store);
        fault::arm(0, 0);
        for store in [&store, &open(dir.path())] {
            assert!(whole(store, &kept) && whole(store, &also), "step {good}");
            let torn = |found: &String| !found.contains("is missing") || found.contains(&kept.to_string());
            assert!(!fsck(store).iter().any(torn), "step {good}");
        }
        let again = open(dir.path());
        again.restore_trash().unwrap();
        for oid in [kept, gone, also, last] {
            assert!(whole(&again, &oid), "step {good}: all can be had back");
        }
        act(&again).unwrap();
        assert!(whole(&again, &kept) && whole(&again, &also) && !whole(&again, &gone), "step {good}");
        assert_eq!(fsck(&again), [""; 0], "step {good}");
        if result.is_ok() {
            assert!(good > 8, "the plan was never met");
            return;
        }
    }
}

#[test]
fn a_crash_while_restoring_loses_nothing() {
    for good in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let all = [0..30, 20..50, 45..75].map(|range| commit_row(&store, range));
        store.alone().unwrap().forget(&HashSet::from(all), &[], Some(NOW), &|_, _| ()).unwrap();
        fault::arm(good, u64::MAX);
        let result = store.restore_trash();
        fault::arm(0, 0);
        let again = open(dir.path());
        again.restore_trash().unwrap();
        assert!(all.iter().all(|oid| whole(&again, oid)), "step {good}");
        assert_eq!(fsck(&again), [""; 0], "step {good}");
        if result.is_ok() {
            assert!(good > 3, "the plan was never met");
            return;
        }
    }
}

#[test]
fn what_a_dead_writer_relied_on_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let gone = commit_row(&store, 0..20);
    let mut batch = store.batch().unwrap();
    let new = add_row(&mut *batch, 10..30);
    batch.checkpoint().unwrap();
    // Killed: its pack and its journal stay, and half of its content is in the other's packs.
    drop(batch);
    forget(&store, gone).unwrap();
    for store in [&store, &open(dir.path())] {
        assert!(whole(store, &new) && !whole(store, &gone));
        assert_eq!(fsck(store), [""; 0]);
    }
}

#[test]
fn a_writer_that_is_just_dying_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let gone = commit_row(&store, 0..20);
    let mut batch = store.batch().unwrap();
    add(&mut *batch, b"new").unwrap();
    batch.checkpoint().unwrap();
    drop(batch);
    let journal = files(&dir.path().join("tmp"), ".journal").remove(0);
    let held = File::open(&journal).unwrap();
    held.lock().unwrap();
    assert!(matches!(forget(&store, gone), Err(StoreError::Busy { .. })));
    assert!(whole(&store, &gone));
    drop(held);
    forget(&store, gone).unwrap();
    assert!(whole(&store, &Oid::of(b"new")) && !whole(&store, &gone));
}

#[test]
fn a_lease_keeps_contents_and_who_comes_while_they_go_waits() {
    let dir = tempfile::tempdir().unwrap();
    let (store, other) = (open(dir.path()), open(dir.path()));
    let gone = commit_row(&store, 0..20);
    let lease = other.lease().unwrap();
    assert!(matches!(forget(&store, gone), Err(StoreError::Busy { .. })));
    drop(lease);
    let alone = store.alone().unwrap();
    let (started, starting) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let late = scope.spawn(|| {
            started.send(()).unwrap();
            let mut batch = other.batch().unwrap();
            // Asked before, it was here; what counts is what is here now.
            let found = batch.has(&id(&noise(5, 3000))).unwrap();
            let new = add_row(&mut *batch, 0..25);
            batch.commit().unwrap();
            (found, new)
        });
        starting.recv().unwrap();
        assert!(!late.is_finished());
        let told = RefCell::new(Vec::new());
        alone
            .forget(&HashSet::from([gone]), &[], None, &|done, total| told.borrow_mut().push((done, total)))
            .unwrap();
        let told = told.into_inner();
        assert!(
            told.len() > 1 && told.is_sorted() && told.last().is_some_and(|(done, total)| done == total),
            "{told:?}"
        );
        drop(alone);
        let (found, new) = late.join().unwrap();
        assert!(!found, "the other handle believed an index from before");
        assert!(whole(&open(dir.path()), &new));
    });
}

#[test]
fn what_a_kept_content_of_the_cache_needs_stays() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { cache: Some((dir.path().join("cache"), 0)), ..Options::default() };
    let store = PackStore::open_with(&dir.path().join("store"), &options).unwrap();
    let gone = commit_row(&store, 0..20);
    // Its manifest is not in the store itself, and half of what it needs is there.
    let fetched = store.for_fetched();
    let mut batch = fetched.batch().unwrap();
    let kept = add_row(&mut *batch, 10..30);
    batch.commit().unwrap();
    store.alone().unwrap().forget(&HashSet::from([gone]), &[kept], None, &|_, _| ()).unwrap();
    let here = |n: u64| store.own().has(&id(&noise(n, 3000))).unwrap();
    assert!(!here(5) && here(15) && whole(&store, &kept));
}

#[test]
fn a_reader_goes_on_while_others_contents_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let kept = commit_row(&store, 0..20);
    let reader = open(dir.path());
    let read = |n: u64| reader.read(&id(&noise(n, 3000)), &mut Vec::new()).unwrap();
    assert!(read(0).is_some(), "it has a pack open");
    for n in 0..10 {
        let gone = commit_row(&store, 10..30 + n);
        forget(&store, gone).unwrap();
        assert!((0..20).all(|n| read(n) == Some(Kind::Data)));
    }
    assert!(whole(&reader, &kept));
}

/// The place of a chunk's bytes in some pack of `dir`.
fn damage(dir: &Path, bytes: &[u8]) {
    for path in files(dir, ".pack") {
        let pack = fs::read(&path).expect("a file");
        if let Some(at) = pack.windows(bytes.len()).position(|window| window == bytes) {
            return flip(&path, at + bytes.len() / 2);
        }
    }
    panic!("no pack holds it");
}

#[test]
fn where_a_node_is_damaged_nothing_goes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (gone, kept) = (commit_row(&store, 0..20), commit_row(&store, 10..30));
    let root = content::find(&store, &kept).unwrap().unwrap().manifest.streams[0].root.id;
    let mut node = Vec::new();
    store.read(&root, &mut node).unwrap();
    drop(store);
    damage(dir.path(), &node);
    let store = open(dir.path());
    assert!(matches!(forget(&store, gone), Err(StoreError::Corrupt { id, .. }) if id == root));
    assert!(whole(&store, &gone));
}

#[test]
fn a_pack_with_damaged_data_that_stays_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut batch = open(dir.path()).batch().unwrap();
    for bytes in [b"gone".to_vec(), noise(1, 5000)] {
        add(&mut *batch, &bytes).unwrap();
    }
    batch.commit().unwrap();
    damage(dir.path(), &noise(1, 5000));
    let store = open(dir.path());
    let before = files(&dir.path().join("objects"), ".pack");
    let error = forget(&store, Oid::of(b"gone")).unwrap_err();
    let damaged: ChunkId = id(&noise(1, 5000));
    assert!(matches!(error, StoreError::Corrupt { id, .. } if id == damaged), "{error}");
    assert_eq!(files(&dir.path().join("objects"), ".pack"), before);
    commit_each(&store, &[b"more".to_vec()]);
    assert!(whole(&store, &Oid::of(b"more")));
}
