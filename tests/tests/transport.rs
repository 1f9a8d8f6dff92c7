//! A transport that is asked for is the one that is used, for everything; one that there is none of is refused.
//! With nothing asked for, a network that lets UDP through is used by QUIC.

use dits_tests::{Repo, Server, User, Watch, World, bytes};

const URL: &str = "team/project";

fn ways(watch: Watch) -> Vec<String> {
    assert!(!watch.connected.is_empty());
    watch.connected.into_iter().map(|(way, _)| way).collect()
}

fn project(user: &User, server: &Server) -> Repo {
    let repo = user.init("project");
    repo.write("a.bin", &bytes(6 << 20, 1));
    repo.write("b.bin", &bytes(100, 2));
    repo.commit("first");
    repo.git(&["remote", "add", "origin", &server.url(URL)]);
    repo
}

#[test]
fn each_transport_carries_everything() {
    for (setting, way) in [("tcp", "tcp"), ("quic", "quic"), ("auto", "quic")] {
        let world = World::new();
        let server = world.server();
        let (ann, ben) = (world.user("ann"), world.user("ben"));
        for user in [&ann, &ben] {
            user.git(&["config", "--global", "dits.transport", setting]);
        }
        let repo = project(&ann, &server);
        let pushed = ways(ann.watch(|| drop(repo.git(&["push", "-q", "origin", "main"]))));
        assert!(pushed.iter().all(|used| used == way), "{setting}: {pushed:?}");
        let cloned = ways(ben.watch(|| drop(ben.clone_from(&server.url(URL), "clone"))));
        assert!(cloned.iter().all(|used| used == way), "{setting}: {cloned:?}");
        ben.repo("clone").is_same_as(&repo);
        // A push that moves little, on top of what is there; the server answers before Git has said everything.
        repo.edit("a.bin", |content| content[1000] ^= 1);
        repo.commit("second");
        repo.git(&["push", "-q", "origin", "main"]);
        ben.repo("clone").git(&["pull", "-q"]);
        ben.repo("clone").is_same_as(&repo);
        server.is_sound("team");
    }
}

#[test]
fn the_rest_of_a_large_push_or_fetch_takes_the_way_that_was_never_tried() {
    const SIZE: usize = 224 << 20;
    let world = World::new();
    let server = world.server();
    let (ann, ben) = (world.user("ann"), world.user("ben"));
    let repo = ann.init("project");
    repo.write("a.bin", &bytes(SIZE, 1));
    repo.commit("first");
    repo.git(&["remote", "add", "origin", &server.url(URL)]);
    let first_and_last = |watch| {
        let ways = ways(watch);
        assert_eq!((&*ways[0], &*ways[ways.len() - 1]), ("quic", "tcp"), "{ways:?}");
    };
    let push = ann.watch(|| drop(repo.git(&["push", "-q", "origin", "main"])));
    // The server has taken all that was sent before it is asked for the rest.
    assert!(push.push.chunk_bytes < (SIZE + (2 << 20)) as u64, "{push:?}");
    first_and_last(push);
    let fetch = ben.watch(|| drop(ben.clone_from(&server.url(URL), "clone")));
    // What was on its way when the first was left is sent again; the rest is not.
    assert!(fetch.pull.chunk_bytes < (SIZE + (32 << 20)) as u64, "{fetch:?}");
    first_and_last(fetch);
    ben.repo("clone").is_same_as(&repo);
    server.is_sound("team");
}

#[test]
fn a_transport_that_there_is_none_of_is_refused() {
    let world = World::new();
    let server = world.server();
    let repo = project(&world.user("ann"), &server);
    repo.git(&["config", "dits.transport", "pigeon"]);
    repo.git_fails(&["push", "-q", "origin", "main"]).says(&["dits.transport", "pigeon", "hint: "]);
    let shown = repo.git(&["dits", "env"]).text();
    assert!(shown.contains("Transport=pigeon"), "{shown}");
}

#[test]
fn a_server_that_was_killed_is_noticed_at_once() {
    for setting in ["tcp", "quic", "auto"] {
        let world = World::new();
        let mut server = world.server();
        let repo = project(&world.user("ann"), &server);
        repo.git(&["config", "dits.transport", setting]);
        repo.git(&["push", "-q", "origin", "main"]);
        server.kill();
        if setting != "quic" {
            repo.git_fails(&["fetch", "origin"]).says(&["connection refused", "hint: check the address"]);
        }
        server.restart();
        repo.git(&["fetch", "-q", "origin"]).says_nothing();
    }
}
