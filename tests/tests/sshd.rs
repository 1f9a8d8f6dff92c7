//! `dits::ssh://` to a real OpenSSH server: a key, a host key that is known, the protocol's version passed on.

use dits_tests::{Call, Started, World, bytes, wait_for};
use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;

/// A server that lets this user in with `user_key`.
struct Sshd {
    _running: Started,
    port: u16,
}

fn key(path: &Path) {
    let path = path.display().to_string();
    Call::new(OsStr::new("ssh-keygen")).args(["-q", "-t", "ed25519", "-N", "", "-f", &path]).ok();
}

impl Sshd {
    fn start(dir: &Path) -> Sshd {
        key(&dir.join("host_key"));
        key(&dir.join("user_key"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        // As root it wants this folder, and makes it only as a service.
        let _ = fs::create_dir_all("/run/sshd");
        let dir_text = dir.display();
        let path = dits_tests::programs::path();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {dir_text}/host_key\nAuthorizedKeysFile {dir_text}/user_key.pub\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nAcceptEnv GIT_PROTOCOL\n\
             SetEnv PATH={} GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TRACE={dir_text}/trace\n",
            path.display()
        );
        fs::write(dir.join("config"), config).expect("it can be written");
        let args = ["-D", "-e", "-f", &dir.join("config").display().to_string()].map(str::to_owned);
        let running = Call::new(OsStr::new("/usr/sbin/sshd")).args(args).start();
        wait_for("sshd", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        let public = fs::read_to_string(dir.join("host_key.pub")).expect("it was made");
        fs::write(dir.join("known_hosts"), format!("[127.0.0.1]:{port} {public}"))
            .expect("it can be written");
        Sshd { _running: running, port }
    }
}

#[test]
fn a_real_ssh_server_gets_git_and_ours_the_content() {
    let world = World::new();
    let dir = world.folder("ssh");
    let sshd = Sshd::start(&dir);
    let server = world.server();
    let bare = world.folder("hosts").join("x.git").display().to_string();
    let line = |known: &str| {
        let dir = dir.display();
        format!(
            "ssh -F none -i {dir}/user_key -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile={dir}/{known} \
             -o GlobalKnownHostsFile=none -o StrictHostKeyChecking=yes"
        )
    };
    let ann = world.user("ann").with_env("GIT_SSH_COMMAND", line("known_hosts"));
    ann.git(&["init", "-q", "--bare", "-b", "main", &bare]);
    let repo = ann.init("project");
    repo.write(".ditsconfig", format!("[dits]\n\turl = {}\n", server.url("team/p")).as_bytes());
    repo.write("a.bin", &bytes(300_000, 1));
    repo.commit("first");
    let url = format!("dits::ssh://127.0.0.1:{}{bare}", sshd.port);
    repo.publish(&url);
    let ben = world.user("ben");
    ben.git(&["config", "--global", "core.sshCommand", &line("known_hosts")]);
    let clone = ben.clone_from(&url, "clone");
    clone.is_same_as(&repo);
    let trace = fs::read_to_string(dir.join("trace")).unwrap_or_default();
    assert!(trace.contains("upload-pack") && trace.contains("receive-pack"), "{trace}");
    // Who the host is, is ssh's to decide, and what it says is seen.
    let stranger = repo.with_env("GIT_SSH_COMMAND", line("nobody_known"));
    stranger.git_fails(&["fetch", "origin"]).says(&["Host key verification failed"]);
    stranger.git_fails(&["push", "origin", "HEAD:refs/heads/x"]).says(&["Host key verification failed"]);
}
