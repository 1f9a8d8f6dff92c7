//! Contents rebuilt in blocks by several threads: the same bytes as chunk by chunk, whatever lies where; what is
//! damaged or missing is found and named as on the simple way; and reads are few.
//!
//! Contents are cut at random, seeded places, so that chunks, frames, packs and blocks end nowhere together. The seed
//! of a failing case is in its message.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use crate::common::{copy, files, flip, id, noise, open};
use bytes::Bytes;
use dits_format::blocks::BLOCK_BYTES;
use dits_format::manifest::Extent;
use dits_format::tree::{Builder, Entry};
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, Proof, Stream};
use dits_store::rebuild::Rebuild;
use dits_store::{
    Batch, ChunkRead, ChunkWrite, Compression, Encoder, Item, Options, PackStore, Part, StoreError, content,
};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Lengths of chunks from a seed: from a few bytes to 200 KiB.
fn cuts(len: usize, seed: u64) -> Vec<usize> {
    let numbers = noise(seed, 1 << 14);
    let mut numbers = numbers.chunks(4).map(|n| u32::from_le_bytes(n.try_into().unwrap())).cycle();
    let (mut cuts, mut at) = (Vec::new(), 0);
    while at < len {
        let most = if numbers.next().unwrap() % 4 == 0 { 3000 } else { 200 << 10 };
        let piece = (1 + numbers.next().unwrap() as usize % most).min(len - at);
        cuts.push(piece);
        at += piece;
    }
    cuts
}

/// Puts a stream: with an encoder each chunk that it finds compressible has a frame of its own.
fn put_stream(
    batch: &mut dyn Batch,
    bytes: &[u8],
    cuts: &[usize],
    mut encoder: Option<&mut Encoder>,
) -> Stream {
    let (mut tree, mut nodes, mut at) = (Builder::new(), Vec::new(), 0);
    let mut emit = |id: ChunkId, node: &[u8]| {
        nodes.push((id, node.to_vec()));
        Ok::<(), StoreError>(())
    };
    for piece in cuts {
        let chunk = &bytes[at..at + piece];
        match encoder.as_mut().and_then(|encoder| encoder.compress(chunk)) {
            Some(encoded) => batch.put_encoded(id(chunk), Kind::Data, &encoded).unwrap(),
            None => batch.put(id(chunk), Kind::Data, chunk).unwrap(),
        };
        tree.push(Entry { id: id(chunk), bytes: *piece as u64 }, &mut emit).unwrap();
        at += piece;
    }
    let root = tree.finish(&mut emit).unwrap();
    for (id, node) in nodes {
        batch.put(id, Kind::Node, &node).unwrap();
    }
    Stream { bytes: bytes.len() as u64, root }
}

fn bind(batch: &mut dyn Batch, manifest: &Manifest) {
    batch.put(manifest.id(), Kind::Manifest, &manifest.encode()).unwrap();
    let (oid, size) = (manifest.oid, manifest.size);
    batch.bind(Binding { oid, manifest: manifest.id(), size, proof: Proof::Proved });
}

fn put(store: &PackStore, bytes: &[u8], seed: u64, encoder: Option<&mut Encoder>) -> Manifest {
    let mut batch = store.batch().unwrap();
    let stream = put_stream(&mut *batch, bytes, &cuts(bytes.len(), seed), encoder);
    let manifest = Manifest::plain(0, Oid::of(bytes), bytes.len() as u64, stream.root);
    bind(&mut *batch, &manifest);
    batch.commit().unwrap();
    manifest
}

/// Rebuilds by three threads.
fn rebuilt(store: &dyn ChunkRead, manifest: &Manifest) -> Result<Vec<u8>, StoreError> {
    let out = Mutex::new(vec![0; manifest.size as usize]);
    let write = |bytes: &[u8], at: u64| {
        out.lock().unwrap()[at as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    };
    let rebuild = Rebuild::new(store, manifest.clone());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| rebuild.work(&mut Vec::new(), &write, &|_| ()));
        }
    });
    rebuild.finish(&write)?;
    Ok(out.into_inner().unwrap())
}

/// As `git dits gc`: small chunks share compressed frames then.
fn pack_anew(store: &PackStore) {
    store.repack(&store.plan_repack(true).unwrap(), 3, &mut |_| ()).unwrap();
}

/// A store that counts how it is asked.
struct Counted<'a> {
    store: &'a PackStore,
    runs: AtomicUsize,
    /// Chunks of data that were read alone.
    alone: AtomicUsize,
}

impl<'a> Counted<'a> {
    fn new(store: &'a PackStore) -> Counted<'a> {
        Counted { store, runs: AtomicUsize::new(0), alone: AtomicUsize::new(0) }
    }
}

impl ChunkRead for Counted<'_> {
    fn has(&self, id: &ChunkId) -> Result<bool, StoreError> {
        self.store.has(id)
    }

    fn read(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        let kind = self.store.read(id, out)?;
        self.alone.fetch_add(usize::from(kind == Some(Kind::Data)), Ordering::Relaxed);
        Ok(kind)
    }

    fn read_bytes(&self, id: &ChunkId) -> Result<Option<(Kind, Bytes)>, StoreError> {
        self.store.read_bytes(id)
    }

    fn read_run(&self, parts: &[Part], out: &mut [u8]) -> usize {
        let count = self.store.read_run(parts, out);
        self.runs.fetch_add(usize::from(count > 0), Ordering::Relaxed);
        count
    }

    fn bindings(&self, oid: &Oid) -> Result<Vec<Binding>, StoreError> {
        self.store.bindings(oid)
    }

    fn visit(&self, each: &mut dyn FnMut(Item) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.store.visit(each)
    }
}

#[test]
fn contents_of_any_length_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let lengths = [
        1,
        100,
        BLOCK_BYTES - 1,
        BLOCK_BYTES,
        BLOCK_BYTES + 1,
        3 * BLOCK_BYTES,
        4 * BLOCK_BYTES,
        4_300_000,
        13_000_001,
    ];
    for (seed, len) in (1..).zip(lengths) {
        let bytes = noise(seed, len);
        let manifest = put(&store, &bytes, seed, None);
        let counted = Counted::new(&store);
        assert!(rebuilt(&counted, &manifest).unwrap() == bytes, "{len} bytes");
        assert_eq!(counted.alone.into_inner(), 0, "{len} bytes needed the simple way");
    }
    let nothing = Manifest::plain(
        0,
        Oid::of(b""),
        0,
        Builder::new().finish(&mut |_, _| Ok::<_, StoreError>(())).unwrap(),
    );
    assert!(rebuilt(&store, &nothing).unwrap().is_empty());
}

#[test]
fn raw_neighbours_are_one_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let bytes = noise(1, 16 * BLOCK_BYTES);
    let manifest = put(&store, &bytes, 1, None);
    let counted = Counted::new(&store);
    assert!(rebuilt(&counted, &manifest).unwrap() == bytes);
    let (runs, alone) = (counted.runs.into_inner(), counted.alone.into_inner());
    println!("16 MiB in {} chunks: {runs} runs, {alone} chunks alone", cuts(bytes.len(), 1).len());
    assert!(runs <= 68 && alone == 0, "{runs} runs and {alone} chunks for 64 pieces of 256 KiB");
}

#[test]
fn compressed_and_raw_chunks_come_back_from_frames_of_one_and_of_many() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    // Noise and text in turns of 300 KiB.
    let text: Vec<u8> = (0..700_000u32).flat_map(|n| format!("{n:x} ").into_bytes()).collect();
    let noise = noise(7, 5_000_000);
    let turns = noise.chunks(300 << 10).zip(text.chunks(300 << 10));
    let bytes: Vec<u8> = turns.flat_map(|(a, b)| [a, b].concat()).collect();
    let mut encoder = Encoder::new(Compression::Auto);
    let manifest = put(&store, &bytes, 3, Some(&mut encoder));
    let counted = Counted::new(&store);
    assert!(rebuilt(&counted, &manifest).unwrap() == bytes);
    assert_eq!(counted.alone.into_inner(), 0, "frames of one chunk are read with their neighbours");
    pack_anew(&store);
    let store = open(dir.path());
    let counted = Counted::new(&store);
    assert!(rebuilt(&counted, &manifest).unwrap() == bytes, "after repacking");
    assert_eq!(counted.alone.into_inner(), 0, "frames of several chunks are read as such");
}

#[test]
fn layouts_of_several_streams_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for seed in 1..20 {
        let streams = [noise(seed, 1_500_000), noise(seed + 100, 2_100_000)];
        let mut batch = store.batch().unwrap();
        let put: Vec<Stream> = streams
            .iter()
            .map(|bytes| put_stream(&mut *batch, bytes, &cuts(bytes.len(), seed), None))
            .collect();
        // Runs of any length from any place, some of them twice.
        let numbers = noise(seed + 200, 4000);
        let (mut layout, mut bytes) = (Vec::new(), Vec::new());
        for n in numbers.chunks_exact(9).take(90) {
            let stream = usize::from(n[0] % 2);
            let all = &streams[stream];
            let word = |at: usize| u32::from_le_bytes(n[at..at + 4].try_into().unwrap()) as usize;
            let offset = word(1) % all.len();
            let len = (1 + word(5) % 90_000).min(all.len() - offset);
            layout.push(Extent { bytes: len as u64, stream: stream as u32, offset: offset as u64 });
            bytes.extend_from_slice(&all[offset..offset + len]);
        }
        let (oid, size) = (Oid::of(&bytes), bytes.len() as u64);
        let manifest = Manifest { profile: 0, transform: (1, 1), oid, size, streams: put, layout };
        bind(&mut *batch, &manifest);
        batch.commit().unwrap();
        assert!(rebuilt(&store, &manifest).unwrap() == bytes, "seed {seed}");
    }
}

#[test]
fn crumbs_come_back_chunk_by_chunk() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let stream = noise(5, 100);
    let mut batch = store.batch().unwrap();
    let put = put_stream(&mut *batch, &stream, &[100], None);
    let layout: Vec<_> = (0..20_000).map(|n| Extent { bytes: 1, stream: 0, offset: n % 100 }).collect();
    let bytes: Vec<u8> = layout.iter().map(|extent| stream[extent.offset as usize]).collect();
    let (oid, size) = (Oid::of(&bytes), bytes.len() as u64);
    let manifest = Manifest { profile: 0, transform: (1, 1), oid, size, streams: vec![put], layout };
    bind(&mut *batch, &manifest);
    batch.commit().unwrap();
    assert!(rebuilt(&store, &manifest).unwrap() == bytes);
}

/// Two copies of a store with one content, in which chunk `n` of the first is damaged.
fn damaged(dir: &Path) -> (Manifest, Vec<u8>, ChunkId) {
    let bytes = noise(9, 5_000_000);
    let manifest = put(&open(&dir.join("good")), &bytes, 9, None);
    copy(&dir.join("good"), &dir.join("bad"));
    let cuts = cuts(bytes.len(), 9);
    let middle = cuts.len() / 2;
    let at: usize = cuts[..middle].iter().sum();
    // Header, then the chunks in order.
    flip(&files(&dir.join("bad"), ".pack")[0], 16 + at + cuts[middle] / 2);
    (manifest, bytes.clone(), id(&bytes[at..at + cuts[middle]]))
}

#[test]
fn a_damaged_chunk_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (manifest, bytes, culprit) = damaged(dir.path());
    assert!(rebuilt(&open(&dir.path().join("good")), &manifest).unwrap() == bytes);
    let error = rebuilt(&open(&dir.path().join("bad")), &manifest).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { id, .. } if id == culprit), "{error}");
}

#[test]
fn a_good_copy_beside_makes_up_for_a_damaged_one() {
    let dir = tempfile::tempdir().unwrap();
    let (manifest, bytes, _) = damaged(dir.path());
    for (own, other) in [("bad", "good"), ("good", "bad"), ("none", "good")] {
        let options = Options { alternates: vec![dir.path().join(other)], ..Options::default() };
        let store = PackStore::open_with(&dir.path().join(own), &options).unwrap();
        let counted = Counted::new(&store);
        assert!(rebuilt(&counted, &manifest).unwrap() == bytes, "{own} with {other} beside");
        let alone = counted.alone.into_inner();
        assert_eq!(alone == 0, own != "bad", "{own}: only what is damaged is read chunk by chunk");
    }
}

#[test]
fn what_is_missing_is_named_and_what_lies_is_no_content() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let bytes = noise(11, 3_000_000);
    let manifest = put(&store, &bytes, 11, None);
    let lie = Manifest { oid: Oid([1; 32]), ..manifest.clone() };
    assert!(matches!(rebuilt(&store, &lie), Err(StoreError::Mismatch { oid }) if oid == lie.oid));
    // A node that says another length than the chunk has.
    let mut batch = store.batch().unwrap();
    let (first, second) = (&bytes[..1000], &bytes[1000..2000]);
    let mut tree = Builder::new();
    let mut nodes = Vec::new();
    let mut emit = |id: ChunkId, node: &[u8]| {
        nodes.push((id, node.to_vec()));
        Ok::<(), StoreError>(())
    };
    for chunk in [first, second] {
        batch.put(id(chunk), Kind::Data, chunk).unwrap();
        tree.push(Entry { id: id(chunk), bytes: 1001 }, &mut emit).unwrap();
    }
    let root = tree.finish(&mut emit).unwrap();
    nodes.iter().for_each(|(id, node)| assert!(batch.put(*id, Kind::Node, node).unwrap()));
    batch.commit().unwrap();
    let wrong = Manifest::plain(0, Oid::of(&bytes[..2000]), 2002, root);
    assert!(
        matches!(rebuilt(&store, &wrong), Err(StoreError::Format { id: found, .. }) if found == id(first))
    );
    let cuts = cuts(bytes.len(), 11);
    let gone = id(&bytes[cuts[0]..cuts[0] + cuts[1]]);
    dits_store::ChunkPrune::remove(&store, &HashSet::from([gone])).unwrap();
    assert!(matches!(rebuilt(&store, &manifest), Err(StoreError::Missing { id }) if id == gone));
}

#[test]
fn packs_may_be_merged_away_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let contents: Vec<Vec<u8>> = (20..40).map(|seed| noise(seed, 300_000)).collect();
    let manifests: Vec<Manifest> =
        contents.iter().zip(20..).map(|(bytes, seed)| put(&open(dir.path()), bytes, seed, None)).collect();
    let reader = open(dir.path());
    assert!(rebuilt(&reader, &manifests[0]).unwrap() == contents[0]);
    let before = files(dir.path(), ".pack");
    pack_anew(&open(dir.path()));
    assert!(before.iter().all(|pack| !pack.exists()), "not all was packed anew");
    // The first from packs that are open and gone, the others from what has taken their place.
    for (bytes, manifest) in contents.iter().zip(&manifests) {
        assert!(rebuilt(&reader, manifest).unwrap() == *bytes);
        assert!(content::is_whole(&reader, &manifest.oid).unwrap());
    }
}
