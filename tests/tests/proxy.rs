//! Networks where nothing gets out but through a proxy, and proxies that look into everything.

use dits_tests::proxy::LOGIN;
use dits_tests::{Authority, Inspector, Proxy, Repo, Server, User, World, bytes};
use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;

const URL: &str = "team/project";

/// A user whose programs write what they do to a file of this test.
struct Traced {
    user: User,
    file: PathBuf,
}

impl Traced {
    fn new(world: &World, name: &str, env: &[(&str, &str)]) -> Traced {
        let user = world.user(name);
        let file = user.at("what");
        let user = user.with_env("GIT_DITS_TRACE", &file);
        let user = env.iter().fold(user, |user, (key, value)| user.with_env(key, value));
        Traced { user, file }
    }

    /// What carried each connection so far.
    fn transports(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let events =
            text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line is JSON"));
        let used = events.filter(|event| event["event"] == "connected");
        used.map(|event| event["transport"].as_str().expect("a name").to_owned()).collect()
    }

    #[track_caller]
    fn all_went_by(&self, transport: &str) {
        let transports = self.transports();
        assert!(!transports.is_empty() && transports.iter().all(|used| used == transport), "{transports:?}");
    }
}

fn with_content(user: &User, url: &str) -> Repo {
    let repo = user.init("project");
    repo.write("a.bin", &bytes(300_000, 1));
    repo.write("b.bin", &bytes(3_000_000, 2));
    repo.commit("first");
    repo.git(&["remote", "add", "origin", url]);
    repo
}

/// Pushes as one user and clones as another, both with this environment.
fn push_and_clone(world: &World, server: &Server, env: &[(&str, &str)]) -> [Traced; 2] {
    let (ann, ben) = (Traced::new(world, "ann", env), Traced::new(world, "ben", env));
    let repo = with_content(&ann.user, &server.url(URL));
    repo.git(&["push", "-q", "origin", "main"]);
    let clone = ben.user.clone_from(&server.url(URL), "clone");
    clone.is_same_as(&repo);
    clone.is_clean_at_once();
    [ann, ben]
}

#[test]
fn a_push_and_a_clone_go_through_a_proxy() {
    let world = World::new();
    let (server, proxy) = (world.server(), Proxy::start(&world.folder("proxy")));
    let url = proxy.url("ann:secret@");
    for user in push_and_clone(&world, &server, &[("https_proxy", &url)]) {
        user.all_went_by("tcp");
    }
    assert!(proxy.asked() > 2, "{}", proxy.asked());
}

#[test]
fn who_is_not_known_to_the_proxy_is_told() {
    let world = World::new();
    let (server, proxy) = (world.server(), Proxy::start(&world.folder("proxy")));
    let repo = with_content(&world.user("ann"), &server.url(URL));
    for (login, answer) in [("", "(407 "), ("ann:wrong@", "(401 "), ("ben@", "(401 ")] {
        repo.git(&["config", "http.proxy", &proxy.url(login)]);
        let ran = repo.git_fails(&["push", "origin", "main"]);
        let ran =
            ran.says(&["asks for a user and a password", answer, &proxy.authority(), "hint: ", "http.proxy"]);
        assert!(!ran.said().contains("wrong"), "a password is shown:\n{ran}");
    }
    assert!(!server.bare("team", "project").exists());

    // The user alone is enough where a helper knows the rest.
    let ann = repo.user();
    ann.git(&["config", "--global", "credential.helper", "store"]);
    let (user, password) = LOGIN;
    let known = format!("protocol=http\nhost={}\nusername={user}\npassword={password}\n", proxy.authority());
    ann.call("git", &ann.home()).args(["credential", "approve"]).input(known.as_bytes()).ok();
    repo.git(&["config", "http.proxy", &proxy.url("ann@")]);
    repo.git(&["push", "-q", "origin", "main"]);
}

#[test]
fn a_remotes_own_proxy_counts_for_it() {
    let world = World::new();
    let (server, proxy) = (world.server(), Proxy::start(&world.folder("proxy")));
    let repo = with_content(&world.user("ann"), &server.url(URL));
    repo.git(&["config", "http.proxy", "http://127.0.0.1:1"]);
    repo.git(&["config", "remote.origin.proxy", &proxy.url("ann:secret@")]);
    repo.git(&["push", "-q", "origin", "main"]);
    assert!(proxy.asked() > 0);
    repo.git(&["config", "remote.origin.proxy", ""]);
    let before = proxy.asked();
    repo.git(&["ls-remote", "origin"]);
    assert_eq!(proxy.asked(), before, "an empty value means: no proxy");
    repo.git(&["config", "--unset", "remote.origin.proxy"]);
    repo.git_fails(&["ls-remote", "origin"]).says(&["proxy 'http://127.0.0.1:1'", "hint: "]);
}

#[test]
fn no_proxy_is_no_proxy() {
    let world = World::new();
    let (server, proxy) = (world.server(), Proxy::start(&world.folder("proxy")));
    let url = proxy.url("");
    let env = [("https_proxy", &url[..]), ("no_proxy", "example.org,127.0.0.0/8")];
    for user in push_and_clone(&world, &server, &env) {
        user.all_went_by("quic");
    }
    assert_eq!(proxy.asked(), 0);
}

#[test]
fn nothing_goes_past_a_proxy() {
    let world = World::new();
    let proxy = Proxy::start(&world.folder("proxy"));
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let url = format!("dits://127.0.0.1:{}/{URL}", server.local_addr().unwrap().port());
    let ann = world.user("ann").with_env("https_proxy", proxy.url("ann:secret@"));
    let ran = ann.call("git", &ann.home()).args(["ls-remote", &url]).fails();
    ran.says(&["proxy 'http://127.0.0.1:", "does not connect", "hint: "]);
    let error = server.recv(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "a packet went straight to the server");
}

#[test]
fn a_proxy_that_looks_into_tls_carries_requests() {
    let world = World::new();
    let (server, authority) = (world.server(), Authority::new(&world.folder("company")));
    let inspector = Inspector::start(&authority);
    let (url, ca) = (inspector.url(), authority.file().to_str().unwrap());
    for user in push_and_clone(&world, &server, &[("https_proxy", &url), ("GIT_SSL_CAINFO", ca)]) {
        user.all_went_by("https");
        assert!(!user.user.known_hosts().exists(), "the proxy's certificate was pinned as the server's");
        let routes = fs::read_to_string(user.user.home().join(".cache/git-dits/routes")).unwrap();
        assert!(routes.contains(" https "), "{routes}");
    }
    assert!(inspector.passed() > 10);
}

#[test]
fn requests_work_though_the_server_is_pinned() {
    let world = World::new();
    let (server, authority) = (world.server(), Authority::new(&world.folder("company")));
    let ann = Traced::new(&world, "ann", &[]);
    let repo = with_content(&ann.user, &server.url(URL));
    // At home.
    repo.git(&["push", "-q", "origin", "main"]);
    let pins = fs::read_to_string(ann.user.known_hosts()).unwrap();
    // In the office.
    let inspector = Inspector::start(&authority);
    repo.git(&["config", "http.proxy", &inspector.url()]);
    repo.git_fails(&["ls-remote", "origin"]).says(&["not trusted"]);
    repo.git(&["config", "http.sslCAInfo", authority.file().to_str().unwrap()]);
    repo.git(&["ls-remote", "origin"]);
    assert_eq!(ann.transports().last().unwrap(), "https");
    assert_eq!(fs::read_to_string(ann.user.known_hosts()).unwrap(), pins);
}

#[test]
fn whom_nobody_vouches_for_is_not_trusted_through_a_proxy() {
    let world = World::new();
    let (server, authority) = (world.server(), Authority::new(&world.folder("company")));
    let inspector = Inspector::start(&authority);
    let ann = world.user("ann").with_env("https_proxy", inspector.url());
    let ran = ann.call("git", &ann.home()).args(["ls-remote", &server.url(URL)]).fails();
    ran.says(&["not trusted", "hint: ", "http.sslCAInfo"]);
    assert_eq!(inspector.passed(), 0);
    assert!(!ann.known_hosts().exists());
}

#[test]
fn a_page_that_wants_a_login_is_told() {
    let world = World::new();
    let (server, authority) = (world.server(), Authority::new(&world.folder("hotel")));
    let portal = Inspector::portal(&authority);
    let ann = world.user("ann").with_env("https_proxy", portal.url());
    let ann = ann.with_env("GIT_SSL_CAINFO", authority.file());
    let ran = ann.call("git", &ann.home()).args(["ls-remote", &server.url(URL)]).fails();
    ran.says(&["not from a git-dits server", "200 OK (text/html)", "hint: "]);
}

#[test]
fn requests_alone_work_without_a_proxy() {
    let world = World::new();
    let server = world.server();
    let env =
        [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "dits.transport"), ("GIT_CONFIG_VALUE_0", "https")];
    for user in push_and_clone(&world, &server, &env) {
        user.all_went_by("https");
    }
}
