//! `dits.threshold`: small managed files are Git's own, large ones pointers, and none flaps between the two.
//!
//! Each story asks Git what it has (`is_raw`, `is_pointer`) and whether status stays clean when a file was only
//! touched: that is when Git runs clean again and compares.

use dits_tests::{Repo, User, World, bytes, pointer};
use std::fs;

const THRESHOLD: usize = 10_000;

/// A repository that brings a threshold along.
fn project(user: &User) -> Repo {
    let repo = user.init("project");
    repo.write(".ditsconfig", format!("[dits]\n\tthreshold = {THRESHOLD}\n").as_bytes());
    repo.commit("config");
    repo
}

#[track_caller]
fn is_raw(repo: &Repo, name: &str) {
    let blob = repo.git(&["cat-file", "blob", &format!(":{name}")]).stdout;
    assert!(blob == repo.read(name), "Git does not have '{name}' raw");
}

#[track_caller]
fn is_pointer(repo: &Repo, name: &str) {
    let blob = repo.git(&["cat-file", "blob", &format!(":{name}")]).stdout;
    assert_eq!(blob, pointer::of(&repo.read(name)), "Git has no pointer for '{name}'");
}

/// Makes Git ask the filter about every file, and asserts that none seems changed.
#[track_caller]
fn is_clean_when_touched(repo: &Repo) {
    for name in repo.names() {
        let bytes = repo.read(&name);
        repo.write(&name, &bytes);
    }
    let watch = repo.watch(|| repo.is_clean());
    assert!(watch.cleans > 0, "the filter was not asked: {watch:?}");
}

#[test]
fn size_decides_about_new_files() {
    let world = World::new();
    let repo = project(&world.user("ann"));
    repo.write("small.bin", &bytes(THRESHOLD - 1, 1));
    repo.write("large.bin", &bytes(THRESHOLD, 2));
    repo.write("empty.bin", b"");
    repo.write("dir/new\nline.bin", &bytes(50, 3));
    repo.commit("files");
    is_raw(&repo, "small.bin");
    is_raw(&repo, "dir/new\nline.bin");
    is_pointer(&repo, "large.bin");
    is_clean_when_touched(&repo);
    repo.git(&["dits", "fsck"]);
    let listed = repo.git(&["dits", "ls-files", "--name-only"]).text();
    assert_eq!(listed, "large.bin\n");
}

#[test]
fn a_file_that_grows_and_shrinks_does_not_flap() {
    let world = World::new();
    let repo = project(&world.user("ann"));
    let below = |seed| bytes(THRESHOLD - 100, seed);
    let above = |seed| bytes(THRESHOLD + 100, seed);
    repo.write("a.bin", &below(1));
    repo.commit("one");
    is_raw(&repo, "a.bin");
    repo.write("a.bin", &above(2));
    repo.commit("two");
    is_pointer(&repo, "a.bin");
    for seed in [3, 4, 5] {
        repo.write("a.bin", &if seed == 4 { above(seed) } else { below(seed) });
        repo.commit("more");
        is_pointer(&repo, "a.bin");
        is_clean_when_touched(&repo);
    }
    // Between versions of both forms, in both directions.
    for (revision, content) in
        [("main~4", below(1)), ("main", below(5)), ("main~3", above(2)), ("main~4", below(1))]
    {
        repo.git(&["checkout", "-q", revision]);
        repo.holds("a.bin", &content);
        repo.is_clean();
        is_clean_when_touched(&repo);
    }
    // The way back, for who wants it.
    repo.git(&["checkout", "-q", "main"]);
    repo.git(&["rm", "-q", "--cached", "a.bin"]);
    repo.git(&["add", "a.bin"]);
    is_raw(&repo, "a.bin");
}

#[test]
fn users_with_other_thresholds_do_not_fight() {
    let world = World::new();
    let server = world.server();
    let ann = project(&world.user("ann"));
    ann.git(&["config", "dits.threshold", "1m"]);
    ann.write("a.bin", &bytes(500_000, 1));
    ann.write("b.bin", &bytes(500_000, 2));
    ann.commit("raw");
    is_raw(&ann, "a.bin");
    ann.publish(&server.url("team/p"));
    let ben = world.user("ben").clone_from(&server.url("team/p"), "clone");
    is_clean_when_touched(&ben);
    assert_eq!(ben.git(&["dits", "status", "--porcelain"]).text(), "");
    ben.write("a.bin", &bytes(500_000, 3));
    ben.commit("pointer");
    is_pointer(&ben, "a.bin");
    is_raw(&ben, "b.bin");
    ben.git(&["push", "-q"]);
    ann.git(&["pull", "-q"]);
    ann.holds("a.bin", &bytes(500_000, 3));
    is_clean_when_touched(&ann);
    ann.write("a.bin", &bytes(400_000, 4));
    ann.commit("still a pointer");
    is_pointer(&ann, "a.bin");
    // What one of them would have otherwise is a finding for him alone.
    ann.git(&["dits", "fsck", "--pointers"]);
    let found = ben.call(&["dits", "fsck", "--pointers"]).run();
    assert_eq!(found.code, Some(1));
    assert!(found.text().contains("\"b.bin\""), "{found}");
}

#[test]
fn a_conflict_keeps_the_pointer() {
    let world = World::new();
    let repo = project(&world.user("ann"));
    repo.write("a.bin", &bytes(100, 1));
    repo.commit("base");
    repo.git(&["switch", "-q", "-c", "other"]);
    repo.write("a.bin", &bytes(THRESHOLD, 2));
    repo.commit("large");
    repo.git(&["switch", "-q", "main"]);
    repo.write("a.bin", &bytes(200, 3));
    repo.commit("small");
    repo.git_fails(&["merge", "-q", "other"]);
    repo.write("a.bin", &bytes(300, 4));
    repo.git(&["add", "a.bin"]);
    is_pointer(&repo, "a.bin");
    repo.git(&["commit", "-q", "-m", "merged"]);
    is_clean_when_touched(&repo);
}

#[test]
fn the_bytes_of_the_pipe_count_and_not_the_file() {
    let world = World::new();
    let repo = project(&world.user("ann"));
    repo.write("a.bin", &bytes(THRESHOLD, 1));
    repo.write("b.bin", &bytes(100, 2));
    repo.commit("files");
    let hash = |path: &str, content: &[u8]| {
        repo.call(&["hash-object", "-w", "--stdin", "--path", path]).input(content).ok().line()
    };
    let id = hash("b.bin", &bytes(THRESHOLD, 3));
    assert_eq!(repo.git(&["cat-file", "blob", &id]).stdout, pointer::of(&bytes(THRESHOLD, 3)));
    let id = hash("new.bin", &bytes(90, 4));
    assert!(repo.git(&["cat-file", "blob", &id]).stdout == bytes(90, 4));
}

#[test]
fn stash_and_rebase_keep_both_forms() {
    let world = World::new();
    let repo = project(&world.user("ann"));
    repo.write("small.bin", &bytes(100, 1));
    repo.write("large.bin", &bytes(THRESHOLD, 2));
    repo.commit("base");
    repo.git(&["switch", "-q", "-c", "topic"]);
    repo.write("small.bin", &bytes(THRESHOLD, 3));
    repo.write("large.bin", &bytes(50, 4));
    repo.commit("changed");
    repo.git(&["switch", "-q", "main"]);
    repo.write("text.txt", b"x\n");
    repo.commit("text");
    repo.git(&["rebase", "-q", "main", "topic"]);
    is_pointer(&repo, "small.bin");
    is_pointer(&repo, "large.bin");
    repo.is_clean();
    repo.git(&["switch", "-q", "main"]);
    repo.write("small.bin", &bytes(120, 5));
    repo.write("large.bin", &bytes(60, 6));
    repo.git(&["stash", "push", "-q"]);
    repo.holds("small.bin", &bytes(100, 1));
    repo.is_clean();
    repo.git(&["stash", "pop", "-q"]);
    repo.holds("small.bin", &bytes(120, 5));
    repo.commit("popped");
    is_raw(&repo, "small.bin");
    is_pointer(&repo, "large.bin");
    is_clean_when_touched(&repo);
}

#[test]
fn a_threshold_that_is_no_size_stores_nothing() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    repo.write("a.bin", &bytes(100, 1));
    repo.git(&["config", "dits.threshold", "many"]);
    repo.git_fails(&["add", "a.bin"]).says(&["dits.threshold"]);
    fs::remove_file(repo.at("a.bin")).unwrap();
    repo.git(&["config", "dits.threshold", "1k"]);
    repo.write("a.bin", &bytes(1023, 1));
    repo.git(&["add", "a.bin"]);
    is_raw(&repo, "a.bin");
}
