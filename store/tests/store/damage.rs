//! Damaged files: nothing wrong is ever read, nothing intact is lost, and `fsck` names what is damaged.
//!
//! A sample store is copied, one byte of the copy is flipped or a file of it cut, and all is read. Every region
//! of a pack and of a segment is met: header and trailer at each byte, the rest at strides that are prime,
//! so that every field of a record has its turn. Handles are opened after the damage: files do not
//! change while they are mapped.

use crate::common::{commit_each, copy, cut, files, flip, fsck, id, is_whole, noise, open};
use dits_format::{ChunkId, PackId, pack, segment};
use dits_store::{ChunkPrune, ChunkRead, ChunkWrite, PackStore, StoreError};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A store of two packs: 30 chunks of 1,000 bytes, and one content.
struct Sample {
    dir: tempfile::TempDir,
    chunks: Vec<Vec<u8>>,
    pack: PathBuf,
}

impl Sample {
    fn new() -> Sample {
        let dir = tempfile::tempdir().expect("a folder");
        let store = open(&dir.path().join("store"));
        let chunks: Vec<Vec<u8>> = (0..30).map(|n| noise(n, 1000)).collect();
        let mut batch = store.batch().expect("a batch");
        for bytes in &chunks {
            batch.put(id(bytes), dits_format::Kind::Data, bytes).expect("it is put");
        }
        batch.commit().expect("it is committed");
        let pack = files(dir.path(), ".pack")
            .remove(0)
            .strip_prefix(dir.path().join("store"))
            .expect("it is below")
            .into();
        commit_each(&store, &[b"other".to_vec()]);
        Sample { dir, chunks, pack }
    }

    /// A copy to be damaged.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.dir.path().join(name);
        copy(&self.dir.path().join("store"), &to);
        to
    }

    /// Chunks that can be read; each other one must fail as damage, or be absent when `may_be_absent`.
    fn readable(&self, store: &PackStore, may_be_absent: bool) -> usize {
        let mut out = Vec::new();
        let read = |bytes: &&Vec<u8>| match store.read(&id(bytes), &mut out) {
            Ok(Some(_)) => {
                assert!(out == **bytes, "wrong bytes were read");
                true
            }
            Ok(None) => {
                assert!(may_be_absent, "a damaged chunk is not an absent one");
                false
            }
            Err(StoreError::Corrupt { .. } | StoreError::File { .. }) => false,
            Err(error) => panic!("{error}"),
        };
        self.chunks.iter().filter(read).count()
    }
}

#[test]
fn a_flipped_byte_of_a_segment_loses_nothing() {
    let sample = Sample::new();
    let segments = files(&sample.dir.path().join("store"), ".seg");
    for (number, segment) in segments.iter().enumerate() {
        let len = fs::metadata(segment).unwrap().len() as usize;
        for at in (0..64).chain((64..len).step_by(97)).chain(len - 45..len) {
            let dir = sample.copy(&format!("s{number}-{at}"));
            flip(&dir.join("index").join(segment.file_name().unwrap()), at);
            let store = open(&dir);
            assert_eq!(sample.readable(&store, false), 30, "byte {at}");
            assert!(is_whole(&store, b"other"));
            assert_eq!(fsck(&store), [""; 0]);
            fs::remove_dir_all(dir).unwrap();
        }
        for len in [0, 1, 27, 1000, len - 1] {
            let dir = sample.copy(&format!("c{number}-{len}"));
            cut(&dir.join("index").join(segment.file_name().unwrap()), len);
            assert_eq!(sample.readable(&open(&dir), false), 30, "cut at {len}");
        }
    }
}

#[test]
fn a_flipped_byte_of_data_costs_one_chunk() {
    let sample = Sample::new();
    for at in (pack::HEADER_BYTES..30_000).step_by(1999) {
        let dir = sample.copy(&format!("d{at}"));
        flip(&dir.join(&sample.pack), at);
        let store = open(&dir);
        assert_eq!(sample.readable(&store, false), 29, "byte {at}");
        assert!(is_whole(&store, b"other"));
        let found = fsck(&store);
        let bad = id(&sample.chunks[(at - pack::HEADER_BYTES) / 1000]);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with(&format!("corrupt chunk {bad}")) && found[0].contains(".pack"),
            "{found:?}"
        );
    }
}

/// As a store may have been left that took one copy of a chunk for all: the pack is covered, the chunk is not found.
#[test]
fn a_segment_that_does_not_name_a_chunk_of_its_pack_is_made_anew() {
    let sample = Sample::new();
    let root = sample.copy("lacking");
    files(&root, ".seg").iter().for_each(|path| fs::remove_file(path).unwrap());
    let pack_id = |path: &PathBuf| PackId::from_hex(path.file_stem().unwrap().as_encoded_bytes()).unwrap();
    let packs: Vec<PackId> = files(&root, ".pack").iter().map(pack_id).collect();
    fs::write(root.join("index/lacking.seg"), segment::encode(&packs, vec![], vec![])).unwrap();
    assert_eq!(sample.readable(&open(&root), true), 0, "nothing is found");
    let found = fsck(&open(&root));
    assert!(found.len() >= 30 && found.iter().all(|text| text.contains("is not in the index")), "{found:?}");
    let store = open(&root);
    assert_eq!(fsck(&store), [""; 0]);
    assert_eq!(sample.readable(&store, false), 30);
    assert!(is_whole(&store, b"other"));
}

#[test]
fn a_damaged_header_footer_or_trailer_costs_one_pack() {
    let sample = Sample::new();
    let len = fs::metadata(sample.dir.path().join("store").join(&sample.pack)).unwrap().len() as usize;
    let footer = pack::HEADER_BYTES + 30_000;
    let check = |name: String, damage: &dyn Fn(&Path)| {
        let dir = sample.copy(&name);
        damage(&dir.join(&sample.pack));
        let found = fsck(&open(&dir));
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert!(found[0].starts_with("damaged pack"), "{name}: {found:?}");
        assert_eq!(sample.readable(&open(&dir), false), 0, "{name}");
        // Without an index nothing says what was in it.
        fs::remove_dir_all(dir.join("index")).unwrap();
        let store = open(&dir);
        assert_eq!(sample.readable(&store, true), 0, "{name}");
        assert!(is_whole(&store, b"other"), "{name}");
        // Work goes on, merges included, and the damaged pack stays for whoever can salvage it.
        if name.starts_with('c') {
            commit_each(&store, &(0..20).map(|n| noise(n + 100, 50)).collect::<Vec<_>>());
            assert!(dir.join(&sample.pack).exists(), "{name}");
        }
        fs::remove_dir_all(dir).unwrap();
    };
    for at in (0..16).chain((footer..len).step_by(61)).chain(len - pack::TRAILER_BYTES..len) {
        check(format!("f{at}"), &|path| flip(path, at));
    }
    for to in [0, 1, 15, 16, 5000, footer, footer + 100, len - 1] {
        check(format!("c{to}"), &|path| cut(path, to));
    }
}

#[test]
fn merging_neither_spreads_nor_drops_damage() {
    let sample = Sample::new();
    let dir = sample.copy("merge");
    flip(&dir.join(&sample.pack), 5500);
    let store = open(&dir);
    let more: Vec<Vec<u8>> = (100..140).map(|n| noise(n, 300)).collect();
    commit_each(&store, &more);
    assert!(files(&dir, ".pack").len() < 20, "others were merged");
    assert!(dir.join(&sample.pack).exists());
    assert_eq!(sample.readable(&open(&dir), false), 29);
    assert!(more.iter().all(|bytes| is_whole(&store, bytes)));

    // Removing a neighbour would need the pack rewritten; removing the damaged chunk itself mends it.
    let [neighbour, bad]: [ChunkId; 2] = [id(&sample.chunks[3]), id(&sample.chunks[5])];
    assert!(
        matches!(store.remove(&HashSet::from([neighbour])), Err(StoreError::Corrupt { id, .. }) if id == bad)
    );
    assert_eq!(sample.readable(&store, false), 29);
    assert_eq!(store.remove(&HashSet::from([bad])).unwrap(), 1);
    assert_eq!(fsck(&store), [""; 0]);
    let mut batch = store.batch().unwrap();
    assert!(batch.put(bad, dits_format::Kind::Data, &sample.chunks[5]).unwrap(), "it can be added again");
    batch.commit().unwrap();
    assert_eq!(sample.readable(&open(&dir), false), 30);
}
