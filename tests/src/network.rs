//! Two machines and a wire: network namespaces of the kernel, with real interfaces, addresses and routes.
//!
//! What a loopback cannot show is shown here: datagrams that a firewall swallows, a link that is down, an address that
//! changes. It takes root and `ip` (iproute2). Where namespaces cannot be made a story fails and says so; only
//! `DITS_TEST_NO_NETNS=1` in the environment leaves these stories out.
//!
//! The server's machine has `10.77.0.1`, the client's `10.77.0.2`. Both are removed when the value is dropped.

use crate::{Call, Ran, Server, Started, User, programs, wait_for};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// The server's address and port.
const SERVER: &str = "10.77.0.1:4880";
/// The interface, at both ends.
const WIRE: &str = "wire";
/// The environment leaves these stories out.
const LEFT_OUT: &str = "DITS_TEST_NO_NETNS";

/// Two machines.
#[derive(Debug)]
pub struct Network {
    client: String,
    server: String,
    running: Option<Started>,
}

impl Network {
    /// Two machines with a wire between them; `None` when the environment leaves such stories out.
    #[track_caller]
    pub fn new() -> Option<Network> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if std::env::var_os(LEFT_OUT).is_some_and(|value| value == "1") {
            return None;
        }
        let name = format!("dits-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (client, server) = (format!("{name}-client"), format!("{name}-server"));
        let network = Network { client, server, running: None };
        for machine in [&network.client, &network.server] {
            let made = ip(&["netns", "add", machine]).run();
            assert!(
                made.code == Some(0),
                "cannot make a network namespace: run as root, or set {LEFT_OUT}=1 to leave these stories out\n{made}"
            );
        }
        let (client, server) = (&network.client[..], &network.server[..]);
        ip(&["link", "add", WIRE, "netns", client, "type", "veth", "peer", "name", WIRE, "netns", server])
            .ok();
        for (machine, address) in [(client, "10.77.0.2/24"), (server, "10.77.0.1/24")] {
            ip(&["-n", machine, "address", "add", address, "dev", WIRE]).ok();
            ip(&["-n", machine, "link", "set", "lo", "up"]).ok();
            ip(&["-n", machine, "link", "set", WIRE, "up"]).ok();
        }
        Some(network)
    }

    /// Starts `server`, which must be stopped, on the server's machine.
    #[track_caller]
    pub fn serve(&mut self, server: &Server) {
        let program = programs::folder().join("git-dits");
        let call = self.on(&self.server, &program.to_string_lossy()).args(["serve"]).args([server.dir()]);
        let call = call.args(["--listen", SERVER]).env("HOME", server.dir()).env("GIT_CONFIG_NOSYSTEM", "1");
        let mut started = call.env("GIT_CONFIG_GLOBAL", "/dev/null").env("LC_ALL", "C").start();
        wait_for("the server's address", || started.has_ended() || started.printed().contains('\n'));
        assert!(started.printed().contains(SERVER), "the server did not start:\n{}", started.said());
        self.running = Some(started);
    }

    /// URL of a repository at the server's machine.
    pub fn url(&self, repository: &str) -> String {
        format!("dits://{SERVER}/{repository}")
    }

    /// Gives `user` a token for the server.
    #[track_caller]
    pub fn give_token(&self, user: &User, token: &str) {
        user.git(&["config", "--global", "credential.helper", "store"]);
        let input = format!("protocol=dits\nhost={SERVER}\nusername=x\npassword={token}\n");
        user.call("git", &user.home()).args(["credential", "approve"]).input(input.as_bytes()).ok();
    }

    /// `git` of a user, on the client's machine.
    pub fn git(&self, user: &User, dir: &Path, args: &[&str]) -> Call {
        user.call("ip", dir).args(["netns", "exec", &self.client, "git"]).args(args)
    }

    /// The client sends no faster than this, in megabits a second.
    #[track_caller]
    pub fn slow_down(&self, megabits: u32) {
        let rate = format!("{megabits}mbit");
        let call = program("tc").args(["-n", &self.client, "qdisc", "add", "dev", WIRE, "root", "tbf"]);
        call.args(["rate", &rate, "burst", "64kb", "latency", "100ms"]).ok();
    }

    /// From now on the server's machine drops every datagram of UDP that arrives.
    #[track_caller]
    pub fn swallow_udp(&self) {
        // Rules are asked in order, and the one for local addresses comes first otherwise.
        ip(&["-n", &self.server, "rule", "add", "priority", "100", "lookup", "local"]).ok();
        ip(&["-n", &self.server, "rule", "add", "priority", "5", "ipproto", "udp", "blackhole"]).ok();
        ip(&["-n", &self.server, "rule", "delete", "priority", "0"]).ok();
    }

    /// Takes the client's interface down, or up.
    #[track_caller]
    pub fn set_link(&self, state: &str) {
        ip(&["-n", &self.client, "link", "set", WIRE, state]).ok();
    }

    /// The client's machine has another address from now on.
    #[track_caller]
    pub fn move_client(&self) {
        ip(&["-n", &self.client, "address", "delete", "10.77.0.2/24", "dev", WIRE]).ok();
        ip(&["-n", &self.client, "address", "add", "10.77.0.3/24", "dev", WIRE]).ok();
    }

    /// Bytes that the client's machine has sent.
    #[track_caller]
    pub fn sent_bytes(&self) -> u64 {
        let file = format!("/sys/class/net/{WIRE}/statistics/tx_bytes");
        self.on(&self.client, "cat").args([&file]).ok().line().parse().expect("a count is a number")
    }

    /// Datagrams of UDP that the client's machine has sent.
    #[track_caller]
    pub fn datagrams(&self) -> u64 {
        let text = self.on(&self.client, "cat").args(["/proc/net/snmp"]).ok().text();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
        let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
        let place = names.split(' ').position(|name| name == "OutDatagrams").expect("a known name");
        values.split(' ').nth(place).expect("a value").parse().expect("a count is a number")
    }

    fn on(&self, machine: &str, name: &str) -> Call {
        ip(&["netns", "exec", machine, name])
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.running.take());
        for machine in [&self.client, &self.server] {
            let _: Ran = ip(&["netns", "delete", machine]).run();
        }
    }
}

fn ip(args: &[&str]) -> Call {
    program("ip").args(args)
}

fn program(name: &str) -> Call {
    Call::new(OsStr::new(name)).env("PATH", programs::path())
}
