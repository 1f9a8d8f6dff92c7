//! Stores beside a store: read, never written, never counted on.

use crate::common::{add, commit_each, copy, files, flip, fsck, id, is_whole, noise, open};
use dits_format::{Kind, Oid, Proof};
use dits_store::conformance::{self, binding};
use dits_store::{ChunkPrune, ChunkRead, ChunkWrite, Options, PackStore, StoreError, space};
use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// A store with an alternate and a cache beside it.
fn open_beside(dir: &Path) -> PackStore {
    let options = Options {
        alternates: vec![dir.join("other"), dir.join("none")],
        cache: Some((dir.join("cache"), 0)),
        ..Options::default()
    };
    PackStore::open_with(&dir.join("own"), &options).expect("the store opens")
}

#[test]
fn a_store_with_others_beside_it_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let mut count = 0;
    let mut fresh = || {
        count += 1;
        let dir = dir.path().join(count.to_string());
        commit_each(&open(&dir.join("other")), &[noise(1, 3000), noise(2, 100), b"both".to_vec()]);
        open_beside(&dir)
    };
    conformance::run("beside", &mut || Box::new(fresh()));
    conformance::run("cache", &mut || Box::new(fresh().for_fetched()));
}

#[test]
fn what_stands_beside_is_read_and_yet_added_here() {
    let dir = tempfile::tempdir().unwrap();
    let content = noise(1, 5000);
    commit_each(&open(&dir.path().join("other")), std::slice::from_ref(&content));
    let store = open_beside(dir.path());
    assert!(is_whole(&store, &content));
    assert!(!is_whole(&store.own(), &content));
    let mut batch = store.batch().unwrap();
    assert!(batch.has(&id(&content)).unwrap());
    assert!(batch.put(id(&content), Kind::Data, &content).unwrap(), "it is new here");
    add(&mut *batch, &content).unwrap();
    batch.commit().unwrap();
    fs::remove_dir_all(dir.path().join("other")).unwrap();
    assert!(is_whole(&open_beside(dir.path()), &content));
    assert_eq!(fsck(&store.own()), [""; 0]);
}

#[test]
fn a_store_beside_is_never_written() {
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("other");
    commit_each(&open(&other), &[noise(1, 5000), noise(2, 5000)]);
    // A segment that nobody can use, and what a dead writer left: whose store it is mends it, not we.
    flip(&files(&other, ".seg")[0], 100);
    fs::write(other.join("tmp/0123"), b"left").unwrap();
    let before = dir.path().join("before");
    copy(&other, &before);
    let store = open_beside(dir.path());
    assert!(is_whole(&store, &noise(1, 5000)) && is_whole(&store, &noise(2, 5000)));
    commit_each(&store, &[noise(3, 100)]);
    let contents = |root: &Path| -> Vec<_> {
        let of = |path: &Path| (path.strip_prefix(root).unwrap().to_owned(), fs::read(path).unwrap());
        files(root, "").iter().map(|path| of(path)).collect()
    };
    assert_eq!(contents(&other), contents(&before));
}

#[test]
fn what_was_refuted_here_is_not_believed_beside() {
    let dir = tempfile::tempdir().unwrap();
    let bind = |store: &PackStore, proof| {
        let mut batch = store.batch().unwrap();
        let manifest = 1u64.to_le_bytes();
        batch.put(binding(1, 1, proof).manifest, Kind::Manifest, &manifest).unwrap();
        batch.bind(binding(1, 1, proof));
        batch.commit().unwrap();
    };
    bind(&open(&dir.path().join("other")), Proof::Claimed);
    let store = open_beside(dir.path());
    let oid = binding(1, 1, Proof::Claimed).oid;
    assert_eq!(store.bindings(&oid).unwrap().len(), 1);
    bind(&store, Proof::Refuted);
    assert_eq!(store.bindings(&oid).unwrap(), []);
}

#[test]
fn damage_beside_is_absence() {
    let dir = tempfile::tempdir().unwrap();
    let content = noise(1, 50_000);
    commit_each(&open(&dir.path().join("other")), std::slice::from_ref(&content));
    let store = open_beside(dir.path());
    flip(&files(&dir.path().join("other"), ".pack")[0], 1000);
    assert!(store.has(&id(&content)).unwrap(), "nobody knows yet");
    assert_eq!(store.read(&id(&content), &mut Vec::new()).unwrap(), None);
    assert!(!store.has(&id(&content)).unwrap(), "or it would never be fetched");
    commit_each(&store, std::slice::from_ref(&content));
    assert!(is_whole(&store, &content));
}

#[test]
fn a_good_copy_beside_makes_up_for_a_damaged_one_here() {
    let dir = tempfile::tempdir().unwrap();
    let content = noise(1, 50_000);
    for name in ["own", "other"] {
        commit_each(&open(&dir.path().join(name)), std::slice::from_ref(&content));
    }
    flip(&files(&dir.path().join("own"), ".pack")[0], 1000);
    assert!(is_whole(&open_beside(dir.path()), &content));
}

#[test]
fn the_reserve_of_the_disk_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { reserve: 1000, ..Options::default() };
    let store = PackStore::open_with(dir.path(), &options).unwrap();
    space::fake::set(Some(5000));
    commit_each(&store, &[noise(1, 500)]);
    space::fake::set(Some(4000));
    let mut batch = store.batch().unwrap();
    let error = add(&mut *batch, &noise(2, 3001)).unwrap_err();
    assert!(matches!(error, StoreError::Reserve { bytes: 3001, free: 4000, reserve: 1000, .. }), "{error:?}");
    assert!(error.is_disk_full());
    assert_eq!(files(&dir.path().join("tmp"), "").len(), 0, "it is told before anything is written");
    drop(batch);
    // What makes room may take some: both are in one pack, and one stays.
    space::fake::set(None);
    let mut batch = store.batch().unwrap();
    for n in [3, 4] {
        add(&mut *batch, &noise(n, 200)).unwrap();
    }
    batch.commit().unwrap();
    space::fake::set(Some(10));
    store.forget(&HashSet::from([Oid::of(&noise(3, 200))])).unwrap();
    assert_eq!([3, 4].map(|n| is_whole(&store, &noise(n, 200))), [false, true]);
    space::fake::set(None);
    commit_each(&store, &[noise(2, 3001)]);
    assert!(is_whole(&store, &noise(1, 500)) && is_whole(&store, &noise(2, 3001)));
}

#[test]
fn a_store_is_no_cache_and_a_cache_is_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let (own, cache) = (dir.path().join("own"), dir.path().join("cache"));
    commit_each(&open(&own), &[noise(1, 100)]);
    let options = |dir: &Path| Options { cache: Some((dir.to_owned(), 1)), ..Options::default() };
    let store = PackStore::open_with(&own, &options(&own)).unwrap();
    assert!(store.cache().is_none(), "or a slip in a setting would evict the only copy");
    let store = PackStore::open_with(&own, &options(&cache)).unwrap();
    assert!(store.cache().is_some());
    assert!(matches!(PackStore::open(&cache), Err(StoreError::WrongRole { .. })));
    assert_eq!(store.bindings(&Oid::of(&noise(1, 100))).unwrap().len(), 1);
}
