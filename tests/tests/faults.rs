//! `git dits serve --faults`, and what Git makes of a server that fails: it goes on after what may pass, and says clearly what
//! does not.

use dits_tests::{World, bytes};
use std::fs;

const URL: &str = "team/project";
const LARGE: usize = 6 << 20;

fn rules(world: &World, text: &str) -> String {
    let path = world.path().join("faults");
    fs::write(&path, text).expect("it can be written");
    path.to_str().expect("a world has a plain path").to_owned()
}

#[test]
fn a_push_and_a_clone_go_on_after_streams_that_break() {
    for fault in ["reset", "truncate"] {
        let world = World::new();
        let line = |stream: &str, direction: &str| {
            format!(
                r#"{{"stream": "{stream}", "number": 1, "direction": "{direction}", "after": 3000000, "fault": "{fault}"}}"#
            )
        };
        let file = rules(&world, &format!("{}\n{}\n", line("push", "in"), line("pull", "out")));
        let server = world.server_with(&["--faults", &file]);
        let ann = world.user("ann").init("project");
        ann.write("a.bin", &bytes(LARGE, 1));
        ann.commit("first");
        let watch = ann.watch(|| ann.publish(&server.url(URL)));
        assert_eq!(watch.retries, 1, "{fault}: {watch:?}");
        assert!(watch.push.chunk_bytes >= LARGE as u64 && watch.push.events == 1, "{fault}: {watch:?}");
        let ben = world.user("ben");
        let watch = ben.watch(|| drop(ben.clone_from(&server.url(URL), "clone")));
        assert_eq!(watch.retries, 1, "{fault}: {watch:?}");
        // All that came before the fault was kept: nothing came twice.
        assert_eq!(watch.pull.chunk_bytes, LARGE as u64, "{fault}: {watch:?}");
        ben.repo("clone").holds("a.bin", &bytes(LARGE, 1));
        ben.repo("clone").is_clean_at_once();
        server.is_sound("team");
    }
}

#[test]
fn a_full_disk_is_told_and_not_tried_again() {
    let world = World::new();
    let file = rules(&world, r#"{"store": "commit", "nth": 1, "fault": "enospc"}"#);
    let server = world.server_with(&["--faults", &file]);
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(LARGE, 1));
    ann.commit("first");
    let watch = ann.watch(|| {
        ann.git_fails(&["push", "-q", &server.url(URL), "main"]).says(&["no space left"]);
    });
    assert_eq!(watch.retries, 0, "{watch:?}");
    assert_eq!(ann.remote_id(&server.url(URL), "main"), "", "the ref moved");
    ann.git(&["push", "-q", &server.url(URL), "main"]);
    server.is_sound("team");
}

#[test]
fn faults_need_a_loopback_address_and_a_file_without_faults() {
    let world = World::new();
    let ann = world.user("ann");
    let serve = |file: &str, listen: &str| {
        let call = ann.call("git", &ann.at("."));
        call.args(["dits", "serve", "folder", "--listen", listen, "--faults", file]).fails()
    };
    let good = rules(&world, "# nothing\n");
    serve(&good, "0.0.0.0:0").says(&["refusing to serve 0.0.0.0:0 with faults", "hint: "]);
    let bad = rules(&world, "{\"seed\": 1}\n\n{\"store\": \"commit\", \"nth\": 1, \"fault\": \"fire\"}\n");
    serve(&bad, "127.0.0.1:0").says(&["line 3", "unknown fault 'fire'"]);
    serve("nowhere", "127.0.0.1:0").says(&["cannot read 'nowhere'"]);
}
