//! What clients of Git LFS are answered, request by request: who is let in, and what is no request. Locks are in `lfs_locks_tests`.

use super::super::body::JSON_BYTES_MAX;
use super::super::tests::{no_tls, raw};
use super::super::{connection, router, services, streams::Streams};
use crate::access::rate::BURST;
use crate::serve::{Server, ServerConfig};
use crate::{Role, Scope, add_token};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A server with people, reached without TLS.
pub(in crate::http) struct Lfs {
    root: String,
    client: Client,
    dir: tempfile::TempDir,
    pub server: Server,
    _stop: watch::Sender<bool>,
}

/// An answer: status, headers, JSON.
pub(in crate::http) struct Said(pub StatusCode, reqwest::header::HeaderMap, pub Value);

impl Lfs {
    pub async fn start() -> Lfs {
        let dir = tempfile::tempdir().unwrap();
        let config = ServerConfig {
            dir: dir.path().join("server"),
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            certificate: None,
            client_ca: None,
            anonymous: false,
            exe: "/bin/true".into(),
            memory: None,
            faults: None,
        };
        let server = Server::start(config).unwrap();
        let (streams, _) = Streams::new();
        let (router, (stop, stopped)) = (router(&streams, services(&server.shared())), watch::channel(false));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((io, peer)) = listener.accept().await {
                let (streams, router, stopped) = (streams.clone(), router.clone(), stopped.clone());
                tokio::spawn(async move {
                    connection::serve((&streams, router), io, peer, stopped).await;
                });
            }
        });
        let client = Client::builder().no_proxy().tls_backend_preconfigured(no_tls()).build().unwrap();
        Lfs { root, client, dir, server, _stop: stop }
    }

    pub fn token(&self, name: &str, role: Role, scope: &str) -> String {
        add_token(&self.dir.path().join("server"), name, role, &scope.parse::<Scope>().unwrap()).unwrap()
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/{path}", self.root))
    }

    /// What `token` is answered to JSON.
    pub async fn post(&self, token: &str, path: &str, body: &Value) -> Said {
        let kind = "application/vnd.git-lfs+json; charset=utf-8";
        let request = self.request(Method::POST, path).header("content-type", kind);
        self.said(request.body(body.to_string()), token).await
    }

    /// What `token` is answered.
    pub async fn get(&self, token: &str, path: &str) -> Said {
        self.said(self.request(Method::GET, path), token).await
    }

    /// The same of any request.
    pub async fn said(&self, request: RequestBuilder, token: &str) -> Said {
        let answer = request.basic_auth("x", Some(token)).send().await.unwrap();
        said(answer).await
    }
}

async fn said(answer: reqwest::Response) -> Said {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await.unwrap();
    Said(status, headers, serde_json::from_slice(&body).unwrap())
}

impl Said {
    #[track_caller]
    pub fn fails(&self, status: StatusCode, part: &str) {
        assert_eq!(self.0, status, "{}", self.2);
        assert_eq!(self.1["content-type"], "application/vnd.git-lfs+json");
        assert!(self.2["message"].as_str().unwrap().contains(part), "{}", self.2);
    }
}

const BATCH: &str = "team/a.git/info/lfs/objects/batch";

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_further_than_the_token_allows() {
    let lfs = Lfs::start().await;
    let post = || lfs.request(Method::POST, BATCH);
    let strange = said(post().send().await.unwrap()).await;
    strange.fails(StatusCode::UNAUTHORIZED, "a token");
    for header in ["lfs-authenticate", "www-authenticate"] {
        assert_eq!(strange.1[header], "Basic realm=\"git-dits\"");
    }
    lfs.said(post(), "dits_bad").await.fails(StatusCode::UNAUTHORIZED, "is not valid");
    let other = lfs.token("ben", Role::Admin, "team/b");
    lfs.said(post(), &other).await.fails(StatusCode::FORBIDDEN, "does not allow to read 'team/a'");
    lfs.get(&other, "team/a/info/lfs/locks").await.fails(StatusCode::FORBIDDEN, "read 'team/a'");
    let ann = lfs.token("ann", Role::Read, "team/a");
    lfs.said(post(), &ann).await.fails(StatusCode::NOT_IMPLEMENTED, "'git dits track'");
    let bearer = said(post().bearer_auth(&ann).send().await.unwrap()).await;
    bearer.fails(StatusCode::NOT_IMPLEMENTED, "lfs.url");
    assert_eq!(lfs.get(&ann, "team/a/info/lfs/locks").await.2, json!({ "locks": [] }));
    for path in ["locks", "locks/verify", "locks/1/unlock"] {
        let said = lfs.post(&ann, &format!("team/a/info/lfs/{path}"), &json!({ "path": "x" })).await;
        said.fails(StatusCode::FORBIDDEN, "does not allow to write 'team/a'");
    }
    let digest = said(post().header("authorization", "Digest x").send().await.unwrap()).await;
    digest.fails(StatusCode::BAD_REQUEST, "'Authorization'");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_too_often_waits_and_who_was_good_does_not() {
    let lfs = Lfs::start().await;
    let post = || lfs.request(Method::POST, BATCH);
    let (ann, ben) = (lfs.token("ann", Role::Read, "*"), lfs.token("ben", Role::Read, "*"));
    lfs.said(post(), &ann).await.fails(StatusCode::NOT_IMPLEMENTED, "");
    for _ in 0..BURST {
        lfs.said(post(), "dits_bad").await.fails(StatusCode::UNAUTHORIZED, "is not valid");
    }
    lfs.said(post(), &ben).await.fails(StatusCode::TOO_MANY_REQUESTS, "try again in a minute");
    lfs.said(post(), &ann).await.fails(StatusCode::NOT_IMPLEMENTED, "");
    let log = std::fs::read_to_string(lfs.dir.path().join("server/audit.log")).unwrap();
    let denied = |line: &&str| line.contains("\"denied\"") && line.contains("\"team/a\"");
    assert!(log.lines().filter(denied).count() > 0, "{log}");
    assert!(!log.contains("dits_bad"), "a token was logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_in_its_own_way() {
    let lfs = Lfs::start().await;
    let ann = lfs.token("ann", Role::Admin, "*");
    let locks = "team/a/info/lfs/locks";
    for (method, path, allow) in [
        (Method::DELETE, locks, "GET, POST"),
        (Method::GET, "team/a/info/lfs/locks/verify", "POST"),
        (Method::PUT, "team/a/info/lfs/locks/1/unlock", "POST"),
        (Method::GET, BATCH, "POST"),
    ] {
        let said = lfs.said(lfs.request(method, path), &ann).await;
        said.fails(StatusCode::METHOD_NOT_ALLOWED, "this takes");
        assert_eq!(said.1["allow"], allow);
    }
    for nothing in ["team/a/info/lfs/", "team/a/info/lfs/lock", "team/a/info/lfs/locks/1/2/unlock"] {
        lfs.get(&ann, nothing).await.fails(StatusCode::NOT_FOUND, "nothing is at");
    }
    for nothing in ["info/lfs/locks", "team/a", "team/a/info/lfs"] {
        assert_eq!(lfs.get(&ann, nothing).await.0, StatusCode::NOT_FOUND);
    }
    for bad in ["a/b/c/d/e", "-a", "team//a", "team/a.git/b", "team/a%0d%0aset-cookie:%20x", "%ff", "a%00"] {
        let answer = lfs.get(&ann, &format!("{bad}/info/lfs/locks")).await;
        assert!([StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND].contains(&answer.0), "{bad}: {}", answer.2);
        assert!(!answer.1.contains_key("set-cookie"));
    }
    for dots in ["team/../other", "team/%2e%2e/other", "team/..%2fother", ".."] {
        let request = format!("GET /{dots}/info/lfs/locks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = raw(&lfs.root, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{dots}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_and_say_what_they_are() {
    let lfs = Lfs::start().await;
    let ann = lfs.token("ann", Role::Write, "*");
    let post = |kind: &str, body: reqwest::Body| {
        let request = lfs.request(Method::POST, "team/a/info/lfs/locks").header("content-type", kind);
        lfs.said(request.body(body), &ann)
    };
    let kind_of_json = "application/json";
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json2", ""] {
        let said = post(kind, "{\"path\":\"x\"}".into()).await;
        said.fails(StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/vnd.git-lfs+json");
    }
    let huge = || format!("{{\"path\":\"{}\"}}", "x".repeat(JSON_BYTES_MAX));
    post(kind_of_json, huge().into()).await.fails(StatusCode::PAYLOAD_TOO_LARGE, "at most 65536 bytes");
    let pieces = tokio_stream::iter((0..17).map(|_| Ok::<_, std::io::Error>(vec![b' '; 4096])));
    let unsaid = reqwest::Body::wrap_stream(pieces);
    post(kind_of_json, unsaid).await.fails(StatusCode::PAYLOAD_TOO_LARGE, "at most");
    let deep = format!("{{\"path\":\"x\",\"ref\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
    for bad in ["", "{", "[]", "null", "{}", "{\"path\":7}", "{\"path\":\"\\ud800\"}", &deep] {
        let said = post(kind_of_json, bad.to_owned().into()).await;
        said.fails(StatusCode::UNPROCESSABLE_ENTITY, "the body cannot be read");
        assert_eq!(said.2["request_id"].as_str().unwrap().len(), 16);
    }
    assert_eq!(lfs.get(&ann, "team/a/info/lfs/locks").await.2, json!({ "locks": [] }));
}
