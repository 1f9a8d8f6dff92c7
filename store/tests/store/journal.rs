//! What was checkpointed outlives its writer: a batch dropped without commit is what a killed process leaves.

use crate::common::{add, cut, flip, fsck, id, is_whole, noise, open};
use dits_format::Kind;
use dits_store::{Batch, ChunkRead, ChunkWrite, Compression, Encoder, PackStore};
use std::fs;
use std::path::{Path, PathBuf};

const CONTENTS: u64 = 50;

fn content(seed: u64) -> Vec<u8> {
    noise(seed, 3000)
}

fn checkpointed(dir: &Path) -> Box<dyn Batch> {
    let mut batch = open(dir).batch().expect("a batch");
    for seed in 0..CONTENTS {
        add(&mut *batch, &content(seed)).expect("it is added");
        batch.checkpoint().expect("it is checkpointed");
    }
    batch
}

/// A writer that checkpoints after each content, adds one more, and dies.
fn die(dir: &Path) {
    let mut batch = checkpointed(dir);
    add(&mut *batch, &content(CONTENTS)).expect("it is added");
}

fn whole(store: &PackStore) -> usize {
    (0..CONTENTS).filter(|seed| is_whole(store, &content(*seed))).count()
}

fn left_over(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("tmp")).expect("tmp is there");
    entries.map(|entry| entry.expect("it is listed").path()).collect()
}

#[test]
fn everything_checkpointed_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    die(dir.path());
    assert_eq!(left_over(dir.path()).len(), 2, "an open pack and its journal");
    let store = open(dir.path());
    assert_eq!(whole(&store), CONTENTS as usize);
    assert!(!store.has(&id(&content(CONTENTS))).unwrap(), "never checkpointed");
    assert!(left_over(dir.path()).is_empty());
    assert!(fsck(&store).is_empty());
    drop(store);
    assert_eq!(whole(&open(dir.path())), CONTENTS as usize);
}

#[test]
fn a_damaged_journal_loses_only_what_comes_after() {
    let dir = tempfile::tempdir().unwrap();
    die(dir.path());
    let journal = left_over(dir.path()).into_iter().find(|path| path.extension().is_some()).unwrap();
    flip(&journal, fs::metadata(&journal).unwrap().len() as usize / 2);
    let store = open(dir.path());
    let found = whole(&store);
    assert!((20..30).contains(&found), "{found} of {CONTENTS}");
    assert!(fsck(&store).is_empty());
}

#[test]
fn a_chunk_that_never_reached_the_file_is_not_bound() {
    let dir = tempfile::tempdir().unwrap();
    die(dir.path());
    let pack = left_over(dir.path()).into_iter().find(|path| path.extension().is_none()).unwrap();
    // The header, ten chunks with their manifests of 105 bytes, and a part of the next chunk.
    cut(&pack, 16 + 10 * 3105 + 50);
    // After a power cut a hole may be anywhere: here the first chunk is gone, and its manifest is not.
    flip(&pack, 20);
    let store = open(dir.path());
    assert_eq!(whole(&store), 9);
    assert!(fsck(&store).is_empty());
}

#[test]
fn a_living_writer_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let batch = checkpointed(dir.path());
    let other = open(dir.path());
    let mut out = Vec::new();
    assert_eq!(other.read(&id(&content(0)), &mut out).unwrap(), None);
    batch.commit().unwrap();
    assert_eq!(other.read(&id(&content(0)), &mut out).unwrap(), Some(Kind::Data));
    assert!(left_over(dir.path()).is_empty());
}

/// A writer may die while another process takes up what an earlier one left.
#[test]
fn writers_that_die_while_others_are_salvaged_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let large: Vec<Vec<u8>> = (1000..1400).map(|seed| noise(seed, 100_000)).collect();
    let mut dead = open(dir.path()).batch().unwrap();
    for content in &large {
        add(&mut *dead, content).unwrap();
    }
    dead.checkpoint().unwrap();
    // The order in which a folder is listed is nobody's choice: of many, some come before the long one.
    let batch = |seed: u64| {
        let mut batch = open(dir.path()).batch().unwrap();
        add(&mut *batch, &content(seed)).unwrap();
        batch.checkpoint().unwrap();
        batch
    };
    let alive: Vec<_> = (0..16).map(batch).collect();
    drop(dead);
    let before = left_over(dir.path()).len();
    std::thread::scope(|scope| {
        let salvage = scope.spawn(|| open(dir.path()));
        while left_over(dir.path()).len() <= before && !salvage.is_finished() {
            std::thread::yield_now();
        }
        drop(alive);
    });
    let store = open(dir.path());
    assert!(large.iter().all(|content| is_whole(&store, content)));
    let lost: Vec<u64> = (0..16).filter(|seed| !is_whole(&store, &content(*seed))).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(left_over(dir.path()).is_empty());
}

#[test]
fn compressed_chunks_are_found_again_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let texts: Vec<Vec<u8>> =
        (1..20).map(|seed| noise(seed, 40_000).iter().map(|b| b % 9).collect()).collect();
    let mut batch = open(dir.path()).batch().unwrap();
    let mut encoder = Encoder::new(Compression::Auto);
    for text in &texts {
        batch.put_encoded(id(text), Kind::Data, &encoder.compress(text).unwrap()).unwrap();
        add(&mut *batch, text).unwrap();
        batch.checkpoint().unwrap();
    }
    drop(batch);
    let store = open(dir.path());
    assert!(texts.iter().all(|text| is_whole(&store, text)));
    for text in &texts {
        assert_eq!(store.read_encoded(&id(text)).unwrap().unwrap().1, encoder.compress(text).unwrap());
    }
    assert!(fsck(&store).is_empty());
}
