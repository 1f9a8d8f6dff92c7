//! The cache: what goes in, what is thrown out and what is not, also while others look, add and evict.
//!
//! A process is played by its own handle on the cache: locks on files are between handles.

use crate::common::{add, files, flip, fsck, id, is_whole, noise};
use dits_format::Oid;
use dits_store::{Cache, ChunkRead, ChunkWrite, Modes, Options, PackStore, durable::fault, space};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A clone's store with the cache beside it, as a process opens it.
fn clone(dir: &Path, name: &str, cap: u64) -> PackStore {
    let options = Options { cache: Some((dir.join("cache"), cap)), ..Options::default() };
    PackStore::open_with(&dir.join(name), &options).expect("the store opens")
}

fn cache(dir: &Path, cap: u64) -> Cache {
    Cache::open(&dir.join("cache"), cap, Modes::default()).expect("the cache opens")
}

/// What a fetch does.
fn fetch(store: &PackStore, contents: &[Vec<u8>]) {
    store.hold(&contents.iter().map(|bytes| Oid::of(bytes)).collect::<Vec<_>>());
    let mut batch = store.for_fetched().batch().expect("a batch");
    for bytes in contents {
        add(&mut *batch, bytes).expect("the batch takes it");
    }
    batch.commit().expect("the batch is committed");
    store.refresh().expect("the store is read");
}

#[test]
fn what_is_fetched_is_there_for_every_clone_and_what_is_added_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (fetched, added) = (noise(1, 50_000), noise(2, 50_000));
    let one = clone(dir.path(), "one", 0);
    fetch(&one, std::slice::from_ref(&fetched));
    crate::common::commit_each(&one, std::slice::from_ref(&added));
    let two = clone(dir.path(), "two", 0);
    assert!(is_whole(&one, &fetched) && is_whole(&two, &fetched));
    assert!(is_whole(&one, &added) && !is_whole(&two, &added));
    assert!(!is_whole(&one.own(), &fetched));
    assert_eq!(cache(dir.path(), 0).clear().unwrap().contents, 0, "both clones live");
    drop((one, two));
    assert_eq!(cache(dir.path(), 0).clear().unwrap().contents, 1);
    let one = clone(dir.path(), "one", 0);
    assert!(is_whole(&one, &added) && !is_whole(&one, &fetched));
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    let contents: Vec<Vec<u8>> = (0..4).map(|n| noise(n, 100_000)).collect();
    for bytes in &contents {
        fetch(&clone(dir.path(), "one", 0), std::slice::from_ref(bytes));
    }
    clone(dir.path(), "two", 0).hold(&[Oid::of(&contents[0])]);
    // Room for two and a half after making some below the limit.
    let all = cache(dir.path(), 0).info().unwrap();
    assert_eq!((all.contents, all.chunks), (4, 8));
    let small = cache(dir.path(), 333_000);
    small.hold(&[]);
    let evicted = small.trim().unwrap();
    assert_eq!(evicted.contents, 2);
    assert!(evicted.bytes > 190_000, "{evicted:?}");
    let store = clone(dir.path(), "one", 0);
    assert_eq!([0, 1, 2, 3].map(|n| is_whole(&store, &contents[n])), [true, false, false, true]);
    assert_eq!(fsck(small.store()), [""; 0], "bindings go with what they name");
    assert!(small.info().unwrap().bytes <= 333_000);
}

#[test]
fn nothing_is_evicted_below_the_limit_or_by_who_did_not_use_it() {
    let dir = tempfile::tempdir().unwrap();
    let content = noise(1, 100_000);
    fetch(&clone(dir.path(), "one", 200_000), std::slice::from_ref(&content));
    assert_eq!(cache(dir.path(), 1).trim().unwrap().contents, 0);
    assert!(is_whole(&clone(dir.path(), "two", 0), &content));
    fetch(&clone(dir.path(), "one", 150_000), &[noise(2, 100_000)]);
    assert!(!is_whole(&clone(dir.path(), "two", 0), &content), "the end of a process trims");
}

#[test]
fn a_chunk_of_two_contents_stays_as_long_as_one_does() {
    let dir = tempfile::tempdir().unwrap();
    // The chunk of the second is that of the first: one chunk, two manifests.
    let bytes = noise(1, 100_000);
    fetch(&clone(dir.path(), "one", 0), &[bytes.clone(), noise(2, 90_000)]);
    let loose = noise(3, 10);
    let other = clone(dir.path(), "one", 0);
    other.hold(&[Oid::of(&bytes)]);
    let mut batch = other.for_fetched().batch().unwrap();
    batch.put(id(&loose), dits_format::Kind::Data, &loose).unwrap();
    batch.commit().unwrap();
    assert_eq!(cache(dir.path(), 0).clear().unwrap().contents, 1);
    other.refresh().unwrap();
    assert!(is_whole(&other, &bytes), "it is in use");
    assert!(other.has(&id(&loose)).unwrap(), "it may be what somebody is fetching");
    drop(other);
    cache(dir.path(), 0).clear().unwrap();
    let info = cache(dir.path(), 0).info().unwrap();
    assert_eq!((info.contents, info.chunks, info.bytes), (0, 0, 0));
}

#[test]
fn who_reads_while_another_evicts_finds_it_absent_and_fetches_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let content = noise(1, 100_000);
    fetch(&clone(dir.path(), "one", 0), std::slice::from_ref(&content));
    let reader = clone(dir.path(), "two", 0);
    // One that has the pack open reads on; this one has not.
    let open = clone(dir.path(), "three", 0);
    assert!(is_whole(&open, &content));
    assert_eq!(cache(dir.path(), 0).clear().unwrap().contents, 1);
    assert!(is_whole(&open, &content));
    assert!(reader.has(&id(&content)).unwrap(), "it does not know yet");
    assert_eq!(reader.read(&id(&content), &mut Vec::new()).unwrap(), None);
    assert!(!reader.has(&id(&content)).unwrap());
    fetch(&reader, std::slice::from_ref(&content));
    assert_eq!(cache(dir.path(), 0).clear().unwrap().contents, 0, "now it said that it uses it");
    assert!(is_whole(&reader, &content));
}

#[test]
fn readers_adders_and_evictors_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let contents: Vec<Vec<u8>> = (0..6).map(|n| noise(n, 30_000)).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let adders: Vec<_> = (0..2)
            .map(|n| {
                let (dir, contents) = (dir.path(), &contents);
                scope.spawn(move || {
                    let store = clone(dir, &format!("adder{n}"), 0);
                    // What is held before it is looked for is lost to an eviction under way at most.
                    for bytes in contents {
                        let tries = (0..20).position(|_| {
                            fetch(&store, std::slice::from_ref(bytes));
                            store.has(&id(bytes)).unwrap() && {
                                let mut out = Vec::new();
                                store.read(&id(bytes), &mut out).unwrap().is_some() && out == *bytes
                            }
                        });
                        assert!(tries.is_some(), "it does not stay");
                    }
                    store
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                cache(dir.path(), 0).clear().unwrap();
            }
        });
        scope.spawn(|| {
            let (store, mut out) = (clone(dir.path(), "reader", 0), Vec::new());
            while !done.load(Ordering::Relaxed) {
                for bytes in &contents {
                    if store.read(&id(bytes), &mut out).unwrap().is_some() {
                        assert!(out == *bytes);
                    }
                }
            }
        });
        let stores: Vec<PackStore> = adders.into_iter().map(|adder| adder.join().unwrap()).collect();
        done.store(true, Ordering::Relaxed);
        for store in &stores {
            store.refresh().unwrap();
            assert!(contents.iter().all(|bytes| is_whole(store, bytes)), "what is held is not evicted");
        }
    });
}

#[test]
fn damage_in_the_cache_is_thrown_out_and_fetched_again() {
    let dir = tempfile::tempdir().unwrap();
    let content = noise(1, 100_000);
    fetch(&clone(dir.path(), "one", 0), std::slice::from_ref(&content));
    let pack = files(&dir.path().join("cache"), ".pack").remove(0);
    flip(&pack, 1000);
    let store = clone(dir.path(), "two", 0);
    assert_eq!(store.read(&id(&content), &mut Vec::new()).unwrap(), None);
    assert!(!pack.exists(), "the next process would meet it again");
    fetch(&store, std::slice::from_ref(&content));
    assert!(is_whole(&clone(dir.path(), "three", 0), &content));
}

#[test]
fn a_cache_that_vanishes_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let content = noise(1, 100_000);
    let store = clone(dir.path(), "one", 0);
    fetch(&store, std::slice::from_ref(&content));
    fs::remove_dir_all(dir.path().join("cache")).unwrap();
    assert_eq!(store.read(&id(&content), &mut Vec::new()).unwrap(), None);
    assert!(!store.has(&id(&content)).unwrap());
    fetch(&store, std::slice::from_ref(&content));
    assert!(is_whole(&clone(dir.path(), "two", 0), &content));
}

#[test]
fn a_cache_that_is_none_is_done_without() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("cache"), b"a file").unwrap();
    let store = clone(dir.path(), "one", 0);
    assert!(store.cache().is_none());
    fetch(&store, &[noise(1, 1000)]);
    assert!(is_whole(&store.own(), &noise(1, 1000)));
}

#[test]
fn an_eviction_that_fails_at_any_step_loses_nothing_that_is_kept() {
    let contents: Vec<Vec<u8>> = (0..3).map(|n| noise(n, 5000)).collect();
    for good in 0.. {
        let dir = tempfile::tempdir().unwrap();
        fetch(&clone(dir.path(), "one", 0), &contents);
        let holder = clone(dir.path(), "two", 0);
        holder.hold(&[Oid::of(&contents[1])]);
        let evictor = cache(dir.path(), 0);
        fault::arm(good, 1);
        let result = evictor.clear();
        let (_, left) = fault::arm(0, 0);
        let again = clone(dir.path(), "three", 0);
        assert!(is_whole(&again, &contents[1]), "step {good}");
        cache(dir.path(), 0).clear().unwrap();
        again.refresh().unwrap();
        assert!(is_whole(&again, &contents[1]) && !is_whole(&again, &contents[0]), "step {good}");
        assert_eq!(fsck(cache(dir.path(), 0).store()), [""; 0], "step {good}");
        if left == 1 {
            assert!(result.is_ok() && good > 3, "the plan was never met");
            return;
        }
    }
}

#[test]
fn the_cache_makes_room_before_the_reserve_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let old = noise(1, 100_000);
    fetch(&clone(dir.path(), "one", 0), std::slice::from_ref(&old));
    let cache = Some((dir.path().join("cache"), 0));
    let options = Options { cache, reserve: 1000, ..Options::default() };
    let store = PackStore::open_with(&dir.path().join("one"), &options).unwrap();
    space::fake::set(Some(1500));
    assert!(store.make_room(dir.path(), 400).is_ok());
    assert!(is_whole(&store, &old));
    // The disk stays as full as it was made to look, so this fails, but not before the cache gave way.
    let failed = add(&mut *store.batch().unwrap(), &noise(2, 2000));
    space::fake::set(None);
    assert!(failed.unwrap_err().is_disk_full());
    store.refresh().unwrap();
    assert!(!is_whole(&store, &old));
}

#[test]
fn records_of_uses_are_merged_when_they_are_many() {
    let dir = tempfile::tempdir().unwrap();
    let contents = [noise(1, 1000), noise(2, 1000)];
    fetch(&clone(dir.path(), "one", 0), &contents);
    for _ in 0..70 {
        cache(dir.path(), 0).hold(&[Oid::of(&contents[0]), Oid::of(b"never here")]);
    }
    let found = files(&dir.path().join("cache/uses"), ".use");
    assert!(found.len() < 64, "{} files", found.len());
    cache(dir.path(), 0).hold(&[]);
    // The merged record still tells which of the two was used last.
    let small = cache(dir.path(), 1900);
    small.hold(&[]);
    assert_eq!(small.trim().unwrap().contents, 1);
    let store = clone(dir.path(), "two", 0);
    assert!(is_whole(&store, &contents[0]) && !is_whole(&store, &contents[1]));
}
