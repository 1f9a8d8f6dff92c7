//! A disk that is full, and files that change while they are added.
//!
//! A limit on the size of files stands in for the full disk: writes fail in the same places, and no privileges
//! are needed. What fails must say so, leave the store clean, and work when there is space again.

use dits_tests::{Ran, Repo, World, bytes};
use std::fs;

const URL: &str = "team/project";

/// Runs `git` where no file may grow beyond `blocks` of 512 bytes; writing more is an error, not a signal.
fn git_limited(repo: &Repo, blocks: u32, args: &str) -> Ran {
    // The traces of Git and of us are files too, and grow all the time.
    let line =
        format!("trap '' XFSZ; ulimit -f {blocks}; unset GIT_TRACE2_PERF GIT_DITS_TRACE; exec git {args}");
    repo.user().call("sh", repo.path()).args(["-c", &line]).run()
}

#[test]
fn a_full_disk_while_adding() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    let content = bytes(6 << 20, 1);
    repo.write("small.bin", b"small");
    repo.write("large.bin", &content);
    repo.git(&["add", ".gitattributes", "small.bin"]);
    for blocks in [200, 2000, 8000] {
        let ran = git_limited(&repo, blocks, "add large.bin");
        assert_ne!(ran.code, Some(0), "{blocks} blocks were enough:\n{ran}");
        let ran = ran.says(&["large.bin", "hint: "]);
        assert!(ran.code.is_some(), "killed: {ran}");
        assert_eq!(repo.git(&["ls-files", "large.bin"]).text(), "", "it was added");
        repo.is_sound();
        assert_eq!(repo.leftovers(), [""; 0]);
        repo.holds("large.bin", &content);
    }
    repo.commit("all");
    fs::remove_file(repo.at("large.bin")).unwrap();
    repo.git(&["checkout", "--", "."]);
    repo.holds("large.bin", &content);
    repo.holds("small.bin", b"small");
    repo.is_sound();
}

#[test]
fn a_full_disk_while_hydrating() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    let content = bytes(6 << 20, 1);
    repo.write("small.bin", b"small");
    repo.write("large.bin", &content);
    repo.commit("all");
    for name in ["small.bin", "large.bin"] {
        fs::remove_file(repo.at(name)).unwrap();
    }
    git_limited(&repo, 2000, "checkout -- .").says(&["large.bin"]);
    repo.holds("small.bin", b"small");
    repo.is_ghost("large.bin");
    repo.is_clean();
    assert_eq!(repo.leftovers(), [""; 0]);
    repo.git(&["dits", "hydrate"]);
    repo.holds("large.bin", &content);
    repo.is_clean_at_once();
}

#[test]
fn a_full_disk_while_fetching() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    let content = bytes(6 << 20, 1);
    ann.write("large.bin", &content);
    ann.commit("all");
    ann.publish(&server.url(URL));
    let ben = world.user("ben");
    ben.with_env("GIT_DITS_SKIP_SMUDGE", "1").clone_from(&server.url(URL), "clone");
    let ben = ben.repo("clone");
    let ran = git_limited(&ben, 2000, "dits hydrate");
    assert!(ran.code.is_some_and(|code| code != 0), "{ran}");
    ran.says(&["large.bin", "hint: "]);
    ben.is_ghost("large.bin");
    ben.is_clean();
    ben.is_sound();
    assert_eq!(ben.leftovers(), [""; 0]);
    ben.git(&["dits", "hydrate"]);
    ben.is_same_as(&ann);
    ben.is_clean_at_once();
    server.is_sound("team");
}

#[test]
fn a_file_changed_between_add_and_commit_is_seen() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    let (one, two) = (bytes(300_000, 1), bytes(300_000, 2));
    repo.write("a.bin", &one);
    repo.git(&["add", "."]);
    repo.write("a.bin", &two);
    assert_eq!(repo.status(), "A  .gitattributes\nAM a.bin\n");
    repo.git(&["commit", "-q", "-m", "one"]);
    assert_eq!(repo.status(), " M a.bin\n");
    repo.holds("a.bin", &two);
    repo.git(&["stash", "-q"]);
    repo.holds("a.bin", &one);
    repo.git(&["stash", "pop", "-q"]);
    repo.holds("a.bin", &two);
}

#[test]
fn what_git_is_given_is_what_is_stored_not_what_lies_there() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    let (given, lying) = (bytes(300_000, 1), bytes(300_000, 2));
    repo.write("a.bin", &lying);
    let id = repo.call(&["hash-object", "-w", "--stdin", "--path=a.bin"]).input(&given).ok().line();
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{id},a.bin")]);
    assert_eq!(repo.status().lines().next(), Some("AM a.bin"));
    repo.git(&["checkout", "--", "a.bin"]);
    repo.holds("a.bin", &given);
}
