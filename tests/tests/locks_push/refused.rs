//! What counts as a change of a locked file, whoever shares it, and a hook that cannot ask.

use super::studio::{Studio, change, is_refused, outcomes, passes, push, wish};
use dits_lock::ask::{Acquire, Acquired};
use dits_lock::{Ask, Mode};
use dits_tests::Repo;
use std::fs;

#[test]
fn whatever_way_a_locked_file_changes_counts() {
    let studio = Studio::new();
    let bob = &studio.bob;
    studio.lock("ann", "A");
    studio.lock("ann", "Maps/");
    let tries: [(&str, &dyn Fn()); 6] = [
        ("  a: locked by ann", &|| drop(bob.git(&["rm", "-q", "a"]))),
        ("  a: locked by ann", &|| drop(bob.git(&["mv", "a", "moved"]))),
        ("  maps/x: locked by ann", &|| bob.write("maps/x", b"new\n")),
        ("  maps/new/deep: locked by ann", &|| bob.write("maps/new/deep", b"new\n")),
        ("  MAPS/z: locked by ann", &|| bob.write("MAPS/z", b"new\n")),
        ("  maps/y: locked by ann", &|| bob.make_executable("maps/y")),
    ];
    for (said, act) in tries {
        act();
        bob.commit("try");
        is_refused(push(bob, &["main"]), &[said]);
        // Not even hidden in a history, beside something harmless, or by force.
        change(bob, "b");
        is_refused(push(bob, &["--force", "main"]), &[said]);
        let ran = push(bob, &["--atomic", "-o", "x=y", "main", "main:free"]);
        is_refused(ran, &[said]);
        bob.git(&["reset", "-q", "--hard", "origin/main"]);
    }
    // There and back again is no change; tags have no locks.
    bob.write("a", b"there\n");
    bob.commit("there");
    bob.git(&["tag", "there"]);
    bob.git(&["revert", "--no-edit", "HEAD"]);
    passes(&push(bob, &["main", "there"]));
    let many = (0..13).map(|i| format!("maps/many/{i:02}")).collect::<Vec<_>>();
    many.iter().for_each(|path| bob.write(path, b"x"));
    bob.commit("many");
    is_refused(push(bob, &["main"]), &["  maps/many/09: locked by ann", "  ... and 3 more"]);
}

#[test]
fn those_who_share_a_place_may_push_and_others_may_not() {
    let studio = Studio::new();
    let Studio { ann, bob, .. } = &studio;
    let shared = |who: &str| studio.acquire(who, Acquire { mode: Mode::Shared, ..wish("a", None) }).remove(0);
    assert!(matches!(shared("ann"), Acquired::Locked(_)));
    change(bob, "a");
    is_refused(push(bob, &["main"]), &["a: locked by ann for main, "]);
    assert!(matches!(shared("bob"), Acquired::Locked(_)));
    passes(&push(bob, &["main"]));
    ann.git(&["pull", "-q"]);
    change(ann, "a");
    passes(&push(ann, &["main"]));
}

#[test]
fn the_first_push_of_a_branch_changes_what_is_locked_for_it() {
    let studio = Studio::new();
    let server = &studio.server;
    let empty = "team/empty";
    server.owner(&["repo", "create"], &[empty]).ok();
    let asked = studio.ask_of(empty, "ann", &Ask::Acquire(wish("a", None)));
    assert!(matches!(outcomes(asked)[0], Acquired::Locked(_)));
    let url = server.url(empty);
    let ran = studio.bob.call(&["push", &url, "main"]).run();
    is_refused(ran, &["a: locked by ann for main, "]);
    studio.bob.git(&["push", "-q", &url, "main:other"]).says(&["warning: ann holds 'a' for main (locked "]);
    studio.ann.git(&["push", "-q", &url, "main"]);
}

#[test]
fn a_hook_whose_server_is_gone_says_no() {
    let mut studio = Studio::new();
    studio.lock("ann", "a");
    let log = studio.world.path().join("log");
    // The variables of a hook that a server has started; then it asks when that server is no more.
    studio.hook("pre-receive", &format!("env > '{}'\nexit 1", log.display()));
    change(&studio.bob, "b");
    assert_eq!(push(&studio.bob, &["main"]).code, Some(1));
    studio.server.kill();
    let variables = fs::read_to_string(&log).unwrap();
    let value = |name: &str| {
        let line = variables.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("no {name}")).to_owned()
    };
    let bare = studio.bare();
    fs::remove_file(bare.join("hooks/pre-receive")).unwrap();
    let hooks = studio.server.dir().join("hooks");
    let mut bob = studio.bob.clone();
    for name in ["DITS_STORE", "DITS_CONTENTS", "DITS_PUSH", "DITS_SERVER"] {
        bob = bob.with_env(name, value(name));
    }
    studio.ann.user().git(&[
        "--git-dir",
        bare.to_str().unwrap(),
        "config",
        "core.hooksPath",
        hooks.to_str().unwrap(),
    ]);
    let straight = |bob: &Repo| bob.call(&["push", bare.to_str().unwrap(), "main"]).run();
    let asking = ["DITS_LOCKS", "DITS_LOCKS_KEY"]
        .iter()
        .fold(bob.clone(), |bob, name| bob.with_env(name, value(name)));
    is_refused(straight(&asking), &["cannot ask the server about locks"]);
    // Beside any server, locks are not looked at.
    passes(&straight(&bob));
}
