//! A disk that is full at any moment: the store stays intact, keeps what it acknowledged, and goes on.
//!
//! [`fault`] makes the n-th write, sync, rename or creation fail, for every n until none is left: either that step
//! alone, or it and all after it. After each failure there must be no temporary file, a reopened store must
//! pass `fsck` with all that was there before, and the same work must succeed when tried again. A step
//! that fails is also what the next process sees after a crash at that step.

use crate::common::{add, commit_each, files, fsck, id, is_whole, noise, open};
use dits_store::{ChunkPrune, ChunkWrite, PackStore, StoreError, durable::fault};
use std::collections::HashSet;
use std::path::Path;

/// Commits one batch of a few contents.
fn commit(store: &PackStore, contents: &[Vec<u8>]) -> Result<(), StoreError> {
    let mut batch = store.batch()?;
    contents.iter().try_for_each(|bytes| add(&mut *batch, bytes).map(drop))?;
    batch.commit().map(drop)
}

/// Runs `act` on fresh stores with the first, second, ... step failing, until no step is left to fail.
fn at_every_step(
    bad: u64,
    prepare: &dyn Fn(&Path),
    act: &dyn Fn(&PackStore) -> Result<(), StoreError>,
    check: &dyn Fn(&PackStore),
) {
    let mut failures = 0;
    for good in 0.. {
        let dir = tempfile::tempdir().expect("a folder");
        prepare(dir.path());
        let store = open(dir.path());
        fault::arm(good, bad);
        let result = act(&store);
        let (_, left) = fault::arm(0, 0);
        if let Err(error) = &result {
            assert!(error.is_disk_full(), "step {good}: {error}");
            failures += 1;
        }
        let temp = files(&dir.path().join("tmp"), "");
        assert!(temp.is_empty(), "step {good} leaves {temp:?}");
        let again = open(dir.path());
        check(&again);
        assert_eq!(fsck(&again), [""; 0], "step {good}");
        for store in [store, again] {
            act(&store).expect("the next try succeeds");
            check(&store);
        }
        assert_eq!(fsck(&open(dir.path())), [""; 0], "step {good}");
        if left == bad {
            assert!(failures > 5, "the plan was never met");
            return;
        }
    }
}

#[test]
fn a_commit_that_fails_loses_nothing() {
    // The eighth commit merges packs and segments too. The last content is larger than any buffer.
    let old: Vec<Vec<u8>> = (0..7).map(|n| noise(n, 2000)).collect();
    let new = [noise(100, 10), noise(101, 70_000), noise(102, 1 << 20)];
    for bad in [1, u64::MAX] {
        at_every_step(
            bad,
            &|dir| commit_each(&open(dir), &old),
            &|store| {
                commit(store, &new)?;
                assert!(new.iter().all(|bytes| is_whole(store, bytes)), "what was acknowledged is there");
                Ok(())
            },
            &|store| assert!(old.iter().all(|bytes| is_whole(store, bytes))),
        );
    }
}

#[test]
fn a_removal_that_fails_loses_nothing() {
    let kept: Vec<Vec<u8>> = (0..3).map(|n| noise(n, 2000)).collect();
    let loose = noise(50, 500);
    let gone = HashSet::from([id(&loose)]);
    at_every_step(
        1,
        &|dir| {
            let store = open(dir);
            let mut batch = store.batch().expect("a batch");
            batch.put(id(&loose), dits_format::Kind::Data, &loose).expect("it is put");
            for bytes in &kept {
                add(&mut *batch, bytes).expect("it is added");
            }
            batch.commit().expect("it is committed");
        },
        &|store| store.remove(&gone).map(drop),
        &|store| assert!(kept.iter().all(|bytes| is_whole(store, bytes))),
    );
}

#[test]
fn a_batch_whose_pack_could_not_be_closed_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut batch = store.batch().unwrap();
    let chunk = |n: u64| noise(n, 1 << 20);
    for n in 0..63 {
        add(&mut *batch, &chunk(n)).unwrap();
    }
    batch.put(id(&chunk(63)), dits_format::Kind::Data, &chunk(63)).unwrap();
    // The pack is full now: its manifest opens the next. Two steps of ours, and then one of who closes it. (The manifest is
    // small and stays in the buffer: a write of ours would race with the closing.)
    fault::arm(2, 1);
    add(&mut *batch, &chunk(63)).unwrap();
    assert!(batch.read(&id(&chunk(0)), &mut Vec::new()).unwrap_err().is_disk_full());
    fault::arm(0, 0);
    assert!(add(&mut *batch, &chunk(64)).is_err());
    assert!(batch.commit().is_err(), "its bindings would name lost chunks");
    assert!((0..65).all(|n| !is_whole(&store, &chunk(n))));
    assert_eq!(files(&dir.path().join("tmp"), "").len(), 0);
}

#[test]
fn a_pack_that_could_not_be_closed_stays_if_the_journal_speaks_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut batch = open(dir.path()).batch().unwrap();
    let chunk = |n: u64| noise(n, 1 << 20);
    for n in 0..63 {
        add(&mut *batch, &chunk(n)).unwrap();
    }
    batch.checkpoint().unwrap();
    batch.put(id(&chunk(63)), dits_format::Kind::Data, &chunk(63)).unwrap();
    // As above; the checkpoint left nothing in the buffer of the full pack.
    fault::arm(1, 1);
    add(&mut *batch, &chunk(63)).unwrap();
    assert!(batch.read(&id(&chunk(0)), &mut Vec::new()).unwrap_err().is_disk_full());
    fault::arm(0, 0);
    assert!(batch.checkpoint().is_err(), "nothing more is promised");
    drop(batch);
    let store = open(dir.path());
    assert!((0..63).all(|n| is_whole(&store, &chunk(n))));
    assert_eq!(fsck(&store), [""; 0]);
    assert_eq!(files(&dir.path().join("tmp"), "").len(), 0);
}

#[test]
fn a_put_that_failed_may_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut batch = store.batch().unwrap();
    add(&mut *batch, b"first").unwrap();
    let large = noise(1, 1 << 20);
    for _ in 0..2 {
        fault::arm(0, 1);
        assert!(add(&mut *batch, &large).unwrap_err().is_disk_full());
        fault::arm(0, 0);
    }
    add(&mut *batch, &large).unwrap();
    batch.commit().unwrap();
    assert!(is_whole(&store, b"first") && is_whole(&store, &large));
    assert_eq!(fsck(&store), [""; 0]);
}
