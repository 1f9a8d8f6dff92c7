//! Logging in with a key from a real SSH agent: every kind of key that servers can check, in every way that Git goes.
//!
//! Nobody is asked, nothing is kept, and an agent that is of no use is passed over.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use dits_tests::{Repo, Server, User, World, bytes};

const URL: &str = "team/project";

/// A server with a repository that somebody with a token has pushed.
fn published(world: &World) -> (Server, Repo) {
    let server = world.closed_server();
    let ann = world.user("ann").with_env("DITS_TOKEN", server.token("ann", "write", "team"));
    let repo = ann.init("project");
    repo.write("a.bin", &bytes(300_000, 1));
    repo.commit("first");
    repo.git(&["remote", "add", "origin", &server.url(URL)]);
    repo.git(&["push", "-q", "-u", "origin", "main"]);
    (server, repo)
}

/// An SSH agent of a user, with keys of these types.
struct Agent {
    socket: std::path::PathBuf,
    _running: dits_tests::Started,
}

fn agent(user: &User, kinds: &[&str]) -> Agent {
    let socket = user.at("agent.sock");
    let path = socket.to_str().unwrap();
    let running = user.call("ssh-agent", &user.home()).args(["-D", "-a", path]).start();
    dits_tests::wait_for("the agent", || socket.exists());
    for kind in kinds {
        let key = user.at(&format!("id_{kind}"));
        let key = key.to_str().unwrap();
        user.call("ssh-keygen", &user.home())
            .args(["-q", "-t", kind, "-N", "", "-C", "ben@home", "-f", key])
            .ok();
        user.call("ssh-add", &user.home()).env("SSH_AUTH_SOCK", &socket).args(["-q", key]).ok();
    }
    Agent { socket, _running: running }
}

#[test]
fn a_key_in_the_agent_opens_every_way_without_a_token() {
    let world = World::new();
    let (server, ann) = published(&world);
    server.owner(&["user", "add"], &["ben"]).ok();
    server.owner(&["grant"], &["ben", "write", "team"]).ok();
    let ben = world.user("ben");
    let agent = agent(&ben, &["ed25519", "ecdsa", "rsa"]);
    let with_agent = ben.with_env("SSH_AUTH_SOCK", &agent.socket);
    let url = server.url(URL);
    let ls = |user: &User| user.call("git", &ben.home()).args(["ls-remote", &url]);
    ls(&with_agent).fails().says(&["no access token is known"]);
    for (n, kind) in ["ed25519", "ecdsa", "rsa"].iter().enumerate() {
        let public = ben.at(&format!("id_{kind}.pub"));
        server.owner(&["user", "key"], &["ben", public.to_str().unwrap()]).ok();
        let clone = with_agent.clone_from(&url, &format!("clone{n}"));
        clone.is_same_as(&ann);
        if n == 0 {
            clone.write("b.bin", &bytes(200_000, 2));
            clone.commit("second");
            clone.git(&["push", "-q"]);
            ann.git(&["pull", "-q"]);
        }
        // Under a name of somebody else it does not count.
        let of_ann = url.replace("dits://", "dits://ann@");
        with_agent.call("git", &ben.home()).args(["ls-remote", &of_ann]).fails();
        let fingerprint = server.owner(&["user", "key"], &["ben", "--json"]).ok().json();
        let fingerprint = fingerprint["keys"][0]["fingerprint"].as_str().unwrap().to_owned();
        server.owner(&["user", "key"], &["ben", "--remove", &fingerprint]).ok();
        ls(&with_agent).fails();
    }
    let log = server.owner(&["audit"], &[]).ok().text();
    assert!(log.contains("login  ben"), "{log}");
    assert!(!ben.home().join(".git-credentials").exists(), "nothing is kept");
}

#[test]
fn an_agent_that_does_not_answer_is_passed_over() {
    let world = World::new();
    let (server, _) = published(&world);
    let ben = world.user("ben");
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    server.owner(&["user", "add"], &["zoe", "--key", key]).ok();
    ben.git(&["config", "--global", "credential.helper", "store"]);
    let (port, token) = (server.port(), server.token("ben", "read", "team"));
    let input = format!("protocol=dits\nhost=127.0.0.1:{port}\nusername=x\npassword={token}\n");
    ben.call("git", &ben.home()).args(["credential", "approve"]).input(input.as_bytes()).ok();
    for socket in [ben.at("nobody.sock"), ben.at("silent.sock")] {
        // The second one takes connections and hangs up.
        let listener = (socket.ends_with("silent.sock"))
            .then(|| std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let hang_up = listener.map(|listener| std::thread::spawn(move || drop(listener.accept())));
        ben.with_env("SSH_AUTH_SOCK", &socket).git(&["ls-remote", &server.url(URL)]);
        if let Some(thread) = hang_up {
            thread.join().unwrap();
        }
    }
}
