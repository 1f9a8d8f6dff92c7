//! What people of one repository see of another in the same realm: nothing, neither a content nor a chunk of it.

use dits_tests::{Repo, Server, User, World, bytes, pointer};
use std::fs;

/// A user who may write, below `scope` only.
fn writer(world: &World, server: &Server, name: &str, scope: &str) -> User {
    let user = world.user(name);
    user.git(&["config", "--global", "credential.helper", "store"]);
    let token = server.token(name, "write", scope);
    let input = format!("protocol=dits\nhost=127.0.0.1:{}\nusername=x\npassword={token}\n", server.port());
    user.call("git", &user.home()).args(["credential", "approve"]).input(input.as_bytes()).ok();
    user
}

/// A repository of `user` with this file, pushed to `name`.
fn pushed(user: &User, server: &Server, name: &str, content: &[u8]) -> Repo {
    let repo = user.init("project");
    repo.write("a.bin", content);
    repo.commit("first");
    repo.publish(&server.url(name));
    repo
}

#[test]
fn naming_a_content_of_another_repository_gives_nothing_away() {
    let world = World::new();
    let server = world.closed_server();
    let secret = bytes(600_000, 1);
    pushed(&writer(&world, &server, "ann", "team/secret"), &server, "team/secret", &secret);
    let ben = pushed(&writer(&world, &server, "ben", "team/open"), &server, "team/open", &bytes(1000, 2));

    // He knows its oid and commits a pointer to it by hand: it is refused as one to nothing is.
    let refused = |repo: &Repo, text: &[u8]| {
        repo.write("stolen.bin", text);
        repo.commit("stolen");
        let said = repo.git_fails(&["push", "origin", "main"]).said();
        repo.git(&["reset", "-q", "--hard", "HEAD^"]);
        said
    };
    let foreign = refused(&ben, &pointer::of(&secret));
    let nothing = refused(&ben, &pointer::to_nothing());
    // All but the ids.
    let words = |said: &str| -> Vec<String> {
        said.split_whitespace().filter(|word| !word.contains(char::is_numeric)).map(str::to_owned).collect()
    };
    assert_eq!(words(&foreign), words(&nothing));

    // Having its bytes, he is asked for all of them though they are here, and gets nothing for a guess.
    ben.write("same.bin", &secret);
    ben.commit("the same");
    let watch = ben.watch(|| drop(ben.git(&["push", "-q"])));
    assert_eq!(watch.push.chunk_bytes, 600_000, "{watch:?}");
    ben.git(&["mv", "same.bin", "moved.bin"]);
    ben.commit("now it is his");
    let watch = ben.watch(|| drop(ben.git(&["push", "-q"])));
    assert_eq!(watch.push.chunk_bytes, 0, "{watch:?}");
    server.is_sound("team");
}

#[test]
fn who_may_read_the_realm_finds_all_of_it() {
    let world = World::new();
    let server = world.closed_server();
    let content = bytes(600_000, 1);
    pushed(&writer(&world, &server, "ann", "team"), &server, "team/one", &content);
    let cat = writer(&world, &server, "cat", "team").init("fork");
    cat.write("b.bin", &content);
    cat.commit("the same content");
    let watch = cat.watch(|| cat.publish(&server.url("team/two")));
    assert_eq!((watch.push.chunk_bytes, watch.push.contents_had), (0, 1), "{watch:?}");
    // It is the second repository's now: its own people can have it.
    let dan = writer(&world, &server, "dan", "team/two");
    dan.clone_from(&server.url("team/two"), "clone").holds("b.bin", &content);
}

#[test]
fn a_repository_from_before_there_were_ledgers_is_taken_up_by_its_refs() {
    let world = World::new();
    let mut server = world.closed_server();
    let ann = writer(&world, &server, "ann", "team/project");
    let repo = pushed(&ann, &server, "team/project", &bytes(600_000, 1));
    pushed(&writer(&world, &server, "eve", "team/other"), &server, "team/other", &bytes(1000, 9));
    server.stop();
    fs::remove_dir_all(server.dir().join("realms/team/contents")).expect("it is there");
    server.restart();
    let clone = ann.clone_from(&server.url("team/project"), "clone");
    clone.is_same_as(&repo);
    repo.edit("a.bin", |content| content[300_000] ^= 1);
    repo.commit("edit");
    let watch = repo.watch(|| drop(repo.git(&["push", "-q"])));
    assert!((1..280_000).contains(&watch.push.chunk_bytes), "{watch:?}");
    assert!(server.gc(&["--grace", "0"]).ok().text().contains("3 contents kept (3 in refs)"));
}
