//! `git dits serve gc`: what no ref needs any more goes, beside a running server, and everything else goes on.

use dits_tests::{Ran, Repo, Server, World, bytes};
use std::path::Path;

/// Bytes of all files below a folder.
fn disk(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("it can be listed").flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => disk(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Asserts that the result has these parts.
#[track_caller]
fn prints(ran: Ran, parts: &[&str]) {
    let text = ran.text();
    parts.iter().for_each(|part| assert!(text.contains(part), "'{part}' was not printed:\n{text}"));
}

/// A repository whose first content was pushed, and pushed away by force. The old commit is `gone` there.
fn pushed_away(world: &World, server: &Server) -> Repo {
    let ann = world.user("ann").init("project");
    ann.write("kept.bin", &bytes(400_000, 1));
    ann.commit("first");
    ann.publish(&server.url("team/project"));
    ann.write("old.bin", &bytes(3_000_000, 2));
    ann.commit("second");
    ann.git(&["push", "-q"]);
    ann.git(&["branch", "gone"]);
    ann.git(&["reset", "-q", "--hard", "HEAD^"]);
    ann.write("new.bin", &bytes(500_000, 3));
    ann.commit("other second");
    ann.git(&["push", "-q", "--force"]);
    ann
}

#[test]
fn what_was_pushed_away_goes_when_its_grace_is_over_and_can_come_again() {
    let world = World::new();
    let server = world.server();
    let ann = pushed_away(&world, &server);
    let packs = server.store("team").join("objects");
    let full = disk(&packs);
    assert!(full > 3_900_000, "{full}");

    prints(server.gc(&[]).ok(), &["team: 3 contents kept", "recent", "0 contents (0 B) removed"]);
    let dry = server.gc(&["--grace", "0", "--dry-run", "--verbose"]).ok();
    prints(dry, &["2 contents kept (2 in refs)", "1 contents (", ") would be removed", "\n * "]);
    assert_eq!(disk(&packs), full, "a dry run or the grace freed something");

    prints(server.gc(&["--grace", "0"]).ok(), &["1 contents (", ") removed", "of disk freed"]);
    let left = disk(&packs);
    assert!(left < 1_000_000, "{left} of {full} bytes are left");
    server.is_sound("team");
    prints(server.gc(&["--grace", "0"]).ok(), &["0 contents (0 B) removed, 0 chunks"]);
    assert_eq!(disk(&packs), left);

    // The server runs all the time: it gives what is left, and takes again what went.
    let clone = world.user("ben").clone_from(&server.url("team/project"), "clone");
    clone.is_clean_at_once();
    clone.is_same_as(&ann);
    let watch = ann.watch(|| drop(ann.git(&["push", "-q", "origin", "gone"])));
    assert!(watch.push.chunk_bytes >= 3_000_000, "{watch:?}");
    clone.git(&["fetch", "-q"]);
    clone.git(&["checkout", "-q", "gone"]);
    clone.holds("old.bin", &bytes(3_000_000, 2));
    server.is_sound("team");
}

#[test]
fn the_result_as_json_names_realms_contents_and_reasons() {
    let world = World::new();
    let mut server = world.server();
    pushed_away(&world, &server);
    // Without a server it is the same.
    server.stop();
    let text = server.gc(&["--grace", "0", "--json"]).ok().text();
    let json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let team = &json[0];
    assert_eq!(team["realm"], "team");
    assert_eq!(team["kept"], serde_json::json!({ "referenced": 2 }));
    assert_eq!(team["contents"].as_object().map(|contents| contents.len()), Some(1));
    assert!(team["freed"].as_u64() > Some(2_900_000), "{text}");
}

#[test]
fn a_realm_that_is_not_and_a_folder_that_is_none_are_told() {
    let world = World::new();
    let server = world.server();
    server.gc(&["--realm", "nobody"]).fails().says(&["no realm 'nobody' at this server"]);
    server.gc(&["--grace", "soon"]).fails().says(&["expected a number and d, h, m or s"]);
}

#[test]
fn content_whose_refs_are_at_another_host_stays_until_the_owner_says_otherwise() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(2_000_000, 1));
    ann.commit("first");
    ann.git(&["config", "remote.host.url", &world.path().join("host.git").display().to_string()]);
    ann.git(&["init", "-q", "--bare", &world.path().join("host.git").display().to_string()]);
    ann.git(&["config", "remote.host.ditsurl", &server.url("team/elsewhere")]);
    ann.git(&["dits", "push", "--all", "host"]);
    prints(server.gc(&["--grace", "0"]).ok(), &["1 contents kept (1 of names without Git repository here)"]);
    let gone = server.gc(&["--grace", "0", "--also-unreferenced", "team/elsewhere"]).ok();
    prints(gone, &["0 contents kept", "1 contents ("]);
}
