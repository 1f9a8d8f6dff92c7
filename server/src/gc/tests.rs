//! A push racing a collector, step by step in every order: whatever a ref names is whole at the end.

use super::realm::{Collector, Report};
use super::steps::{Fake, Gc, Push, State};
use super::{GcError, Options, Why};
use crate::testing::{Content, NOW, Realm, content, store};
use dits_format::Proof;
use dits_store::ledger::Sync;
use dits_store::{Ledger, PackStore, content as stored};
use proptest::prelude::*;
use std::collections::BTreeSet;

const A: &str = "team/a";
const DAYS_14: u64 = super::GRACE;

fn options(grace: u64) -> Options {
    Options { realm: None, grace, dry_run: false, also: BTreeSet::new(), now: NOW }
}

fn collect(realm: &Realm, refs: &Fake, options: &Options) -> Report {
    // As another process would see it.
    let store = PackStore::open(&realm.layout.store("team")).unwrap();
    let mut gc = Gc::new(realm, refs, &store, options);
    loop {
        if let Some(report) = gc.step() {
            return report;
        }
    }
}

#[track_caller]
fn assert_refs_are_whole(realm: &Realm, refs: &Fake, when: &str) {
    let store = PackStore::open(&realm.layout.store("team")).unwrap();
    for (repository, oid) in refs.all() {
        assert!(stored::is_whole(&store, &oid).unwrap(), "{when}: '{repository}' names what is gone");
        let scope = [repository.clone()];
        assert!(!realm.contents.manifests(&scope, &oid).unwrap().is_empty(), "{when}: not in '{repository}'");
    }
}

/// A realm where `old` was pushed long ago and no ref names it any more, and `kept` is still named.
fn aged(old: &Content, kept: &Content) -> (Realm, Fake) {
    let (realm, refs) = (Realm::new(), Fake::default());
    for content in [old, kept] {
        store(&realm.store, content, Proof::Proved);
        let bindings = dits_store::ChunkRead::bindings(&realm.store, &content.oid).unwrap();
        realm.contents.attach(A, &realm.store, &bindings, 1).unwrap();
    }
    refs.change(A, |oids| {
        oids.insert(kept.oid);
    });
    (realm, refs)
}

#[test]
fn a_push_in_any_order_with_a_collector_loses_nothing() {
    let (old, kept) = (content("abcdefgh"), content("wxyz"));
    let again = content("abcdefgX");
    const PUSH_STEPS: usize = 7;
    for (pushed, with_content) in [(&old, true), (&again, true), (&old, false)] {
        for grace in [0, DAYS_14] {
            let (mut done, mut freed, mut runs) = (0, 0, 0);
            for at in positions(PUSH_STEPS) {
                let (realm, refs) = aged(&old, &kept);
                let (other, options) =
                    (PackStore::open(&realm.layout.store("team")).unwrap(), options(grace));
                let mut gc = Gc::new(&realm, &refs, &other, &options);
                let mut push = Push::new(&realm, &refs, A, pushed, with_content, 1);
                let mut report = None;
                for step in 0..=PUSH_STEPS {
                    for _ in at.iter().filter(|at| **at == step) {
                        report = gc.step().or(report);
                    }
                    push.step();
                }
                // What was missing at the commit is sent in further steps.
                while !push.has_ended() {
                    push.step();
                }
                while report.is_none() {
                    report = gc.step();
                }
                let when = format!("grace {grace}, collector at {at:?}");
                assert_refs_are_whole(&realm, &refs, &when);
                done += u32::from(push.state == State::Done);
                freed += u32::from(report.unwrap().chunks > 0);
                runs += 1;
            }
            assert!(done > 0 && freed > 0, "the race was none: {done} pushes and {freed} sweeps of {runs}");
        }
    }
}

/// Where the steps of a collector (mark, slice, finish) may come: before which steps of a push.
fn positions(last: usize) -> Vec<[usize; 3]> {
    let mut all = Vec::new();
    for first in 0..=last {
        for second in first..=last {
            all.extend((second..=last).map(|third| [first, second, third]));
        }
    }
    all
}

#[test]
fn what_nothing_needs_goes_and_the_rest_stays_for_its_reason() {
    let (old, kept, shared) = (content("abcdefgh"), content("wxyz"), content("wxabcd"));
    let (realm, refs) = aged(&old, &kept);
    let at = |content: &Content, seconds| {
        store(&realm.store, content, Proof::Proved);
        let bindings = dits_store::ChunkRead::bindings(&realm.store, &content.oid).unwrap();
        ("team/b", bindings, seconds)
    };
    let hosted_elsewhere = content("ijkl");
    let (_, bindings, _) = at(&hosted_elsewhere, 1);
    realm.contents.attach("team/elsewhere", &realm.store, &bindings, 1).unwrap();
    let (_, bindings, _) = at(&shared, 1);
    realm.contents.attach(A, &realm.store, &bindings, NOW - 5).unwrap();
    let claimed = content("mnop");
    store(&realm.store, &claimed, Proof::Claimed);
    let promised = content("qrst");
    store(&realm.store, &promised, Proof::Proved);
    realm.contents.lease("team", &[promised.oid], NOW - 5).unwrap();

    let whole = |content: &Content| {
        let store = PackStore::open(&realm.layout.store("team")).unwrap();
        stored::is_whole(&store, &content.oid).unwrap()
    };
    let dry = collect(&realm, &refs, &Options { dry_run: true, ..options(DAYS_14) });
    assert!(dry.chunks > 0 && dry.freed == 0 && whole(&old), "a dry run took something: {dry:?}");

    let report = collect(&realm, &refs, &options(DAYS_14));
    assert_eq!(report.contents.keys().cloned().collect::<Vec<_>>(), [old.oid.to_string()]);
    assert_eq!(report.chunks, dry.chunks);
    let reasons =
        [(Why::Referenced, 1), (Why::Unhosted, 1), (Why::Recent, 2), (Why::Claimed, 1)].into_iter().collect();
    assert_eq!(report.kept, reasons);
    assert!(!whole(&old) && report.freed > 0);
    assert!([&kept, &shared, &hosted_elsewhere, &claimed, &promised].into_iter().all(whole));

    // Without grace the recent ones go; what the owner gives up goes too.
    let also = BTreeSet::from(["team/elsewhere".to_owned()]);
    let report = collect(&realm, &refs, &Options { also, ..options(0) });
    assert!([&kept, &claimed].into_iter().all(whole) && !whole(&hosted_elsewhere) && !whole(&promised));
    assert_eq!(report.kept.get(&Why::Recent), None);
    assert_refs_are_whole(&realm, &refs, "after all");
    let checked = PackStore::open(&realm.layout.store("team")).unwrap().fsck(&mut |found| panic!("{found}"));
    checked.unwrap();
    // What is not reached any more is not shown to those who may read this repository only.
    assert!(realm.contents.manifests(&[A.to_owned()], &old.oid).unwrap().is_empty());
}

#[test]
fn an_approved_push_holds_its_contents_whatever_the_grace_until_git_has_ended() {
    let (old, kept) = (content("abcd"), content("wxyz"));
    let (realm, refs) = aged(&old, &kept);
    let mut push = Push::new(&realm, &refs, A, &old, false, 1);
    push.step();
    assert_eq!(push.state, State::Approved);
    let later = |seconds| Options { now: NOW + seconds, ..options(0) };
    // The clock of the file is the real one: long after the time that this test lives at.
    let modified = std::fs::metadata(&push.file).unwrap().modified().unwrap();
    let written = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(collect(&realm, &refs, &later(10)).kept.get(&Why::Pushed), Some(&1));
    push.step();
    push.step();
    assert_eq!(push.state, State::Done);
    assert_refs_are_whole(&realm, &refs, "after the push");
    // One whose server was killed is forgotten after a day.
    let stale = Ledger::at(realm.layout.pushes("team").join("dead"));
    let entry =
        dits_format::ledger::Entry { id: [3; 32], manifest: dits_format::ChunkId([0; 32]), seconds: 1 };
    stale.append(&[entry], Sync::Cached).unwrap();
    let options = Options { now: written + super::keep::PUSH_MAX + 60, ..options(0) };
    assert_eq!(collect(&realm, &refs, &options).kept.get(&Why::Pushed), None);
    assert!(!stale.exists());
}

#[test]
fn damage_in_what_must_be_read_takes_nothing_away() {
    let (old, kept) = (content("abcd"), content("wxyz"));
    let (realm, refs) = aged(&old, &kept);
    let bindings = dits_store::ChunkRead::bindings(&realm.store, &old.oid).unwrap();
    realm.contents.attach("team/elsewhere", &realm.store, &bindings, 1).unwrap();
    let path = realm.layout.ledgers("team/elsewhere").0;
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let options = options(0);
    let mut gc = Collector::new(&realm.layout, &realm.contents, &refs, "team", &realm.store, &options);
    assert!(matches!(gc.mark(), Err(GcError::Ledger { damaged: 1, .. })));
    assert!(!gc.slice().unwrap());
}

/// What happens next in a random history.
#[derive(Debug, Clone)]
enum Event {
    /// Somebody begins to push this content to this repository.
    Begin(usize, usize, bool),
    /// That push goes on.
    Step(usize),
    /// A ref is moved away.
    Drop(usize, usize),
    Collect,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..3usize, 0..6usize, any::<bool>()).prop_map(|(repository, content, with)| Event::Begin(repository, content, with)),
        12 => (0..3usize).prop_map(Event::Step),
        2 => (0..3usize, 0..6usize).prop_map(|(repository, content)| Event::Drop(repository, content)),
        8 => Just(Event::Collect),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn refs_stay_whole_in_any_history(events in proptest::collection::vec(event(), 20..80)) {
        let names = ["team/a", "team/b", "team"];
        let contents: Vec<Content> =
            ["abcdefgh", "abcdijkl", "ijklmnop", "xyz", "abcdefghijkl", "mnopxyz"].map(content).into();
        let (realm, refs) = (Realm::new(), Fake::default());
        names.iter().for_each(|name| refs.change(name, |_| ()));
        let (other, options) = (PackStore::open(&realm.layout.store("team")).unwrap(), options(0));
        let mut pushes: Vec<Push<'_>> = Vec::new();
        let mut gc = Gc::new(&realm, &refs, &other, &options);
        for (number, event) in events.into_iter().enumerate() {
            match event {
                Event::Begin(repository, index, with) if pushes.len() < 3 => {
                    pushes.push(Push::new(&realm, &refs, names[repository], &contents[index], with, number));
                }
                Event::Begin(..) => {}
                Event::Step(index) => {
                    if let Some(push) = pushes.get_mut(index) {
                        push.step();
                    }
                    pushes.retain(|push| !push.has_ended());
                }
                Event::Drop(repository, index) => {
                    refs.change(names[repository], |oids| {
                        oids.remove(&contents[index].oid);
                    });
                }
                Event::Collect => {
                    if gc.step().is_some() {
                        gc = Gc::new(&realm, &refs, &other, &options);
                    }
                }
            }
        }
        while gc.step().is_none() {}
        assert_refs_are_whole(&realm, &refs, "at the end");
    }
}
