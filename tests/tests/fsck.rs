//! `git dits fsck`: repairing from a remote, and what of the history is checked.
//!
//! Damage of every region of a pack is in `damage.rs`. Here one chunk rots, and the question is what fsck does about
//! it with and without a remote; and commits hold raw content where a pointer should be, and the question
//! is which commits are asked about.

use dits_tests::{Repo, World, bytes};
use std::fs;
use std::path::PathBuf;

const URL: &str = "team/project";

/// The one pack of a repository with one file.
fn pack(repo: &Repo) -> PathBuf {
    let folders = fs::read_dir(repo.store().join("objects")).expect("a store").flatten();
    let mut packs = folders.flat_map(|folder| fs::read_dir(folder.path()).expect("a folder").flatten());
    packs.next().expect("a pack").path()
}

/// A repository whose one content has a flipped bit.
fn rotten(world: &World, url: Option<String>) -> Repo {
    let repo = world.user("ann").init("project");
    repo.write("a.bin", &bytes(500_000, 1));
    repo.commit("one");
    if let Some(url) = url {
        repo.publish(&url);
    }
    let pack = pack(&repo);
    let mut content = fs::read(&pack).expect("a pack");
    content[200_000] ^= 1;
    fs::write(&pack, content).expect("a pack");
    repo
}

#[test]
fn what_rotted_is_fetched_again() {
    let world = World::new();
    let mut server = world.server();
    let repo = rotten(&world, Some(server.url(URL)));
    let before = fs::read(pack(&repo)).unwrap();
    let dry = repo.git_fails(&["dits", "fsck", "--repair", "--dry-run"]).text();
    assert!(dry.contains("objects: repair: would remove 1 corrupt chunk(s)\n"), "{dry}");
    assert!(dry.contains("objects: corruptObject: a.bin ("), "{dry}");
    assert!(fs::read(pack(&repo)).unwrap() == before, "a dry run changed the pack");

    let ran = repo.git_fails(&["dits", "fsck", "--repair"]);
    assert_eq!(ran.code, Some(1), "something was found");
    assert!(
        ran.text().ends_with("removed 1 corrupt chunk(s)\nobjects: repair: fetched 1 content(s) again\n"),
        "{ran}"
    );
    server.stop();
    assert_eq!(repo.git(&["dits", "fsck"]).text(), "Git DITS fsck OK\n");
    fs::remove_file(repo.at("a.bin")).unwrap();
    repo.git(&["checkout", "--", "a.bin"]);
    repo.holds("a.bin", &bytes(500_000, 1));
}

#[test]
fn what_cannot_be_healed_is_named() {
    let world = World::new();
    let repo = rotten(&world, None);
    let ran = repo.git_fails(&["dits", "fsck", "--repair"]);
    assert_eq!(ran.code, Some(1));
    let oid = dits_format::Oid::of(&bytes(500_000, 1));
    assert!(
        ran.text().contains(&format!("objects: repair: a.bin ({oid}) could not be had from any remote\n")),
        "{ran}"
    );
    ran.says(&["error: cannot fetch content", "hint: store it again from an intact file"]);
    // The same again: nothing is damaged any more, and it is still not whole.
    let json = repo.git_fails(&["dits", "fsck", "--repair", "--json"]).text();
    assert!(
        json.contains("\"unhealed\": [\n  {\n   \"oid\": \"") && json.contains("\"healed\": 0"),
        "{json}"
    );
    repo.git(&["add", "--renormalize", "a.bin"]);
    assert_eq!(repo.git(&["dits", "fsck", "--repair"]).text(), "Git DITS fsck OK\n");
}

/// Commits a file as it is, past the filter.
fn commit_raw(repo: &Repo, name: &str, content: &[u8]) -> String {
    repo.write(name, content);
    repo.git(&["-c", "filter.dits.process=", "-c", "filter.dits.required=false", "add", name]);
    repo.git(&["commit", "-q", "-m", name]);
    repo.id("HEAD")
}

#[test]
fn a_commit_or_a_range_is_checked_where_one_is_named() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    repo.write("a.bin", &bytes(1000, 1));
    repo.commit("one");
    let raw = commit_raw(&repo, "raw.bin", b"raw content");
    repo.git(&["rm", "-q", "raw.bin"]);
    repo.git(&["commit", "-q", "-m", "without it"]);
    let ok = "Git DITS fsck OK\n";
    let found = format!(
        "pointer: unexpectedGitObject: \"raw.bin\" (treeish {raw}) should have been a pointer but was not\n"
    );
    for (args, text) in [
        (&[][..], ok),
        (&["HEAD"], ok),
        (&["HEAD~1"], &found),
        (&["--pointers", &raw], &found),
        (&["--objects", &raw], ok),
        (&["--objects", "--pointers", &raw], &found),
        (&["HEAD~2..HEAD"], &found),
        (&["HEAD~1..HEAD"], ok),
        (&["HEAD~2.."], &found),
    ] {
        let ran = repo.call(&[&["dits", "fsck"], args].concat()).run();
        assert_eq!((ran.text(), ran.code), (text.to_owned(), Some(i32::from(text != ok))), "{args:?}\n{ran}");
    }
    let ran = repo.git_fails(&["dits", "fsck", "no-such"]);
    assert_eq!(ran.code, Some(2));
    ran.says(&["error: 'no-such' is no commit", "hint: "]);
    assert_eq!(repo.git_fails(&["dits", "fsck", "HEAD", "--all"]).code, Some(127));
}
