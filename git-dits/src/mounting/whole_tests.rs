//! A whole file is the content or is not there, and all of them take no more room than they may.

use super::*;
use dits_format::tree::{Builder, Entry};
use dits_format::{ChunkId, Kind};
use dits_store::ChunkRead;
use std::io::Read;
use std::time::Duration;

/// Puts a content into a store, claimed to have the oid `named`.
fn put(store: &PackStore, bytes: &[u8], named: Oid) {
    let mut batch = store.batch().unwrap();
    let mut builder = Builder::new();
    for part in bytes.chunks(10_000) {
        let id = ChunkId::of(Kind::Data, part);
        batch.put(id, Kind::Data, part).unwrap();
        let entry = Entry { id, bytes: part.len() as u64 };
        builder.push(entry, &mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).unwrap();
    }
    let root = builder.finish(&mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).unwrap();
    let manifest = Manifest::plain(1, named, bytes.len() as u64, root);
    batch.put(manifest.id(), Kind::Manifest, &manifest.encode()).unwrap();
    let (oid, size) = (named, manifest.size);
    batch.bind(Binding { oid, manifest: manifest.id(), size, proof: Proof::Claimed });
    batch.commit().unwrap();
}

fn content(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed) ^ (at >> 8) as u8).collect()
}

struct Rig {
    dir: tempfile::TempDir,
    store: PackStore,
}

impl Rig {
    fn new() -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let store = PackStore::open(&dir.path().join("store")).unwrap();
        Rig { dir, store }
    }

    fn files(&self, most: u64) -> WholeFiles {
        WholeFiles::new(self.dir.path().join("whole"), most)
    }

    fn add(&self, bytes: &[u8]) -> Oid {
        let oid = Oid::of(bytes);
        put(&self.store, bytes, oid);
        oid
    }
}

fn read(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_file_is_the_content_and_proves_the_claim() {
    let (rig, mut bytes) = (Rig::new(), content(1, 100_000));
    // Zeros in the middle and at the end take no room.
    bytes.extend(vec![0; 1_000_000]);
    bytes.extend(content(2, 10_000));
    bytes.extend(vec![0; 1_000_000]);
    let (files, oid) = (rig.files(0), rig.add(&bytes));
    assert!(files.find(&oid).is_none());
    files.make(&rig.store, &oid).unwrap();
    let file = files.find(&oid).unwrap();
    assert!(file.metadata().unwrap().blocks() * BLOCK_BYTES < 1_000_000);
    assert_eq!(read(file), bytes);
    assert_eq!(rig.store.bindings(&oid).unwrap()[0].proof, Proof::Proved);
    let empty = rig.add(b"");
    files.make(&rig.store, &empty).unwrap();
    assert_eq!(read(files.find(&empty).unwrap()), b"");
}

#[test]
fn a_lie_is_refuted_and_makes_no_file() {
    let rig = Rig::new();
    let named = Oid::of(b"what it should be");
    put(&rig.store, &content(1, 50_000), named);
    let error = rig.files(0).make(&rig.store, &named).unwrap_err();
    assert!(error.to_string().contains("does not match"), "{error}");
    assert!(rig.files(0).find(&named).is_none() && rig.store.bindings(&named).unwrap().is_empty());
    assert_eq!(fs::read_dir(rig.dir.path().join("whole")).unwrap().count(), 0, "nothing is left");
    let absent = rig.files(0).make(&rig.store, &Oid::of(b"never added")).unwrap_err();
    assert!(absent.to_string().contains("not all of content"), "{absent}");
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let rig = Rig::new();
    let files = rig.files(250_000);
    let oids: Vec<Oid> = (0..3).map(|seed| rig.add(&content(seed, 100_000))).collect();
    for (age, oid) in [(2, &oids[0]), (1, &oids[1])] {
        files.make(&rig.store, oid).unwrap();
        let used = SystemTime::now() - Duration::from_secs(3600 * age);
        File::open(files.path(oid)).unwrap().set_times(FileTimes::new().set_modified(used)).unwrap();
    }
    // It is used now.
    let open = files.find(&oids[0]).unwrap();
    files.make(&rig.store, &oids[2]).unwrap();
    let here: Vec<bool> = oids.iter().map(|oid| files.path(oid).exists()).collect();
    assert_eq!(here, [true, false, true]);
    assert_eq!(read(open), content(0, 100_000));
    let large = rig.add(&content(9, 300_000));
    let error = files.make(&rig.store, &large).unwrap_err();
    assert!(error.to_string().contains("above 'dits.mount.wholesize'"), "{error}");
}
