//! The store on disk between processes: reopening, leftovers of crashes, merging, and others at work.
//!
//! Another process is played by another handle on the same folder: handles share nothing but the files, and
//! file locks are between open files, not processes. What a dead process leaves is played by making or removing
//! files. Contents are made by [`add`] with manifest and binding, so [`is_whole`] and `fsck` can
//! follow them from the oid down to the bytes.

use crate::common::{add, commit_each, files, fsck, id, is_whole, noise, open};
use dits_format::Kind;
use dits_store::{ChunkPrune, ChunkRead, ChunkWrite, Compression, Encoded, Encoder, Item, StoreError};
use std::collections::HashSet;
use std::fs::{self, File};

fn contents(range: std::ops::Range<u64>, len: usize) -> Vec<Vec<u8>> {
    range.map(|n| noise(n, len)).collect()
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let all = contents(0..3, 100_000);
    commit_each(&open(dir.path()), &all);
    let store = open(dir.path());
    assert!(all.iter().all(|bytes| is_whole(&store, bytes)));
    assert_eq!(fsck(&store), [""; 0]);
    assert_eq!(files(dir.path(), ".pack").len(), 3);
    // Adding the same again writes nothing, not even its bindings.
    commit_each(&store, &all);
    assert_eq!(files(dir.path(), ".pack").len(), 3);
}

#[test]
fn another_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    assert_eq!(fs::read(dir.path().join("format")).unwrap(), b"git-dits store 1\n");
    fs::remove_file(dir.path().join("format")).unwrap();
    fs::write(dir.path().join("format"), "git-dits store 2\n").unwrap();
    let error = dits_store::PackStore::open(dir.path()).unwrap_err();
    assert!(
        matches!(error, StoreError::StoreFormat { ref found, .. } if found == "git-dits store 2"),
        "{error}"
    );
}

#[test]
fn leftovers_of_the_dead_are_swept_and_work_of_the_living_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let dead = dir.path().join("tmp/dead");
    fs::write(&dead, b"DITSPACK").unwrap();
    let mut batch = store.batch().unwrap();
    add(&mut *batch, b"living").unwrap();
    let other = File::create(dir.path().join("tmp/other")).unwrap();
    other.lock().unwrap();
    let again = open(dir.path());
    assert!(!dead.exists());
    assert_eq!(files(&dir.path().join("tmp"), "").len(), 2);
    batch.commit().unwrap();
    assert!(is_whole(&again, b"living"));
    drop(other);
    drop(open(dir.path()));
    assert_eq!(files(&dir.path().join("tmp"), "").len(), 0);
}

#[test]
fn a_dropped_batch_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut batch = store.batch().unwrap();
    add(&mut *batch, b"dropped").unwrap();
    drop(batch);
    store.batch().unwrap().commit().unwrap();
    assert_eq!(files(dir.path(), ""), [dir.path().join("format"), dir.path().join("users.lock")]);
}

#[test]
fn missing_segments_are_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let all = contents(0..12, 500);
    commit_each(&open(dir.path()), &all);
    let living = open(dir.path());
    files(dir.path(), ".seg").iter().for_each(|path| fs::remove_file(path).unwrap());
    for store in [&open(dir.path()), &living] {
        assert!(all.iter().all(|bytes| is_whole(store, bytes)));
        assert_eq!(fsck(store), [""; 0]);
    }
}

#[test]
fn what_a_writer_left_when_it_died_is_found_by_a_living_handle() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, writer) = (open(dir.path()), open(dir.path()));
    assert!(!is_whole(&reader, b"late"));
    commit_each(&writer, &[b"late".to_vec()]);
    files(dir.path(), ".seg").iter().for_each(|path| fs::remove_file(path).unwrap());
    let mut out = Vec::new();
    assert!(reader.read(&id(b"late"), &mut out).unwrap().is_some());
    assert!(is_whole(&reader, b"late"));
}

#[test]
fn a_lost_pack_is_absent_and_the_rest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let all = contents(0..3, 500);
    let mut packs = Vec::new();
    for bytes in &all {
        commit_each(&store, std::slice::from_ref(bytes));
        let now = files(dir.path(), ".pack");
        packs.push(now.into_iter().find(|pack| !packs.contains(pack)).unwrap());
    }
    fs::remove_file(&packs[1]).unwrap();
    for store in [&open(dir.path()), &store] {
        store.refresh().unwrap();
        assert!(!store.has(&id(&all[1])).unwrap(), "so that it can be added again");
        assert!(is_whole(store, &all[0]) && is_whole(store, &all[2]));
    }
    commit_each(&store, &all);
    assert!(is_whole(&open(dir.path()), &all[1]));
}

#[test]
fn a_thousand_small_commits_leave_few_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let all: Vec<Vec<u8>> = (0..1000).map(|n| format!("{n} {}", "text ".repeat(100)).into_bytes()).collect();
    commit_each(&store, &all);
    for store in [&store, &open(dir.path())] {
        assert!(all.iter().all(|bytes| is_whole(store, bytes)));
        let stats = store.stats().unwrap();
        assert!(stats.packs <= 24 && stats.segments <= 24, "{stats:?}");
        assert_eq!((stats.chunks, stats.bindings), (2000, 1000));
        assert!(files(dir.path(), ".seg").len() <= 24);
    }
    assert_eq!(fsck(&store), [""; 0]);
    let packed: u64 = files(dir.path(), ".pack").iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(packed < 500_000, "small chunks are compressed together: {packed}");
}

#[test]
fn a_reader_that_opened_before_reads_through_merges() {
    let dir = tempfile::tempdir().unwrap();
    let all = contents(0..60, 2000);
    let writer = open(dir.path());
    commit_each(&writer, &all[..7]);
    let reader = open(dir.path());
    assert!(is_whole(&reader, &all[0]), "it has a pack open");
    commit_each(&writer, &all[7..]);
    assert!(all.iter().all(|bytes| is_whole(&reader, bytes)));
}

#[test]
fn readers_and_writers_in_many_handles_go_on_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let all = contents(0..30, 3000);
    commit_each(&open(dir.path()), &all);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let dir = dir.path();
            scope.spawn(move || {
                commit_each(&open(dir), &contents(100 * writer + 100..100 * writer + 140, 3000))
            });
        }
        let reader = open(dir.path());
        for _ in 0..20 {
            assert!(all.iter().all(|bytes| is_whole(&reader, bytes)));
        }
    });
    let store = open(dir.path());
    for first in [0, 100, 200, 300, 400] {
        assert!(
            contents(first..first + 30, 3000).iter().all(|bytes| is_whole(&store, bytes)),
            "from {first}"
        );
    }
    assert_eq!(fsck(&store), [""; 0]);
}

#[test]
fn large_packs_are_left_alone_and_removal_reaches_into_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let chunk = |n: u64| noise(n, 1 << 20);
    let mut batch = store.batch().unwrap();
    for n in 0..130 {
        add(&mut *batch, &chunk(n)).unwrap();
    }
    batch.commit().unwrap();
    let large = files(dir.path(), ".pack");
    assert_eq!(large.len(), 3);
    commit_each(&store, &contents(1000..1020, 100));
    assert!(large.iter().all(|path| path.exists()), "only the smallest tier was due");
    assert_eq!(store.remove(&HashSet::from([id(&chunk(0)), id(&chunk(100))])).unwrap(), 2);
    let store = open(dir.path());
    assert!(!store.has(&id(&chunk(0))).unwrap() && !store.has(&id(&chunk(100))).unwrap());
    assert!([1, 50, 99, 101, 129].into_iter().all(|n| is_whole(&store, &chunk(n))));
    let found = fsck(&store);
    assert_eq!(found.len(), 2, "two contents miss their chunk: {found:?}");
    assert!(found.iter().all(|finding| finding.contains("is missing")));
}

#[test]
fn merging_keeps_the_form_of_large_chunks_and_of_none_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let text = |seed, len| noise(seed, len).iter().map(|byte| byte % 9).collect::<Vec<u8>>();
    let mut encoder = Encoder::new(Compression::Auto);
    let (large, small): (Vec<_>, Vec<_>) =
        (1..9).map(|seed| (text(seed, 90_000), text(seed, 20_000))).unzip();
    for (large, small) in large.iter().zip(&small) {
        let mut batch = store.batch().unwrap();
        for text in [large, small] {
            batch.put_encoded(id(text), Kind::Data, &encoder.compress(text).unwrap()).unwrap();
        }
        batch.commit().unwrap();
    }
    assert_eq!(files(dir.path(), ".pack").len(), 1, "eight small packs are merged");
    for text in &large {
        assert_eq!(store.read_encoded(&id(text)).unwrap().unwrap().1, encoder.compress(text).unwrap());
    }
    for text in &small {
        assert_eq!(store.read_encoded(&id(text)).unwrap().unwrap().1, Encoded::raw(text.clone().into()));
    }
    let mut stored = 0;
    let sum = &mut |item| {
        if let Item::Chunk { stored_bytes, .. } = item {
            stored += u64::from(stored_bytes);
        }
        Ok(())
    };
    store.visit(sum).unwrap();
    let on_disk = fs::metadata(&files(dir.path(), ".pack")[0]).unwrap().len();
    assert!(stored < on_disk && on_disk - stored < 3_000, "{stored} of {on_disk}");
    assert_eq!(fsck(&store), [""; 0]);
}
