//! Who follows a pull is told every content from its first byte to its last, once, also when the connection broke
//! meanwhile; or is told that it will not be.

use crate::content::{MIB, add, add_cut, assert_holds, noise};
use crate::link::{Ended, Link, Pair};
use dits_chunk::Profile;
use dits_format::Oid;
use dits_store::follow::Scribe;
use dits_store::{Encoded, MemoryStore};
use dits_sync::message::Message;
use dits_sync::pull::{Giver, PullItem, Puller};
use dits_sync::receiver::PROOF_READ_BYTES_MAX;
use std::sync::Arc;

/// Bytes told of `bytes`, which they must begin with; whether all was told, and whether it was given up.
fn told(scribe: &Scribe, bytes: &[u8]) -> (usize, bool, bool) {
    let told = scribe.told(&Oid::of(bytes));
    assert!(bytes.starts_with(&told.bytes), "they are told in order");
    (told.bytes.len(), told.ended, told.given_up)
}

fn pull(
    scribe: &Arc<Scribe>,
    link: Link<'_>,
    [to, from]: [&MemoryStore; 2],
    items: Vec<PullItem>,
) -> Ended<Puller, Giver> {
    let mut puller = Puller::new(to, items, false).expect("memory has room");
    puller.follow(scribe.clone());
    Pair::new(puller, Giver::new(Arc::new(from.clone())), link).run()
}

#[test]
fn every_content_is_told_from_its_first_byte_to_its_last() {
    let (a, b, zeros) = (noise(1, 6 * MIB), noise(2, MIB), vec![0; 3 * MIB + 5]);
    // Chunks that are here, that repeat, and that another content of the pull brings.
    let contents = [a.clone(), [&a[3 * MIB..], &b].concat(), zeros, noise(3, 10), [&b[..], &a].concat()];
    let (from, to, scribe) = (MemoryStore::new(), MemoryStore::new(), Arc::default());
    add(&to, &a[..2 * MIB]);
    let items: Vec<PullItem> = contents.iter().map(|bytes| add(&from, bytes).into()).collect();
    pull(&scribe, Link::default(), [&to, &from], items).ok();
    for bytes in &contents {
        assert_holds(&to, bytes);
        assert_eq!(told(&scribe, bytes), (bytes.len(), true, false));
    }
}

#[test]
fn after_a_break_it_goes_on_where_it_was() {
    let bytes = noise(1, 20 * MIB);
    let (from, to, scribe) = (MemoryStore::new(), MemoryStore::new(), Arc::<Scribe>::default());
    let oid = add(&from, &bytes);
    let mut before = 0;
    for cut in [0, 3, 9].map(|n| (n * MIB + MIB / 2) as u64) {
        let link = Link { cut_after: Some(cut), ..Link::default() };
        let ended = pull(&scribe, link, [&to, &from], vec![oid.into()]);
        assert!(ended.results[0].is_err());
        ended.left.salvage().unwrap();
        let (told, ended, given_up) = self::told(&scribe, &bytes);
        assert!(told >= before && !ended && !given_up);
        before = told;
    }
    assert!(before > 9 * MIB);
    pull(&scribe, Link::default(), [&to, &from], vec![oid.into()]).ok();
    assert_eq!(told(&scribe, &bytes), (bytes.len(), true, false));
    assert_holds(&to, &bytes);
}

#[test]
fn with_other_chunks_than_before_it_is_given_up() {
    let bytes = noise(1, 8 * MIB);
    let (from, other, to, scribe) =
        (MemoryStore::new(), MemoryStore::new(), MemoryStore::new(), Arc::<Scribe>::default());
    let oid = add(&from, &bytes);
    let link = Link { cut_after: Some(5 * MIB as u64), ..Link::default() };
    pull(&scribe, link, [&to, &from], vec![oid.into()]).left.salvage().unwrap();
    assert!(told(&scribe, &bytes).0 > MIB);
    add_cut(&other, &bytes, Profile::Project);
    pull(&scribe, Link::default(), [&to, &other], vec![oid.into()]).ok();
    let (_, ended, given_up) = told(&scribe, &bytes);
    assert!(!ended && given_up);
    assert_holds(&to, &bytes);
}

#[test]
fn an_edit_is_told_unless_much_of_it_is_here() {
    for (bytes, is_told) in [(2 * MIB, true), (PROOF_READ_BYTES_MAX as usize + 2 * MIB, false)] {
        let old = noise(1, bytes);
        let new = [&old[..], &noise(3, MIB)].concat();
        for with_base in [true, false] {
            let (from, to, scribe) = (MemoryStore::new(), MemoryStore::new(), Arc::<Scribe>::default());
            let base = Some(add(&to, &old)).filter(|_| with_base);
            add(&from, &old);
            let item = PullItem { oid: add(&from, &new), base };
            pull(&scribe, Link::default(), [&to, &from], vec![item]).ok();
            assert_holds(&to, &new);
            let (told, ended, given_up) = told(&scribe, &new);
            assert_eq!((ended, given_up), (is_told, !is_told));
            assert!(if is_told { told == new.len() } else { told as u64 <= PROOF_READ_BYTES_MAX });
        }
    }
}

#[test]
fn what_came_wrong_is_not_told() {
    let bytes = noise(1, 4 * MIB);
    let (from, to, scribe) = (MemoryStore::new(), MemoryStore::new(), Arc::<Scribe>::default());
    let oid = add(&from, &bytes);
    let mut left = 1;
    let tamper = move |_, message| match message {
        Message::Chunks(mut chunks) if left > 0 => {
            left -= 1;
            let chunk = chunks.last_mut().expect("a chunk");
            let mut bytes = chunk.bytes.to_vec();
            bytes[0] ^= 1;
            *chunk = Encoded { bytes: bytes.into(), ..chunk.clone() };
            vec![Message::Chunks(chunks)]
        }
        other => vec![other],
    };
    let link = Link { tamper: Box::new(tamper), ..Link::default() };
    pull(&scribe, link, [&to, &from], vec![oid.into()]).ok();
    assert_holds(&to, &bytes);
    let (told, ended, _) = self::told(&scribe, &bytes);
    assert!(told < bytes.len() && !ended, "{told}");
}
