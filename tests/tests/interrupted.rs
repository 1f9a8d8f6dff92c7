//! Ctrl-C, a locked index, a branch without commits: what is left is clean, and the next command completes it.
//!
//! A hydration is held while it fetches by a wire that is cut, and while it writes by stopping its process.

use dits_tests::{Relay, Repo, Server, Started, User, World, bytes, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;

const URL: &str = "team/project";
/// More than every buffer on the way, and large enough to be written while it comes.
const LARGE: usize = 40 << 20;
const SMALL: usize = 300;
/// Where the transfer of the large one is held.
const PART: u64 = 4 << 20;
/// Many small files: for each there is a temporary one until all are in place.
const FILES: u64 = 400;
/// Tries to meet a program in the middle before giving up.
const TRIES: usize = 50;

/// Ann's repository: `other` has a large file that `main` has not.
fn published(world: &World, server: &Server) -> Repo {
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(20_000, 1));
    ann.commit("base");
    ann.git(&["switch", "-q", "-c", "other"]);
    ann.write("a.bin", &bytes(LARGE, 2));
    ann.write("small.bin", &bytes(SMALL, 3));
    ann.commit("other");
    ann.git(&["remote", "add", "origin", &server.url(URL)]);
    ann.git(&["push", "-q", "origin", "main", "other"]);
    ann
}

/// Ben's clone, whose `git switch other` is held in the middle of its transfer.
fn held_switch(user: &User, server: &Server, relay: &Relay) -> (Repo, Started) {
    let ben = user.clone_from(&server.url(URL), "clone");
    ben.git(&["remote", "set-url", "origin", &relay.url(URL)]);
    relay.cut_down_after(PART);
    let switch = ben.call(&["switch", "-q", "other"]).start();
    wait_for("the switch to be held", || relay.is_cut());
    (ben, switch)
}

#[track_caller]
fn left_clean(repo: &Repo) {
    for lock in ["index.lock", "HEAD.lock"] {
        assert!(!repo.at(".git").join(lock).exists(), "'{lock}' stayed");
    }
    repo.is_clean();
    repo.is_sound();
}

/// Asserts that `git dits hydrate` brings what ann has, and leaves nothing behind.
#[track_caller]
fn completes(ben: &Repo, ann: &Repo) {
    ben.git(&["dits", "hydrate"]);
    ben.is_same_as(ann);
    ben.is_clean_at_once();
    assert_eq!(ben.leftovers(), [""; 0], "temporary files stayed");
    ben.is_sound();
}

#[test]
fn ctrl_c_while_it_fetches() {
    let world = World::new();
    let server = world.server();
    let relay = world.relay(&server);
    let ann = published(&world, &server);
    let (ben, switch) = held_switch(&world.user("ben"), &server, &relay);
    // Whether it has its length from the start depends on the file system.
    let is_begun = |name: &String| {
        ben.store().join("hydrate").join(name).metadata().is_ok_and(|it| it.len() != SMALL as u64)
    };
    wait_for("the large file to be begun", || ben.leftovers().iter().any(is_begun));
    switch.interrupt();
    let ran = switch.wait();
    assert_ne!(ran.code, Some(0), "{ran}");
    ben.is_ghost("a.bin");
    ben.is_ghost("small.bin");
    left_clean(&ben);
    relay.mend();
    completes(&ben, &ann);
}

#[test]
fn ctrl_c_in_a_clone_leaves_nothing_or_a_clean_one() {
    let world = World::new();
    let server = world.server();
    let relay = world.relay(&server);
    let ann = published(&world, &server);
    let ben = world.user("ben");
    relay.cut_down_after(PART);
    let url = relay.url(URL);
    let clone = ben.call("git", &ben.at(".")).args(["clone", "-q", "-b", "other", &url, "clone"]).start();
    wait_for("the clone to be held", || relay.is_cut());
    clone.interrupt();
    let ran = clone.wait();
    assert_ne!(ran.code, Some(0), "{ran}");
    relay.mend();
    if !ben.at("clone").exists() {
        ben.clone_from(&url, "clone");
    }
    let ben = ben.repo("clone");
    left_clean(&ben);
    completes(&ben, &ann);
}

/// Starts `git checkout -- .` for many files, and stops its filter when it has written some and placed none.
#[track_caller]
fn stopped_checkout(repo: &Repo) -> (Started, Pid) {
    for _ in 0..TRIES {
        for seed in 0..FILES {
            let _ = fs::remove_file(repo.at(&format!("{seed}.bin")));
        }
        let mut checkout = repo.call(&["checkout", "-q", "--", "."]).start();
        wait_for("the first files", || repo.leftovers().len() > 3 || checkout.has_ended());
        let Some(pid) = checkout.parts("filter-process").first().copied() else { continue };
        let _ = kill_process(pid, Signal::STOP);
        let ghost = fs::read(repo.at("0.bin")).is_ok_and(|text| text.starts_with(b"version git-dits/1\n"));
        if repo.leftovers().len() > 3 && ghost {
            return (checkout, pid);
        }
        let _ = kill_process(pid, Signal::CONT);
        checkout.wait();
    }
    panic!("the filter was never met in the middle");
}

#[test]
fn ctrl_c_while_it_writes() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    for seed in 0..FILES {
        repo.write(format!("{seed}.bin"), &bytes(20_000, seed));
    }
    repo.commit("many");
    let (checkout, filter) = stopped_checkout(&repo);
    checkout.interrupt();
    let _ = kill_process(filter, Signal::CONT);
    let ran = checkout.wait();
    assert_ne!(ran.code, Some(0), "{ran}");
    repo.is_ghost("0.bin");
    left_clean(&repo);
    repo.git(&["dits", "hydrate"]);
    for seed in 0..FILES {
        repo.holds(format!("{seed}.bin"), &bytes(20_000, seed));
    }
    repo.is_clean_at_once();
    assert_eq!(repo.leftovers(), [""; 0], "temporary files stayed");
}

#[test]
fn an_index_that_somebody_else_has_locked() {
    let world = World::new();
    let server = world.server();
    let relay = world.relay(&server);
    let ann = published(&world, &server);
    let (ben, switch) = held_switch(&world.user("ben"), &server, &relay);
    // Git itself is done with its index: it waits for its filter.
    let lock = ben.at(".git/index.lock");
    fs::write(&lock, b"").unwrap();
    relay.mend();
    let ran = switch.wait().says(&["index.lock", "hint: "]);
    assert_eq!(ran.code, Some(0), "git does not look at how its filter ends:\n{ran}");
    ben.is_ghost("a.bin");
    ben.is_ghost("small.bin");
    let ran = ben.git_fails(&["dits", "hydrate"]).says(&["index.lock", "hint: "]);
    assert_eq!(ran.code, Some(2), "{ran}");
    ben.is_ghost("a.bin");
    assert!(lock.exists(), "the lock of somebody else was taken away");
    fs::remove_file(lock).unwrap();
    left_clean(&ben);
    let watch = ben.watch(|| completes(&ben, &ann));
    assert_eq!(watch.pull.events, 0, "its chunks were here: {watch:?}");
}

#[test]
fn a_branch_without_commits_and_no_branch_at_all() {
    let world = World::new();
    let server = world.server();
    let repo = world.user("ann").init("project");
    let content = bytes(30_000, 1);
    for command in [&["dits", "hydrate"][..], &["dits", "status"], &["dits", "ls-files"], &["status"]] {
        repo.git(command);
    }
    repo.write("a.bin", &content);
    repo.git(&["add", "-A"]);
    fs::remove_file(repo.at("a.bin")).unwrap();
    repo.git(&["checkout", "--", "a.bin"]);
    repo.holds("a.bin", &content);
    let watch = repo.watch(|| assert_eq!(repo.status(), "A  .gitattributes\nA  a.bin\n"));
    assert_eq!(watch.cleans, 0, "{watch:?}");
    repo.commit("first");
    repo.git(&["checkout", "-q", "--detach"]);
    repo.write("a.bin", &bytes(40_000, 2));
    repo.commit("second");
    repo.git(&["push", "-q", &server.url(URL), "HEAD:refs/heads/main"]);
    repo.git(&["checkout", "-q", "--detach", "HEAD~1"]);
    repo.holds("a.bin", &content);
    repo.is_clean_at_once();
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    ben.holds("a.bin", &bytes(40_000, 2));
    ben.git(&["checkout", "-q", "HEAD~1"]);
    ben.holds("a.bin", &content);
    ben.is_clean_at_once();
}
