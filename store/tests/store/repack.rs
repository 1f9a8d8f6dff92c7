//! Packing anew: fewer and smaller files, the same contents, and nothing left to do the second time.

use crate::common::{add, commit_each, files, flip, fsck, is_whole, noise, open};
use dits_store::{ChunkRead, ChunkWrite, PackStore, StoreError, durable::fault};
use std::fs;
use std::path::Path;

const LEVEL: i32 = 3;

fn repack(store: &PackStore) -> Result<(u64, u64), StoreError> {
    let plan = store.plan_repack(false)?;
    let (mut steps, mut last) = (0, 0);
    store.repack(&plan, LEVEL, &mut |bytes| (steps, last) = (steps + 1, bytes))?;
    assert_eq!((steps, last), (plan.packs(), plan.bytes()));
    Ok((plan.packs(), plan.bytes()))
}

fn stored(dir: &Path) -> u64 {
    files(&dir.join("objects"), ".pack").iter().map(|path| fs::metadata(path).expect("a file").len()).sum()
}

/// Small and large ones, some of which compress.
fn contents() -> Vec<Vec<u8>> {
    let text = |n: usize, len| format!("{n} some text ").repeat(len).into_bytes();
    (0..5)
        .flat_map(|n| [text(n, 100), text(n, 9_000), noise(n as u64, 3_000), noise(n as u64, 90_000)])
        .collect()
}

#[test]
fn many_packs_become_one_and_large_chunks_are_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let all = contents();
    commit_each(&store, &all);
    let (reader, before) = (open(dir.path()), stored(dir.path()));
    assert!(all.iter().all(|bytes| is_whole(&reader, bytes)));
    let (packs, bytes) = repack(&store).unwrap();
    assert!(packs > 3 && bytes == before);
    assert_eq!((files(&dir.path().join("objects"), ".pack").len(), files(dir.path(), ".seg").len()), (1, 1));
    let raw: usize = all.iter().map(Vec::len).sum();
    let noise = 5 * 93_000;
    assert!(stored(dir.path()) < noise + 40_000, "{} of {raw} stored", stored(dir.path()));
    for store in [&store, &reader, &open(dir.path())] {
        assert!(all.iter().all(|bytes| is_whole(store, bytes)));
        assert_eq!(fsck(store), [""; 0]);
    }
    assert_eq!(repack(&store).unwrap(), (0, 0), "it is done");
    commit_each(&store, &[b"more".to_vec()]);
    assert_eq!(repack(&store).unwrap().0, 2, "small packs go together");
    fs::remove_file(dir.path().join("packed")).unwrap();
    assert_eq!(repack(&store).unwrap().0, 1, "it is only a cache");
}

#[test]
fn copies_are_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (open(dir.path()), open(dir.path()));
    let mut batches = [one.batch().unwrap(), two.batch().unwrap()];
    for (n, batch) in batches.iter_mut().enumerate() {
        add(&mut **batch, &noise(1, 50_000)).unwrap();
        add(&mut **batch, &noise(10 + n as u64, 100)).unwrap();
    }
    for batch in batches {
        batch.commit().unwrap();
    }
    assert!(stored(dir.path()) > 100_000);
    repack(&one).unwrap();
    assert!(stored(dir.path()) < 60_000 && is_whole(&two, &noise(1, 50_000)));
}

#[test]
fn a_crash_at_any_step_loses_nothing() {
    let all = contents();
    for good in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        commit_each(&store, &all);
        fault::arm(good, u64::MAX);
        let result = repack(&store);
        fault::arm(0, 0);
        for store in [&store, &open(dir.path())] {
            assert!(all.iter().all(|bytes| is_whole(store, bytes)), "step {good}");
        }
        assert_eq!(files(&dir.path().join("tmp"), "").len(), 0, "step {good}");
        let again = open(dir.path());
        repack(&again).unwrap();
        assert_eq!(fsck(&again), [""; 0], "step {good}");
        if result.is_ok() {
            assert!(good > 5, "the plan was never met");
            return;
        }
    }
}

#[test]
fn a_damaged_pack_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    commit_each(&store, &[noise(1, 50_000)]);
    let damaged = files(&dir.path().join("objects"), ".pack").remove(0);
    flip(&damaged, 1000);
    commit_each(&store, &[noise(2, 50_000), noise(3, 50_000)]);
    repack(&store).unwrap();
    assert!(damaged.exists(), "what is left of it can be salvaged");
    assert!(is_whole(&store, &noise(2, 50_000)) && is_whole(&store, &noise(3, 50_000)));
    assert!(store.read(&crate::common::id(&noise(1, 50_000)), &mut Vec::new()).is_err());
}
