//! Peers that lie. Every lie ends the stream with an error; nothing is bound and no wrong chunk is kept.
//!
//! The honest messages of one push are recorded, changed in one place, and fed to a fresh receiving machine:
//! the server's [`Taker`] and the client's [`Puller`], which share their checks.

use crate::content::{MIB, add, add_pieces, assert_sound, binding, bindings, item, noise, pieces, push_over};
use crate::link::{Link, Side};
use bytes::Bytes;
use dits_chunk::Profile;
use dits_format::limits::CHUNK_BYTES_MAX;
use dits_format::tree::Entry;
use dits_format::{ChunkId, Kind, Manifest, Oid};
use dits_store::{ChunkPrune, Encoded, MemoryStore, content};
use dits_sync::machine::{Machine, SyncError};
use dits_sync::message::{Hello, Message, Offer, Purpose, Reason};
use dits_sync::pull::Puller;
use dits_sync::push::Taker;
use std::collections::HashSet;

fn old() -> Vec<u8> {
    noise(1, 2 * MIB)
}

/// An edit at two places, so that an offer has three splices.
pub fn new() -> Vec<u8> {
    let mut new = old();
    new[MIB / 2..MIB / 2 + 50].copy_from_slice(&noise(2, 50));
    new[MIB..MIB + 50].copy_from_slice(&noise(3, 50));
    new
}

fn server() -> MemoryStore {
    let store = MemoryStore::new();
    add(&store, &old());
    store
}

/// What a pusher says that takes its time: `Ask`, `Offer` of a content with base, `Chunks`, `Commit`.
fn script() -> Vec<Message> {
    let mut said = hasty_script();
    let chunks =
        said.iter().position(|message| matches!(message, Message::Early(_))).expect("an edit is sent ahead");
    let Message::Early(early) = said.remove(chunks) else { panic!("found as one") };
    said.insert(chunks + 1, Message::Chunks(early));
    *said.last_mut().expect("there is a commit") = Message::Commit;
    said
}

/// What an honest pusher says: `Ask`, `Early`, `Offer` of a content with base, `EarlyCommit`.
pub fn hasty_script() -> Vec<Message> {
    let from = MemoryStore::new();
    let (old, new) = (add(&from, &old()), add(&from, &new()));
    let mut said = Vec::new();
    let record = |side, message: Message| {
        if side == Side::Left {
            said.push(crate::deltas::whole(&from, &message));
        }
        vec![message]
    };
    let link = Link { tamper: Box::new(record), ..Link::default() };
    push_over(link, &from, &server(), vec![item(&from, new, Some(old))]).ok();
    said
}

/// Feeds messages until one is refused.
pub fn feed(machine: &mut dyn Machine, messages: Vec<Message>) -> Option<SyncError> {
    for message in messages {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let message = match Message::decode(&bytes[4..]) {
            Ok(message) => message,
            Err(error) => return Some(error.into()),
        };
        if let Err(error) = machine.receive(message) {
            return Some(error);
        }
        while machine.poll().expect("honest stores do not fail").is_some() {}
    }
    None
}

fn assert_untouched(store: &MemoryStore) {
    assert_eq!(bindings(store).iter().map(|b| b.oid).collect::<Vec<_>>(), [Oid::of(&old())]);
    assert_sound(store);
}

fn to_taker(messages: Vec<Message>) -> Option<SyncError> {
    let store = server();
    let mut taker = Taker::new(&store).expect("memory has room");
    let error = feed(&mut taker, messages);
    taker.salvage().expect("memory has room");
    assert_untouched(&store);
    error
}

fn to_puller(mut messages: Vec<Message>) -> Option<SyncError> {
    let store = server();
    let mut puller = Puller::new(&store, vec![Oid::of(&new()).into()], false).expect("memory has room");
    messages.retain(|message| !matches!(message, Message::Ask(_)));
    let error = feed(&mut puller, messages);
    puller.salvage().expect("memory has room");
    assert_untouched(&store);
    error
}

type Change = fn(&mut Vec<Message>);
type Expected = fn(&SyncError) -> bool;

/// Applies each change to the honest messages and expects both machines to refuse.
fn all_refused(cases: &[(&str, Change, Expected)]) {
    let honest = script();
    for (name, change, expected) in cases {
        let mut messages = honest.clone();
        change(&mut messages);
        assert_ne!(messages, honest, "{name} changes nothing");
        for error in [to_taker(messages.clone()), to_puller(messages)] {
            assert!(error.as_ref().is_some_and(expected), "{name}: {error:?}");
        }
    }
}

fn steps(messages: &mut [Message]) -> &mut Vec<Offer> {
    match &mut messages[1] {
        Message::Offer(steps) => steps,
        other => panic!("no offer: {other:?}"),
    }
}

fn manifest(messages: &mut [Message]) -> &mut Manifest {
    let Offer::Content { manifest, .. } = &mut steps(messages)[0] else { panic!("no content") };
    manifest
}

fn base(messages: &mut [Message]) -> &mut Option<ChunkId> {
    let Offer::Content { base, .. } = &mut steps(messages)[0] else { panic!("no content") };
    base
}

/// Start and count of the n-th splice.
fn splice(messages: &mut [Message], n: usize) -> (&mut u64, &mut u64) {
    let mut found = 0;
    for step in steps(messages) {
        if let Offer::Keep { start, count } = step {
            found += 1;
            if found > n {
                return (start, count);
            }
        }
    }
    panic!("two edits make three splices");
}

fn entry(messages: &mut [Message]) -> &mut Entry {
    for step in steps(messages) {
        if let Offer::New(entries) = step {
            return &mut entries[0];
        }
    }
    panic!("an edit has new chunks");
}

/// Puts other bytes in the place of a chunk's.
pub fn spoil(chunk: &mut Bytes, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = chunk.to_vec();
    how(&mut bytes);
    *chunk = bytes.into();
}

pub fn spoil_chunk(chunk: &mut Encoded, how: impl FnOnce(&mut Vec<u8>)) {
    spoil(&mut chunk.bytes, how);
    *chunk = chunk.bytes.clone().into();
}

/// Spoils a byte of a chunk, also when asked for it once more.
fn spoil_twice(messages: &mut Vec<Message>) {
    spoil_chunk(&mut chunks(messages)[1], |chunk| chunk[77] ^= 1);
    let again = Message::Chunks(vec![chunks(messages)[1].clone()]);
    messages.insert(3, again);
}

fn chunks(messages: &mut [Message]) -> &mut Vec<Encoded> {
    let Message::Chunks(chunks) = &mut messages[2] else { panic!("no chunks") };
    chunks
}

fn twice(steps: &mut Vec<Offer>, at: usize) {
    steps.insert(at, steps[at].clone());
}

pub fn wrong_chunk(error: &SyncError) -> bool {
    matches!(error, SyncError::WrongChunk { .. })
}

fn wrong_manifest(error: &SyncError) -> bool {
    matches!(error, SyncError::WrongManifest { .. })
}

pub fn protocol(error: &SyncError) -> bool {
    matches!(error, SyncError::Protocol(_))
}

fn format(error: &SyncError) -> bool {
    matches!(error, SyncError::Format(_))
}

#[test]
fn the_honest_messages_are_taken() {
    let store = server();
    let mut taker = Taker::new(&store).unwrap();
    assert!(feed(&mut taker, script()).is_none() && taker.is_done());
    crate::content::assert_holds(&store, &new());
    let messages = script();
    assert!(matches!(
        messages[..],
        [Message::Ask(_), Message::Offer(_), Message::Chunks(_), Message::Commit]
    ));
}

#[test]
fn wrong_chunks_are_refused() {
    all_refused(&[
        ("a changed byte", spoil_twice, wrong_chunk),
        ("a longer chunk", |m| spoil_chunk(&mut chunks(m)[0], |chunk| chunk.push(0)), wrong_chunk),
        ("an empty chunk", |m| spoil_chunk(&mut chunks(m)[0], Vec::clear), wrong_chunk),
        ("another chunk", |m| chunks(m)[0] = noise(9, 1000).into(), wrong_chunk),
        ("chunks in another order", |m| chunks(m).reverse(), wrong_chunk),
        ("one chunk twice", |m| chunks(m)[1] = chunks(m)[0].clone(), wrong_chunk),
        ("one more", |m| chunks(m).push(noise(9, 1000).into()), protocol),
        ("one less", |m| drop(chunks(m).pop()), protocol),
        ("none", |m| drop(m.remove(2)), protocol),
        ("chunks before the offer", |m| m.swap(1, 2), protocol),
    ]);
}

#[test]
fn wrong_descriptions_are_refused() {
    all_refused(&[
        ("another root", |m| manifest(m).streams[0].root.id.0[0] ^= 1, wrong_manifest),
        ("another height", |m| manifest(m).streams[0].root.height += 1, wrong_manifest),
        ("a height over the limit", |m| manifest(m).streams[0].root.height = 13, format),
        ("a longer stream", |m| manifest(m).streams[0].bytes += 1, format),
        (
            "a longer content",
            |m| {
                manifest(m).size += 1;
                manifest(m).streams[0].bytes += 1;
            },
            wrong_manifest,
        ),
        ("a longer chunk", |m| entry(m).bytes += 1, wrong_manifest),
        ("a chunk without bytes", |m| entry(m).bytes = 0, protocol),
        ("a chunk over the limit", |m| entry(m).bytes = CHUNK_BYTES_MAX as u64 + 1, protocol),
        ("another chunk", |m| entry(m).id = ChunkId([7; 32]), wrong_manifest),
        ("no end", |m| drop(steps(m).pop()), protocol),
        ("two ends", |m| steps(m).push(Offer::EndStream), protocol),
        ("an end too early", |m| steps(m).insert(1, Offer::EndStream), wrong_manifest),
        ("a content in another", |m| twice(steps(m), 0), protocol),
        ("chunks of no content", |m| drop(steps(m).remove(0)), protocol),
        ("a part left out", |m| drop(steps(m).remove(2)), wrong_manifest),
    ]);
}

#[test]
fn wrong_splices_are_refused() {
    all_refused(&[
        ("no base", |m| *base(m) = None, protocol),
        ("a splice beyond its base", |m| *splice(m, 2).1 += 1, protocol),
        ("a splice far beyond", |m| *splice(m, 0).0 = u64::MAX, protocol),
        ("a splice without end", |m| *splice(m, 0).1 = u64::MAX, protocol),
        ("both", |m| (*splice(m, 0).0, *splice(m, 0).1) = (u64::MAX, u64::MAX), protocol),
        ("a splice that goes back", |m| *splice(m, 1).0 = 0, protocol),
        ("a shorter splice", |m| *splice(m, 0).1 -= 1, wrong_manifest),
        ("a later splice", |m| (*splice(m, 0).0, *splice(m, 0).1) = (1, 1), wrong_manifest),
    ]);
}

#[test]
fn a_base_that_is_none_is_passed_over_and_its_chunks_are_not_needed() {
    for id in [ChunkId([9; 32]), ChunkId::of(Kind::Data, &pieces(&old(), Profile::Video)[0])] {
        let mut messages = script();
        *base(&mut messages) = Some(id);
        let error = to_taker(messages);
        assert!(error.as_ref().is_some_and(protocol), "{error:?}");
        let (store, mut messages) = (server(), hasty_script());
        let mut taker = Taker::new(&store).expect("memory has room");
        match &mut messages[2] {
            Message::Offer(steps) => match &mut steps[0] {
                Offer::Content { base, .. } => *base = Some(id),
                other => panic!("no content: {other:?}"),
            },
            other => panic!("no offer: {other:?}"),
        }
        assert!(feed(&mut taker, messages).is_none() && !taker.is_done(), "its early commit does not count");
    }
}

#[test]
fn messages_out_of_place_are_refused() {
    let hello = Hello { repository: "a/b".into(), token: String::new(), priority: 1, purpose: Purpose::Push };
    let both = [
        Message::Hello(hello),
        Message::Welcome,
        Message::Have(vec![true]),
        Message::Need(vec![true]),
        Message::Done { contents: 1, proved: 1 },
        Message::Want { wanted: vec![], last: true, cold: false },
    ];
    for message in both {
        for at in 0..4 {
            let mut messages = script();
            messages.insert(at, message.clone());
            for error in [to_taker(messages.clone()), to_puller(messages)] {
                assert!(error.as_ref().is_some_and(protocol), "{message:?} at {at}: {error:?}");
            }
        }
    }
    let error = to_taker(vec![Message::Absent(vec![])]);
    assert!(error.as_ref().is_some_and(protocol), "{error:?}");
    let error =
        to_puller(vec![Message::Refuse { reason: Reason::Internal, text: "no".into(), challenges: vec![] }]);
    assert!(matches!(error, Some(SyncError::Refused { .. })), "{error:?}");
}

#[test]
fn after_the_commit_nothing_counts() {
    let after = |n: usize| if n == 3 { vec![Message::Commit] } else { vec![script()[n].clone()] };
    for n in [1, 2, 3] {
        let (store, other) = (server(), server());
        let mut taker = Taker::new(&store).unwrap();
        let mut puller = Puller::new(&other, vec![Oid::of(&new()).into()], false).unwrap();
        assert!(feed(&mut taker, script()).is_none());
        assert!(feed(&mut puller, script().split_off(1)).is_none());
        for error in [feed(&mut taker, after(n)), feed(&mut puller, after(n))] {
            assert!(error.as_ref().is_some_and(protocol), "message {n}: {error:?}");
        }
        assert_eq!((bindings(&store).len(), bindings(&other).len()), (2, 2));
    }
}

#[test]
fn a_false_oid_is_refused_whether_its_chunks_travel_or_not() {
    let (bytes, false_oid) = (noise(5, MIB), Oid::of(b"something else"));
    for has_chunks in [false, true] {
        let (from, to) = (MemoryStore::new(), MemoryStore::new());
        if has_chunks {
            add(&to, &bytes);
        }
        let bound = bindings(&to);
        add_pieces(&from, &pieces(&bytes, Profile::Video), 0, false_oid);
        let ended = push_over(Link::default(), &from, &to, vec![item(&from, false_oid, None)]);
        assert!(matches!(ended.results[1], Err(SyncError::WrongManifest { oid }) if oid == false_oid));
        let Err(SyncError::Refused { reason, .. }) = ended.results[0] else { panic!("not refused") };
        assert_eq!(reason, Reason::BadRequest);
        ended.right.salvage().unwrap();
        assert_eq!(bindings(&to), bound);
    }
}

#[test]
fn a_base_with_a_hole_makes_nothing_whole() {
    // The chunk goes away after the question: a splice over it must not be bound, proved or not.
    let first = ChunkId::of(Kind::Data, &pieces(&old(), Profile::Video)[0]);
    let (store, other) = (server(), server());
    for store in [&store, &other] {
        store.remove(&HashSet::from([first])).unwrap();
    }
    let mut taker = Taker::new(&store).unwrap();
    let mut puller = Puller::new(&other, vec![Oid::of(&new()).into()], false).unwrap();
    assert!(feed(&mut taker, script()).is_none());
    assert!(feed(&mut puller, script().split_off(1)).is_none());
    for machine in [&mut taker as &mut dyn Machine, &mut puller] {
        assert!(!machine.is_done());
        let error = feed(machine, vec![Message::Commit]);
        assert!(error.as_ref().is_some_and(protocol), "{error:?}");
    }
    assert!(binding(&store, &Oid::of(&new())).is_none() && binding(&other, &Oid::of(&new())).is_none());
}

#[test]
fn a_server_brings_what_was_wanted_and_nothing_else() {
    let from = MemoryStore::new();
    let wanted = add(&from, &noise(50, 10_000));
    let offer = |seed: u64| {
        let other = MemoryStore::new();
        let oid = add(&other, &noise(seed, 10_000));
        let known = content::find(&other, &oid).expect("just added").expect("just added");
        let entry = Entry { id: known.manifest.streams[0].root.id, bytes: known.manifest.size };
        let begin = Offer::Content { manifest: known.manifest, base: None };
        Message::Offer(vec![begin, Offer::New(vec![entry]), Offer::EndStream])
    };
    for second in [50, 51] {
        let store = server();
        let mut puller = Puller::new(&store, vec![wanted.into()], false).expect("memory has room");
        assert!(feed(&mut puller, vec![offer(50)]).is_none(), "the one that is wanted");
        let error = feed(&mut puller, vec![offer(second)]);
        assert!(error.as_ref().is_some_and(protocol), "{second}: {error:?}");
        puller.salvage().expect("memory has room");
        assert_untouched(&store);
    }
}
