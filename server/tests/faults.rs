//! A server that fails by its rules: clients are told, nothing half-way is bound, and what arrived stays.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use common::*;
use dits_format::Oid;
use dits_server::{Faults, ServeError, Server, serve_blocking};
use dits_store::{ChunkRead, MemoryStore, PackStore};
use dits_sync::SyncError;
use dits_sync::message::Reason;
use dits_sync::push::PushItem;
use std::sync::Arc;

const REPOSITORY: &str = "team/a";

fn content() -> (MemoryStore, Vec<u8>, PushItem) {
    let (store, bytes) = (MemoryStore::new(), noise(1, 100 * PIECE));
    let item = add(&store, &bytes);
    (store, bytes, item)
}

#[track_caller]
fn is_not_bound(rig: &Rig, oid: &Oid) {
    let store = PackStore::open(&rig.server_dir().join("realms/team/store")).unwrap();
    assert!(store.bindings(oid).unwrap().is_empty());
}

#[test]
fn a_disk_that_fails_refuses_the_push_and_the_next_one_is_taken() {
    let cases = [
        (r#"{"store": "put", "nth": 40, "fault": "eio"}"#, Reason::Internal),
        (r#"{"store": "commit", "nth": 1, "fault": "enospc"}"#, Reason::DiskFull),
        (r#"{"store": "has", "nth": 5, "fault": "enospc"}"#, Reason::DiskFull),
        (r#"{"store": "bind", "nth": 1, "fault": "eio"}"#, Reason::Internal),
    ];
    for (rules, expected) in cases {
        let rig = Rig::faulty(rules);
        let (store, bytes, item) = content();
        assert_eq!(reason(rig.push(REPOSITORY, &store, vec![item])), expected, "{rules}");
        is_not_bound(&rig, &item.oid);
        rig.push(REPOSITORY, &store, vec![item]).unwrap();
        assert_eq!(bytes_of(&rig.pull(REPOSITORY, &[item.oid]).0, &item.oid), bytes, "{rules}");
    }
}

#[test]
fn wrong_bytes_from_a_disk_are_never_taken_for_the_content() {
    for fault in ["wrong", "truncate", "corrupt"] {
        // Of the first reads some are of the manifest, some of chunks: each in its turn is spoiled.
        for nth in [1, 2, 3, 5, 20, 60] {
            let rig = Rig::faulty(&format!(r#"{{"store": "read", "nth": {nth}, "fault": "{fault}"}}"#));
            let (store, bytes, item) = content();
            // The push may be what meets it.
            let _ = rig.push(REPOSITORY, &store, vec![item]);
            for _ in 0..2 {
                match rig.pull_as(&rig.token, REPOSITORY, &[item.oid]) {
                    Ok((_, absent)) if absent == [item.oid] => {}
                    Ok((here, _)) => assert_eq!(bytes_of(&here, &item.oid), bytes, "{fault} {nth}"),
                    Err(
                        SyncError::WrongChunk { .. }
                        | SyncError::Refused { .. }
                        | SyncError::WrongManifest { .. },
                    ) => {}
                    Err(other) => panic!("{fault} {nth}: {other}"),
                }
            }
        }
    }
}

#[test]
fn a_stream_breaks_where_it_was_told_to_and_only_that_one() {
    for fault in ["reset", "truncate"] {
        let rules = format!(
            r#"{{"stream": "push", "repository": "{REPOSITORY}", "number": 2, "direction": "in", "after": 300000, "fault": "{fault}"}}"#
        );
        let rig = Rig::faulty(&rules);
        let (store, bytes, item) = content();
        let other = add(&store, &noise(2, 100 * PIECE));
        rig.push("team/b", &store, vec![other]).unwrap();
        rig.push(REPOSITORY, &store, vec![other]).unwrap();
        let broken = rig.push(REPOSITORY, &store, vec![item]);
        assert!(matches!(broken, Err(SyncError::Lost(_) | SyncError::Refused { .. })), "{fault}: {broken:?}");
        is_not_bound(&rig, &item.oid);
        rig.push(REPOSITORY, &store, vec![item]).unwrap();
        assert_eq!(bytes_of(&rig.pull(REPOSITORY, &[item.oid]).0, &item.oid), bytes);
    }
}

#[test]
fn a_changed_byte_on_the_way_is_noticed() {
    for (direction, after) in [("in", 500_000), ("out", 20)] {
        let rules = format!(
            r#"{{"stream": "any", "number": 1, "direction": "{direction}", "after": {after}, "fault": "corrupt", "value": 1}}"#
        );
        let rig = Rig::faulty(&rules);
        let (store, bytes, item) = content();
        let first = rig.push(REPOSITORY, &store, vec![item]);
        // A chunk that came wrong comes once more; anything else ends the stream.
        assert!(first.is_err() || direction == "in", "{direction}: {first:?}");
        if first.is_err() {
            is_not_bound(&rig, &item.oid);
        }
        rig.push(REPOSITORY, &store, vec![item]).unwrap();
        assert_eq!(bytes_of(&rig.pull(REPOSITORY, &[item.oid]).0, &item.oid), bytes);
    }
}

#[test]
fn faults_are_for_this_machine_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.faults = Some(Arc::new(Faults::parse("").unwrap()));
    config.listen = "0.0.0.0:0".parse().unwrap();
    let served = serve_blocking(config, || std::future::ready(()), |_: &Server| {});
    let error = served.unwrap_err();
    assert!(matches!(error, ServeError::FaultsNetwork(_)), "{error}");
    assert!(error.to_string().contains("hint: "));
}
