//! Stores that fail at one chunk: damage at the taker is worked around or refused, never bound unseen.

use crate::content::{MIB, add, assert_holds, assert_sound, data, item, noise, pieces, proof};
use crate::deltas::{edited, replaced};
use crate::link::{Ended, Link, Pair};
use dits_chunk::Profile;
use dits_format::{Binding, ChunkId, Kind, Oid, Proof};
use dits_store::{Batch, ChunkPrune, ChunkRead, ChunkWrite, Item, MemoryStore, StoreError, Written, content};
use dits_sync::machine::{Machine, SyncError};
use dits_sync::message::Reason;
use dits_sync::push::{Pusher, Taker};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A store that answers `error` when the chunk `at` is read, until that is mended; through batches too, if `batches`.
#[derive(Clone)]
struct Damaged {
    store: MemoryStore,
    at: ChunkId,
    batches: bool,
    error: fn(ChunkId) -> StoreError,
    mended: Arc<AtomicBool>,
}

impl Damaged {
    fn fails(&self, id: &ChunkId) -> bool {
        *id == self.at && !self.mended.load(Ordering::Relaxed)
    }
}

fn corrupt(id: ChunkId) -> StoreError {
    StoreError::Corrupt { id, why: "for the test".into() }
}

fn full(_: ChunkId) -> StoreError {
    StoreError::io("read", "store".as_ref())(std::io::ErrorKind::StorageFull.into())
}

impl ChunkRead for Damaged {
    fn has(&self, id: &ChunkId) -> Result<bool, StoreError> {
        self.store.has(id)
    }

    fn read(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        if self.fails(id) { Err((self.error)(*id)) } else { self.store.read(id, out) }
    }

    fn bindings(&self, oid: &Oid) -> Result<Vec<Binding>, StoreError> {
        self.store.bindings(oid)
    }

    fn visit(&self, each: &mut dyn FnMut(Item) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.store.visit(each)
    }
}

impl ChunkWrite for Damaged {
    fn batch(&self) -> Result<Box<dyn Batch>, StoreError> {
        Ok(Box::new(DamagedBatch { batch: self.store.batch()?, damage: self.clone() }))
    }
}

struct DamagedBatch {
    batch: Box<dyn Batch>,
    damage: Damaged,
}

impl Batch for DamagedBatch {
    fn has(&mut self, id: &ChunkId) -> Result<bool, StoreError> {
        self.batch.has(id)
    }

    fn read(&mut self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        let fails = self.damage.batches && self.damage.fails(id);
        if fails { Err((self.damage.error)(*id)) } else { self.batch.read(id, out) }
    }

    fn put(&mut self, id: ChunkId, kind: Kind, bytes: &[u8]) -> Result<bool, StoreError> {
        self.batch.put(id, kind, bytes)
    }

    fn bind(&mut self, binding: Binding) {
        self.batch.bind(binding);
    }

    fn commit(self: Box<Self>) -> Result<Written, StoreError> {
        self.batch.commit()
    }
}

fn old() -> Vec<u8> {
    noise(1, 2 * MIB)
}

fn new() -> Vec<u8> {
    [&old()[..], b"more"].concat()
}

/// Pushes an edit (or the old content again) to a server whose copy of the old one fails at `at`.
fn push_to_damaged(
    bytes: &[u8],
    at: ChunkId,
    batches: bool,
    error: fn(ChunkId) -> StoreError,
) -> (Ended<Pusher, Taker>, MemoryStore) {
    push_and_mend(bytes, at, batches, error, None)
}

/// What a mender does with a store.
type Mend = fn(&Damaged);

fn push_and_mend(
    bytes: &[u8],
    at: ChunkId,
    batches: bool,
    error: fn(ChunkId) -> StoreError,
    mend: Option<Mend>,
) -> (Ended<Pusher, Taker>, MemoryStore) {
    let (from, store) = (MemoryStore::new(), MemoryStore::new());
    let base = add(&from, &old());
    let oid = add(&from, bytes);
    add(&store, &old());
    let damaged = Damaged { store: store.clone(), at, batches, error, mended: Arc::default() };
    let pusher = Pusher::new(Arc::new(from.clone()), vec![item(&from, oid, Some(base))]);
    let mut taker = Taker::new(&damaged).expect("memory has room");
    if let Some(mend) = mend {
        taker.set_mender(Arc::new(move |id| {
            assert_eq!(id, damaged.at);
            mend(&damaged);
            Ok(())
        }));
    }
    (Pair::new(pusher, taker, Link::default()).run(), store)
}

fn root() -> ChunkId {
    let store = MemoryStore::new();
    let oid = add(&store, &old());
    let known = content::find(&store, &oid).expect("just added").expect("just added");
    known.manifest.streams[0].root.id
}

#[test]
fn a_content_with_a_damaged_node_counts_as_not_here() {
    let (ended, _) = push_to_damaged(&old(), root(), false, corrupt);
    let tally = ended.ok().left.tally();
    assert_eq!((tally.contents, tally.contents_had, tally.chunks), (1, 0, 0));
    let (ended, store) = push_to_damaged(&new(), root(), false, corrupt);
    assert_eq!(ended.ok().left.tally().chunks, 1, "no base, and still only what is not there");
    assert_eq!(proof(&store, &Oid::of(&new())), Some(Proof::Proved));
}

#[test]
fn a_damaged_chunk_under_a_splice_refuses_the_content() {
    let first = ChunkId::of(Kind::Data, &pieces(&old(), Profile::Video)[0]);
    let (ended, store) = push_to_damaged(&new(), first, true, corrupt);
    assert!(
        matches!(&ended.results[1], Err(SyncError::Store(StoreError::Corrupt { id, .. })) if *id == first)
    );
    assert!(matches!(&ended.results[0], Err(SyncError::Refused { reason: Reason::Internal, .. })));
    assert_eq!(proof(&store, &Oid::of(&new())), None, "what is known to be damaged is not acknowledged");
}

#[test]
fn damage_that_may_be_taken_away_heals_in_the_same_push() {
    let take_away: Mend = |damaged| {
        damaged.store.remove(&HashSet::from([damaged.at])).expect("memory");
        damaged.mended.store(true, Ordering::Relaxed);
    };
    let first = ChunkId::of(Kind::Data, &pieces(&old(), Profile::Video)[0]);
    for at in [first, root()] {
        let (ended, store) = push_and_mend(&new(), at, true, corrupt, Some(take_away));
        assert_holds(&store, &new());
        assert_holds(&store, &old());
        // A damaged node was no base; its content was proved while it arrived.
        assert_eq!(ended.ok().count("Again"), usize::from(at == root()));
    }
    // One that does not help is not tried for ever.
    let (ended, store) = push_and_mend(&new(), first, true, corrupt, Some(|_| ()));
    assert!(matches!(&ended.results[1], Err(SyncError::Store(StoreError::Corrupt { .. }))));
    assert_eq!(proof(&store, &Oid::of(&new())), None);
}

#[test]
fn a_delta_from_a_damaged_chunk_is_sent_whole() {
    // Early, and needed: more than may go ahead.
    for (edits, is_early) in [(1, true), (20, false)] {
        let (new, _) = edited(&old(), edits);
        let bases = replaced(&old(), &new);
        let mut at = pieces(&old(), Profile::Video).into_iter().map(|piece| ChunkId::of(Kind::Data, &piece));
        let at = at.rfind(|id| bases.contains(id)).expect("there is an edit");
        let (ended, store) = push_to_damaged(&new, at, true, corrupt);
        let ended = ended.ok();
        let counts = ["Deltas", "Wrong", "Chunks"].map(|kind| ended.count(kind) > 0);
        assert_eq!(counts, [true, !is_early, true], "{edits} edits");
        assert_holds(&store, &new);
        assert_eq!(proof(&store, &Oid::of(&new)), Some(Proof::Proved));
        // Nothing was made of the damaged bytes: there is what both contents have, and that is what it says.
        assert_sound(&store);
        let both = MemoryStore::new();
        [&old(), &new].into_iter().for_each(|bytes| _ = add(&both, bytes));
        assert_eq!(data(&store), data(&both));
    }
}

#[test]
fn a_store_that_fails_ends_the_push_with_the_right_reason() {
    let damage = [
        (full as fn(ChunkId) -> StoreError, Reason::DiskFull),
        (
            |_| StoreError::io("read", "secret/path".as_ref())(std::io::ErrorKind::Other.into()),
            Reason::Internal,
        ),
    ];
    for (error, expected) in damage {
        let (ended, store) = push_to_damaged(&new(), root(), true, error);
        assert!(matches!(ended.results[1], Err(SyncError::Store(StoreError::Io { .. }))));
        let Err(SyncError::Refused { reason, text, .. }) = &ended.results[0] else { panic!("not refused") };
        assert_eq!((*reason, text.contains("secret")), (expected, false));
        assert_eq!(proof(&store, &Oid::of(&new())), None);
    }
}
