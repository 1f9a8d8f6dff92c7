//! A connection that is lost while the gate holds Git's commands: it is made again if the remote is as it was.

use dits_tests::{Repo, Server, Started, World, bytes, programs, wait_for};
use std::io::Write;

const URL: &str = "team/project";

/// A repository whose `main` is at the server.
fn published(world: &World, server: &Server) -> Repo {
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(300_000, 1));
    ann.commit("first");
    ann.publish(&server.url(URL));
    ann
}

/// Commits something to push, and starts the helper as Git does; it has connected, and waits for commands when the
/// server has gone and come again.
fn waiting(server: &mut Server, ann: &Repo) -> Started {
    ann.write("a.bin", &bytes(300_000, 2));
    ann.commit("second");
    let program = programs::folder().join("git-remote-dits").display().to_string();
    let mut helper = ann.user().call(&program, ann.path()).args(["origin", &server.url(URL)]).start();
    say(&mut helper, b"connect git-receive-pack\n");
    wait_for("the advertisement", || {
        helper.printed().contains("refs/heads/main") && helper.printed().ends_with("0000")
    });
    server.stop();
    server.restart();
    helper
}

fn say(helper: &mut Started, bytes: &[u8]) {
    // It may end before it has read all; what it says then tells.
    let _ = helper.stdin.as_mut().expect("it is piped").write_all(bytes);
}

fn packet(line: &str) -> String {
    format!("{:04x}{line}", line.len() + 4)
}

/// What Git sends to move `main` from one commit to the other.
fn update(ann: &Repo, old: &str, new: &str) -> Vec<u8> {
    let mut bytes = packet(&format!("{old} {new} refs/heads/main\0report-status\n")).into_bytes();
    bytes.extend_from_slice(b"0000");
    let revs = format!("{new}\n^{old}\n");
    bytes.extend(ann.call(&["pack-objects", "--revs", "--stdout", "-q"]).input(revs.as_bytes()).ok().stdout);
    bytes
}

#[test]
fn a_remote_that_is_as_it_was_gets_the_commands() {
    let world = World::new();
    let mut server = world.server();
    let ann = published(&world, &server);
    let old = ann.id("main");
    let mut helper = waiting(&mut server, &ann);
    let new = ann.id("main");
    say(&mut helper, &update(&ann, &old, &new));
    let ran = helper.wait();
    assert!(ran.code == Some(0) && ran.text().contains("ok refs/heads/main"), "{ran}");
    assert_eq!(ann.remote_id("origin", "refs/heads/main"), new);
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    ben.is_same_as(&ann);
}

#[test]
fn a_remote_that_changed_does_not() {
    let world = World::new();
    let mut server = world.server();
    let ann = published(&world, &server);
    let old = ann.id("main");
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    ben.write("b.txt", b"b\n");
    ben.commit("by ben");
    let mut helper = waiting(&mut server, &ann);
    ben.git(&["push", "-q", "origin", "main"]);
    say(&mut helper, &update(&ann, &old, &ann.id("main")));
    let ran = helper.wait().says(&["the remote has changed since", "hint: push again"]);
    assert_eq!(ran.code, Some(128), "{ran}");
    assert_eq!(ann.remote_id("origin", "refs/heads/main"), ben.id("main"));
}
