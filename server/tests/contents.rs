//! Contents go to a server and come back, over real QUIC: what moves, what does not, and what stays.
//!
//! Counts of chunks are exact, because contents here are cut at fixed offsets; counts of bytes are bounds.
//! The prover is tested by itself, and once through a server that finds claims of an earlier run, as a push
//! leaves a claim only beyond a budget of reading that is too large for a test.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use common::*;
use dits_format::{Binding, ChunkId, Kind, Oid, Proof};
use dits_server::prover::{Outcome, examine, record};
use dits_store::follow::{Scribe, Told};
use dits_store::{ChunkPrune, ChunkRead, MemoryStore, PackStore, StoreError, content};
use dits_sync::client::Pull;
use dits_sync::push::PushItem;
use dits_sync::sender::UNSURE_BYTES;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[test]
fn who_follows_a_pull_is_told_all_of_it() {
    let (rig, here, scribe) = (Rig::new(), MemoryStore::new(), Arc::<Scribe>::default());
    let contents: Vec<Vec<u8>> = (0..3).map(|n| noise(n, 50 * PIECE)).collect();
    let items: Vec<PushItem> = contents.iter().map(|bytes| add(&here, bytes)).collect();
    let oids = items.iter().map(|item| item.oid).collect::<Vec<_>>();
    rig.push("team/a", &here, items).unwrap();
    let client = rig.client("team/a");
    let pull = Pull { follower: Some(scribe.clone()), ..Pull::from(oids.clone()) };
    client.pull(&rig.token, &MemoryStore::new(), pull, &mut |_| {}).unwrap();
    client.close();
    for (oid, bytes) in oids.iter().zip(contents) {
        assert_eq!(scribe.told(oid), Told { bytes, ended: true, given_up: false });
    }
}

#[test]
fn what_was_pushed_comes_back_and_is_not_sent_twice() {
    let rig = Rig::new();
    let store = MemoryStore::new();
    let twice = noise(1, 3 * PIECE).repeat(2);
    let contents = [noise(2, 300 * PIECE + 1), twice.clone(), twice, b"small".to_vec()];
    let items: Vec<PushItem> = contents.iter().map(|bytes| add(&store, bytes)).collect();

    let first = rig.push("team/a", &store, items.clone()).unwrap();
    assert_eq!((first.tally.contents, first.tally.contents_had), (3, 0));
    assert_eq!(first.tally.chunks, 301 + 3 + 1);
    let again = rig.push("team/b", &store, items.clone()).unwrap();
    assert_eq!((again.tally.contents_had, again.tally.chunks), (3, 0));
    // The question, and what is described before it is answered.
    assert!(again.wire.0 < UNSURE_BYTES[0] as u64 + 400, "{:?}", again.wire);
    assert_eq!(rig.push("team/a", &store, vec![]).unwrap().tally.contents, 0);

    let unknown = Oid::of(b"never pushed");
    let oids: Vec<Oid> = items.iter().map(|item| item.oid).chain([unknown]).collect();
    let (got, absent) = rig.pull("team/a", &oids);
    assert_eq!(absent, [unknown]);
    contents.iter().for_each(|bytes| assert_eq!(bytes_of(&got, &Oid::of(bytes)), *bytes));
    assert!(rig.pull("team/a", &[]).1.is_empty());

    // Streamed contents are proved at once, and durable: another process may read them now.
    let dir = rig.server_dir().join("realms/team/store");
    let known = content::find(&PackStore::open(&dir).unwrap(), &oids[0]).unwrap().unwrap();
    assert_eq!(known.binding.proof, Proof::Proved);
    let (dir, token) = rig.stop();
    let rig = Rig::start(dir, token);
    assert!(rig.pull("team/a", &oids[..4]).1.is_empty());
}

#[test]
fn an_edit_sends_little_more_than_its_chunk() {
    let rig = Rig::new();
    let store = MemoryStore::new();
    let old = noise(3, 2000 * PIECE);
    let mut new = old.clone();
    new[1000 * PIECE..1000 * PIECE + 3].copy_from_slice(b"cut");
    let base = add(&store, &old);
    rig.push("team/a", &store, vec![base]).unwrap();
    let edit = PushItem { base: Some(base.oid), ..add(&store, &new) };
    let report = rig.push("team/a", &store, vec![edit]).unwrap();
    assert_eq!(report.tally.chunks, 1);
    assert!(report.wire.0 < PIECE as u64 + 1024, "{:?}", report.wire);
    assert_eq!(bytes_of(&rig.pull("team/a", &[edit.oid]).0, &edit.oid), new);
}

#[test]
fn realms_know_nothing_of_each_other() {
    let rig = Rig::new();
    let store = MemoryStore::new();
    let item = add(&store, &noise(4, 10 * PIECE));
    rig.push("one/a", &store, vec![item]).unwrap();
    assert_eq!(rig.pull("two/a", &[item.oid]).1, [item.oid]);
    assert!(!rig.server_dir().join("realms/two").exists(), "asking creates nothing");
    let report = rig.push("two/a", &store, vec![item]).unwrap();
    assert_eq!((report.tally.contents_had, report.tally.chunks), (0, 10));
    assert!(rig.pull("one", &[item.oid]).1.is_empty(), "a realm is shared by its repositories");
}

/// Looks into a claim and records what was found, as the server does.
fn settle(store: &dyn ChunkPrune, claim: &Binding, stop: &AtomicBool) -> Result<Outcome, StoreError> {
    let outcome = examine(store, claim, stop)?;
    let proof = match outcome {
        Outcome::Proved => Proof::Proved,
        Outcome::Refuted => Proof::Refuted,
        _ => return Ok(outcome),
    };
    record(store, &[Binding { proof, ..*claim }])?;
    Ok(outcome)
}

#[test]
fn a_proof_says_what_the_chunks_say() {
    let store = MemoryStore::new();
    let go = AtomicBool::new(false);
    let bytes = noise(5, 5 * PIECE);
    let good = claim(&store, &bytes, Oid::of(&bytes));
    assert_eq!(settle(&store, &good, &AtomicBool::new(true)).unwrap(), Outcome::Stopped);
    assert_eq!(store.bindings(&good.oid).unwrap()[0].proof, Proof::Claimed);
    assert_eq!(settle(&store, &good, &go).unwrap(), Outcome::Proved);
    assert_eq!(store.bindings(&good.oid).unwrap()[0].proof, Proof::Proved);

    let liar = claim(&store, &bytes, Oid::of(b"another"));
    assert_eq!(settle(&store, &liar, &go).unwrap(), Outcome::Refuted);
    assert!(store.bindings(&liar.oid).unwrap().is_empty(), "refuted bindings are not offered");
    let wrong_size = Binding { size: 1, ..claim(&store, &noise(6, 9), Oid::of(&noise(6, 9))) };
    assert_eq!(settle(&store, &wrong_size, &go).unwrap(), Outcome::Refuted);

    let chunk = ChunkId::of(Kind::Data, &bytes[PIECE..2 * PIECE]);
    store.remove(&[chunk].into()).unwrap();
    assert_eq!(settle(&store, &good, &go).unwrap(), Outcome::Missing(chunk));
    assert_eq!(store.bindings(&good.oid).unwrap()[0].proof, Proof::Proved, "absence refutes nothing");
}

#[test]
fn a_corrupt_chunk_is_taken_away_and_the_claim_stays() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = noise(7, 5 * PIECE);
    let binding = claim(&PackStore::open(dir.path()).unwrap(), &bytes, Oid::of(&bytes));
    let chunk = &bytes[2 * PIECE..3 * PIECE];
    corrupt(dir.path(), chunk);
    let store = PackStore::open(dir.path()).unwrap();
    let id = ChunkId::of(Kind::Data, chunk);
    let go = AtomicBool::new(false);
    assert_eq!(settle(&store, &binding, &go).unwrap(), Outcome::Corrupt(id));
    assert!(!store.has(&id).unwrap());
    assert_eq!(settle(&store, &binding, &go).unwrap(), Outcome::Missing(id));
    assert_eq!(store.bindings(&binding.oid).unwrap()[0].proof, Proof::Claimed);
}

/// Flips a byte of a chunk that some pack holds as it is.
fn corrupt(dir: &std::path::Path, chunk: &[u8]) {
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut bytes = std::fs::read(&path).unwrap();
            if let Some(at) = bytes.windows(64).position(|window| window == &chunk[..64]) {
                bytes[at] ^= 1;
                std::fs::remove_file(&path).unwrap();
                return std::fs::write(&path, bytes).unwrap();
            }
        }
    }
    panic!("no pack holds the chunk as it is");
}

#[test]
fn claims_of_an_earlier_run_are_settled_at_the_next_start() {
    let rig = Rig::new();
    let path = rig.server_dir().join("realms/team/store");
    let (dir, token) = rig.stop();
    std::fs::create_dir_all(&path).unwrap();
    let path = dir.path().join("server/realms/team/store");
    let bytes = noise(8, 20 * PIECE);
    let (good, liar) = {
        let store = PackStore::open(&path).unwrap();
        (claim(&store, &bytes, Oid::of(&bytes)), claim(&store, &bytes, Oid::of(b"a lie")))
    };
    let rig = Rig::start(dir, token);
    let told = rig.problems.recv_timeout(PATIENCE).unwrap();
    assert!(told.contains(&liar.oid.to_string()), "{told}");
    assert_eq!(rig.pull("team", &[liar.oid]).1, [liar.oid]);
    // Either order of the two is fine; stopping waits for the one at work only, so look from outside.
    let store = PackStore::open(&path).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while store.bindings(&good.oid).unwrap()[0].proof != Proof::Proved {
        assert!(std::time::Instant::now() < deadline);
        std::thread::park_timeout(std::time::Duration::from_millis(5));
        store.refresh().unwrap();
    }
}

#[test]
fn damage_that_a_push_meets_is_healed_by_it() {
    let rig = Rig::new();
    let store = MemoryStore::new();
    let old = noise(9, 40 * PIECE);
    let new = [&old[..], b"more"].concat();
    let base = add(&store, &old);
    rig.push("team/a", &store, vec![base]).unwrap();
    let (dir, token) = rig.stop();
    // Two neighbours, as a bad sector takes them.
    for piece in [7, 8] {
        corrupt(&dir.path().join("server/realms/team/store"), &old[piece * PIECE..(piece + 1) * PIECE]);
    }
    let rig = Rig::start(dir, token);
    let edit = PushItem { base: Some(base.oid), ..add(&store, &new) };
    let report = rig.push("team/a", &store, vec![edit]).unwrap();
    assert_eq!(report.tally.chunks, 3, "the new one, and the two that were lacking after all");
    assert_eq!(bytes_of(&rig.pull("team/a", &[edit.oid]).0, &edit.oid), new);
    assert_eq!(bytes_of(&rig.pull("team/a", &[base.oid]).0, &base.oid), old);
}
