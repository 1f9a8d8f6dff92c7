//! What goes over the wire and to the disk, as text: what an older end says, and what an older server wrote, stays readable.
//!
//! A line here must never change; a new field gets a new line.

use dits_lock::ask::{Acquire, Acquired, Denial, Item, JSON_BYTES_MAX, List, Release, Released, Which};
use dits_lock::{Answer, Ask, Branch, Change, Event, Lock, LockId, LockPath, Mode, What, Why};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

fn branch(name: &str) -> Branch {
    Branch::parse(name).expect("a branch")
}

/// With as little as a lock can have.
fn plain() -> Lock {
    Lock {
        id: LockId(7),
        path: LockPath::parse("art/ü \"a\".psd").expect("a path"),
        branch: branch("main"),
        owner: "ann".into(),
        mode: Mode::Exclusive,
        at: 1_700_000_000,
        reason: None,
        expires: None,
        change: None,
        held: true,
    }
}

/// With all.
fn full() -> Lock {
    let blob = Some("b10b".to_owned());
    Lock {
        mode: Mode::Shared,
        reason: Some("new hat".into()),
        expires: Some(1_700_000_060),
        change: Some(Change { branch: branch("task/hat"), commit: "c0ffee".into(), blob, at: 1_700_000_030 }),
        held: false,
        ..plain()
    }
}

const PLAIN: &str = r#"{"id":7,"path":"art/ü \"a\".psd","branch":"main","owner":"ann","mode":"exclusive","at":1700000000,"held":true}"#;
const FULL: &str = r#"{"id":7,"path":"art/ü \"a\".psd","branch":"main","owner":"ann","mode":"shared","at":1700000000,"reason":"new hat","expires":1700000060,"change":{"branch":"task/hat","commit":"c0ffee","blob":"b10b","at":1700000030},"held":false}"#;

#[track_caller]
fn is<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, text: &str) {
    let text = text.replace("PLAIN", PLAIN).replace("FULL", FULL);
    assert_eq!(serde_json::to_string(value).expect("it has a text"), text);
    assert_eq!(serde_json::from_str::<T>(&text).ok().as_ref(), Some(value), "{text}");
}

#[test]
fn locks_and_events_on_disk() {
    is(&plain(), PLAIN);
    is(&full(), FULL);
    let event = |by: Option<&str>, what| Event { at: 9, by: by.map(str::to_owned), what, lock: plain() };
    is(&event(Some("ann"), What::Locked), r#"{"at":9,"by":"ann","what":"locked","lock":PLAIN}"#);
    is(&event(Some("ann"), What::Changed), r#"{"at":9,"by":"ann","what":"changed","lock":PLAIN}"#);
    for (why, text) in [
        (Why::Released, "released"),
        (Why::Forced, "forced"),
        (Why::Expired, "expired"),
        (Why::Landed, "landed"),
        (Why::Abandoned, "abandoned"),
    ] {
        let text = format!(r#"{{"at":9,"what":{{"unlocked":"{text}"}},"lock":PLAIN}}"#);
        is(&event(None, What::Unlocked(why)), &text);
    }
    // What the first version wrote at least, and what a later one may add.
    let least =
        r#"{"id":7,"path":"art/ü \"a\".psd","branch":"main","owner":"ann","at":1700000000,"later":[1]}"#;
    assert_eq!(serde_json::from_str::<Lock>(least).ok(), Some(plain()));
}

#[test]
fn questions() {
    is(&Ask::WhoAmI, r#""who_am_i""#);
    let item = |seen: Option<&str>| Item { path: "a".into(), seen: seen.map(|blob| vec![blob.into()]) };
    let least = Acquire { items: vec![item(None)], ..Acquire::default() };
    is(
        &Ask::Acquire(least.clone()),
        r#"{"acquire":{"items":[{"path":"a"}],"mode":"exclusive","all":false,"stale_ok":false}}"#,
    );
    let all = Acquire {
        items: vec![item(Some("b10b"))],
        branch: Some("main".into()),
        on: Some("task".into()),
        mode: Mode::Shared,
        reason: Some("hat".into()),
        lease: Some(60),
        all: true,
        stale_ok: true,
    };
    is(
        &Ask::Acquire(all),
        r#"{"acquire":{"items":[{"path":"a","seen":["b10b"]}],"branch":"main","on":"task","mode":"shared","reason":"hat","lease":60,"all":true,"stale_ok":true}}"#,
    );
    let which = vec![Which::Id(LockId(7)), Which::Path("a".into())];
    is(
        &Ask::Release(Release { which, branch: Some("main".into()), force: true, all: false }),
        r#"{"release":{"which":[{"id":7},{"path":"a"}],"branch":"main","force":true,"all":false}}"#,
    );
    is(&Ask::List(List::default()), r#"{"list":{}}"#);
    let list = List {
        branch: Some("main".into()),
        path: Some("a".into()),
        id: Some(LockId(7)),
        limit: Some(10),
        after: Some(LockId(3)),
    };
    is(&Ask::List(list), r#"{"list":{"branch":"main","path":"a","id":7,"limit":10,"after":3}}"#);
    is(&Ask::Watch { branch: Some("main".into()) }, r#"{"watch":{"branch":"main"}}"#);
    let short = r#"{"acquire":{"items":[{"path":"a"}],"later":1}}"#;
    assert_eq!(serde_json::from_str::<Ask>(short).ok(), Some(Ask::Acquire(least)));
    assert_eq!(serde_json::from_str::<Ask>(r#"{"watch":{}}"#).ok(), Some(Ask::Watch { branch: None }));
    assert!(serde_json::from_str::<Ask>(r#"{"later":{}}"#).is_err(), "what is not known is refused");
}

#[test]
fn answers() {
    is(&Answer::You { name: "ann".into(), role: "write".into() }, r#"{"you":{"name":"ann","role":"write"}}"#);
    let news =
        vec![Event { at: 9, by: Some("bob".into()), what: What::Unlocked(Why::Forced), lock: plain() }];
    let outcomes = vec![Acquired::Locked(plain()), Acquired::Passed, Acquired::Refused(Denial::Held(full()))];
    is(
        &Answer::Acquired { branch: branch("main"), outcomes, news },
        r#"{"acquired":{"branch":"main","outcomes":[{"locked":PLAIN},"passed",{"refused":{"held":FULL}}],"news":[{"at":9,"by":"bob","what":{"unlocked":"forced"},"lock":PLAIN}]}}"#,
    );
    let outcomes = vec![Released::Unlocked(plain()), Released::Retained(full()), Released::Passed];
    is(
        &Answer::Released { outcomes, news: Vec::new() },
        r#"{"released":{"outcomes":[{"unlocked":PLAIN},{"retained":FULL},"passed"],"news":[]}}"#,
    );
    is(
        &Answer::Locks { locks: vec![plain()], more: false, cursor: Some(LockId(7)), news: Vec::new() },
        r#"{"locks":{"locks":[PLAIN],"more":false,"cursor":7,"news":[]}}"#,
    );
    is(&Answer::Events(Vec::new()), r#"{"events":[]}"#);
    is(&Answer::No { why: "no".into(), hint: Some("do".into()) }, r#"{"no":{"why":"no","hint":"do"}}"#);
    for (denial, text) in [
        (Denial::Pushing { by: "bob".into() }, r#"{"pushing":{"by":"bob"}}"#),
        (Denial::Stale { blob: Some("b10b".into()) }, r#"{"stale":{"blob":"b10b"}}"#),
        (Denial::Stale { blob: None }, r#"{"stale":{"blob":null}}"#),
        (Denial::Path { why: "no".into() }, r#"{"path":{"why":"no"}}"#),
        (Denial::NotLocked, r#""not_locked""#),
        (
            Denial::Ambiguous { branches: vec![branch("main"), branch("x")] },
            r#"{"ambiguous":{"branches":["main","x"]}}"#,
        ),
        (Denial::NotYours(plain()), r#"{"not_yours":PLAIN}"#),
        (Denial::TooMany, r#""too_many""#),
    ] {
        is(&denial, text);
    }
    let early = r#"{"acquired":{"branch":"main","outcomes":[]}}"#;
    assert!(serde_json::from_str::<Answer>(early).is_ok(), "without news");
}

/// The longest that a lock can be as text.
#[test]
fn a_full_list_of_the_longest_locks_stays_within_the_limit() {
    let long = |count: usize| "\"".repeat(count);
    let name = branch(&long(255));
    let change =
        Change { branch: name.clone(), commit: "f".repeat(64), blob: Some("f".repeat(64)), at: u64::MAX };
    let lock = Lock {
        path: LockPath::parse(&long(4095)).expect("a path"),
        branch: name,
        owner: long(255),
        reason: Some(long(1000)),
        change: Some(change),
        expires: Some(u64::MAX),
        ..full()
    };
    let bytes = serde_json::to_vec(&lock).expect("it has a text").len();
    assert!(bytes <= dits_lock::ask::LOCK_JSON_BYTES_MAX, "{bytes}");
    assert!(bytes * 1000 < JSON_BYTES_MAX, "an answer of a thousand");
}

fn lock() -> impl Strategy<Value = Lock> {
    let texts = ("[a-zé\"/]{1,20}", "[a-z]{1,9}", "\\PC{0,9}", prop::option::of("\\PC{0,9}"));
    (texts, any::<(u64, u64, bool, bool)>(), prop::option::of(any::<u64>())).prop_filter_map(
        "no place",
        |((path, name, owner, reason), (id, at, shared, held), expires)| {
            let change =
                (!held).then(|| Change { branch: branch(&name), commit: owner.clone(), blob: None, at });
            let mode = if shared { Mode::Shared } else { Mode::Exclusive };
            let path = LockPath::parse(path.trim_start_matches('/')).ok()?;
            Some(Lock {
                id: LockId(id),
                path,
                branch: branch(&name),
                owner,
                mode,
                at,
                reason,
                expires,
                change,
                held,
            })
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(locks in prop::collection::vec(lock(), 0..5), at in any::<u64>(), texts in any::<Vec<String>>()) {
        let again = |answer: &Answer| serde_json::from_slice(&serde_json::to_vec(answer).unwrap_or_default()).ok();
        let event = |lock: &Lock| Event { at, by: None, what: What::Unlocked(Why::Landed), lock: lock.clone() };
        let events = Answer::Events(locks.iter().map(event).collect());
        prop_assert_eq!(again(&events), Some(events));
        let all = Answer::Locks { locks, more: true, cursor: None, news: Vec::new() };
        prop_assert_eq!(again(&all), Some(all));
        let item = |path: String| Item { seen: Some(vec![path.clone()]), path };
        let ask = Ask::Acquire(Acquire { items: texts.into_iter().map(item).collect(), lease: Some(at), ..Acquire::default() });
        prop_assert_eq!(serde_json::from_slice(&serde_json::to_vec(&ask).unwrap_or_default()).ok(), Some(ask));
    }
}
