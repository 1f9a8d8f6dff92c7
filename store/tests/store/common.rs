//! What the tests of the store on disk share: content, commits, and a look at the folder.
//!
//! A content here is one chunk, so its manifest is the smallest there is; long trees are tested where
//! they are built. Helpers panic with what they were doing, like `unwrap` in a test would.
//! Nothing here waits or depends on the clock. Folders are plain: copy, flip and list them at will, but
//! only while no handle has them open.

use dits_format::tree::{Builder, Entry};
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, Proof};
use dits_store::{Batch, ChunkRead, ChunkWrite, PackStore, StoreError};
use std::fs;
use std::path::{Path, PathBuf};

pub use dits_store::conformance::noise;

pub fn id(bytes: &[u8]) -> ChunkId {
    ChunkId::of(Kind::Data, bytes)
}

/// Opens the store in `dir`.
pub fn open(dir: &Path) -> PackStore {
    PackStore::open(dir).expect("the store opens")
}

/// Adds a content as one chunk with its manifest.
pub fn add(batch: &mut dyn Batch, bytes: &[u8]) -> Result<Binding, StoreError> {
    batch.put(id(bytes), Kind::Data, bytes)?;
    let mut tree = Builder::new();
    let entry = Entry { id: id(bytes), bytes: bytes.len() as u64 };
    let mut none = |_, _: &[u8]| Ok::<(), StoreError>(());
    tree.push(entry, &mut none)?;
    let manifest = Manifest::plain(0, Oid::of(bytes), bytes.len() as u64, tree.finish(&mut none)?);
    batch.put(manifest.id(), Kind::Manifest, &manifest.encode())?;
    let binding =
        Binding { oid: manifest.oid, manifest: manifest.id(), size: manifest.size, proof: Proof::Proved };
    batch.bind(binding);
    Ok(binding)
}

/// Commits each content in a batch of its own.
pub fn commit_each(store: &PackStore, contents: &[Vec<u8>]) {
    for bytes in contents {
        let mut batch = store.batch().expect("a batch");
        add(&mut *batch, bytes).expect("it is added");
        batch.commit().expect("it is committed");
    }
}

/// Whether the content is here whole: its binding, manifest and chunk.
pub fn is_whole(store: &PackStore, bytes: &[u8]) -> bool {
    let bound = store.bindings(&Oid::of(bytes)).expect("bindings are read");
    let Some(binding) = bound.first() else { return false };
    let mut out = Vec::new();
    let manifest = store.read(&binding.manifest, &mut out).expect("the manifest is read");
    assert_eq!(manifest, Some(Kind::Manifest));
    assert_eq!(store.read(&id(bytes), &mut out).expect("the chunk is read"), Some(Kind::Data));
    assert!(out == bytes);
    true
}

/// All findings of `fsck`, as text.
pub fn fsck(store: &PackStore) -> Vec<String> {
    let mut found = Vec::new();
    store.fsck(&mut |finding| found.push(finding.to_string())).expect("fsck goes on to the end");
    found
}

/// Files under `dir` with this ending, sorted.
pub fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let (path, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).expect("an entry");
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).expect("a copy");
        }
    }
}

/// Cuts a file. Packs and segments are read-only, so another takes its place.
pub fn cut(path: &Path, len: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes.truncate(len);
    fs::remove_file(path).expect("a file");
    fs::write(path, bytes).expect("a file");
}

/// Flips a bit of a file.
pub fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[at] ^= 0x10;
    // Packs and segments are read-only.
    fs::remove_file(path).expect("a file");
    fs::write(path, bytes).expect("a file");
}
