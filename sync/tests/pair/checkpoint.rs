//! A process that is killed in the middle of a transfer: all but the last megabytes are there at the next try.
//!
//! A batch that is dropped leaves on disk what a kill would: its journal and its open pack, or nothing.

use crate::content::{MIB, add, item, noise};
use crate::link::{Link, Pair};
use dits_format::{ChunkId, Kind};
use dits_store::{ChunkRead, MemoryStore, PackStore};
use dits_sync::machine::Machine;
use dits_sync::pull::{Giver, PullItem, Puller};
use dits_sync::push::{Pusher, Taker};
use dits_sync::receiver::CHECKPOINT_BYTES;
use std::sync::Arc;

/// Bytes that one message may hold, and so arrive with the checkpoint.
const MESSAGE: u64 = 2 * MIB as u64;

fn link<'a>(bytes: u64) -> Link<'a> {
    Link { cut_after: Some(bytes), ..Link::default() }
}

/// Bytes of the content's chunks that a store has.
fn kept(store: &PackStore, bytes: &[u8]) -> u64 {
    let pieces = crate::content::pieces(bytes, dits_chunk::Profile::Video);
    let has = |piece: &&Vec<u8>| store.has(&ChunkId::of(Kind::Data, piece)).expect("a whole store");
    pieces.iter().filter(has).map(|piece| piece.len() as u64).sum()
}

#[test]
fn a_kill_loses_the_last_megabytes_only() {
    let bytes = noise(1, 24 * MIB);
    let from = MemoryStore::new();
    let oid = add(&from, &bytes);
    for cut in [3, 11, 19].map(|n| (n * MIB) as u64) {
        let dir = tempfile::tempdir().unwrap();
        let (server, client) = (dir.path().join("server"), dir.path().join("client"));
        let pushed = {
            let store = PackStore::open(&server).unwrap();
            let pusher = Pusher::new(Arc::new(from.clone()), vec![item(&from, oid, None)]);
            Pair::new(pusher, Taker::new(&store).unwrap(), link(cut)).run().right.tally().chunk_bytes
        };
        let pulled = {
            let store = PackStore::open(&client).unwrap();
            let puller = Puller::new(&store, vec![PullItem::from(oid)], false).unwrap();
            Pair::new(puller, Giver::new(Arc::new(from.clone())), link(cut)).run().left.tally().chunk_bytes
        };
        for (dir, arrived) in [(&server, pushed), (&client, pulled)] {
            let store = PackStore::open(dir).unwrap();
            let kept = kept(&store, &bytes);
            assert!(kept + CHECKPOINT_BYTES >= arrived, "{kept} of {arrived} bytes, cut at {cut}");
            assert!(kept <= arrived && arrived + MESSAGE > cut, "{kept}, {arrived}, {cut}");
            assert_eq!(kept > 0, arrived >= CHECKPOINT_BYTES);
            assert!(store.bindings(&oid).unwrap().is_empty());
        }
        // The next try is not asked for them.
        let store = PackStore::open(&server).unwrap();
        let before = kept(&store, &bytes);
        let pusher = Pusher::new(Arc::new(from.clone()), vec![item(&from, oid, None)]);
        let again = Pair::new(pusher, Taker::new(&store).unwrap(), Link::default()).run().ok();
        assert_eq!(again.left.tally().chunk_bytes, bytes.len() as u64 - before);
    }
}
