//! A folder as a peer, where a store must be in a state that no push leaves: claims, and lies.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use dits_format::tree::{Builder, Entry};
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, Proof};
use dits_remote::verify::{State, states};
use dits_remote::{Peer, RemoteError, RemoteSource, Settings};
use dits_repo::{ChunkSource, Git, Repository};
use dits_store::follow::{Scribe, Told};
use dits_store::{ChunkRead, ChunkWrite, Folder, PackStore, StoreError};
use dits_sync::push::PushItem;
use dits_sync::{Location, SyncError};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Stores `bytes` as one chunk, bound to `oid` as `proof` says.
fn put(store: &PackStore, oid: Oid, bytes: &[u8], proof: Proof) -> Binding {
    let mut batch = store.batch().unwrap();
    let id = ChunkId::of(Kind::Data, bytes);
    batch.put(id, Kind::Data, bytes).unwrap();
    let mut builder = Builder::new();
    let mut emit = |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop);
    builder.push(Entry { id, bytes: bytes.len() as u64 }, &mut emit).unwrap();
    let root = builder.finish(&mut emit).unwrap();
    let manifest = Manifest::plain(1, oid, bytes.len() as u64, root);
    batch.put(manifest.id(), Kind::Manifest, &manifest.encode()).unwrap();
    let binding = Binding { oid, manifest: manifest.id(), size: manifest.size, proof };
    batch.bind(binding);
    batch.commit().unwrap();
    binding
}

fn peer(path: &Path) -> Peer {
    let settings = Settings::from_env(|_| None, false);
    Peer::connect(&Git::at(path), Location::Folder(path.to_owned()), &settings).unwrap()
}

#[test]
fn a_claim_is_asked_about_until_it_is_settled() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("folder");
    let store = Folder::create(&path, None).unwrap().open().unwrap();
    let (proved, claimed, absent) = (Oid::of(b"proved"), Oid::of(b"claimed"), Oid::of(b"absent"));
    put(&store, proved, b"proved", Proof::Proved);
    let claim = put(&store, claimed, b"claimed", Proof::Claimed);
    let oids = [proved, claimed, absent];
    let found = states(&mut peer(&path), &oids, 0, &mut || panic!("nothing to wait for")).unwrap();
    assert_eq!(oids.map(|oid| found[&oid]), [State::Proved, State::Claimed, State::Absent]);
    let mut pauses = 0;
    let found = states(&mut peer(&path), &oids, 3, &mut || pauses += 1).unwrap();
    assert_eq!((found[&claimed], pauses), (State::Claimed, 3));
    let mut pauses = 0;
    let mut settle = || {
        pauses += 1;
        if pauses == 2 {
            let mut batch = store.batch().unwrap();
            batch.bind(Binding { proof: Proof::Proved, ..claim });
            batch.commit().unwrap();
        }
    };
    let found = states(&mut peer(&path), &oids, 9, &mut settle).unwrap();
    assert_eq!((found[&claimed], found[&absent], pauses), (State::Proved, State::Absent, 2));
}

#[test]
fn who_pushes_settles_what_an_earlier_push_only_claimed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("folder");
    let there = Folder::create(&path, None).unwrap().open().unwrap();
    let here = PackStore::open(&dir.path().join("here")).unwrap();
    let (good, bad) = (Oid::of(b"good"), Oid::of(b"what it should be"));
    for store in [&there, &here] {
        put(store, good, b"good", Proof::Claimed);
        put(store, bad, b"something else", Proof::Claimed);
    }
    let here: Arc<dyn ChunkRead> = Arc::new(here);
    let item = |oid, size| PushItem { oid, size, base: None };
    let report = peer(&path).push(&here, &[item(good, 4)], &mut |_| {}).unwrap();
    assert_eq!((report.tally.chunks, peer(&path).proves(&[good]).unwrap()), (0, vec![true]));
    // A lie in our own store goes no further, and never counts there.
    let error = peer(&path).push(&here, &[item(bad, 17)], &mut |_| {}).unwrap_err();
    let is_lie = matches!(
        &error,
        RemoteError::Sync(SyncError::WrongManifest { oid } | SyncError::Store(StoreError::Mismatch { oid })) if *oid == bad
    );
    assert!(is_lie, "{error}");
    assert_eq!(peer(&path).proves(&[bad]).unwrap(), [false]);
}

#[test]
fn who_follows_a_source_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("folder");
    let oid = Oid::of(b"content");
    put(&Folder::create(&path, None).unwrap().open().unwrap(), oid, b"content", Proof::Proved);
    let git =
        Git::at(dir.path()).with_env("GIT_CONFIG_NOSYSTEM", "1").with_env("GIT_CONFIG_GLOBAL", "/dev/null");
    let init = Command::new("git").args(["init", "-q"]).current_dir(dir.path()).status();
    assert!(init.unwrap().success());
    let repository = Repository::of(&git).unwrap();
    let (store, scribe) = (repository.store().unwrap(), Arc::<Scribe>::default());
    let settings = Settings::from_env(|_| None, false);
    let mut source = RemoteSource::new(&repository, &store, &settings).only(vec![Location::Folder(path)]);
    source.follow(scribe.clone());
    assert_eq!(source.fetch(&[oid], &mut |_| {}).unwrap(), []);
    assert_eq!(scribe.told(&oid), Told { bytes: b"content".to_vec(), ended: true, given_up: false });
}
