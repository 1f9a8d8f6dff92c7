//! Tokens of an issuer at a running server: keys over http from this machine and from a file, fetched once, again for a
//! new key, and not for whatever strangers name. Keys of RSA are made by `ssh-keygen`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use common::*;
use dits_server::access::change::Owner;
use dits_server::access::entry::{Issuer, Rule};
use dits_server::{Role, now};
use dits_sync::SyncError;
use dits_sync::message::Reason;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const URL: &str = "https://ci.example";
const AUDIENCE: &str = "dits://media.example";

/// Answers every request with what it holds, and counts.
struct KeyServer {
    place: String,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    fn start(answer: String) -> KeyServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = format!("http://{}/jwks", listener.local_addr().unwrap());
        let (answer, asked) = (Arc::new(Mutex::new(answer)), Arc::new(AtomicUsize::new(0)));
        let (shared, count) = (answer.clone(), asked.clone());
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                count.fetch_add(1, Ordering::SeqCst);
                let answer = shared.lock().unwrap().clone();
                let _ = (&stream).write_all(answer.as_bytes());
            }
        });
        KeyServer { place, answer, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A key of the issuer's, under a name.
struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    id: &'static str,
}

impl Signer {
    fn ec(id: &'static str) -> Signer {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        Signer { key: EncodingKey::from_ec_der(&pair.serialize_der()), algorithm: Algorithm::ES256, id }
    }

    fn rsa(id: &'static str) -> Signer {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let mut command = std::process::Command::new("ssh-keygen");
        command.args(["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f"]).arg(&path);
        assert!(command.status().expect("install openssh-client").success());
        let key = EncodingKey::from_rsa_pem(&std::fs::read(&path).unwrap()).unwrap();
        Signer { key, algorithm: Algorithm::RS256, id }
    }

    fn jwk(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.to_owned());
        jwk
    }

    fn token(&self, subject: &str) -> String {
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(self.algorithm) };
        let claims = json!({ "iss": URL, "aud": AUDIENCE, "sub": subject, "exp": now() + 300 });
        encode(&header, &claims, &self.key).unwrap()
    }
}

fn set(signers: &[&Signer]) -> String {
    serde_json::to_string(&JwkSet { keys: signers.iter().map(|signer| signer.jwk()).collect() }).unwrap()
}

/// Believes the issuer for `repo:org/…`, to write in `team/ci`.
fn believe(rig: &Rig, keys: &str) {
    let issuer = Issuer { name: "ci".into(), url: URL.into(), audience: AUDIENCE.into(), keys: keys.into() };
    let claims = vec!["sub=repo:org/*".parse().unwrap()];
    let rule = Rule { issuer: "ci".into(), role: Role::Write, scope: "team/ci".parse().unwrap(), claims };
    Owner::of(&rig.server_dir(), "test", now()).unwrap().add_issuer(&issuer, &[rule]).unwrap();
}

fn ask(rig: &Rig, token: &str, repository: &str) -> Result<(), SyncError> {
    let client = rig.client(repository);
    let result = client.ask(token, vec![]).map(drop);
    client.close();
    result
}

#[test]
fn a_token_that_the_issuer_signed_opens_what_the_rule_says() {
    let (ec, rsa, stranger) = (Signer::ec("k1"), Signer::rsa("k2"), Signer::ec("k1"));
    let server = KeyServer::start(http("200 OK", &set(&[&ec, &rsa])));
    let rig = Rig::new();
    believe(&rig, &server.place);
    for signer in [&ec, &rsa] {
        ask(&rig, &signer.token("repo:org/app"), "team/ci/x").unwrap();
        assert_eq!(reason(ask(&rig, &signer.token("repo:org/app"), "team")), Reason::Forbidden);
    }
    let no_rule = ask(&rig, &ec.token("repo:evil/app"), "team/ci").unwrap_err().to_string();
    assert!(no_rule.contains("no rule fits"), "{no_rule}");
    assert_eq!(reason(ask(&rig, &stranger.token("repo:org/app"), "team/ci")), Reason::Unauthorized);
    assert_eq!(server.asked(), 1, "keys are kept");
}

#[test]
fn a_new_key_is_fetched_once_and_an_invented_one_costs_no_request() {
    let (old, new) = (Signer::ec("old"), Signer::ec("new"));
    let server = KeyServer::start(http("200 OK", &set(&[&old])));
    let rig = Rig::new();
    believe(&rig, &server.place);
    // Many at once, and the keys are not known yet: one request.
    let token = old.token("repo:org/app");
    let at_once = (0..8).map(|_| {
        let (client, token) = (rig.client("team/ci"), token.clone());
        std::thread::spawn(move || client.ask(&token, vec![]).map(drop))
    });
    for thread in at_once.collect::<Vec<_>>() {
        thread.join().unwrap().unwrap();
    }
    assert_eq!(server.asked(), 1);
    *server.answer.lock().unwrap() = http("200 OK", &set(&[&old, &new]));
    // Not so soon after the last request, or strangers could cause one with each token.
    for _ in 0..3 {
        assert_eq!(reason(ask(&rig, &new.token("repo:org/app"), "team/ci")), Reason::Unauthorized);
    }
    assert_eq!(server.asked(), 1);
    ask(&rig, &old.token("repo:org/app"), "team/ci").unwrap();
}

#[test]
fn a_server_of_keys_that_fails_is_told_to_the_owner_and_is_no_fault_of_the_caller() {
    let signer = Signer::ec("k1");
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "y".repeat(300 << 10));
    for bad in [
        http("500 Oops", "no"),
        http("302 Found\r\nLocation: http://127.0.0.1:1/", ""),
        http("200 OK", "not json"),
        http("200 OK", &huge),
        "nonsense".into(),
    ] {
        let server = KeyServer::start(bad);
        let rig = Rig::new();
        believe(&rig, &server.place);
        assert_eq!(reason(ask(&rig, &signer.token("repo:org/app"), "team/ci")), Reason::Internal);
        let told = rig.problems.recv_timeout(PATIENCE).unwrap();
        assert!(told.contains(&server.place), "{told}");
    }
}

#[test]
fn keys_from_a_file_may_change_at_any_time() {
    let (one, two) = (Signer::ec("k1"), Signer::ec("k2"));
    let rig = Rig::new();
    let file = rig.dir.path().join("keys.json");
    std::fs::write(&file, set(&[&one])).unwrap();
    believe(&rig, file.to_str().unwrap());
    ask(&rig, &one.token("repo:org/app"), "team/ci").unwrap();
    assert_eq!(reason(ask(&rig, &two.token("repo:org/app"), "team/ci")), Reason::Unauthorized);
    std::fs::write(&file, set(&[&two])).unwrap();
    ask(&rig, &two.token("repo:org/app"), "team/ci").unwrap();
    assert_eq!(reason(ask(&rig, &one.token("repo:org/app"), "team/ci")), Reason::Unauthorized);
}
