//! What one repository's people learn of another's contents in the same realm: nothing, by any message.

use crate::testing::{Content, Realm, chunk, content, pusher, run, store};
use dits_format::tree::{Entry, Root};
use dits_format::{ChunkId, Kind, Manifest, Oid, Proof};
use dits_store::{ChunkRead, MemoryStore, delta};
use dits_sync::ask::Asker;
use dits_sync::machine::Machine;
use dits_sync::message::{Ask, Delta, Message, Offer, Wanted};
use dits_sync::pull::{Giver, PullItem, Puller};
use std::sync::Arc;

const OURS: &str = "team/ours";
const THEIRS: &str = "team/theirs";
const ONLY_OURS: Option<&[&str]> = Some(&[OURS]);

fn giver(realm: &Realm, readable: Option<&[&str]>) -> crate::guard::Guard<Giver> {
    let keeper = realm.keeper(OURS, readable);
    crate::guard::Guard::giving(Giver::new(Arc::new(keeper.view.clone())), keeper)
}

/// Which of these contents arrive.
fn pulled(realm: &Realm, readable: Option<&[&str]>, contents: &[&Content]) -> Vec<bool> {
    let client = MemoryStore::new();
    let oids: Vec<Oid> = contents.iter().map(|content| content.oid).collect();
    let mut puller = Puller::new(&client, oids.iter().copied().map(PullItem::from).collect(), false).unwrap();
    run(&mut puller, &mut giver(realm, readable)).unwrap();
    oids.iter().map(|oid| !client.bindings(oid).unwrap().is_empty()).collect()
}

fn asked(realm: &Realm, readable: Option<&[&str]>, contents: &[&Content]) -> Vec<bool> {
    let mut asker = Asker::new(contents.iter().map(|content| content.oid).collect());
    run(&mut asker, &mut giver(realm, readable)).unwrap();
    asker.answers().to_vec()
}

/// The one answer to a message.
fn answer(machine: &mut impl Machine, message: Message) -> Message {
    machine.receive(message).unwrap();
    machine.poll().unwrap().unwrap()
}

fn new(letters: &str) -> Message {
    let entry = |letter| Entry { id: chunk(letter), bytes: 100 };
    Message::Offer(vec![Offer::New(letters.chars().map(entry).collect())])
}

#[test]
fn contents_of_a_repository_that_one_may_not_read_are_absent() {
    let realm = Realm::new();
    let (ours, theirs) = (content("abc"), content("bcd"));
    realm.push(OURS, ONLY_OURS, &[&ours]).unwrap();
    realm.push(THEIRS, None, &[&theirs]).unwrap();
    assert_eq!(asked(&realm, ONLY_OURS, &[&ours, &theirs]), [true, false]);
    assert_eq!(pulled(&realm, ONLY_OURS, &[&ours, &theirs]), [true, false]);
    assert_eq!(asked(&realm, Some(&[OURS, THEIRS]), &[&ours, &theirs]), [true, true]);
    assert_eq!(pulled(&realm, Some(&[THEIRS]), &[&ours, &theirs]), [false, true]);
    assert_eq!(pulled(&realm, None, &[&ours, &theirs]), [true, true]);
}

#[test]
fn single_chunks_are_no_oracle() {
    let realm = Realm::new();
    realm.push(OURS, ONLY_OURS, &[&content("abc")]).unwrap();
    realm.push(THEIRS, None, &[&content("bcd")]).unwrap();
    // Weighing: `d` is here and theirs, `x` is nowhere.
    assert_eq!(answer(&mut giver(&realm, ONLY_OURS), new("adx")), Message::Need(vec![false, true, true]));
    assert_eq!(answer(&mut giver(&realm, None), new("adx")), Message::Need(vec![false, false, true]));
    // Pushing: it is asked for, and kept once.
    let count = |realm: &Realm| {
        let mut chunks = 0;
        realm
            .store
            .visit(&mut |item| {
                chunks += u64::from(matches!(item, dits_store::Item::Chunk { kind: Kind::Data, .. }));
                Ok(())
            })
            .unwrap();
        chunks
    };
    assert_eq!(count(&realm), 4);
    assert_eq!(realm.push(OURS, ONLY_OURS, &[&content("acd")]).unwrap(), 1);
    assert_eq!(count(&realm), 4);
    // And now it is ours.
    assert_eq!(realm.push(OURS, ONLY_OURS, &[&content("dca")]).unwrap(), 0);
    assert_eq!(realm.push("team/third", None, &[&content("ddd")]).unwrap(), 0);
}

#[test]
fn a_chunk_of_others_is_no_base_of_a_delta() {
    let realm = Realm::new();
    realm.push(OURS, ONLY_OURS, &[&content("abc")]).unwrap();
    realm.push(THEIRS, None, &[&content("bcd")]).unwrap();
    // Who guesses what is in a chunk and is right is asked for it all the same, as if it were nowhere.
    let needs = |readable, letter: u8| {
        let (base, plain) = ([letter; 100], [&[letter; 100][..], b"guess"].concat());
        let bytes = delta::encode(&base, &plain, 100).unwrap();
        let (bases, plain_bytes) = (vec![ChunkId::of(Kind::Data, &base)], plain.len() as u32);
        let mut taker = realm.taker(OURS, readable);
        let deltas = vec![Delta { bases, plain_bytes, bytes }];
        taker.receive(Message::Deltas { early: true, deltas }).unwrap();
        let entry = Entry { id: ChunkId::of(Kind::Data, &plain), bytes: plain.len() as u64 };
        let root = Root { height: 0, id: entry.id };
        let manifest = Manifest::plain(0, Oid::of(&plain), entry.bytes, root);
        let begin = Offer::Content { manifest, base: None };
        let offer = Message::Offer(vec![begin, Offer::New(vec![entry]), Offer::EndStream]);
        answer(&mut taker, offer)
    };
    assert_eq!(needs(ONLY_OURS, b'a'), Message::Need(vec![false]));
    assert_eq!(
        [b'd', b'x'].map(|letter| needs(ONLY_OURS, letter)),
        [(); 2].map(|()| Message::Need(vec![true]))
    );
    assert_eq!(needs(None, b'd'), Message::Need(vec![false]));
}

#[test]
fn a_manifest_of_others_is_no_base() {
    let realm = Realm::new();
    let theirs = content("bcd");
    realm.push(THEIRS, None, &[&theirs]).unwrap();
    let id = theirs.manifest.id();
    let mut taker = realm.taker(OURS, ONLY_OURS);
    let ask = Message::Ask(vec![Ask { oid: theirs.oid, manifest: Some(id) }]);
    assert_eq!(answer(&mut taker, ask), Message::Have(vec![false]));
    // Spliced all the same: refused, as with one that there is not.
    let spliced = |base: ChunkId, manifest: &Manifest| {
        let mut taker = realm.taker(OURS, ONLY_OURS);
        let steps = vec![
            Offer::Content { manifest: manifest.clone(), base: Some(base) },
            Offer::Keep { start: 0, count: 3 },
            Offer::EndStream,
        ];
        match taker.receive(Message::Offer(steps)) {
            Err(error) => error.to_refusal(),
            Ok(()) => taker.poll().unwrap().unwrap(),
        }
    };
    let absent = content("xyz");
    let tells_nothing = |message: &Message| match message {
        Message::Refuse { .. } | Message::Again(_) => true,
        Message::Need(bits) => bits.is_empty(),
        _ => false,
    };
    let (one, other) = (spliced(id, &theirs.manifest), spliced(absent.manifest.id(), &absent.manifest));
    assert!(tells_nothing(&one) && tells_nothing(&other));
    assert_eq!(std::mem::discriminant(&one), std::mem::discriminant(&other));
    // Nor does a pull describe against it.
    let mut giver = giver(&realm, ONLY_OURS);
    let wanted = vec![Wanted { oid: theirs.oid, base: Some(id) }];
    let absent = answer(&mut giver, Message::Want { wanted, last: true, cold: false });
    assert_eq!(absent, Message::Absent(vec![theirs.oid]));
}

#[test]
fn a_claim_about_the_oid_of_others_gives_only_what_was_sent() {
    let realm = Realm::new();
    let theirs = content("bcd");
    realm.push(THEIRS, None, &[&theirs]).unwrap();
    // Somebody says that their oid is made of his own chunks, in a way that is not hashed at once.
    let mut lie = content("xyz");
    lie.oid = theirs.oid;
    lie.manifest.oid = theirs.oid;
    store(&realm.store, &lie, Proof::Claimed);
    let claim = realm.store.bindings(&theirs.oid).unwrap();
    let claim: Vec<_> = claim.into_iter().filter(|known| known.manifest == lie.manifest.id()).collect();
    realm.contents.attach(OURS, &realm.store, &claim, 1).unwrap();
    assert_eq!(asked(&realm, ONLY_OURS, &[&theirs]), [false], "a claim answers for nobody");
    let view = realm.keeper(OURS, ONLY_OURS).view;
    let seen: Vec<ChunkId> = view.bindings(&theirs.oid).unwrap().iter().map(|known| known.manifest).collect();
    assert_eq!(seen, [lie.manifest.id()]);
    assert!(!view.admits(&chunk('b')).unwrap() && view.admits(&chunk('x')).unwrap());
    assert_eq!(view.read(&theirs.manifest.id(), &mut Vec::new()).unwrap(), None);
}

#[test]
fn a_content_found_through_another_repository_is_attached() {
    let realm = Realm::new();
    let theirs = content("bcd");
    realm.push(THEIRS, None, &[&theirs]).unwrap();
    assert_eq!(realm.push(OURS, Some(&[OURS, THEIRS]), &[&theirs]).unwrap(), 0);
    assert_eq!(asked(&realm, ONLY_OURS, &[&theirs]), [true]);
}

#[test]
fn a_broken_push_goes_on_where_it_was_and_only_there() {
    let realm = Realm::new();
    let all = content("abcdefgh");
    let mut pusher = pusher(&[&all]);
    let mut taker = realm.taker(OURS, ONLY_OURS);
    // Up to the commit, which never comes.
    while let Some(message) = pusher.poll().unwrap() {
        if message == Message::Commit {
            break;
        }
        taker.receive(message).unwrap();
        while let Some(answer) = taker.poll().unwrap() {
            pusher.receive(answer).unwrap();
        }
    }
    assert!(pusher.tally().chunks > 0);
    taker.into_inner().salvage().unwrap();
    assert_eq!(realm.push("team/other", Some(&["team/other"]), &[&content("ab")]).unwrap(), 2);
    assert_eq!(realm.push(OURS, ONLY_OURS, &[&all]).unwrap(), 0);
}
