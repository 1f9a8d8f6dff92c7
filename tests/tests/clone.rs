//! `git dits clone` gives what `git clone` gives; with less content where that is wished, and for everybody.

use dits_tests::{Repo, Server, World, bytes, pointer};

const URL: &str = "team/project";

fn published(world: &World, server: &Server) -> Repo {
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(300_000, 1));
    ann.write("art/b.bin", &bytes(200_000, 2));
    ann.commit("first");
    ann.publish(&server.url(URL));
    ann
}

/// The repository's own configuration, without what differs between folders.
fn config(repo: &Repo) -> String {
    repo.git(&["config", "--local", "--list"]).text()
}

#[test]
fn it_is_git_clone() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let ben = world.user("ben");
    ben.git(&["clone", "-q", &server.url(URL), "plain"]);
    let said = ben.git(&["dits", "clone", &server.url(URL), "sugar"]).said();
    assert!(said.contains("Cloning into 'sugar'...\n"), "{said}");
    assert!(said.ends_with("2 file(s) have their content (500 KB)\n"), "{said}");
    let (plain, sugar) = (ben.repo("plain"), ben.repo("sugar"));
    sugar.is_clean_at_once();
    sugar.is_same_as(&ann);
    assert_eq!(config(&sugar), config(&plain));
    // The folder's name, options of its own, and silence.
    ben.git(&["dits", "clone", "-qb", "main", "--depth", "1", "--origin=up", &server.url(URL)])
        .says_nothing();
    let named = ben.repo("project");
    named.is_same_as(&ann);
    assert_eq!(named.git(&["remote"]).text(), "up\n");
    assert_eq!(named.git(&["rev-list", "--count", "HEAD"]).text(), "1\n");
    let again = ben.call("git", &ben.at("")).args(["dits", "clone", &server.url(URL), "sugar"]).run();
    assert_eq!(again.code, Some(128), "{again}");
    let nowhere = ben.call("git", &ben.at("")).args(["dits", "clone", &server.url("team/nosuch"), "x"]).run();
    assert!(nowhere.code == Some(128) && nowhere.said().contains("fatal: "), "{nowhere}");
    assert_eq!(ben.call("git", &ben.at("")).args(["dits", "clone"]).run().code, Some(127));
    let bare = ben.git(&["dits", "clone", "--bare", &server.url(URL), "bare.git"]).said();
    assert!(!bare.contains("content"), "{bare}");
}

#[test]
fn without_content_or_with_some_of_it() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let ben = world.user("ben");
    for option in ["--no-content", "--filter=none"] {
        let mut said = String::new();
        let name = option.trim_matches('-');
        let cloned = ben.watch(|| said = ben.git(&["dits", "clone", option, &server.url(URL), name]).said());
        assert_eq!(cloned.pull.events, 0, "{cloned:?}");
        assert!(
            said.contains("0 file(s) have their content (0 B), 2 are pointers (500 KB)\nhint: "),
            "{said}"
        );
        let clone = ben.repo(name);
        clone.is_clean_at_once();
        clone.is_ghost("a.bin");
        clone.git(&["dits", "pull"]);
        clone.is_same_as(&ann);
    }
    let cloned = ben.watch(|| drop(ben.git(&["dits", "clone", "-X", "art", &server.url(URL), "some"])));
    assert_eq!(cloned.pull.contents, 1, "{cloned:?}");
    let some = ben.repo("some");
    some.is_clean_at_once();
    some.is_ghost("art/b.bin");
    // Later checkouts follow.
    ann.edit("art/b.bin", |content| content[0] ^= 1);
    ann.commit("second");
    ann.git(&["push", "-q"]);
    some.git(&["pull", "-q"]);
    some.is_ghost("art/b.bin");
    some.is_clean_at_once();
    // A partial clone of Git's own.
    ben.git(&["dits", "clone", "-q", "--filter=blob:none", &server.url(URL), "partial"]);
    ben.repo("partial").is_same_as(&ann);
}

#[test]
fn it_works_for_who_never_installed_anything() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let cid = world.plain_user("cid");
    cid.git(&["dits", "clone", "-q", &server.url(URL), "clone"]);
    let clone = cid.repo("clone");
    clone.is_same_as(&ann);
    clone.is_clean_at_once();
    clone.write("new.bin", &bytes(1000, 3));
    clone.commit("new");
    assert_eq!(clone.git(&["cat-file", "blob", "HEAD:new.bin"]).stdout, pointer::of(&bytes(1000, 3)));
    clone.git(&["push", "-q"]);
    server.is_sound("team");
}

#[test]
fn a_plain_remote_brings_its_content_from_beside() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    ann.write(".ditsconfig", format!("[dits]\n\turl = {}\n", server.url(URL)).as_bytes());
    ann.commit("settings");
    ann.git(&["push", "-q"]);
    let ben = world.user("ben");
    let from = ann.path().display().to_string();
    ben.git(&["dits", "clone", "-q", &from, "local"]);
    ben.repo("local").is_same_as(&ann);
    let ghost = ben.repo("local");
    ghost.git(&["dits", "ghost", "a.bin"]);
    let where_is = ghost.git(&["dits", "whereis", "a.bin"]).text();
    assert!(where_is.contains("    origin: proved\n"), "{where_is}");
    ghost.git(&["dits", "fetch", "origin"]);
    ghost.git(&["dits", "get", "a.bin"]);
    ghost.is_same_as(&ann);
    ghost.is_clean_at_once();
}
