//! `git dits prefetch` in a clone without a mount: content comes to this machine, and the working tree stays as it is.

use dits_format::Oid;
use dits_store::{PackStore, content};
use dits_tests::{Repo, World, bytes};
use serde_json::json;

const URL: &str = "team/project";
const MIB: usize = 1 << 20;

fn is_here(repo: &Repo, content: &[u8]) -> bool {
    let store = PackStore::open(&repo.store()).expect("there is a store");
    content::is_whole(&store, &Oid::of(content)).expect("it can be read")
}

/// What Ann publishes, and Ben's clone with nothing but pointers.
fn clone_of(world: &World, url: &str, files: &[(&str, &[u8])]) -> Repo {
    let ann = world.user("ann").init("project");
    for (name, bytes) in files {
        ann.write(name, bytes);
    }
    ann.commit("first");
    ann.publish(url);
    let ben = world.user("ben").with_env("GIT_DITS_SKIP_SMUDGE", "1");
    ben.clone_from(url, "clone")
}

#[test]
fn contents_come_and_the_working_tree_stays_as_it_is() {
    let world = World::new();
    let server = world.server();
    let (a, b) = (bytes(MIB, 1), bytes(MIB, 2));
    let ben = clone_of(&world, &server.url(URL), &[("a.bin", &a), ("art/b.bin", &b)]);
    let watch = ben.watch(|| {
        ben.git(&["dits", "prefetch", "art"]).text();
    });
    assert_eq!(watch.pull.chunk_bytes, MIB as u64, "{watch:?}");
    assert!(is_here(&ben, &b) && !is_here(&ben, &a));
    ben.is_ghost("art/b.bin");
    ben.is_clean_at_once();
    // What is here costs nothing.
    let watch = ben.watch(|| {
        let done = ben.git(&["dits", "prefetch", "--json", "art/*.bin"]).json();
        assert_eq!(done, json!({ "files": 1, "bytes": MIB }));
    });
    assert_eq!(watch.pull.events, 0, "{watch:?}");
}

#[test]
fn a_trace_brings_what_it_names_and_no_more() {
    let world = World::new();
    let server = world.server();
    let (a, b) = (bytes(8 * MIB, 3), bytes(MIB, 4));
    let ben = clone_of(&world, &server.url(URL), &[("a.bin", &a), ("b.bin", &b)]);
    let line = |path: &str, start: usize, end: usize| {
        format!("{}\n", json!({ "path": path, "start": start, "end": end }))
    };
    let trace = [
        line("a.bin", 3 * MIB, 3 * MIB + 1000),
        line("a.bin", 3 * MIB + 500, 4 * MIB),
        // More than there is, a file that is gone, and one that is no content.
        line("b.bin", MIB / 2, 3 * MIB),
        line("gone.bin", 0, 10),
        line(".gitattributes", 0, 10),
    ];
    std::fs::write(ben.at("trace"), trace.concat()).expect("it can be written");
    let done = ben.git(&["dits", "prefetch", "--json", "--from-trace", "trace"]).json();
    assert_eq!(done, json!({ "files": 2, "bytes": MIB + MIB / 2 }));
    let events = std::fs::read_to_string(ben.user().at("trace.dits")).expect("it was traced");
    let events = events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let came: u64 = events.filter(|e| e["event"] == "range").filter_map(|e| e["chunk_bytes"].as_u64()).sum();
    // At most a chunk more at each end.
    assert!((MIB + MIB / 2..2 * MIB + MIB / 2).contains(&(came as usize)), "{came}");
    assert!(!is_here(&ben, &a));
    ben.is_ghost("a.bin");
    // The rest is fetched as ever, and only that.
    let watch = ben.watch(|| drop(ben.git(&["dits", "hydrate"])));
    assert_eq!(watch.pull.chunk_bytes + came, (9 * MIB) as u64, "{watch:?}");
    ben.holds("a.bin", &a);
    std::fs::write(ben.at("trace"), "{\"path\":\"a.bin\",\"start\":0,\"end\":1}\nnonsense\n")
        .expect("it can be written");
    ben.git_fails(&["dits", "prefetch", "--from-trace", "trace"])
        .says(&["trace', line 2: no line of a trace"]);
    ben.git_fails(&["dits", "prefetch", "--from-trace", "nowhere"]).says(&["cannot read", "nowhere"]);
}

#[test]
fn what_cannot_be_had_is_said() {
    let world = World::new();
    let mut server = world.server();
    let a = bytes(MIB, 5);
    let ben = clone_of(&world, &server.url(URL), &[("a.bin", &a)]);
    ben.git_fails(&["dits", "prefetch", "nothing.bin"]).says(&["did not match any file"]);
    ben.git_fails(&["dits", "prefetch", ".gitattributes"]).says(&["none of these files is managed"]);
    ben.git_fails(&["dits", "prefetch", "--whole", "a.bin"])
        .says(&["'--whole' is for files of a mount", "hint: "]);
    ben.write("never.bin", &bytes(1000, 6));
    ben.git(&["add", "never.bin"]);
    std::fs::remove_dir_all(ben.store()).expect("it is there");
    let lost = ben.git_fails(&["dits", "prefetch", "never.bin"]);
    lost.says(&["no remote has the content of 'never.bin'", "hint: "]);
    server.kill();
    ben.git_fails(&["dits", "prefetch", "a.bin"]).says(&["error: ", "hint: "]);
}
