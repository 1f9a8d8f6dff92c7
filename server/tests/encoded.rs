//! Chunks over a real connection and in stores on disk: compressed once by who adds them, and the same bytes in every pack
//! from there on.
//!
//! Contents are made of chunks that compress and of chunks that do not. Wire bytes are those of messages.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use common::{PIECE, Rig, add, noise, put};
use dits_format::{Binding, ChunkId, Kind, Oid, Proof};
use dits_store::codec::Codec;
use dits_store::{ChunkRead, ChunkWrite, Compression, Encoder, PackStore};
use dits_sync::client::Report;
use dits_sync::push::PushItem;
use std::path::Path;
use std::sync::Arc;

const REPOSITORY: &str = "team/project";
const PIECES: usize = 60;

/// Every second piece is noise, the others are of 17 symbols.
fn content() -> Vec<u8> {
    let piece = |number: usize| {
        let noise = noise(number as u64, PIECE);
        if number.is_multiple_of(2) { noise } else { noise.into_iter().map(|byte| byte % 17).collect() }
    };
    (0..PIECES).flat_map(piece).collect()
}

/// Adds a content as `git add` does.
fn add_compressed(store: &PackStore, bytes: &[u8]) -> PushItem {
    let (mut batch, mut encoder) = (store.batch().unwrap(), Encoder::new(Compression::Auto));
    for part in bytes.chunks(PIECE) {
        if let Some(encoded) = encoder.compress(part) {
            batch.put_encoded(ChunkId::of(Kind::Data, part), Kind::Data, &encoded).unwrap();
        }
    }
    let manifest = put(&mut *batch, bytes);
    batch.put(manifest.id(), Kind::Manifest, &manifest.encode()).unwrap();
    let (oid, size) = (manifest.oid, manifest.size);
    batch.bind(Binding { oid, manifest: manifest.id(), size, proof: Proof::Proved });
    batch.commit().unwrap();
    PushItem { oid, size, base: None }
}

/// How many chunks of the content are compressed in a store that has all of it.
fn compressed(store: &PackStore, bytes: &[u8]) -> usize {
    let form = |part| {
        let (kind, encoded) =
            store.read_encoded(&ChunkId::of(Kind::Data, part)).unwrap().expect("it is here");
        assert!(kind == Kind::Data && encoded.decode().unwrap() == part);
        encoded.codec
    };
    bytes.chunks(PIECE).filter(|part| form(part) == Codec::Zstd).count()
}

fn push(rig: &Rig, store: &PackStore, item: PushItem) -> Report {
    let client = rig.client(REPOSITORY);
    let report = client.push(&rig.token, Arc::new(store.clone()), vec![item], &mut |_| {}).unwrap();
    client.close();
    report
}

fn clone(rig: &Rig, dir: &Path, oid: Oid) -> (PackStore, Report) {
    let (store, client) = (PackStore::open(dir).unwrap(), rig.client(REPOSITORY));
    let (report, absent) = client.pull(&rig.token, &store, vec![oid], &mut |_| {}).unwrap();
    assert!(absent.is_empty());
    client.close();
    (store, report)
}

#[test]
fn what_was_compressed_once_lies_compressed_everywhere() {
    let (rig, dirs) = (Rig::new(), [(); 2].map(|()| tempfile::tempdir().unwrap()));
    let (bytes, store) = (content(), PackStore::open(dirs[0].path()).unwrap());
    let item = add_compressed(&store, &bytes);
    assert_eq!(compressed(&store, &bytes), PIECES / 2);
    let pushed = push(&rig, &store, item);
    let (plain, sent) = (bytes.len() as u64, pushed.tally.stored_bytes);
    assert!(sent < plain * 8 / 10, "{sent} of {plain}");
    assert!(pushed.wire.0 < sent + sent / 50, "{pushed:?}");
    let server = PackStore::open(&rig.server_dir().join("realms/team/store")).unwrap();
    assert_eq!(compressed(&server, &bytes), PIECES / 2);
    assert_eq!(server.bindings(&item.oid).unwrap()[0].proof, Proof::Proved);
    let mut found = Vec::new();
    server.fsck(&mut |finding| found.push(finding.to_string())).unwrap();
    assert_eq!(found, [""; 0]);
    assert_eq!(push(&rig, &store, item).tally.chunks, 0);
    let (cloned, report) = clone(&rig, dirs[1].path(), item.oid);
    assert_eq!(compressed(&cloned, &bytes), PIECES / 2);
    assert!(report.wire.1 < sent + sent / 50, "{report:?}");
    assert_eq!((report.tally.chunk_bytes, report.tally.stored_bytes), (plain, sent));
}

#[test]
fn what_lies_raw_is_pushed_and_stays_raw() {
    let (rig, dir) = (Rig::new(), tempfile::tempdir().unwrap());
    let (bytes, store) = (content(), PackStore::open(dir.path()).unwrap());
    let item = add(&store, &bytes);
    let pushed = push(&rig, &store, item);
    assert_eq!(pushed.tally.stored_bytes, bytes.len() as u64, "nobody compresses for a loopback");
    let server = PackStore::open(&rig.server_dir().join("realms/team/store")).unwrap();
    assert_eq!(compressed(&server, &bytes), 0);
    // One who has compressed it has nothing to send.
    let other = tempfile::tempdir().unwrap();
    let store = PackStore::open(other.path()).unwrap();
    let item = add_compressed(&store, &bytes);
    assert_eq!(push(&rig, &store, item).tally.chunks, 0);
}
