//! What every store must do, as one battery: each implementation runs it in its tests.
//!
//! [`run`] asks for a fresh, empty store per check and panics, naming store and check, when one does not
//! hold. It goes through the traits alone, so a store that passes can take the place of any other. Content is
//! generated from seeds and does not compress; the largest check holds about 70 MiB.

use crate::{Batch, ChunkPrune, Compression, Encoder, Item, StoreError, Written, content};
use dits_format::limits::{CHUNK_BYTES_MAX, PACK_BYTES_TARGET};
use dits_format::tree::{Builder, Entry};
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, Proof};
use std::collections::{BTreeSet, HashMap, HashSet};

type Store = Box<dyn ChunkPrune>;
type Check = fn(&Store);

/// Runs every check against stores from `make`; `name` stands in front of each complaint.
///
/// # Panics
/// When the store breaks the contract, or fails.
pub fn run(name: &str, make: &mut dyn FnMut() -> Store) {
    let checks: [(&str, Check); 17] = [
        ("put, has, read", put_has_read),
        ("kinds are kept", kinds_are_kept),
        ("a batch reads its own writes", batch_reads_its_writes),
        ("what is not committed is not there", uncommitted_is_absent),
        ("copies are not new", copies_are_not_new),
        ("compressed chunks are chunks", compressed_chunks),
        ("bindings are ordered by proof", bindings_are_ordered),
        ("batches go on side by side", side_by_side),
        ("many small batches", many_batches),
        ("visit shows each item once", visit_shows_once),
        ("remove takes what was asked and no more", remove_takes),
        ("forget takes contents and what only they need", forget_takes),
        ("nothing is forgotten while a batch lives", forget_is_refused),
        ("an empty batch adds nothing", empty_batch),
        ("chunks of every length up to the largest", lengths),
        ("a long batch", long_batch),
        ("threads", threads),
    ];
    for (check, body) in checks {
        let store = make();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(&store)));
        if let Err(panic) = result {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            panic!("{name}: {check}: {}", text.unwrap_or_default());
        }
    }
}

/// Bytes that look random and are the same for the same seed (xorshift64*).
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        out.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    out.truncate(len);
    out
}

/// A binding of made-up things; seeds name the content and the manifest.
pub fn binding(oid: u64, manifest: u64, proof: Proof) -> Binding {
    let manifest = ChunkId::of(Kind::Manifest, &manifest.to_le_bytes());
    Binding { oid: Oid::of(&oid.to_le_bytes()), manifest, size: oid, proof }
}

fn data(bytes: &[u8]) -> ChunkId {
    ChunkId::of(Kind::Data, bytes)
}

fn put(batch: &mut Box<dyn Batch>, bytes: &[u8]) -> bool {
    batch.put(data(bytes), Kind::Data, bytes).expect("put")
}

fn put_all(store: &Store, chunks: &[Vec<u8>]) -> Written {
    let mut batch = store.batch().expect("batch");
    for bytes in chunks {
        put(&mut batch, bytes);
    }
    batch.commit().expect("commit")
}

fn assert_reads(store: &Store, kind: Kind, bytes: &[u8]) {
    let id = ChunkId::of(kind, bytes);
    let mut out = b"from before".to_vec();
    assert!(store.has(&id).expect("has"), "{id} should be here");
    assert_eq!(store.read(&id, &mut out).expect("read"), Some(kind), "{id} should be read");
    assert!(store.read_bytes(&id).expect("read").is_some_and(|(of, same)| of == kind && same == bytes));
    assert!(out == bytes, "{id} is read with other bytes");
}

fn assert_absent(store: &Store, id: &ChunkId) {
    assert!(!store.has(id).expect("has"), "{id} should not be here");
    assert_eq!(store.read(id, &mut Vec::new()).expect("read"), None, "{id} should not be read");
    assert_eq!(store.read_bytes(id).expect("read"), None, "{id} should not be read");
}

fn put_has_read(store: &Store) {
    assert_absent(store, &data(b"one"));
    let written = put_all(store, &[b"one".to_vec(), b"three".to_vec()]);
    assert_eq!(written, Written { chunks: 2, bytes: 8 });
    assert_reads(store, Kind::Data, b"one");
    assert_reads(store, Kind::Data, b"three");
    assert_absent(store, &data(b"two"));
}

fn kinds_are_kept(store: &Store) {
    let mut batch = store.batch().expect("batch");
    for kind in Kind::ALL {
        assert!(batch.put(ChunkId::of(kind, b"same"), kind, b"same").expect("put"), "{kind:?} is new");
    }
    batch.commit().expect("commit");
    Kind::ALL.into_iter().for_each(|kind| assert_reads(store, kind, b"same"));
}

fn batch_reads_its_writes(store: &Store) {
    put_all(store, &[b"old".to_vec()]);
    let mut batch = store.batch().expect("batch");
    // Past any buffer, so that some are in a file by the time they are read.
    let chunks: Vec<Vec<u8>> = (0..40).map(|seed| noise(seed, 100_000)).collect();
    for bytes in &chunks {
        assert!(!batch.has(&data(bytes)).expect("has"));
        assert!(put(&mut batch, bytes));
    }
    for bytes in chunks.iter().map(Vec::as_slice).chain([&b"old"[..]]) {
        let mut out = Vec::new();
        assert!(batch.has(&data(bytes)).expect("has"));
        assert_eq!(batch.read(&data(bytes), &mut out).expect("read"), Some(Kind::Data));
        assert!(out == bytes, "a batch reads other bytes than it wrote");
    }
    assert_eq!(batch.read(&data(b"none"), &mut Vec::new()).expect("read"), None);
}

fn uncommitted_is_absent(store: &Store) {
    let mut batch = store.batch().expect("batch");
    put(&mut batch, b"lost");
    batch.bind(binding(1, 1, Proof::Proved));
    assert_absent(store, &data(b"lost"));
    drop(batch);
    assert_absent(store, &data(b"lost"));
    assert_eq!(store.bindings(&binding(1, 1, Proof::Proved).oid).expect("bindings"), []);
    put_all(store, &[b"kept".to_vec()]);
    assert_absent(store, &data(b"lost"));
}

fn compressed_chunks(store: &Store) {
    let plain: Vec<Vec<u8>> =
        (0..30).map(|seed| noise(seed, 90_000).iter().map(|b| b % 9).collect()).collect();
    let (mut encoder, mut batch) = (Encoder::new(Compression::Auto), store.batch().expect("batch"));
    for bytes in &plain {
        let encoded = encoder.compress(bytes).expect("nine symbols compress");
        assert!(batch.put_encoded(data(bytes), Kind::Data, &encoded).expect("put"));
        assert!(!put(&mut batch, bytes), "a copy is not new");
        let mut out = Vec::new();
        assert!(batch.read(&data(bytes), &mut out).expect("read").is_some() && out == *bytes);
    }
    assert_eq!(batch.commit().expect("commit"), Written { chunks: 30, bytes: 30 * 90_000 });
    for bytes in &plain {
        assert_reads(store, Kind::Data, bytes);
        let (_, encoded) = store.read_encoded(&data(bytes)).expect("read").expect("it was put");
        assert!(encoded.decode().expect("decode") == *bytes);
    }
}

fn copies_are_not_new(store: &Store) {
    let mut batch = store.batch().expect("batch");
    assert!(put(&mut batch, b"twice"));
    assert!(!put(&mut batch, b"twice"), "the second in a batch is not new");
    assert_eq!(batch.commit().expect("commit"), Written { chunks: 1, bytes: 5 });
    assert_eq!(put_all(store, &[b"twice".to_vec(), b"new".to_vec()]), Written { chunks: 1, bytes: 3 });
}

fn bindings_are_ordered(store: &Store) {
    let (claimed, proved, refuted) =
        (binding(1, 1, Proof::Claimed), binding(1, 2, Proof::Proved), binding(1, 3, Proof::Refuted));
    let bind = |bindings: &[Binding]| {
        let mut batch = store.batch().expect("batch");
        bindings.iter().for_each(|binding| batch.bind(*binding));
        batch.commit().expect("commit");
    };
    bind(&[claimed, binding(1, 3, Proof::Claimed), proved, binding(2, 1, Proof::Claimed)]);
    bind(&[refuted]);
    // A weaker proof that arrives later changes nothing.
    bind(&[binding(1, 2, Proof::Claimed), binding(1, 3, Proof::Proved)]);
    assert_eq!(store.bindings(&claimed.oid).expect("bindings"), [proved, claimed]);
    let (_, bindings) = items(store);
    let expected = [claimed, proved, refuted, binding(2, 1, Proof::Claimed)];
    assert_eq!(bindings, expected.into_iter().collect(), "visit shows the refuted too");
}

fn side_by_side(store: &Store) {
    let (mut one, mut two) = (store.batch().expect("batch"), store.batch().expect("batch"));
    for (batch, own) in [(&mut one, &b"one"[..]), (&mut two, b"two")] {
        put(batch, own);
        put(batch, b"both");
    }
    assert!(!one.has(&data(b"two")).expect("has"), "a batch does not see another");
    two.commit().expect("commit");
    one.commit().expect("commit");
    [&b"one"[..], b"two", b"both"].into_iter().for_each(|bytes| assert_reads(store, Kind::Data, bytes));
    assert_eq!(items(store).0.len(), 3);
}

fn many_batches(store: &Store) {
    let chunk = |n: u64| noise(n, 100 + n as usize);
    for n in 0..200 {
        let mut batch = store.batch().expect("batch");
        put(&mut batch, &chunk(n));
        batch.bind(binding(n, n, Proof::Proved));
        batch.commit().expect("commit");
    }
    for n in 0..200 {
        assert_reads(store, Kind::Data, &chunk(n));
        let bound = binding(n, n, Proof::Proved);
        assert_eq!(store.bindings(&bound.oid).expect("bindings"), [bound]);
    }
}

/// What `visit` shows, once each.
fn items(store: &Store) -> (HashMap<ChunkId, (Kind, u32)>, BTreeSet<Binding>) {
    let (mut chunks, mut bindings) = (HashMap::new(), BTreeSet::new());
    let each = &mut |item| {
        match item {
            Item::Chunk { id, kind, bytes, .. } => {
                assert!(chunks.insert(id, (kind, bytes)).is_none(), "{id} is shown twice");
            }
            Item::Binding(binding) => assert!(bindings.insert(binding), "{binding:?} is shown twice"),
        }
        Ok(())
    };
    store.visit(each).expect("visit");
    (chunks, bindings)
}

fn visit_shows_once(store: &Store) {
    let chunks: Vec<Vec<u8>> = (0..50).map(|n| noise(n, 10 * n as usize)).collect();
    let mut batches = [store.batch().expect("batch"), store.batch().expect("batch")];
    for batch in &mut batches {
        for bytes in &chunks {
            put(batch, bytes);
        }
        batch.bind(binding(1, 1, Proof::Proved));
    }
    for batch in batches {
        batch.commit().expect("commit");
    }
    let expected = chunks.iter().map(|bytes| (data(bytes), (Kind::Data, bytes.len() as u32))).collect();
    assert_eq!(items(store), (expected, BTreeSet::from([binding(1, 1, Proof::Proved)])));
}

fn remove_takes(store: &Store) {
    let chunks: Vec<Vec<u8>> = (0..60).map(|n| noise(n, 3000)).collect();
    // Copies in racing batches must go too.
    let mut racing = store.batch().expect("batch");
    for bytes in &chunks[..20] {
        put(&mut racing, bytes);
    }
    for some in chunks.chunks(15) {
        put_all(store, some);
    }
    racing.bind(binding(1, 1, Proof::Proved));
    racing.commit().expect("commit");
    let gone: HashSet<ChunkId> = chunks.iter().step_by(3).map(|bytes| data(bytes)).collect();
    let asked = gone.iter().copied().chain([data(b"never here")]).collect();
    assert_eq!(store.remove(&asked).expect("remove"), 20);
    for bytes in &chunks {
        if gone.contains(&data(bytes)) {
            assert_absent(store, &data(bytes));
        } else {
            assert_reads(store, Kind::Data, bytes);
        }
    }
    assert_eq!(
        store.bindings(&binding(1, 1, Proof::Proved).oid).expect("bindings").len(),
        1,
        "bindings stay"
    );
    assert_eq!(store.remove(&asked).expect("remove"), 0);
    assert_eq!(put_all(store, &chunks).chunks, 20, "what was removed can come back");
    let all = chunks.iter().map(|bytes| data(bytes)).collect();
    assert_eq!(store.remove(&all).expect("remove"), 60);
    assert_eq!(items(store).0.len(), 0);
}

/// Adds a content of these chunks, bound if `bound`, and returns its oid.
///
/// # Panics
/// When the batch fails.
pub fn add_content(batch: &mut dyn Batch, chunks: &[&[u8]], bound: bool) -> Oid {
    let mut tree = Builder::new();
    for bytes in chunks {
        batch.put(data(bytes), Kind::Data, bytes).expect("put");
        let entry = Entry { id: data(bytes), bytes: bytes.len() as u64 };
        tree.push(entry, &mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).expect("put");
    }
    let root = tree.finish(&mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).expect("put");
    let whole = chunks.concat();
    let manifest = Manifest::plain(0, Oid::of(&whole), whole.len() as u64, root);
    batch.put(manifest.id(), Kind::Manifest, &manifest.encode()).expect("put");
    if bound {
        let (oid, size) = (manifest.oid, manifest.size);
        batch.bind(Binding { oid, manifest: manifest.id(), size, proof: Proof::Proved });
    }
    manifest.oid
}

fn is_whole(store: &Store, oid: &Oid) -> bool {
    content::is_whole(&**store, oid).expect("is_whole")
}

fn forget_takes(store: &Store) {
    // Long enough for nodes, so that two contents share chunks and yet no node.
    let chunks: Vec<Vec<u8>> = (0..100).map(|n| noise(n, 2000)).collect();
    let part = |range: std::ops::Range<usize>| chunks[range].iter().map(Vec::as_slice).collect::<Vec<_>>();
    let mut batch = store.batch().expect("batch");
    let gone = add_content(&mut *batch, &part(0..60), true);
    let kept = add_content(&mut *batch, &part(30..90), true);
    // Its binding was lost; what it is made of is still known.
    add_content(&mut *batch, &[&chunks[0], &chunks[95]], false);
    batch.commit().expect("commit");
    put_all(store, &[b"of no content".to_vec()]);
    let before = items(store).0.len() as u64;
    let forgotten = store.forget(&HashSet::from([gone, Oid::of(b"never here")])).expect("forget");
    let left = items(store).0;
    assert_eq!(left.len() as u64, before - forgotten.chunks);
    assert!(forgotten.bytes >= 29 * 2000, "29 chunks of data, and nodes: {forgotten:?}");
    assert!(!is_whole(store, &gone) && is_whole(store, &kept));
    assert_eq!(store.bindings(&gone).expect("bindings"), []);
    (1..30).for_each(|n| assert_absent(store, &data(&chunks[n])));
    [0, 30, 59, 89, 95].into_iter().for_each(|n| assert_reads(store, Kind::Data, &chunks[n]));
    assert_reads(store, Kind::Data, b"of no content");
    let mut batch = store.batch().expect("batch");
    assert_eq!(add_content(&mut *batch, &part(0..60), true), gone);
    batch.commit().expect("commit");
    assert!(is_whole(store, &gone), "what was forgotten can come back");
}

fn forget_is_refused(store: &Store) {
    let mut batch = store.batch().expect("batch");
    let old = add_content(&mut *batch, &[b"one", b"two"], true);
    batch.commit().expect("commit");
    let mut batch = store.batch().expect("batch");
    assert!(!put(&mut batch, b"two"), "it is found here, and relied on");
    let refused = store.forget(&HashSet::from([old]));
    assert!(matches!(refused, Err(StoreError::Busy { .. })), "{refused:?}");
    let new = add_content(&mut *batch, &[b"two", b"three"], true);
    batch.commit().expect("commit");
    store.forget(&HashSet::from([old])).expect("forget");
    assert!(is_whole(store, &new) && !is_whole(store, &old));
    drop(store.batch().expect("batch"));
    store.forget(&HashSet::from([new])).expect("a dropped batch is in nobody's way");
    assert_eq!(items(store), Default::default());
}

fn empty_batch(store: &Store) {
    assert_eq!(store.batch().expect("batch").commit().expect("commit"), Written::default());
    assert_eq!(items(store), Default::default());
}

fn lengths(store: &Store) {
    let lengths = [0, 1, 65_535, 65_536, 65_537, CHUNK_BYTES_MAX - 1, CHUNK_BYTES_MAX];
    let chunks: Vec<Vec<u8>> = lengths.iter().map(|len| noise(7, *len)).collect();
    put_all(store, &chunks);
    chunks.iter().for_each(|bytes| assert_reads(store, Kind::Data, bytes));
}

fn long_batch(store: &Store) {
    let count = PACK_BYTES_TARGET / CHUNK_BYTES_MAX as u64 + 4;
    let chunk = |n: u64| noise(n, CHUNK_BYTES_MAX);
    let mut batch = store.batch().expect("batch");
    for n in 0..count {
        assert!(put(&mut batch, &chunk(n)));
    }
    let mut out = Vec::new();
    assert_eq!(batch.read(&data(&chunk(0)), &mut out).expect("read"), Some(Kind::Data));
    assert!(!put(&mut batch, &chunk(0)), "the first is still known");
    let written = batch.commit().expect("commit");
    assert_eq!(written, Written { chunks: count, bytes: count * CHUNK_BYTES_MAX as u64 });
    (0..count).for_each(|n| assert_reads(store, Kind::Data, &chunk(n)));
}

fn threads(store: &Store) {
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for n in 0..20 {
                    // Neighbouring threads write the same chunks.
                    let bytes = noise(n + 10 * thread, 2000);
                    put_all(store, std::slice::from_ref(&bytes));
                    assert_reads(store, Kind::Data, &bytes);
                }
            });
        }
    });
    assert_eq!(items(store).0.len(), 50);
}
