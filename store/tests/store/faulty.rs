//! Stores that fail by a plan: each fault strikes where it was told to, and those who read and write find out.

use crate::common::{add, id, is_whole, noise};
use dits_format::{Kind, Oid};
use dits_store::faulty::{Fault, Faulty, Operation, Plan, Rule, When};
use dits_store::{
    ChunkPrune, ChunkRead, ChunkWrite, MemoryStore, PackStore, StoreError, conformance, content,
};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn plan(rules: &[(Operation, When, Fault)]) -> Arc<Plan> {
    let rule = |(operation, when, fault): &_| Rule::new(*operation, *when, *fault).unwrap();
    Arc::new(Plan::new(7, rules.iter().map(rule)))
}

/// A memory store with one content, failing by a plan.
fn holding(bytes: &[u8], plan: &Arc<Plan>) -> Faulty<MemoryStore> {
    let store = MemoryStore::new();
    let mut batch = store.batch().unwrap();
    add(&mut *batch, bytes).unwrap();
    batch.commit().unwrap();
    Faulty::new(store, plan.clone())
}

#[test]
fn without_rules_it_is_a_store_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut count = 0;
    let empty = Arc::new(Plan::default());
    conformance::run("Faulty<MemoryStore>", &mut || Box::new(Faulty::new(MemoryStore::new(), empty.clone())));
    conformance::run("Faulty<PackStore>", &mut || {
        count += 1;
        let store = PackStore::open(&dir.path().join(count.to_string())).unwrap();
        Box::new(Faulty::new(store, empty.clone()))
    });
}

#[test]
fn each_operation_fails_at_its_call_and_at_no_other() {
    let io = |operation| plan(&[(operation, When::Nth(2), Fault::Io)]);
    let bytes = noise(1, 1000);
    let fails = |operation: Operation, call: &dyn Fn(&Faulty<MemoryStore>) -> Result<(), StoreError>| {
        let store = holding(&bytes, &io(operation));
        for (number, failed) in [(1, false), (2, true), (3, false)] {
            let result = call(&store);
            assert_eq!(result.is_err(), failed, "{operation:?}, call {number}: {result:?}");
            assert!(matches!(result, Ok(()) | Err(StoreError::Io { .. })), "{result:?}");
        }
    };
    fails(Operation::Has, &|store| store.has(&id(&bytes)).map(drop));
    fails(Operation::Read, &|store| store.read(&id(&bytes), &mut Vec::new()).map(drop));
    fails(Operation::Bindings, &|store| store.bindings(&Oid::of(&bytes)).map(drop));
    fails(Operation::Visit, &|store| store.visit(&mut |_| Ok(())));
    fails(Operation::Put, &|store| store.batch()?.put(id(b"x"), Kind::Data, b"x").map(drop));
    fails(Operation::Checkpoint, &|store| store.batch()?.checkpoint());
    fails(Operation::Commit, &|store| store.batch()?.commit().map(drop));
    fails(Operation::Remove, &|store| store.remove(&HashSet::new()).map(drop));
    fails(Operation::Bind, &|store| {
        let mut batch = store.batch()?;
        batch.bind(conformance::binding(1, 1, dits_format::Proof::Claimed));
        batch.commit().map(drop)
    });
}

#[test]
fn a_full_disk_is_told_from_a_broken_one() {
    let full = plan(&[(Operation::Commit, When::Every(1), Fault::Full)]);
    let error = holding(b"x", &full).batch().unwrap().commit().unwrap_err();
    assert!(error.is_disk_full(), "{error}");
    let broken = plan(&[(Operation::Commit, When::Every(1), Fault::Io)]);
    assert!(!holding(b"x", &broken).batch().unwrap().commit().unwrap_err().is_disk_full());
}

#[test]
fn readers_of_contents_notice_wrong_bytes() {
    let bytes = noise(2, 50_000);
    for fault in [Fault::Wrong, Fault::Truncate, Fault::Corrupt] {
        // The manifest comes first, then its chunk.
        for call in 1..=2 {
            let store = holding(&bytes, &plan(&[(Operation::Read, When::Nth(call), fault)]));
            let rebuilt = content::find(&store, &Oid::of(&bytes)).and_then(|known| {
                let manifest = known.expect("it was added").manifest;
                content::rebuild::<StoreError>(&store, &manifest, &mut |_| Ok(()))
            });
            assert!(rebuilt.is_err(), "{fault:?} at call {call} was taken for the content");
        }
    }
}

#[test]
fn a_failed_commit_leaves_nothing_half_bound() {
    let dir = tempfile::tempdir().unwrap();
    let store = PackStore::open(dir.path()).unwrap();
    let faulty = Faulty::new(store.clone(), plan(&[(Operation::Commit, When::Nth(1), Fault::Full)]));
    let bytes = noise(4, 10_000);
    for attempt in 1..=2 {
        let mut batch = faulty.batch().unwrap();
        add(&mut *batch, &bytes).unwrap();
        assert_eq!(batch.commit().is_ok(), attempt == 2);
        assert_eq!(is_whole(&store, &bytes), attempt == 2);
    }
}

#[test]
fn a_call_that_hangs_is_held_until_it_is_released() {
    let hangs = plan(&[(Operation::Read, When::Nth(1), Fault::Hang)]);
    let store = holding(b"slow", &hangs);
    std::thread::scope(|scope| {
        let read = scope.spawn(|| store.read(&id(b"slow"), &mut Vec::new()));
        assert!(hangs.wait_held(1, PATIENCE));
        assert!(!read.is_finished());
        hangs.release();
        assert_eq!(read.join().unwrap().unwrap(), Some(Kind::Data));
    });
    let delayed = plan(&[(Operation::Has, When::Every(1), Fault::Delay(Duration::from_millis(20)))]);
    let before = std::time::Instant::now();
    assert!(holding(b"x", &delayed).has(&id(b"x")).unwrap());
    assert!(before.elapsed() >= Duration::from_millis(20));
}

#[test]
fn chance_is_the_same_for_the_same_seed() {
    let struck = |seed| -> Vec<bool> {
        let rule = Rule::new(Operation::Has, When::PerMille(300), Fault::Io).unwrap();
        let store = Faulty::new(MemoryStore::new(), Arc::new(Plan::new(seed, [rule])));
        (0..1000).map(|_| store.has(&id(b"x")).is_err()).collect()
    };
    let count = |struck: &[bool]| struck.iter().filter(|struck| **struck).count();
    assert_eq!(struck(1), struck(1));
    assert_ne!(struck(1), struck(2));
    assert!((200..400).contains(&count(&struck(1))), "{}", count(&struck(1)));
}

#[test]
fn rules_without_sense_are_refused() {
    let refused = [
        (Operation::Has, When::Nth(1), Fault::Wrong),
        (Operation::Commit, When::Nth(1), Fault::Truncate),
        (Operation::Put, When::Nth(1), Fault::Wrong),
        (Operation::Read, When::Nth(0), Fault::Io),
        (Operation::Read, When::Every(0), Fault::Io),
        (Operation::Read, When::PerMille(1001), Fault::Io),
    ];
    for (operation, when, fault) in refused {
        assert!(Rule::new(operation, when, fault).is_err(), "{operation:?} {when:?} {fault:?}");
    }
    assert!("reed".parse::<Operation>().is_err() && Fault::named("eoi", None).is_err());
    assert!(Fault::named("delay", None).is_err() && Fault::named("eio", Some(1)).is_err());
}
