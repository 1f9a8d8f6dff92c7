//! Which content a push brings, whatever refs it moves and whatever else the server has.

use dits_tests::{Repo, Server, World, bytes};

const URL: &str = "team/project";

/// Ann's repository with one file, pushed.
fn first_push(world: &World, server: &Server) -> Repo {
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(50_000, 1));
    ann.commit("first");
    ann.publish(&server.url(URL));
    ann
}

#[test]
fn refs_of_others_that_are_not_here_do_not_stop_a_push() {
    let world = World::new();
    let server = world.server();
    let ann = first_push(&world, &server);
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    let cat = world.user("cat");
    cat.git(&["clone", "-q", "--filter=blob:none", &server.url(URL), "part"]);
    let cat = cat.repo("part");
    ann.git(&["checkout", "-q", "-b", "hers"]);
    ann.write("b.bin", &bytes(50_000, 2));
    ann.commit("hers");
    ann.git(&["push", "-q", "origin", "hers"]);
    for (user, seed) in [(&ben, 3), (&cat, 4)] {
        let name = format!("{seed}.bin");
        user.write(&name, &bytes(50_000, seed));
        user.commit("mine");
        user.git(&["push", "-q", "origin", &format!("HEAD:refs/heads/{seed}")]);
        let objects = user.git(&["cat-file", "--batch-all-objects", "--batch-check"]).text();
        assert!(!objects.contains(&ann.id("hers")), "nothing is fetched for it");
    }
    server.is_sound("team");
}

#[test]
fn tags_of_trees_and_files_bring_their_content() {
    let world = World::new();
    let server = world.server();
    let ann = first_push(&world, &server);
    ann.write("tree.bin", &bytes(50_000, 2));
    ann.git(&["add", "tree.bin"]);
    let tree = ann.git(&["write-tree"]).text();
    ann.git(&["tag", "tree", tree.trim()]);
    ann.write("file.bin", &bytes(50_000, 3));
    let file = ann.git(&["hash-object", "-w", "file.bin"]).text();
    ann.git(&["tag", "-a", "-m", "a file", "file", file.trim()]);
    ann.git(&["push", "-q", "origin", "tree", "file"]);
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    ben.git(&["checkout", "-q", "tree", "--", "."]);
    ben.holds("tree.bin", &bytes(50_000, 2));
    ben.git(&["read-tree", "--reset", "HEAD"]);
    ben.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{},file.bin", file.trim())]);
    ben.git(&["checkout", "-q", "--", "file.bin"]);
    ben.holds("file.bin", &bytes(50_000, 3));
}

#[test]
fn replaced_commits_travel_as_they_are() {
    let world = World::new();
    let server = world.server();
    let ann = first_push(&world, &server);
    ann.write("b.bin", &bytes(50_000, 2));
    ann.commit("second");
    let without = ann.git(&["commit-tree", "-p", "HEAD~1", "-m", "without", "HEAD~1^{tree}"]).text();
    ann.git(&["replace", "HEAD", without.trim()]);
    ann.git(&["push", "-q", "origin", "HEAD"]);
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    ben.holds("b.bin", &bytes(50_000, 2));
}
