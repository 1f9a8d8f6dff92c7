//! Real networks that do not behave: no UDP, a link that is down for a while, an address that changes.
//!
//! In network namespaces; see `dits_tests::Network` for what that takes. Nothing waits for time to pass but the cut link,
//! which is down for real seconds.

use dits_tests::{Network, Repo, Server, User, World, bytes, wait_for};
use std::time::{Duration, Instant};

const URL: &str = "team/project";
/// Megabits a second of a wire on which a transfer takes seconds.
const SLOW: u32 = 40;
const LARGE: usize = 20 << 20;
/// What of it is on the wire when something happens.
const PART: u64 = 4 << 20;
/// How long a cut lasts.
const CUT: Duration = Duration::from_secs(10);
/// What connecting may take where UDP is swallowed, in milliseconds.
const CONNECT_MS_MAX: u64 = 2000;

/// Two machines, the server on one, and a user with a token on the other.
struct Story {
    network: Network,
    server: Server,
    ann: User,
    world: World,
    token: String,
}

impl Story {
    #[track_caller]
    fn begin() -> Option<Story> {
        let mut network = Network::new()?;
        let world = World::new();
        let mut server = world.closed_server();
        let token = server.token("ann", "write", "team");
        server.stop();
        network.serve(&server);
        let ann = world.user("ann");
        network.give_token(&ann, &token);
        Some(Story { network, server, ann, world, token })
    }

    /// A repository with one content of `size`, not yet pushed.
    #[track_caller]
    fn project(&self, size: usize) -> Repo {
        let repo = self.ann.init("project");
        repo.write("a.bin", &bytes(size, 1));
        repo.commit("first");
        repo.git(&["remote", "add", "origin", &self.network.url(URL)]);
        repo
    }

    /// What was pushed is at the server, and whole.
    #[track_caller]
    fn is_there(&self, repo: &Repo) {
        let there = repo.remote_id(&self.server.bare("team", "project").to_string_lossy(), "main");
        assert_eq!(there, repo.id("main"));
        self.server.is_sound("team");
    }

    /// Pushes over `transport`; in the middle, `event` happens.
    #[track_caller]
    fn push_through(&self, transport: &str, event: impl FnOnce(&Network)) {
        let repo = self.project(LARGE);
        repo.git(&["config", "dits.transport", transport]);
        self.network.slow_down(SLOW);
        let watch = self.ann.watch(|| {
            let before = self.network.sent_bytes();
            let mut push =
                self.network.git(&self.ann, repo.path(), &["push", "-q", "origin", "main"]).start();
            wait_for("the middle of the push", || {
                push.has_ended() || self.network.sent_bytes() > before + PART
            });
            assert!(!push.has_ended(), "{}", push.wait());
            event(&self.network);
            let ran = push.wait();
            assert_eq!(ran.code, Some(0), "{ran}");
        });
        assert!(watch.connected.iter().all(|(way, _)| way == transport), "{:?}", watch.connected);
        self.is_there(&repo);
    }
}

fn cut(network: &Network) {
    network.set_link("down");
    let end = Instant::now() + CUT;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
    network.set_link("up");
}

#[test]
fn where_udp_is_swallowed_everything_goes_over_tcp_and_the_second_time_at_once() {
    let Some(story) = Story::begin() else { return };
    story.network.swallow_udp();
    let (network, repo) = (&story.network, story.project(300_000));
    let tcp = |watch: dits_tests::Watch| {
        assert!(!watch.connected.is_empty());
        for (way, took_ms) in watch.connected {
            assert!(way == "tcp" && took_ms < CONNECT_MS_MAX, "{way} in {took_ms} ms");
        }
    };
    let before = network.datagrams();
    tcp(story
        .ann
        .watch(|| drop(network.git(&story.ann, repo.path(), &["push", "-q", "origin", "main"]).ok())));
    story.is_there(&repo);
    let after = network.datagrams();
    assert!(after > before, "QUIC was tried");
    let clone = &["clone", "-q", &network.url(URL), "clone"];
    tcp(story.ann.watch(|| drop(network.git(&story.ann, &story.ann.at(""), clone).ok())));
    story.ann.repo("clone").is_same_as(&repo);
    // Finding the local address sends nothing.
    assert_eq!(network.datagrams(), after, "QUIC was tried again");
    // Somebody else has to find out.
    let ben = story.world.user("ben");
    network.give_token(&ben, &story.token);
    tcp(ben.watch(|| drop(network.git(&ben, &ben.at(""), clone).ok())));
    assert!(network.datagrams() > after);
}

#[test]
fn a_push_over_quic_survives_ten_seconds_without_a_link() {
    let Some(story) = Story::begin() else { return };
    story.push_through("quic", cut);
}

#[test]
fn a_push_over_tcp_survives_ten_seconds_without_a_link() {
    let Some(story) = Story::begin() else { return };
    story.push_through("tcp", cut);
}

#[test]
fn a_push_over_quic_survives_another_address() {
    let Some(story) = Story::begin() else { return };
    story.push_through("quic", Network::move_client);
}
