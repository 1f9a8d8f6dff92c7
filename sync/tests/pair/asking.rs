//! Asking alone: what the server holds whole and proved, and nothing else about it.

use crate::content::{MIB, add, bind_pieces, noise, pieces};
use crate::link::{Ended, Link, Pair, Side};
use dits_chunk::Profile;
use dits_format::{ChunkId, Kind, Oid, Proof};
use dits_store::{ChunkPrune, MemoryStore};
use dits_sync::ask::Asker;
use dits_sync::machine::SyncError;
use dits_sync::message::Message;
use dits_sync::pull::Giver;
use std::collections::HashSet;
use std::sync::Arc;

fn ask(link: Link<'_>, server: &MemoryStore, oids: Vec<Oid>) -> Ended<Asker, Giver> {
    Pair::new(Asker::new(oids), Giver::new(Arc::new(server.clone())), link).run()
}

#[test]
fn only_what_is_whole_and_proved_counts() {
    let server = MemoryStore::new();
    let (whole, torn, claimed) = (noise(1, 3 * MIB), noise(2, 3 * MIB), noise(3, MIB));
    let oids = [add(&server, &whole), add(&server, &torn), Oid::of(&claimed), Oid::of(b"unknown")];
    let lost = ChunkId::of(Kind::Data, &pieces(&torn, Profile::Video)[1]);
    assert_eq!(server.remove(&HashSet::from([lost])).unwrap(), 1);
    bind_pieces(&server, &pieces(&claimed, Profile::Video), 0, oids[2], Proof::Claimed);
    let ended = ask(Link::default(), &server, oids.to_vec()).ok();
    assert_eq!(ended.left.answers(), [true, false, false, false]);
    assert_eq!((ended.count("Offer"), ended.count("Chunks"), ended.flights()), (0, 0, 2));
}

#[test]
fn many_are_asked_about_in_several_questions() {
    let server = MemoryStore::new();
    let oids: Vec<Oid> = (0..9000_u32).map(|n| Oid::of(&n.to_le_bytes())).collect();
    add(&server, &8999_u32.to_le_bytes());
    let ended = ask(Link::default(), &server, oids).ok();
    assert_eq!(ended.count("Ask"), 2);
    assert_eq!(ended.left.answers().iter().position(|has| *has), Some(8999));
    assert_eq!(ended.left.answers().len(), 9000);
    let nothing = ask(Link::default(), &server, vec![]).ok();
    assert!(nothing.left.answers().is_empty());
}

#[test]
fn an_answer_of_another_length_is_no_answer() {
    let server = MemoryStore::new();
    let tamper = |_: Side, message: Message| match message {
        Message::Have(bits) => vec![Message::Have([&bits[..], &[true]].concat())],
        other => vec![other],
    };
    let link = Link { tamper: Box::new(tamper), ..Link::default() };
    let ended = ask(link, &server, vec![Oid::of(b"a")]);
    assert!(matches!(ended.results[0], Err(SyncError::Protocol(_))), "{:?}", ended.results);
    // An answer that is left out altogether is no "yes" either.
    let tamper =
        |_: Side, message: Message| if let Message::Have(_) = message { vec![] } else { vec![message] };
    let link = Link { tamper: Box::new(tamper), ..Link::default() };
    let ended = ask(link, &server, vec![Oid::of(b"a")]);
    assert!(matches!(ended.results[0], Err(SyncError::Protocol(_))), "{:?}", ended.results);
}
