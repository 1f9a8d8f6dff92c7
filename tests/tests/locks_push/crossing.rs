//! Locks that are asked for while a push runs, and pushes that do not end well.

use super::studio::{EARLY, PATIENCE, Studio, change, is_refused, passes, push, wish};
use dits_lock::ask::{Acquired, Denial};
use dits_tests::wait_for;
use std::fs;
use std::sync::mpsc::channel;

#[test]
fn a_lock_waits_for_a_push_of_its_place_and_never_crosses_it() {
    for locked_before in [false, true] {
        let studio = Studio::new();
        let Studio { ann, bob, .. } = &studio;
        if locked_before {
            // With locks in the repository only what changes is reserved, without any the whole branch.
            studio.lock("ann", "maps/x");
        }
        let gate = studio.gate("update");
        change(ann, "a");
        let new = ann.id("HEAD:a");
        let pushing = ann.call(&["push", "-q", "origin", "main"]).start();
        gate.wait();
        // Her own, and what does not change, at once; what does, after a while, not.
        studio.lock("ann", "b");
        if locked_before {
            studio.lock("bob", "maps/y");
        }
        let denied = studio.acquire("bob", wish("a", None)).remove(0);
        assert_eq!(denied, Acquired::Refused(Denial::Pushing { by: "ann".into() }));
        // Who waits long enough gets it, as it is after the push.
        let (answered, answers) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| answered.send(studio.acquire("bob", wish("a", Some(&[&new])))).unwrap());
            assert!(answers.recv_timeout(EARLY).is_err(), "it was not waited for");
            gate.open();
            let outcomes = answers.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(outcomes[0], Acquired::Locked(_)), "{outcomes:?}");
        });
        passes(&pushing.wait());
        // And the other way round.
        bob.git(&["pull", "-q"]);
        change(ann, "a");
        is_refused(push(ann, &["main"]), &["a: locked by bob for main, "]);
    }
}

#[test]
fn a_push_that_fails_or_vanishes_reserves_nothing_and_retains_nothing() {
    let studio = Studio::new();
    let ann = &studio.ann;
    studio.lock("ann", "a");
    ann.git(&["switch", "-q", "-c", "task"]);
    change(ann, "a");
    change(ann, "b");
    studio.hook("update", "exit 1");
    assert_eq!(push(ann, &["task", "task:main"]).code, Some(1));
    assert_eq!(studio.locks(), ["a main ann held"]);
    studio.lock("bob", "b");
    studio.unlock("bob", "b");
    let gate = studio.gate("update");
    let mut pushing = ann.call(&["push", "-q", "origin", "task:main"]).start();
    gate.wait();
    pushing.kill();
    gate.open();
    wait_for("the reservation to end", || {
        matches!(studio.acquire("bob", wish("b", None))[0], Acquired::Locked(_))
    });
}

#[test]
fn a_push_that_outlives_its_server_is_settled_at_the_next_start() {
    for post in [false, true] {
        let mut studio = Studio::new();
        studio.lock("ann", "a");
        studio.ann.git(&["switch", "-q", "-c", "task"]);
        change(&studio.ann, "a");
        // Killed before the branch has moved, or after.
        let gate = studio.gate(if post { "post-receive" } else { "update" });
        let mut pushing = studio.ann.call(&["push", "-q", "origin", "task"]).start();
        gate.wait();
        studio.server.kill();
        pushing.kill();
        studio.server.restart();
        let state = if post { "retained" } else { "held" };
        assert_eq!(studio.locks(), [format!("a main ann {state}")]);
        // The second time it arrives, or is there.
        for hook in ["update", "post-receive"] {
            let _ = fs::remove_file(studio.bare().join("hooks").join(hook));
        }
        passes(&push(&studio.ann, &["task"]));
        assert_eq!(studio.locks(), ["a main ann retained"]);
        studio.bob.git(&["fetch", "-q"]);
        studio.bob.git(&["merge", "-q", "origin/task"]);
        passes(&push(&studio.bob, &["main"]));
        assert!(studio.locks().is_empty());
    }
}
