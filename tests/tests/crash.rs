//! Programs killed in the middle, at places that a test can hold still.
//!
//! A filter is held by a pipe that gives no more, a transfer by a wire that was cut. What must hold after each
//! kill: the next run completes, nothing that was acknowledged is lost, and no temporary file stays.

use dits_tests::{Relay, Repo, Server, World, bytes, wait_for};
use std::fs;
use std::io::Write;
use std::path::Path;

const URL: &str = "team/project";
/// Enough to be more than every buffer on the way.
const LARGE: usize = 12 << 20;
/// Where a transfer of it is held.
const PART: u64 = 4 << 20;

/// Bytes of the files in a folder.
fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

fn with_large(world: &World, name: &str) -> Repo {
    let repo = world.user(name).init("project");
    repo.write("large.bin", &bytes(LARGE, 1));
    repo
}

/// Asserts that everybody has the same, and that nothing is wrong or left over anywhere.
#[track_caller]
fn all_is_well(ann: &Repo, ben: &Repo, server: &mut Server) {
    ben.is_same_as(ann);
    ben.is_clean_at_once();
    for repo in [ann, ben] {
        repo.is_sound();
        assert_eq!(repo.leftovers(), [""; 0], "temporary files stayed");
    }
    server.is_sound("team");
    server.stop();
    server.restart();
    server.is_sound("team");
    assert_eq!(server.leftovers("team"), [""; 0], "temporary files stayed at the server");
}

#[test]
fn a_filter_killed_while_it_stores() {
    let world = World::new();
    let mut server = world.server();
    let ann = with_large(&world, "ann");
    ann.write("before.bin", &bytes(100_000, 2));
    ann.git(&["add", "before.bin", ".gitattributes"]);
    let mut hash = ann.call(&["hash-object", "-w", "--stdin", "--path=large.bin"]).start();
    let mut pipe = hash.stdin.take().unwrap();
    pipe.write_all(&bytes(LARGE, 1)[..LARGE - 1]).unwrap();
    wait_for("a pack that grows", || bytes_in(&ann.store().join("tmp")) > 0);
    hash.kill_part("filter-process");
    // Git notices when it writes, or when it waits for an answer.
    let _ = pipe.write_all(b"!");
    drop(pipe);
    let ran = hash.wait();
    assert_ne!(ran.code, Some(0), "git did not notice that its filter died:\n{ran}");

    ann.is_sound();
    ann.commit("now");
    assert_eq!(ann.leftovers(), [""; 0], "the dead filter's pack stayed");
    ann.publish(&server.url(URL));
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    all_is_well(&ann, &ben, &mut server);
}

#[test]
fn an_add_killed_with_everything_it_started() {
    let world = World::new();
    let ann = with_large(&world, "ann");
    let mut add = ann.call(&["add", "large.bin"]).start();
    wait_for("the filter's pack, or the end", || bytes_in(&ann.store().join("tmp")) > 0 || add.has_ended());
    add.kill();
    ann.holds("large.bin", &bytes(LARGE, 1));
    // A lock of Git's is Git's to explain; whoever killed it removes it.
    let _ = fs::remove_file(ann.at(".git/index.lock"));
    ann.is_sound();
    ann.commit("now");
    ann.is_sound();
    assert_eq!(ann.leftovers(), [""; 0]);
    fs::remove_file(ann.at("large.bin")).unwrap();
    ann.git(&["checkout", "--", "large.bin"]);
    ann.holds("large.bin", &bytes(LARGE, 1));
}

/// Starts a push over `relay` that is held when part of the content has gone.
#[track_caller]
fn held_push(ann: &Repo, relay: &Relay) -> dits_tests::Started {
    ann.commit("large");
    ann.git(&["remote", "add", "origin", &relay.url(URL)]);
    relay.cut_up_after(PART);
    let push = ann.call(&["push", "-q", "-u", "origin", "main"]).start();
    wait_for("the push to be held", || relay.is_cut());
    push
}

#[test]
fn a_helper_killed_while_it_pushes() {
    let world = World::new();
    let mut server = world.server();
    let relay = world.relay(&server);
    let ann = with_large(&world, "ann");
    let push = held_push(&ann, &relay);
    push.kill_part("git-remote-dits");
    let ran = push.wait();
    assert_ne!(ran.code, Some(0), "git did not notice that its helper died:\n{ran}");
    // Not even the repository is there: it comes with the first ref, and that after its content.
    ann.git_fails(&["ls-remote", &server.url(URL)]).says(&["repository 'team/project' not found"]);
    relay.mend();
    ann.git(&["push", "-q", "-u", "origin", "main"]);
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    all_is_well(&ann, &ben, &mut server);
}

#[test]
fn a_push_outlives_a_server_that_is_killed_and_comes_back() {
    let world = World::new();
    let mut server = world.server();
    let relay = world.relay(&server);
    let ann = with_large(&world, "ann");
    ann.write("small.bin", &bytes(300_000, 2));
    ann.git(&["add", "small.bin", ".gitattributes"]);
    ann.git(&["commit", "-q", "-m", "small"]);
    ann.git(&["push", "-q", &server.url(URL), "main"]);
    let before = ann.remote_id(&server.url(URL), "refs/heads/main");
    let push = held_push(&ann, &relay);
    server.kill();
    server.restart();
    relay.mend();
    let ran = push.wait();
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_ne!(ann.remote_id(&server.url(URL), "refs/heads/main"), before, "the ref has moved");
    server.is_sound("team");
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    all_is_well(&ann, &ben, &mut server);
}

#[test]
fn a_server_killed_after_a_push_has_all_of_it() {
    let world = World::new();
    let mut server = world.server();
    let ann = with_large(&world, "ann");
    ann.commit("large");
    ann.publish(&server.url(URL));
    server.kill();
    server.restart();
    server.is_sound("team");
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    all_is_well(&ann, &ben, &mut server);
}

#[test]
fn a_filter_killed_while_it_fetches() {
    let world = World::new();
    let mut server = world.server();
    let relay = world.relay(&server);
    let ann = with_large(&world, "ann");
    ann.commit("large");
    ann.publish(&server.url(URL));
    let ben = world.user("ben");
    relay.cut_down_after(PART);
    let url = relay.url(URL);
    let clone = ben.call("git", &ben.at(".")).args(["clone", "-q", &url, "clone"]).start();
    wait_for("the clone to be held", || relay.is_cut());
    clone.kill_part("filter-process");
    // Git ignores how its filter ends: the pointers are in place, and that is a state it knows.
    clone.wait();
    let ben = ben.repo("clone");
    ben.is_ghost("large.bin");
    ben.is_clean();
    relay.mend();
    ben.git(&["dits", "hydrate"]);
    all_is_well(&ann, &ben, &mut server);
}

#[test]
fn a_clone_killed_with_everything_it_started() {
    let world = World::new();
    let mut server = world.server();
    let relay = world.relay(&server);
    let ann = with_large(&world, "ann");
    ann.write("small.bin", &bytes(1000, 2));
    ann.commit("large");
    ann.publish(&server.url(URL));
    let ben = world.user("ben");
    ben.with_env("GIT_DITS_SKIP_SMUDGE", "1").clone_from(&server.url(URL), "clone");
    let ben = ben.repo("clone");
    relay.cut_down_after(PART);
    ben.git(&["remote", "set-url", "origin", &relay.url(URL)]);
    let mut hydrate = ben.call(&["dits", "hydrate"]).start();
    wait_for("hydration to be held", || relay.is_cut());
    hydrate.kill();
    assert!(!ben.at(".git/index.lock").exists(), "git's index stayed locked");
    ben.is_ghost("large.bin");
    ben.is_clean();
    ben.is_sound();
    relay.mend();
    ben.git(&["dits", "hydrate"]);
    all_is_well(&ann, &ben, &mut server);
}
