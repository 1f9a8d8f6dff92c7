//! Watches: what they hear, and when they end.

use crate::asking::{Asking, Person, TEAM, wish};
use crate::{audit, is_locked, person};
use dits_lock::ask::{Acquire, Which};
use dits_lock::{Answer, Ask, What, Why};
use dits_sync::SyncError;
use dits_sync::message::Reason;
use dits_tests::{World, wait_for};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, spawn};

/// Watches until it has heard `enough` of an event.
fn watch(
    asking: Asking,
    branch: &'static str,
    enough: fn(&str) -> bool,
) -> (Receiver<String>, JoinHandle<Result<(), SyncError>>) {
    let (tell, told) = channel();
    let thread = spawn(move || {
        asking.hear(&Ask::Watch { branch: Some(branch.into()) }, &mut |answer| match answer {
            Answer::Locks { locks, more, .. } => {
                tell.send(format!("list of {}, more: {more}", locks.len())).is_ok()
            }
            Answer::Events(events) => events.into_iter().all(|event| {
                let word = match event.what {
                    What::Locked => "locked",
                    What::Changed => "changed",
                    What::Unlocked(Why::Expired) => "expired",
                    What::Unlocked(_) => "unlocked",
                };
                let text = format!("{word} {} {}", event.lock.owner, event.lock.path);
                let goes_on = !enough(&text);
                tell.send(text).is_ok() && goes_on
            }),
            other => panic!("{other:?}"),
        })
    });
    (told, thread)
}

#[test]
fn a_watch_hears_the_list_then_what_happens_until_it_has_enough() {
    let world = World::new();
    let server = world.closed_server();
    let (ann, eve) = (person(&world, &server, "ann", "write"), person(&world, &server, "eve", "read"));
    let asking = ann.connect();
    assert!(is_locked(&asking.lock("a")));
    // The full name of the branch, and not another repository's.
    let (told, thread) = watch(eve.connect(), "refs/heads/main", |text| text == "expired ann c");
    assert_eq!(told.recv().unwrap(), "list of 1, more: false");
    let elsewhere = Person::new(&world, &server, "team/b", ann.token.clone()).connect();
    assert!(is_locked(&elsewhere.lock("elsewhere")));
    let other = Acquire { branch: Some("other".into()), ..wish(&["other"]) };
    assert!(is_locked(&asking.try_lock(other).unwrap()[0]));
    assert!(is_locked(&asking.lock("b")));
    asking.unlock(Which::Path("a".into()), false);
    // Nobody asks when this one ends.
    assert!(is_locked(&asking.try_lock(Acquire { lease: Some(1), ..wish(&["c"]) }).unwrap()[0]));
    let heard: Vec<String> = told.iter().collect();
    assert_eq!(heard, ["locked ann b", "unlocked ann a", "locked ann c", "expired ann c"]);
    thread.join().unwrap().unwrap();
    // The server has noticed that it left.
    wait_for("the end of the watch", || audit(&server, &["locks"]).iter().any(|line| line.contains(" eve ")));
    let bad = Ask::Watch { branch: Some("a..b".into()) };
    assert!(matches!(asking.one(&bad), Answer::No { .. }));
}

#[test]
fn a_watch_ends_before_its_server_and_with_the_right_to_read() {
    let world = World::new();
    let mut server = world.closed_server();
    server.owner(&["user", "add"], &["zoe"]).ok();
    server.owner(&["grant"], &["zoe", "read", "team"]).ok();
    let token = server.owner(&["token", "new"], &["--user", "zoe"]).ok().line();
    let (told, thread) = watch(Person::new(&world, &server, TEAM, token).connect(), "main", |_| false);
    assert_eq!(told.recv().unwrap(), "list of 0, more: false");
    server.owner(&["user", "remove"], &["zoe"]).ok();
    let ended = thread.join().unwrap();
    let is_denied = matches!(&ended, Err(SyncError::Refused { reason: Reason::Unauthorized, .. }));
    assert!(is_denied, "{ended:?}");

    let (told, thread) = watch(person(&world, &server, "eve", "read").connect(), "main", |_| false);
    assert_eq!(told.recv().unwrap(), "list of 0, more: false");
    server.stop();
    // In good order; not because the server closed the connection when its grace was over.
    let ended = thread.join().unwrap();
    assert!(matches!(&ended, Err(SyncError::Lost(why)) if why == "the peer closed the stream"), "{ended:?}");
}
