//! Git's own settings for the network count for us: certificates, tokens in headers and `.netrc`, speeds.

use dits_tests::server::Access;
use dits_tests::{Authority, Repo, Server, User, World, bytes};
use std::fs;
use std::time::{Duration, Instant};

const URL: &str = "team/project";

fn with_content(user: &User, url: &str) -> Repo {
    let repo = user.init("project");
    repo.write("a.bin", &bytes(300_000, 1));
    repo.commit("first");
    repo.git(&["remote", "add", "origin", url]);
    repo
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_it() {
    let world = World::new();
    let authority = Authority::new(&world.folder("team"));
    let ca = authority.file().to_str().unwrap().to_owned();
    let server = Server::start_with(world.path().join("server"), Access::Anonymous, &["--client-ca", &ca]);
    let ann = world.user("ann");
    let repo = with_content(&ann, &server.url(URL));
    repo.git_fails(&["push", "origin", "main"]).says(&["certificate", "hint: ", "http.sslCert"]);
    let (certificate, key) = authority.issue(&["ann"]);
    let (cert_file, key_file) = (ann.at("cert.pem"), ann.at("key.pem"));
    fs::write(&cert_file, certificate).unwrap();
    fs::write(&key_file, key).unwrap();
    ann.git(&["config", "--global", "http.sslCert", cert_file.to_str().unwrap()]);
    ann.git(&["config", "--global", "http.sslKey", key_file.to_str().unwrap()]);
    for transport in ["auto", "tcp", "https"] {
        repo.git(&["config", "dits.transport", transport]);
        repo.write("a.bin", transport.as_bytes());
        repo.commit(transport);
        repo.git(&["push", "-q", "origin", "main"]);
    }
    ann.git(&["config", "--global", "http.sslKey", "/nowhere"]);
    repo.git_fails(&["push", "origin", "main"]).says(&["'/nowhere'"]);
}

#[test]
fn netrc_gives_the_token() {
    let world = World::new();
    let server = world.closed_server();
    let token = server.token("ann", "write", "team");
    let repo = with_content(&world.user("ann"), &server.url(URL));
    let netrc = repo.user().home().join(".netrc");
    fs::write(&netrc, "machine elsewhere login x password y\ndefault login x password wrong\n").unwrap();
    repo.git_fails(&["push", "origin", "main"]).says(&["hint: "]);
    fs::write(&netrc, format!("machine 127.0.0.1\n\tlogin x\n\tpassword {token}\n")).unwrap();
    repo.git(&["push", "-q", "origin", "main"]);
}

#[test]
fn a_header_gives_the_token() {
    let world = World::new();
    let server = world.closed_server();
    let token = server.token("ann", "write", "team");
    let repo = with_content(&world.user("ann"), &server.url(URL));
    let key = format!("http.https://127.0.0.1:{}/.extraHeader", server.port());
    repo.git(&["config", "http.https://127.0.0.1:1/.extraHeader", &format!("Authorization: Bearer {token}")]);
    repo.git_fails(&["push", "origin", "main"]).says(&["hint: "]);
    repo.git(&["config", &key, &format!("Authorization: Bearer {token}")]);
    for transport in ["auto", "https"] {
        repo.git(&["config", "dits.transport", transport]);
        repo.git(&["push", "-q", "origin", "main"]);
    }
}

#[test]
fn a_transfer_keeps_to_its_rate() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann");
    let repo = with_content(&ann, &server.url(URL));
    // 300,000 bytes that cannot be compressed at 250 KiB a second: more than a second beyond what may go at once.
    let least = Duration::from_millis(1_000);
    ann.git(&["config", "--global", "dits.maxUploadRate", "250k"]);
    let start = Instant::now();
    repo.git(&["push", "-q", "origin", "main"]);
    assert!(start.elapsed() > least, "{:?}", start.elapsed());
    let ben = world.user("ben");
    ben.git(&["config", "--global", "dits.maxDownloadRate", "250k"]);
    let start = Instant::now();
    ben.clone_from(&server.url(URL), "clone").is_same_as(&repo);
    assert!(start.elapsed() > least, "{:?}", start.elapsed());
}

#[test]
fn a_transfer_that_is_too_slow_is_given_up_in_gits_words() {
    let world = World::new();
    let server = world.server();
    let repo = with_content(&world.user("ann"), &server.url(URL));
    repo.git(&["config", "dits.maxUploadRate", "10k"]);
    repo.git(&["config", "http.lowSpeedLimit", "1m"]);
    repo.git(&["config", "http.lowSpeedTime", "1"]);
    let ran = repo.git_fails(&["push", "origin", "main"]);
    ran.says(&["Operation too slow. Less than 1048576 bytes/sec transferred the last 1 seconds"]);
}

#[test]
fn a_value_that_is_none_names_its_key() {
    let world = World::new();
    let server = world.server();
    let repo = with_content(&world.user("ann"), &server.url(URL));
    for (key, value) in
        [("dits.transport", "pigeon"), ("dits.maxUploadRate", "fast"), ("http.proxy", "ftp://me:secret@x")]
    {
        repo.git(&["config", key, value]);
        let ran = repo.git_fails(&["push", "origin", "main"]).says(&[&key.to_lowercase(), "hint: "]);
        assert!(!ran.said().contains("secret"), "{ran}");
        repo.git(&["config", "--unset", key]);
    }
}
