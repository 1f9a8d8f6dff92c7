//! What a pull asks for when it knows what the user had before, and what a push sends without asking.
//!
//! Round trips are counted on a virtual clock (`sync/tests/pair/figures.rs`); here it is bytes that show that the hints
//! reach the protocol.

use dits_tests::{World, bytes};

const URL: &str = "team/project";

#[test]
fn a_pull_names_what_was_here_and_gets_the_difference() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    let old = bytes(20_000_000, 1);
    ann.write("a.bin", &old);
    ann.commit("first");
    ann.publish(&server.url(URL));
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    let push = ann.watch(|| {
        ann.edit("a.bin", |content| content[9_000_000..9_000_100].fill(7));
        ann.commit("second");
        ann.git(&["push", "-q"]);
    });
    assert!(push.push.other_bytes() <= 1024, "{push:?}");
    // By Git's own pull, and by fetching first.
    let pull = ben.watch(|| drop(ben.git(&["pull", "-q"])));
    assert!(pull.pull.chunks <= 3 && pull.pull.other_bytes() <= 1024, "{pull:?}");
    ben.holds("a.bin", &ann.read("a.bin"));
    ann.edit("a.bin", |content| content[3_000_000..3_000_100].fill(8));
    ann.commit("third");
    ann.git(&["push", "-q"]);
    ben.git(&["fetch", "-q"]);
    let fetch = ben.watch(|| drop(ben.git(&["dits", "fetch", "origin", "origin/main"])));
    assert!(fetch.pull.chunks <= 3 && fetch.pull.other_bytes() <= 1024, "{fetch:?}");
}

#[test]
fn a_filter_is_kept_after_a_large_push_and_used_by_the_next() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    ann.write("small.bin", &bytes(800_000, 1));
    ann.commit("first");
    ann.publish(&server.url(URL));
    // What was pushed is noted beside them, in files with an ending.
    let filters = || {
        let found = std::fs::read_dir(ann.at(".git/dits/filters")).into_iter().flatten().flatten();
        found.filter(|entry| entry.path().is_file() && entry.path().extension().is_none()).count()
    };
    assert_eq!(filters(), 0, "less than a megabyte is not worth it");
    ann.write("large.bin", &bytes(3_000_000, 2));
    ann.commit("second");
    ann.git(&["push", "-q"]);
    assert_eq!(filters(), 1);
    ann.write("new.bin", &bytes(500_000, 4));
    ann.commit("third");
    let push = ann.watch(|| drop(ann.git(&["push", "-q"])));
    assert!(push.push.other_bytes() <= 2048, "{push:?}");
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    ben.holds("new.bin", &bytes(500_000, 4));
    server.is_sound("team");
}
