//! A server with a certificate that an authority vouches for: nobody is asked to trust it, and it may be renewed.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use dits_tests::{User, World, bytes, wait_for};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::fs;
use std::path::Path;

const URL: &str = "team/project";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Puts a new certificate for `localhost` and its key in place.
fn renew(authority: &Authority, cert: &Path, key: &Path) {
    let secret = KeyPair::generate().unwrap();
    let made =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&secret, authority).unwrap();
    fs::write(key, secret.serialize_pem()).unwrap();
    fs::write(cert, made.pem()).unwrap();
}

fn pins(user: &User) -> Option<String> {
    fs::read_to_string(user.known_hosts()).ok()
}

#[test]
fn an_authority_that_the_system_knows_makes_pins_needless() {
    let world = World::new();
    let (cert, key, ca) = (world.path().join("cert"), world.path().join("key"), world.path().join("ca"));
    let authority = authority();
    fs::write(&ca, authority.pem()).unwrap();
    renew(&authority, &cert, &key);
    let mut server = world.server();
    server.stop();
    server.restart_with(&["--cert", &cert.to_string_lossy(), "--key", &key.to_string_lossy()]);
    let url = format!("dits://localhost:{}/{URL}", server.port());

    // What the system trusts is read from there.
    let ann = world.user("ann").with_env("SSL_CERT_FILE", &ca);
    let repo = ann.init("project");
    repo.write("a.bin", &bytes(200_000, 1));
    repo.commit("first");
    repo.git(&["remote", "add", "origin", &url]);
    repo.git(&["push", "-q", "origin", "main"]).says_nothing();
    assert_eq!(pins(&ann), None);

    let ben = world.user("ben").with_env("SSL_CERT_FILE", world.path().join("nothing"));
    ben.git(&["ls-remote", &url]).says(&["trusting localhost:", "on first use"]);
    let pinned = pins(&ben).unwrap();

    renew(&authority, &cert, &key);
    wait_for("the renewed certificate", || {
        ben.call("git", &ben.at("")).args(["ls-remote", &url]).run().code != Some(0)
    });
    let ran = ben.call("git", &ben.at("")).args(["ls-remote", &url]).fails();
    ran.says(&["certificate of localhost", "has changed", "hint: "]);
    assert_eq!(pins(&ben).unwrap(), pinned);
    ann.clone_from(&url, "clone").is_same_as(&repo);
    assert_eq!(pins(&ann), None);
}

#[test]
fn a_certificate_that_cannot_be_used_stops_the_server_at_its_start() {
    let world = World::new();
    let user = world.user("ann");
    let dir = world.path().join("server");
    let call = |args: &[&str]| user.call("git", world.path()).args(["dits", "serve"]).args([&dir]).args(args);
    fs::write(world.path().join("junk"), "no certificate").unwrap();
    let listen = ["--listen", "127.0.0.1:0", "--cert", "junk", "--key", "junk"];
    call(&listen).fails().says(&["cannot use 'junk'", "no usable"]);
    let listen = ["--listen", "127.0.0.1:0", "--client-ca", "missing"];
    call(&listen).fails().says(&["cannot use 'missing'"]);
    call(&["--cert", "junk"]).fails().says(&["--key"]);
}
