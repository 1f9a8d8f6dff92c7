//! Remotes that cannot be used: nothing there, nothing under that name, or somebody else under it.
//!
//! The user is told which address, and what to do; no ref moves and no file is touched.

use dits_tests::{Repo, Server, User, World, bytes};
use std::fs;
use std::net::UdpSocket;

const URL: &str = "team/project";

fn with_commit(user: &User, url: &str) -> Repo {
    let repo = user.init("project");
    repo.write("a.bin", &bytes(200_000, 1));
    repo.commit("first");
    repo.git(&["remote", "add", "origin", url]);
    repo
}

#[test]
fn a_push_to_nobody_fails() {
    let world = World::new();
    // Taken by us, and silent: nobody else can answer there.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let repo = with_commit(&world.user("ann"), &format!("dits://127.0.0.1:{port}/{URL}"));
    let ran = repo.git_fails(&["push", "origin", "main"]);
    ran.says(&[&port.to_string(), "hint: check the address"]);
    assert_eq!(repo.git(&["for-each-ref", "refs/remotes"]).text(), "");
}

#[test]
fn a_checkout_without_the_server_leaves_pointers() {
    let world = World::new();
    let mut server = world.server();
    let ann = with_commit(&world.user("ann"), &server.url(URL));
    ann.git(&["push", "-q", "origin", "main"]);
    let ben = world.user("ben");
    ben.with_env("GIT_DITS_SKIP_SMUDGE", "1").clone_from(&server.url(URL), "clone");
    server.kill();
    let ben = ben.repo("clone");
    ben.git_fails(&["dits", "hydrate"]).says(&["a.bin", "hint: "]);
    fs::remove_file(ben.at("a.bin")).unwrap();
    ben.git(&["checkout", "--", "a.bin"]).says(&["a.bin", "hint: ", "git dits hydrate"]);
    ben.is_ghost("a.bin");
    ben.is_clean();
    server.restart();
    ben.git(&["dits", "hydrate"]);
    ben.is_same_as(&ann);
    ben.is_clean_at_once();
}

#[test]
fn names_that_are_not_there_are_told() {
    let world = World::new();
    let server = world.server();
    let ann = with_commit(&world.user("ann"), &server.url(URL));
    let ran = ann.git_fails(&["ls-remote", &server.url("team/nothing")]);
    ran.says(&["repository 'team/nothing' not found", "hint: "]);
    let ran = ann.git_fails(&["fetch", "origin"]);
    ran.says(&["repository 'team/project' not found"]);
    for bad in ["team/../../etc", "-x/y", "a/b/c/d/e", ""] {
        let url = server.url(bad);
        let ran = ann.git_fails(&["push", &url, "main"]);
        ran.says(&["is not a repository path"]);
    }
    assert!(!server.bare("team", "nothing").exists(), "asking has made a repository");
    ann.git_fails(&["ls-remote", "dits://127.0.0.1:notaport/x"]).says(&["port"]);
}

/// Another server at the same address.
fn replaced(world: &World, server: &mut Server) {
    server.stop();
    for file in ["cert.der", "key.der"] {
        fs::remove_file(server.dir().join(file)).expect("it is there");
    }
    assert!(world.path().exists());
    server.restart();
}

#[test]
fn a_server_with_another_certificate_is_refused() {
    let world = World::new();
    let mut server = world.server();
    let ann = with_commit(&world.user("ann"), &server.url(URL));
    ann.git(&["push", "origin", "main"]).says(&["trusting 127.0.0.1"]);
    let pins = ann.user().known_hosts();
    let pinned = fs::read_to_string(&pins).unwrap();
    assert!(pinned.contains(&format!("127.0.0.1:{} blake3:", server.port())));
    server.stop();
    server.restart();
    let again = ann.git(&["ls-remote", "origin"]);
    assert!(!again.said().contains("trusting"), "the same server is known:\n{again}");

    replaced(&world, &mut server);
    ann.git_fails(&["ls-remote", "origin"]).says(&["certificate", "hint: "]);
    ann.write("a.bin", b"secret");
    ann.commit("second");
    ann.git_fails(&["push", "origin", "main"]).says(&["known_hosts"]);
    assert_eq!(fs::read_to_string(&pins).unwrap(), pinned, "the pin was changed");
    fs::remove_file(&pins).unwrap();
    ann.git(&["push", "-q", "origin", "main"]);
}

#[test]
fn a_server_stops_well_and_holds_its_folder_alone() {
    let world = World::new();
    let mut server = world.server();
    let ann = with_commit(&world.user("ann"), &server.url(URL));
    ann.git(&["push", "-q", "origin", "main"]);
    let dir = server.dir().display().to_string();
    let second = ann.user().call("git", ann.path());
    let second = second.args(["dits", "serve", &dir, "--anonymous", "--listen", "127.0.0.1:0"]).fails();
    second.says(&["already being served"]);
    let open = ann.user().call("git", ann.path());
    let open = open.args(["dits", "serve", "../open", "--anonymous", "--listen", "0.0.0.0:0"]).fails();
    open.says(&["refusing to serve", "hint: "]);
    server.stop();
    server.restart();
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    ben.is_same_as(&ann);
}
