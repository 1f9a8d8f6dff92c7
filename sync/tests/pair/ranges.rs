//! Parts of contents: one round trip, whole chunks, and nothing is taken that does not hang together.

use crate::content::{MIB, add, add_cut, bindings, noise};
use crate::hostile::{feed, protocol, spoil, spoil_chunk, wrong_chunk};
use crate::link::{Ended, Link, Pair, Side};
use bytes::Bytes;
use dits_chunk::Profile;
use dits_format::manifest::Extent;
use dits_format::{ChunkId, Kind, Manifest, Oid};
use dits_store::content::Walk;
use dits_store::{ChunkPrune, ChunkRead, ChunkWrite, Encoded, MemoryStore, StoreError, content};
use dits_sync::machine::{Machine, SyncError};
use dits_sync::message::Message;
use dits_sync::pull::{Giver, Puller};
use dits_sync::range::{InStore, Land, Part, RANGES_MAX, RangeItem, Ranger};
use proptest::prelude::*;
use std::ops::Range;
use std::sync::Arc;

fn fetch(
    link: Link<'_>,
    to: &MemoryStore,
    from: &MemoryStore,
    items: Vec<RangeItem>,
) -> Ended<Ranger<InStore>, Giver> {
    let ranger = Ranger::new(InStore::new(to).expect("memory has room"), items);
    Pair::new(ranger, Giver::new(Arc::new(from.clone())), link).run()
}

fn whole(oid: Oid, range: Range<u64>) -> RangeItem {
    RangeItem { oid, range, manifest: None }
}

/// The bytes of a range, rebuilt from what is in `store`.
fn bytes_of(store: &MemoryStore, manifest: &Manifest, range: &Range<u64>) -> Result<Vec<u8>, StoreError> {
    let (mut out, mut buffer) = (Vec::new(), Vec::new());
    let mut walk = Walk::new(&manifest.streams[0], range.start);
    while (out.len() as u64) < range.end - range.start {
        let piece = walk.next_chunk(store)?.expect("the range is within the content");
        content::read_data(store, &piece.entry, &mut buffer)?;
        out.extend_from_slice(&buffer[piece.skip as usize..]);
    }
    out.truncate((range.end - range.start) as usize);
    Ok(out)
}

#[test]
fn a_range_takes_one_round_trip_and_little_else() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let bytes = noise(1, 48 * MIB);
    let oid = add(&from, &bytes);
    let range = 20_000_000..20_000_100_u64;
    let ended = fetch(Link::default(), &to, &from, vec![whole(oid, range.clone())]).ok();
    let first = ended.log.iter().find(|sent| sent.kind == "Chunks").unwrap();
    assert_eq!((first.from, ended.flights()), (Side::Right, 2));
    assert_eq!(ended.left.tally().chunks, 1);
    assert!(ended.overhead() < 30_000, "{} bytes", ended.overhead());
    let manifest = ended.left.manifests()[0].1.clone();
    ended.left.into_land().keep().unwrap();
    assert_eq!(bytes_of(&to, &manifest, &range).unwrap(), bytes[20_000_000..20_000_100]);
    assert!(bindings(&to).is_empty(), "nothing is bound");
    // A neighbour in the same chunk, with the tree that came.
    let next = RangeItem { oid, range: 20_000_100..20_000_200, manifest: Some(manifest.clone()) };
    let ended = fetch(Link::default(), &to, &from, vec![next.clone()]).ok();
    assert!(ended.overhead() < 200, "{} bytes", ended.overhead());
    ended.left.into_land().keep().unwrap();
    assert_eq!(bytes_of(&to, &manifest, &next.range).unwrap(), bytes[20_000_100..20_000_200]);
    // Where its nodes are not here, it fails, and says so.
    let far = RangeItem { oid, range: 0..1, manifest: Some(manifest) };
    let ended = fetch(Link::default(), &to, &from, vec![far]);
    assert!(matches!(&ended.results[0], Err(SyncError::Store(StoreError::Missing { .. }))));
}

#[test]
fn several_ranges_and_wants_share_a_stream() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let bytes = noise(1, 3 * MIB);
    let oid = add(&from, &bytes);
    let size = bytes.len() as u64;
    let (one, lost) = (add(&from, b"x"), Oid::of(b"lost"));
    let ranges = [0..1, 0..size, size - 1..size, MIB as u64..2 * MIB as u64];
    let mut items: Vec<RangeItem> = ranges.iter().map(|range| whole(oid, range.clone())).collect();
    items.insert(1, whole(lost, 5..6));
    items.push(whole(one, 0..1));
    let ended = fetch(Link::default(), &to, &from, items).ok();
    assert_eq!((ended.left.absent(), ended.left.manifests().len()), (&[lost][..], 5));
    let manifest = ended.left.manifests()[0].1.clone();
    ended.left.into_land().keep().unwrap();
    for range in ranges {
        let found = bytes_of(&to, &manifest, &range).unwrap();
        assert_eq!(found, bytes[range.start as usize..range.end as usize]);
    }
    // Before a want, in the same stream.
    let mut giver = Giver::new(Arc::new(from.clone()));
    giver.receive(Message::Range { oid: one, start: 0, end: 1, tree: false }).unwrap();
    let wanted = vec![dits_sync::message::Wanted { oid, base: None }];
    giver.receive(Message::Want { wanted, last: true, cold: false }).unwrap();
    assert_eq!(giver.poll().unwrap(), Some(Message::Nodes(vec![])));
    assert_eq!(giver.poll().unwrap(), Some(Message::Chunks(vec!["x".into()])));
    assert!(matches!(giver.poll().unwrap(), Some(Message::Offer(_))));
}

#[test]
fn ranges_out_of_bounds_are_refused() {
    let from = MemoryStore::new();
    let (oid, empty) = (add(&from, &noise(1, 1000)), add(&from, b""));
    for (oid, start, end) in [
        (oid, 0, 1001),
        (oid, 5, 5),
        (oid, 6, 5),
        (oid, 1000, 1001),
        (oid, 0, u64::MAX),
        (empty, 0, 0),
        (empty, 0, 1),
    ] {
        let mut giver = Giver::new(Arc::new(from.clone()));
        let error = feed(&mut giver, vec![Message::Range { oid, start, end, tree: true }]);
        assert!(error.as_ref().is_some_and(protocol), "{start}..{end}: {error:?}");
    }
    let mut giver = Giver::new(Arc::new(from.clone()));
    for n in 0..=RANGES_MAX {
        let asked = giver.receive(Message::Range { oid, start: 0, end: 1, tree: true });
        assert_eq!(asked.is_err(), n == RANGES_MAX);
    }
    let late = vec![
        Message::Want { wanted: vec![], last: true, cold: false },
        Message::Range { oid, start: 0, end: 1, tree: true },
    ];
    assert!(feed(&mut Giver::new(Arc::new(from)), late).as_ref().is_some_and(protocol));
}

/// The honest answer to one question, changed.
fn answered(change: impl Fn(&mut Vec<Message>)) -> Option<SyncError> {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let oid = add_cut(&from, &noise(1, 3 * MIB), Profile::Small);
    let range = 0..200_000;
    let mut giver = Giver::new(Arc::new(from));
    giver.receive(Message::Range { oid, start: 0, end: 200_000, tree: true }).expect("within bounds");
    let mut said: Vec<Message> = std::iter::from_fn(|| giver.poll().expect("memory does not fail")).collect();
    change(&mut said);
    let mut ranger = Ranger::new(InStore::new(&to).expect("memory has room"), vec![whole(oid, range)]);
    while ranger.poll().expect("memory does not fail").is_some() {}
    feed(&mut ranger, said)
}

fn nodes(said: &mut [Message]) -> &mut Vec<Bytes> {
    match &mut said[0] {
        Message::Nodes(nodes) => nodes,
        other => panic!("no nodes: {other:?}"),
    }
}

fn chunks(said: &mut [Message]) -> &mut Vec<Encoded> {
    match &mut said[1] {
        Message::Chunks(chunks) => chunks,
        other => panic!("no chunks: {other:?}"),
    }
}

#[test]
fn what_does_not_hang_together_is_refused() {
    assert!(answered(|_| ()).is_none());
    type Change = fn(&mut Vec<Message>);
    let wrong: [(&str, Change); 5] = [
        ("a changed node", |m| spoil(&mut nodes(m)[1], |node| node[9] ^= 1)),
        ("another node", |m| nodes(m)[2] = nodes(m)[1].clone()),
        ("a changed chunk", |m| spoil_chunk(&mut chunks(m)[0], |chunk| chunk[9] ^= 1)),
        ("a longer chunk", |m| spoil_chunk(&mut chunks(m)[0], |chunk| chunk.push(1))),
        ("chunks in another order", |m| chunks(m).reverse()),
    ];
    for (name, change) in wrong {
        let error = answered(change);
        assert!(error.as_ref().is_some_and(wrong_chunk), "{name}: {error:?}");
    }
    let out_of_place: [(&str, Change); 9] = [
        ("a node more", |m| nodes(m).push(vec![1].into())),
        ("a node less", |m| drop(nodes(m).pop())),
        ("nodes without end", |m| m.insert(1, m[0].clone())),
        ("nothing but empty nodes", |m| m[0] = Message::Nodes(vec![])),
        ("a chunk more", |m| chunks(m).push(vec![1].into())),
        ("chunks first", |m| drop(m.remove(0))),
        ("the end too early", |m| m.insert(1, Message::Commit)),
        ("no such content, in the middle", |m| {
            m.insert(1, Message::Absent(vec![Oid::of(&noise(1, 3 * MIB))]))
        }),
        ("an offer", |m| m.insert(1, Message::Offer(vec![]))),
    ];
    for (name, change) in out_of_place {
        let error = answered(change);
        assert!(error.as_ref().is_some_and(protocol), "{name}: {error:?}");
    }
    let error = answered(|m| spoil(&mut nodes(m)[0], |manifest| manifest[0] ^= 1));
    assert!(matches!(error, Some(SyncError::Format(_))), "{error:?}");
    let error = answered(|m| {
        let mut manifest = Manifest::decode(&nodes(m)[0]).unwrap();
        manifest.oid = Oid::of(b"another");
        nodes(m)[0] = manifest.encode().into();
    });
    assert!(matches!(error, Some(SyncError::WrongManifest { .. })), "{error:?}");
    // A puller never asked for parts.
    let mut puller = Puller::new(&MemoryStore::new(), vec![], false).unwrap();
    assert!(feed(&mut puller, vec![Message::Nodes(vec![])]).as_ref().is_some_and(protocol));
}

#[test]
fn a_layout_leads_through_its_streams() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let bytes = noise(1, 2 * MIB);
    add(&from, &bytes);
    let known = content::find(&from, &Oid::of(&bytes)).unwrap().unwrap();
    // The same stream, its halves exchanged.
    let half = MIB as u64;
    let extent = |offset| Extent { bytes: half, stream: 0, offset };
    let swapped = [&bytes[MIB..], &bytes[..MIB]].concat();
    let manifest =
        Manifest { oid: Oid::of(&swapped), layout: vec![extent(half), extent(0)], ..known.manifest.clone() };
    let mut batch = from.batch().unwrap();
    batch.put(manifest.id(), Kind::Manifest, &manifest.encode()).unwrap();
    batch.bind(dits_format::Binding { oid: manifest.oid, manifest: manifest.id(), ..known.binding });
    batch.commit().unwrap();
    let ended = fetch(Link::default(), &to, &from, vec![whole(manifest.oid, half - 10..half + 10)]).ok();
    ended.left.into_land().keep().unwrap();
    for range in [2 * half - 10..2 * half, 0..10] {
        let found = bytes_of(&to, &known.manifest, &range).unwrap();
        assert_eq!(found, bytes[range.start as usize..range.end as usize]);
    }
}

#[test]
fn a_content_that_lost_a_chunk_still_gives_the_rest() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let bytes = noise(1, 200_000);
    let oid = add_cut(&from, &bytes, Profile::Small);
    let known = content::find(&from, &oid).unwrap().unwrap();
    let lost = Walk::new(&known.manifest.streams[0], 100_000).next_chunk(&from).unwrap().unwrap();
    from.remove(&[lost.entry.id].into()).unwrap();
    let ended =
        fetch(Link::default(), &to, &from, vec![whole(oid, 0..10_000), whole(oid, 99_999..100_001)]).ok();
    assert_eq!(ended.left.absent(), [oid]);
    ended.left.into_land().keep().unwrap();
    assert_eq!(bytes_of(&to, &known.manifest, &(0..10_000)).unwrap(), bytes[..10_000]);
}

/// Puts the parts that come where they say they are, until there are enough.
struct Paper<'a> {
    store: &'a MemoryStore,
    bytes: Vec<u8>,
    parts: usize,
    most: usize,
}

impl Land for Paper<'_> {
    fn tree(&mut self, id: ChunkId, kind: Kind, bytes: &Bytes) -> Result<(), SyncError> {
        let mut batch = self.store.batch()?;
        batch.put(id, kind, bytes)?;
        Ok(batch.commit().map(drop)?)
    }

    fn chunk(&mut self, part: Part, bytes: &Bytes) -> Result<bool, SyncError> {
        let given = &bytes[part.skip as usize..][..part.bytes as usize];
        self.bytes[part.start as usize..][..given.len()].copy_from_slice(given);
        self.parts += 1;
        Ok(self.parts < self.most)
    }

    fn read(&mut self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        self.store.read(id, out)
    }
}

#[test]
fn each_part_says_where_it_is_and_one_may_stop() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let bytes = noise(1, 200_000);
    add_cut(&from, &bytes, Profile::Small);
    let known = content::find(&from, &Oid::of(&bytes)).unwrap().unwrap();
    // Cuts of the layout that are none of the stream, twice the same bytes, and another order.
    let layout = [(150_000, 50_000), (10_001, 77_777), (10_001, 20_000)];
    let mut mixed = Vec::new();
    for (offset, len) in layout {
        mixed.extend_from_slice(&bytes[offset..offset + len]);
    }
    let layout = layout.map(|(offset, len)| Extent { bytes: len as u64, stream: 0, offset: offset as u64 });
    let (oid, size) = (Oid::of(&mixed), mixed.len() as u64);
    let manifest = Manifest { oid, size, layout: layout.to_vec(), ..known.manifest };
    let mut batch = from.batch().unwrap();
    batch.put(manifest.id(), Kind::Manifest, &manifest.encode()).unwrap();
    batch.bind(dits_format::Binding { oid, manifest: manifest.id(), size, ..known.binding });
    batch.commit().unwrap();
    for most in [usize::MAX, 3] {
        let land = Paper { store: &to, bytes: vec![0; mixed.len()], parts: 0, most };
        let ranger = Ranger::new(land, vec![whole(oid, 0..size)]);
        let ended = Pair::new(ranger, Giver::new(Arc::new(from.clone())), Link::default()).run();
        let stopped = matches!(ended.results[0], Err(SyncError::Stopped));
        let land = ended.left.into_land();
        match most {
            3 => assert!(stopped && land.parts == 3),
            _ => assert!(!stopped && land.bytes == mixed),
        }
    }
}

proptest! {
    #[test]
    fn any_range_arrives(size in 1usize..300_000, from in any::<u64>(), len in any::<u64>(), flip in any::<Option<(u16, u8)>>()) {
        let (server, here) = (MemoryStore::new(), MemoryStore::new());
        let bytes = noise(size as u64, size);
        let oid = add_cut(&server, &bytes, Profile::Small);
        let start = from % size as u64;
        let end = start + 1 + len % (size as u64 - start);
        let flip = flip.map(|(at, mask)| (Side::Right, u64::from(at), mask));
        let link = Link { flip, ..Link::default() };
        let ended = fetch(link, &here, &server, vec![whole(oid, start..end)]);
        let manifests = ended.left.manifests().to_vec();
        ended.left.into_land().keep().expect("memory has room");
        // What came whole is right; what was changed on the way is an error, or lies where nothing is checked.
        if ended.results[0].is_ok() && flip.is_none() {
            let found = bytes_of(&here, &manifests[0].1, &(start..end)).expect("it came");
            prop_assert_eq!(found, &bytes[start as usize..end as usize]);
        }
        crate::content::assert_sound(&here);
    }
}
