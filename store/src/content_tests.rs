//! Tests of walking and rebuilding contents, on the memory store.

use super::*;
use crate::{Batch, ChunkPrune, ChunkWrite, MemoryStore};
use dits_format::Proof;
use dits_format::manifest::Extent;

fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

/// Stores `content` as one stream of `piece`-byte chunks.
fn put_stream(batch: &mut dyn Batch, content: &[u8], piece: usize) -> Stream {
    let mut builder = tree::Builder::new();
    let mut nodes = Vec::new();
    let mut emit = |id, node: &[u8]| -> Result<(), StoreError> {
        nodes.push((id, node.to_vec()));
        Ok(())
    };
    for part in content.chunks(piece) {
        let id = ChunkId::of(Kind::Data, part);
        batch.put(id, Kind::Data, part).unwrap();
        builder.push(Entry { id, bytes: part.len() as u64 }, &mut emit).unwrap();
    }
    let root = builder.finish(&mut emit).unwrap();
    nodes.iter().for_each(|(id, node)| {
        batch.put(*id, Kind::Node, node).unwrap();
    });
    Stream { bytes: content.len() as u64, root }
}

fn put(store: &MemoryStore, manifest: &Manifest, mut batch: Box<dyn Batch>) {
    let id = manifest.id();
    batch.put(id, Kind::Manifest, &manifest.encode()).unwrap();
    batch.bind(Binding { oid: manifest.oid, manifest: id, size: manifest.size, proof: Proof::Proved });
    batch.commit().unwrap();
    assert!(is_whole(store, &manifest.oid).unwrap());
}

fn rebuilt(store: &MemoryStore, oid: &Oid) -> Result<Vec<u8>, StoreError> {
    let known = find(store, oid)?.expect("the content was stored");
    let mut out = Vec::new();
    rebuild::<StoreError>(store, &known.manifest, &mut |part| {
        out.extend_from_slice(part);
        Ok(())
    })?;
    Ok(out)
}

#[test]
fn plain_contents_come_back() {
    for (len, piece) in [(1, 10), (10, 10), (11, 10), (5000, 10), (100_000, 7)] {
        let (store, content) = (MemoryStore::default(), bytes(len, 3));
        let mut batch = store.batch().unwrap();
        let stream = put_stream(&mut *batch, &content, piece);
        let manifest = Manifest::plain(0, Oid::of(&content), len as u64, stream.root);
        put(&store, &manifest, batch);
        assert_eq!(rebuilt(&store, &manifest.oid).unwrap(), content);
    }
}

#[test]
fn interleaved_streams_come_back() {
    let (store, content) = (MemoryStore::default(), bytes(9000, 5));
    let tracks: [Vec<u8>; 2] = [0, 1].map(|track| {
        content
            .chunks(100)
            .enumerate()
            .filter(|(i, _)| i % 2 == track)
            .flat_map(|(_, part)| part)
            .copied()
            .collect()
    });
    let mut batch = store.batch().unwrap();
    let streams: Vec<_> = tracks.iter().map(|track| put_stream(&mut *batch, track, 64)).collect();
    let layout =
        (0..90).map(|i| Extent { bytes: 100, stream: i % 2, offset: u64::from(i / 2) * 100 }).collect();
    let manifest =
        Manifest { profile: 0, transform: (1, 1), oid: Oid::of(&content), size: 9000, streams, layout };
    put(&store, &manifest, batch);
    assert_eq!(rebuilt(&store, &manifest.oid).unwrap(), content);
}

#[test]
fn a_walk_starts_anywhere() {
    let (store, content) = (MemoryStore::default(), bytes(4000, 9));
    let mut batch = store.batch().unwrap();
    let stream = put_stream(&mut *batch, &content, 10);
    batch.commit().unwrap();
    for offset in [0, 1, 9, 10, 2500, 2505, 3999] {
        let piece = Walk::new(&stream, offset).next_chunk(&store).unwrap().unwrap();
        assert_eq!(piece.skip, offset % 10, "offset {offset}");
        let from = (offset - piece.skip) as usize;
        assert_eq!(piece.entry.id, ChunkId::of(Kind::Data, &content[from..from + 10]), "offset {offset}");
    }
    assert_eq!(Walk::new(&stream, 4000).next_chunk(&store).unwrap(), None);
}

#[test]
fn absence_and_a_wrong_oid_are_told_apart() {
    let (store, content) = (MemoryStore::default(), bytes(5000, 7));
    let mut batch = store.batch().unwrap();
    let stream = put_stream(&mut *batch, &content, 10);
    let manifest = Manifest::plain(0, Oid::of(&content), 5000, stream.root);
    put(&store, &manifest, batch);
    let gone = ChunkId::of(Kind::Data, &content[2500..2510]);
    store.remove(&[gone].into()).unwrap();
    assert_eq!(first_missing(&store, &manifest).unwrap(), Some(gone));
    assert!(!is_whole(&store, &manifest.oid).unwrap());
    assert!(matches!(rebuilt(&store, &manifest.oid), Err(StoreError::Missing { id }) if id == gone));

    let lie = Manifest { oid: Oid([1; 32]), ..manifest };
    let mut batch = store.batch().unwrap();
    batch.put(gone, Kind::Data, &content[2500..2510]).unwrap();
    put(&store, &lie, batch);
    assert!(matches!(rebuilt(&store, &lie.oid), Err(StoreError::Mismatch { .. })));
}

#[test]
fn of_several_manifests_one_that_is_whole_is_taken() {
    let content = bytes(5000, 11);
    for gone in [10, 7] {
        let store = MemoryStore::new();
        for piece in [10, 7] {
            let mut batch = store.batch().unwrap();
            let stream = put_stream(&mut *batch, &content, piece);
            put(&store, &Manifest::plain(0, Oid::of(&content), 5000, stream.root), batch);
        }
        store.remove(&[ChunkId::of(Kind::Data, &content[..gone])].into()).unwrap();
        assert!(is_whole(&store, &Oid::of(&content)).unwrap());
        assert!(rebuilt(&store, &Oid::of(&content)).unwrap() == content);
        assert!(find_whole(&store, &Oid::of(&content), |_| true).unwrap().is_some());
        assert!(find_whole(&store, &Oid::of(&content), |_| false).unwrap().is_none());
    }
}
