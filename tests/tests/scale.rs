//! Operations that must not grow with the repository: counted, not timed.
//!
//! `bench/acceptance.sh status` and `cargo xtask bench --rows noop` measure the same with a hundred thousand files and commits.

use dits_tests::{Repo, User, World, bytes};
use std::fs;

const URL: &str = "team/project";
/// Files of the repository with many pointers; they share a few contents.
const FILES: usize = 2000;
const CONTENTS: usize = 7;
/// Commits of the repository with a long history.
const COMMITS: usize = 3000;
/// Memory of a filter process, whatever the size of the file.
const MEMORY_BYTES_MAX: u64 = 160 << 20;
/// A file that would not fit, as a hole: it takes no room on disk, and few chunks.
const LARGE_BYTES: u64 = 768 << 20;

fn name(i: usize) -> String {
    format!("d{}/{i}.bin", i / 100)
}

fn content(i: usize) -> Vec<u8> {
    bytes(200 + i % CONTENTS, (i % CONTENTS) as u64)
}

/// A commit of many pointers on `main`, without a file being written.
fn many_pointers(user: &User) -> Repo {
    let repo = user.init("project");
    repo.commit("start");
    let ids: Vec<String> = (0..CONTENTS)
        .map(|i| repo.call(&["hash-object", "-w", "--stdin", "--path=x.bin"]).input(&content(i)).ok().line())
        .collect();
    let mut commit = "commit refs/heads/main\ncommitter a <a> 1577836800 +0000\ndata 4\nmany\n\
                      from refs/heads/main^0\n"
        .to_owned();
    for i in 0..FILES {
        commit.push_str(&format!("M 100644 {} {}\n", ids[i % CONTENTS], name(i)));
    }
    repo.call(&["fast-import", "--quiet"]).input(commit.as_bytes()).ok();
    repo
}

#[test]
fn status_after_a_clone_of_many_pointers_reads_nothing() {
    let world = World::new();
    let server = world.server();
    let ann = many_pointers(&world.user("ann"));
    ann.publish(&server.url(URL));
    let ben = world.user("ben");
    let mut clone = None;
    let watch = ben.watch(|| clone = Some(ben.clone_from(&server.url(URL), "clone")));
    assert_eq!((watch.filter_starts, watch.pull.contents), (1, CONTENTS as u64), "{watch:?}");
    let clone = clone.unwrap();
    clone.is_clean_at_once();
    clone.is_clean_at_once();
    for i in 0..FILES {
        clone.holds(name(i), &content(i));
    }
}

#[test]
fn a_push_with_nothing_to_do_asks_nothing_and_walks_nothing() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(1000, 1));
    ann.commit("first");
    let mut commits = String::new();
    for i in 0..COMMITS {
        let from = if i == 0 { "from refs/heads/main^0\n" } else { "" };
        commits.push_str(&format!(
            "commit refs/heads/main\ncommitter a <a> 1577836800 +0000\ndata 1\n.\n{from}M 100644 inline n.txt\n\
             data {}\n{i}\n",
            i.to_string().len()
        ));
    }
    ann.call(&["fast-import", "--quiet"]).input(commits.as_bytes()).ok();
    ann.publish(&server.url(URL));
    let watch = ann.watch(|| drop(ann.git(&["push", "-q", "origin", "main"])));
    assert_eq!((watch.push.events, watch.connections, watch.filter_starts), (0, 1, 0), "{watch:?}");
    for walk in ["rev-list", "diff-tree", "cat-file", "pack-objects"] {
        assert!(!watch.git_commands.iter().any(|command| command == walk), "{walk}: {watch:?}");
    }
    // The counts are no accident: a push that brings something does ask.
    ann.write("a.bin", &bytes(1000, 2));
    ann.git(&["add", "a.bin"]);
    ann.git(&["commit", "-q", "-m", "second"]);
    let watch = ann.watch(|| drop(ann.git(&["push", "-q", "origin", "main"])));
    assert_eq!((watch.push.events, watch.push.contents), (1, 1), "{watch:?}");
    assert!(watch.git_commands.iter().any(|command| command == "rev-list"), "{watch:?}");
}

#[test]
fn memory_does_not_follow_the_size_of_a_file() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    let large = fs::File::create(repo.at("large.bin")).unwrap();
    large.set_len(LARGE_BYTES).unwrap();
    large.set_modified(world.time()).unwrap();
    // Nor does that of Git: what is mapped or collected whole does not fit into this.
    let limited = |args: &str| {
        let line = format!("ulimit -v {}; exec git {args}", LARGE_BYTES * 7 / 8 / 1024);
        repo.user().call("sh", repo.path()).args(["-c", &line]).ok();
    };
    let watch = repo.watch(|| limited("add ."));
    assert!((1..MEMORY_BYTES_MAX).contains(&watch.peak_bytes), "{watch:?}");
    limited("commit -q -m large");
    fs::remove_file(repo.at("large.bin")).unwrap();
    let watch = repo.watch(|| limited("checkout -q -- large.bin"));
    assert!((1..MEMORY_BYTES_MAX).contains(&watch.peak_bytes), "{watch:?}");
    assert_eq!(fs::metadata(repo.at("large.bin")).unwrap().len(), LARGE_BYTES);
    let watch = repo.watch(|| limited("status --porcelain"));
    assert_eq!((watch.filter_starts, watch.scans), (0, 0), "{watch:?}");
}

#[test]
fn a_blobless_cone_clone_fetches_the_chunks_of_its_cone() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    for (seed, folder) in ["near", "far", "far/deep"].into_iter().enumerate() {
        for i in 0..4 {
            ann.write(format!("{folder}/{i}.bin"), &bytes(3000, (10 * seed + i) as u64));
        }
    }
    ann.write("top.bin", &bytes(3000, 99));
    ann.commit("all");
    ann.publish(&server.url(URL));
    let ben = world.user("ben");
    let clone = ["clone", "-q", "--filter=blob:none", "--sparse", &server.url(URL), "clone"];
    let watch = ben.watch(|| drop(ben.git(&clone)));
    assert_eq!((watch.pull.contents, watch.pull.chunks), (1, 1), "the top: {watch:?}");
    let ben = ben.repo("clone");
    let watch = ben.watch(|| drop(ben.git(&["sparse-checkout", "set", "near"])));
    assert_eq!((watch.pull.contents, watch.pull.chunks), (4, 4), "{watch:?}");
    ben.is_clean_at_once();
    let pointers = ben.git(&["cat-file", "--batch-all-objects", "--batch-check"]).text();
    assert_eq!(
        pointers.matches(" blob ").count(),
        1 + 1 + 4,
        "attributes and the pointers of the cone:\n{pointers}"
    );
    let watch = ben.watch(|| drop(ben.git(&["dits", "hydrate"])));
    assert_eq!(watch.pull.contents, 0, "what is not checked out is not fetched: {watch:?}");
    let watch = ben.watch(|| drop(ben.git(&["sparse-checkout", "disable"])));
    assert_eq!((watch.pull.contents, watch.pull.chunks), (8, 8), "{watch:?}");
    ben.is_same_as(&ann);
    ben.is_clean_at_once();
}
