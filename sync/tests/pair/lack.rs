//! Chunks that are missing at the commit after all: they come, or the stream ends; and nobody is made to give what was
//! not on offer.

use crate::content::{
    MIB, add, add_pieces, assert_holds, binding, item, noise, pieces, pull_over, push_over,
};
use crate::hostile::{feed, protocol};
use crate::link::{Link, Side};
use dits_chunk::Profile;
use dits_format::{ChunkId, Kind, Oid};
use dits_store::{ChunkPrune, ChunkRead, MemoryStore, content};
use dits_sync::machine::{Machine, SyncError};
use dits_sync::message::{LACK_MAX, Message};
use dits_sync::pull::Giver;
use dits_sync::push::Pusher;
use dits_sync::receiver::LACK_ROUNDS_MAX;
use std::collections::HashSet;
use std::sync::Arc;

/// Sent when the answer is given and the commit is to come.
fn is_between(message: &Message) -> bool {
    matches!(message, Message::Need(_) | Message::Commit)
}

/// Removes chunks from a store between the answer to an offer and the commit, and before the next one again.
fn losing<'a>(store: &'a MemoryStore, mut lose: Vec<Vec<ChunkId>>) -> Link<'a> {
    lose.reverse();
    let tamper = move |_: Side, message: Message| {
        if is_between(&message)
            && let Some(ids) = lose.pop()
        {
            assert_eq!(store.remove(&ids.iter().copied().collect()).expect("memory"), ids.len() as u64);
        }
        vec![message]
    };
    Link { tamper: Box::new(tamper), ..Link::default() }
}

/// Old and new content, and the chunks that they share.
fn edit() -> (Vec<u8>, Vec<u8>, Vec<ChunkId>) {
    let old = noise(1, 8 * MIB);
    let new = [&old[..], b"more"].concat();
    let ids = pieces(&old, Profile::Video).into_iter().map(|piece| ChunkId::of(Kind::Data, &piece)).take(5);
    let ids = ids.collect();
    (old, new, ids)
}

#[test]
fn chunks_that_go_away_before_the_commit_come_again() {
    let (old, new, shared) = edit();
    for base in [false, true] {
        let (from, to) = (MemoryStore::new(), MemoryStore::new());
        let (old_oid, new_oid) = (add(&from, &old), add(&from, &new));
        add(&to, &old);
        let items = vec![item(&from, new_oid, base.then_some(old_oid))];
        let lost = vec![shared[..2].to_vec(), shared[2..].to_vec()];
        let ended = push_over(losing(&to, lost), &from, &to, items).ok();
        let lacks = ended.count("Lack");
        assert!(lacks >= 1, "base: {base}");
        assert_holds(&to, &new);
    }
    let (server, here) = (MemoryStore::new(), MemoryStore::new());
    let oid = add(&server, &new);
    add(&here, &old);
    let ended = pull_over(losing(&here, vec![shared]), &here, &server, vec![oid]).ok();
    assert_eq!(ended.count("Lack"), 1);
    assert_holds(&here, &new);
}

#[test]
fn a_node_and_what_is_below_it_come_again() {
    let pieces: Vec<Vec<u8>> = (0..3000).map(|seed| noise(seed, 40)).collect();
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let old = Oid::of(&pieces.concat());
    [&from, &to].into_iter().for_each(|store| _ = add_pieces(store, &pieces, 0, old));
    let more = [&pieces[..], &[b"more".to_vec()]].concat();
    let new = add_pieces(&from, &more, 0, Oid::of(&more.concat())).oid;
    let nodes: Vec<ChunkId> = {
        let mut nodes = Vec::new();
        let each = &mut |item| {
            if let dits_store::Item::Chunk { id, kind: Kind::Node, .. } = item {
                nodes.push(id);
            }
            Ok(())
        };
        to.visit(each).unwrap();
        nodes
    };
    let chunks: Vec<ChunkId> = pieces.iter().map(|piece| ChunkId::of(Kind::Data, piece)).collect();
    let ended =
        push_over(losing(&to, vec![[nodes, chunks].concat()]), &from, &to, vec![item(&from, new, Some(old))])
            .ok();
    assert!(ended.count("Lack") >= 2, "first the nodes, then what is seen through them");
    assert_holds(&to, &more.concat());
}

#[test]
fn more_than_one_message_names_is_asked_for_in_rounds() {
    let pieces: Vec<Vec<u8>> = (0..LACK_MAX as u64 + 500).map(|seed| noise(seed, 8)).collect();
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let oid = add_pieces(&from, &pieces, 0, Oid::of(&pieces.concat())).oid;
    let base = add_pieces(&from, &pieces[1..], 0, Oid::of(&pieces[1..].concat())).oid;
    add_pieces(&to, &pieces[1..], 0, base);
    let all = pieces[1..].iter().map(|piece| ChunkId::of(Kind::Data, piece)).collect();
    let ended = push_over(losing(&to, vec![all]), &from, &to, vec![item(&from, oid, Some(base))]).ok();
    assert_eq!(ended.count("Lack"), 2);
    assert_holds(&to, &pieces.concat());
}

#[test]
fn a_store_that_loses_all_the_time_is_given_up() {
    let (old, new, shared) = edit();
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let (old_oid, new_oid) = (add(&from, &old), add(&from, &new));
    add(&to, &old);
    let id = shared[0];
    // The chunk is dropped on its way: what the receiver has put is in its batch, out of our reach.
    let swallow = |side, message: Message| {
        if is_between(&message) {
            to.remove(&HashSet::from([id])).unwrap();
        }
        match (side, &message) {
            (Side::Left, Message::Chunks(_)) => vec![],
            _ => vec![message],
        }
    };
    let link = Link { tamper: Box::new(swallow), ..Link::default() };
    let ended = push_over(link, &from, &to, vec![item(&from, new_oid, Some(old_oid))]);
    assert!(matches!(ended.results[1], Err(SyncError::Protocol(_))), "{:?}", ended.results[1]);
    assert!(binding(&to, &new_oid).is_none());
}

/// A pusher that has said all of an edit, and one that was answered, so that its commit is under way.
fn committed(from: &MemoryStore, items: Vec<dits_sync::push::PushItem>) -> Pusher {
    let mut pusher = Pusher::new(Arc::new(from.clone()), items);
    let mut offers = 0;
    while let Some(message) = pusher.poll().expect("memory does not fail") {
        offers += usize::from(matches!(message, Message::Offer(_)));
        assert!(!matches!(message, Message::Chunks(_)));
    }
    assert_eq!(offers, 1);
    assert!(feed(&mut pusher, vec![Message::Have(vec![false]), Message::Need(vec![false])]).is_none());
    pusher
}

#[test]
fn nobody_is_made_to_give_what_was_not_on_offer() {
    let (old, new, shared) = edit();
    let from = MemoryStore::new();
    let (old_oid, new_oid) = (add(&from, &old), add(&from, &new));
    let secret = noise(9, 1000);
    let secret_id = ChunkId::of(Kind::Data, &secret);
    add(&from, &secret);
    let items = vec![item(&from, new_oid, Some(old_oid))];
    let manifest = content::find(&from, &new_oid).unwrap().unwrap().binding.manifest;
    let bad =
        [vec![secret_id], vec![shared[0], secret_id], vec![shared[0]; 2], vec![ChunkId([1; 32])], vec![]];
    for ids in bad {
        let error = feed(&mut committed(&from, items.clone()), vec![Message::Lack(ids.clone())]);
        assert!(error.as_ref().is_some_and(protocol), "{ids:?}: {error:?}");
    }
    // Honest questions, but without end; and one before the commit.
    let mut pusher = committed(&from, items.clone());
    for round in 0..=LACK_ROUNDS_MAX {
        let error = feed(&mut pusher, vec![Message::Lack(vec![shared[0], manifest])]);
        assert_eq!(error.is_some(), round == LACK_ROUNDS_MAX, "{error:?}");
    }
    let error = feed(&mut Pusher::new(Arc::new(from.clone()), items), vec![Message::Lack(shared.clone())]);
    assert!(error.as_ref().is_some_and(protocol), "{error:?}");
    // A reader gets no chunk by its id alone.
    let wanted = vec![dits_sync::message::Wanted { oid: old_oid, base: None }];
    let mut giver = Giver::new(Arc::new(from.clone()));
    let count = pieces(&old, Profile::Video).len();
    let said = vec![Message::Want { wanted, last: true, cold: false }, Message::Need(vec![false; count])];
    assert!(feed(&mut giver, said).is_none());
    let error = feed(&mut giver, vec![Message::Lack(vec![secret_id])]);
    assert!(error.as_ref().is_some_and(protocol), "{error:?}");
}
