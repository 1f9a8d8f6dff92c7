//! The main job: large files go in, travel once, and come out the same on the other side.
//!
//! Also what that costs: no filter runs in a `git status` after a checkout, nothing is sent that the server
//! has, and a small edit is a few chunks.

use dits_tests::{Repo, Server, World, bytes, pointer};
use std::fs;

const URL: &str = "team/project";

/// A repository with every kind of file, pushed to the server.
fn published(world: &World, server: &Server) -> Repo {
    let repo = world.user("ann").init("project");
    repo.write("hello.bin", b"hello world");
    repo.write("deep/er/large.bin", &bytes(8 << 20, 1));
    repo.write("tool.bin", &bytes(300_000, 2));
    repo.make_executable("tool.bin");
    repo.write("readme.txt", b"text is Git's own\n");
    std::os::unix::fs::symlink("deep/er/large.bin", repo.at("link.bin")).expect("a link can be made");
    repo.commit("first");
    repo.publish(&server.url(URL));
    repo
}

#[test]
fn a_clone_has_the_same_files_and_a_clean_status_at_once() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    ben.is_clean_at_once();
    ben.is_same_as(&ann);
    ben.is_clean_at_once();
    ann.is_sound();
    ben.is_sound();
    server.is_sound("team");
    assert!(ann.leftovers().is_empty() && ben.leftovers().is_empty() && server.leftovers("team").is_empty());
}

#[test]
fn git_stores_pointers_and_nothing_else_of_large_files() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let expected = "version git-dits/1\n\
        oid blake3:d74981efa70a0c880b8d8c1985d075dbcbf679b99a5f9914e5aaf96b831a9e24\n\
        size 11\n";
    assert_eq!(ann.git(&["cat-file", "blob", "HEAD:hello.bin"]).text(), expected);
    let large = ann.git(&["cat-file", "blob", "HEAD:deep/er/large.bin"]).stdout;
    assert_eq!(large, pointer::of(&bytes(8 << 20, 1)));
    let listing = ann.git(&["ls-tree", "-r", "HEAD"]).text();
    let mode =
        |name: &str| listing.lines().find(|line| line.ends_with(name)).map(|line| line[..6].to_owned());
    assert_eq!(mode("\ttool.bin").as_deref(), Some("100755"));
    assert_eq!(mode("\tlink.bin").as_deref(), Some("120000"));
    assert_eq!(ann.git(&["cat-file", "blob", "HEAD:link.bin"]).text(), "deep/er/large.bin");
}

#[test]
fn a_push_that_brings_no_content_asks_for_none() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let again = ann.watch(|| drop(ann.git(&["push"])));
    assert_eq!(again.push.events, 0, "nothing was new: {again:?}");

    ann.edit("hello.bin", |bytes| bytes.extend(b"!"));
    ann.commit("second");
    let before = ann.remote_id(&server.url(URL), "refs/heads/main");
    let dry = ann.watch(|| drop(ann.git(&["push", "--dry-run"])));
    assert_eq!(dry.push.events, 0, "a dry run: {dry:?}");
    assert_eq!(ann.remote_id(&server.url(URL), "refs/heads/main"), before);

    let pushed = ann.watch(|| drop(ann.git(&["push"])));
    assert_eq!((pushed.push.events, pushed.push.contents), (1, 1), "{pushed:?}");
    ann.git(&["push", "-q", "origin", "HEAD:refs/heads/side"]);
    let deleted = ann.watch(|| drop(ann.git(&["push", "origin", "--delete", "side"])));
    assert_eq!(deleted.push.events, 0, "a deletion: {deleted:?}");
    assert_eq!(ann.remote_id(&server.url(URL), "refs/heads/side"), "");
}

#[test]
fn the_first_push_sends_everything_once() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    let content = bytes(4 << 20, 3);
    ann.write("a.bin", &content);
    ann.write("same.bin", &content);
    ann.commit("first");
    let push = ann.watch(|| ann.publish(&server.url(URL))).push;
    assert_eq!((push.contents, push.contents_had), (1, 0));
    let len = content.len() as u64;
    assert!((len..len + len / 50).contains(&push.chunk_bytes), "{push:?}");
}

#[test]
fn renames_and_copies_move_no_chunk() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    ann.git(&["mv", "deep/er/large.bin", "renamed.bin"]);
    ann.commit("rename");
    let rename = ann.watch(|| drop(ann.git(&["push", "-q"])));
    assert_eq!((rename.push.chunks, rename.push.chunk_bytes), (0, 0), "{rename:?}");
    let content = ann.read("renamed.bin");
    ann.write("copy.bin", &content);
    ann.commit("copy");
    let copy = ann.watch(|| drop(ann.git(&["push", "-q"])));
    assert_eq!((copy.push.chunks, copy.push.chunk_bytes), (0, 0), "{copy:?}");
}

#[test]
fn an_edit_costs_a_few_chunks() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");

    ann.edit("deep/er/large.bin", |content| content[4 << 20..][..100].fill(0x5a));
    ann.commit("edit");
    let edit = ann.watch(|| drop(ann.git(&["push", "-q"]))).push;
    assert!((1..=3).contains(&edit.chunks), "an edit of 100 bytes in the middle: {edit:?}");
    assert!(edit.other_bytes() <= 4096, "an edit of 100 bytes in the middle: {edit:?}");
    let pull = ben.watch(|| drop(ben.git(&["pull", "-q"]))).pull;
    // More than for the push: whoever pulls gets whole nodes, not only what is new in them.
    assert!((1..=3).contains(&pull.chunks) && pull.other_bytes() <= 8192, "{pull:?}");
    ben.is_clean_at_once();
    ben.is_same_as(&ann);

    ann.edit("deep/er/large.bin", |content| content.extend(bytes(1 << 20, 9)));
    ann.commit("append");
    let append = ann.watch(|| drop(ann.git(&["push", "-q"]))).push;
    assert!(
        append.chunk_bytes >= 1 << 20 && append.chunk_bytes <= (1 << 20) + (1 << 19),
        "append of 1 MiB: {append:?}"
    );
    ann.edit("deep/er/large.bin", |content| drop(content.splice(..0, *b"in front")));
    ann.commit("insert");
    let insert = ann.watch(|| drop(ann.git(&["push", "-q"]))).push;
    assert!(insert.chunk_bytes <= 1 << 19, "insertion of 8 bytes: {insert:?}");
    ben.git(&["pull", "-q"]);
    ben.is_clean_at_once();
    ben.is_same_as(&ann);
    ben.is_sound();
    server.is_sound("team");
}

#[test]
fn two_users_push_to_one_branch_in_turn() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    ben.write("ben.bin", &bytes(500_000, 11));
    ben.commit("from ben");
    ben.git(&["push", "-q"]);
    ann.write("ann.bin", &bytes(500_000, 12));
    ann.commit("from ann");
    let rejected = ann.watch(|| drop(ann.git_fails(&["push", "-q"]).says(&["fetch first"])));
    assert_eq!(rejected.push.events, 0, "Git itself rejected it: {rejected:?}");
    ann.git(&["pull", "-q", "--rebase"]);
    ann.git(&["push", "-q"]);
    ben.git(&["pull", "-q"]);
    ben.is_clean_at_once();
    ben.is_same_as(&ann);
}

#[test]
fn git_and_dits_are_silent_when_all_goes_well() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    ann.git(&["push", "-q"]).says_nothing();
    ann.write("more.bin", &bytes(100_000, 5));
    ann.git(&["add", "."]).says_nothing();
    ann.git(&["commit", "-q", "-m", "more"]).says_nothing();
    ann.git(&["push", "-q"]).says_nothing();
    ann.git(&["checkout", "-q", "HEAD~1"]).says_nothing();
    fs::remove_file(ann.at("hello.bin")).unwrap();
    ann.git(&["checkout", "-q", "--", "hello.bin"]).says_nothing();
    ann.holds("hello.bin", b"hello world");
}
