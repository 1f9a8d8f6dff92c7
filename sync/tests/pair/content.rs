//! Contents for the tests: seeded noise, cut as git-dits cuts, in a store in memory; and checks on stores.

use crate::link::{Ended, Link, Pair};
use dits_chunk::{Cutter, Profile};
use dits_format::tree::{Builder, Entry};
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, Proof};
use dits_store::{ChunkRead, ChunkWrite, Compression, Encoder, Item, MemoryStore, StoreError, content};
use dits_sync::filter::Filter;
use dits_sync::pull::{Giver, PullItem, Puller};
use dits_sync::push::{PushItem, Pusher, Taker};
use std::convert::Infallible;
use std::sync::Arc;

pub const MIB: usize = 1 << 20;

/// `bytes` bytes that never repeat, other ones for each seed.
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let word = |i: u64| {
        let mut x = (seed << 40 ^ i).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ x >> 31).to_le_bytes()
    };
    let mut out: Vec<u8> = (0..bytes.div_ceil(8) as u64).flat_map(word).collect();
    out.truncate(bytes);
    out
}

/// Stores a content as `git add` does.
pub fn add(store: &MemoryStore, bytes: &[u8]) -> Oid {
    add_cut(store, bytes, Profile::Video)
}

/// Stores a content cut with `profile`.
pub fn add_cut(store: &MemoryStore, bytes: &[u8], profile: Profile) -> Oid {
    add_pieces(store, &pieces(bytes, profile), profile.code(), Oid::of(bytes)).oid
}

/// The chunks of a content.
pub fn pieces(bytes: &[u8], profile: Profile) -> Vec<Vec<u8>> {
    let (mut cutter, mut pieces) = (Cutter::new(profile), Vec::new());
    let mut keep = |piece: &[u8]| -> Result<(), Infallible> {
        pieces.push(piece.to_vec());
        Ok(())
    };
    cutter.push(bytes, &mut keep).expect("keeping cannot fail");
    while let Some(piece) = cutter.finish_chunk() {
        keep(piece).expect("keeping cannot fail");
    }
    pieces
}

/// Stores a content that is cut already, under any oid, true or not.
pub fn add_pieces<P: AsRef<[u8]>>(store: &MemoryStore, pieces: &[P], profile: u8, oid: Oid) -> Binding {
    bind_pieces(store, pieces, profile, oid, Proof::Proved)
}

/// The same, proved or not.
pub fn bind_pieces<P: AsRef<[u8]>>(
    store: &MemoryStore,
    pieces: &[P],
    profile: u8,
    oid: Oid,
    proof: Proof,
) -> Binding {
    let mut batch = store.batch().expect("memory has room");
    let (mut builder, mut encoder) = (Builder::new(), Encoder::new(Compression::Auto));
    for piece in pieces.iter().map(AsRef::as_ref) {
        let entry = Entry { id: ChunkId::of(Kind::Data, piece), bytes: piece.len() as u64 };
        let encoded = encoder.encode(piece.to_vec().into());
        batch.put_encoded(entry.id, Kind::Data, &encoded).expect("memory has room");
        let emit = &mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop);
        builder.push(entry, emit).expect("memory has room");
    }
    let size = builder.bytes();
    let emit = &mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop);
    let root = builder.finish(emit).expect("memory has room");
    let manifest = Manifest::plain(profile, oid, size, root);
    batch.put(manifest.id(), Kind::Manifest, &manifest.encode()).expect("memory has room");
    let binding = Binding { oid, manifest: manifest.id(), size, proof };
    batch.bind(binding);
    batch.commit().expect("memory has room");
    binding
}

/// A content of a store, to be pushed.
pub fn item(store: &MemoryStore, oid: Oid, base: Option<Oid>) -> PushItem {
    PushItem { oid, size: binding(store, &oid).map_or(0, |binding| binding.size), base }
}

/// Pushes over a link without faults, to a good end.
pub fn push(from: &MemoryStore, to: &MemoryStore, items: Vec<PushItem>) -> Ended<Pusher, Taker> {
    push_over(Link::default(), from, to, items).ok()
}

/// Pushes over `link`.
pub fn push_over(
    link: Link<'_>,
    from: &MemoryStore,
    to: &MemoryStore,
    items: Vec<PushItem>,
) -> Ended<Pusher, Taker> {
    push_with(None, link, from, to, items)
}

/// The same, with a filter of what the server has, or had.
pub fn push_with(
    filter: Option<Filter>,
    link: Link<'_>,
    from: &MemoryStore,
    to: &MemoryStore,
    items: Vec<PushItem>,
) -> Ended<Pusher, Taker> {
    let mut pusher = Pusher::new(Arc::new(from.clone()), items);
    if let Some(filter) = filter {
        pusher.set_filter(Arc::new(filter));
    }
    Pair::new(pusher, Taker::new(to).expect("memory has room"), link).run()
}

/// A filter of all chunks of a store.
pub fn filter_of(store: &MemoryStore) -> Filter {
    let only = |item| if let Item::Chunk { id, .. } = item { Some(id) } else { None };
    let mut ids: Vec<ChunkId> = items(store).into_iter().filter_map(only).collect();
    ids.sort_unstable();
    Filter::build(ids.into_iter()).expect("few and in order")
}

/// Pulls over a link without faults, to a good end.
pub fn pull(to: &MemoryStore, from: &MemoryStore, oids: Vec<Oid>) -> Ended<Puller, Giver> {
    pull_over(Link::default(), to, from, oids).ok()
}

/// Pulls over `link`.
pub fn pull_over(
    link: Link<'_>,
    to: &MemoryStore,
    from: &MemoryStore,
    oids: Vec<Oid>,
) -> Ended<Puller, Giver> {
    pull_items(link, to, from, oids.into_iter().map(PullItem::from).collect(), false)
}

/// The same, perhaps with bases, or into a store that has nothing.
pub fn pull_items(
    link: Link<'_>,
    to: &MemoryStore,
    from: &MemoryStore,
    items: Vec<PullItem>,
    cold: bool,
) -> Ended<Puller, Giver> {
    let puller = Puller::new(to, items, cold).expect("memory has room");
    Pair::new(puller, Giver::new(Arc::new(from.clone())), link).run()
}

/// What a store binds to `oid`, if it does.
pub fn binding(store: &MemoryStore, oid: &Oid) -> Option<Binding> {
    store.bindings(oid).expect("memory does not fail").first().copied()
}

/// How far `oid` was checked.
pub fn proof(store: &MemoryStore, oid: &Oid) -> Option<Proof> {
    binding(store, oid).map(|binding| binding.proof)
}

/// Fails unless the store rebuilds exactly these bytes.
pub fn assert_holds(store: &MemoryStore, bytes: &[u8]) {
    let oid = Oid::of(bytes);
    assert!(content::is_whole(store, &oid).expect("memory does not fail"), "{oid} is not whole");
    let known = content::find(store, &oid).expect("it is whole").expect("it is whole");
    let mut found = Vec::with_capacity(bytes.len());
    let out = &mut |piece: &[u8]| -> Result<(), StoreError> {
        found.extend_from_slice(piece);
        Ok(())
    };
    content::rebuild(store, &known.manifest, out).expect("a whole content rebuilds");
    assert!(found == bytes, "{oid} was rebuilt with other bytes");
}

fn items(store: &MemoryStore) -> Vec<Item> {
    let mut items = Vec::new();
    let each = &mut |item| {
        items.push(item);
        Ok(())
    };
    store.visit(each).expect("memory does not fail");
    items
}

/// All bindings of a store.
pub fn bindings(store: &MemoryStore) -> Vec<Binding> {
    let only = |item| if let Item::Binding(binding) = item { Some(binding) } else { None };
    items(store).into_iter().filter_map(only).collect()
}

/// Number and bytes of a store's data chunks.
pub fn data(store: &MemoryStore) -> (u64, u64) {
    items(store).iter().fold((0, 0), |(chunks, all), item| match item {
        Item::Chunk { kind: Kind::Data, bytes, .. } => (chunks + 1, all + u64::from(*bytes)),
        _ => (chunks, all),
    })
}

/// Fails when a chunk is not what its id says, or a binding names something that is not all here.
pub fn assert_sound(store: &MemoryStore) {
    let mut bytes = Vec::new();
    for item in items(store) {
        match item {
            Item::Chunk { id, kind, .. } => {
                store.read(&id, &mut bytes).expect("memory does not fail");
                assert_eq!(ChunkId::of(kind, &bytes), id);
            }
            Item::Binding(binding) => {
                let manifest = content::manifest(store, &binding.manifest).expect("bound, so it is here");
                assert_eq!(content::first_missing(store, &manifest).expect("readable"), None);
            }
        }
    }
}
