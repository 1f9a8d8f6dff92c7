//! Which branch a lock is for, and which version of a file.

use super::studio::{Studio, URL, change, passes, push, wish};
use dits_lock::ask::{Acquire, Acquired, Denial, Item};
use dits_lock::{Answer, Ask};

#[test]
fn lock_branches_say_what_a_lock_is_for() {
    let studio = Studio::new();
    let set = |rest: &[&str]| studio.server.owner(&["repo", "lock-branches"], rest);
    assert_eq!(set(&[URL, "--json"]).ok().json()["lock_branches"], serde_json::json!([]));
    studio.ann.git(&["push", "-q", "origin", "main:develop", "main:release/1"]);
    let target = |on: Option<&str>| {
        let ask = Acquire { on: on.map(str::to_owned), ..wish("a", None) };
        let Answer::Acquired { branch, .. } = studio.ask("ann", &Ask::Acquire(ask)) else {
            panic!("no answer")
        };
        branch.to_string()
    };
    assert_eq!(target(Some("release/1")), "main", "the branch of HEAD is the only one");
    set(&[URL, "develop", "release/*", "gone"]).ok();
    let listed = set(&[URL, "--json"]).ok().json();
    assert_eq!(listed["lock_branches"], serde_json::json!(["develop", "release/*", "gone"]));
    for (on, expected) in [
        (Some("release/1"), "release/1"),
        (Some("release/2"), "develop"),
        (Some("develop"), "develop"),
        (Some("my-task"), "develop"),
        (Some("no branch"), "develop"),
        (None, "develop"),
    ] {
        assert_eq!(target(on), expected, "{on:?}");
    }
    // A name counts, whatever is set; one that is no branch does not.
    studio.lock_for("ann", "b", Some("main"));
    let ask = Acquire { branch: Some("nowhere".into()), ..wish("a", None) };
    let Answer::No { why, hint } = studio.ask("ann", &Ask::Acquire(ask)) else { panic!("it is no branch") };
    assert_eq!(why, "no branch 'nowhere' in this repository");
    assert!(hint.unwrap().contains("'develop'"));
    set(&[URL, "release/["]).fails().says(&["'release/[' is not a branch"]);
    set(&["team/none", "main"]).fails().says(&["there is no repository 'team/none'"]);
    set(&[URL, "--none"]).ok();
    assert_eq!(target(Some("develop")), "main");
}

#[test]
fn what_is_behind_its_target_is_not_locked() {
    let studio = Studio::new();
    let old = studio.ann.id("HEAD:a");
    change(&studio.ann, "a");
    passes(&push(&studio.ann, &["main"]));
    let new = studio.ann.id("HEAD:a");
    let ask = |seen: &[&str]| studio.acquire("bob", wish("a", Some(seen))).remove(0);
    assert_eq!(ask(&[&old]), Acquired::Refused(Denial::Stale { blob: Some(new.clone()) }));
    assert_eq!(ask(&[]), Acquired::Refused(Denial::Stale { blob: Some(new.clone()) }));
    let items = [("new", Some(vec![])), ("maps/", Some(vec![])), ("b", None)];
    let items = items.map(|(path, seen)| Item { path: path.into(), seen }).to_vec();
    let outcomes = studio.acquire("bob", Acquire { items, ..Acquire::default() });
    assert!(outcomes.iter().all(|one| matches!(one, Acquired::Locked(_))), "{outcomes:?}");
    assert!(matches!(ask(&[&old, &new]), Acquired::Locked(_)));
    let held = studio.acquire("ann", wish("a", Some(&[&old]))).remove(0);
    assert!(matches!(held, Acquired::Refused(Denial::Held(_))), "who holds it is said first: {held:?}");
    studio.unlock("bob", "a");
    let ask = Acquire { stale_ok: true, ..wish("a", Some(&[&old])) };
    assert!(matches!(studio.acquire("bob", ask)[0], Acquired::Locked(_)));
}
