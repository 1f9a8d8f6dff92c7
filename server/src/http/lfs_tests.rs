//! What clients of Git LFS are answered, request by request.

use super::super::tests::no_tls;
use super::super::{connection, router, services, streams::Streams};
use crate::access::rate::BURST;
use crate::serve::{Server, ServerConfig};
use crate::{Role, Scope, add_token};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use std::net::Ipv4Addr;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A server with people, reached without TLS.
struct Lfs {
    root: String,
    client: Client,
    dir: tempfile::TempDir,
    _server: Server,
    _stop: watch::Sender<bool>,
}

/// An answer: status, headers, JSON.
struct Said(StatusCode, reqwest::header::HeaderMap, Value);

impl Lfs {
    async fn start() -> Lfs {
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
        Lfs { root, client, dir, _server: server, _stop: stop }
    }

    fn token(&self, name: &str, role: Role, scope: &str) -> String {
        add_token(&self.dir.path().join("server"), name, role, &scope.parse::<Scope>().unwrap()).unwrap()
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/{path}", self.root))
    }

    /// What `token` is answered.
    async fn said(&self, request: RequestBuilder, token: &str) -> Said {
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
    fn fails(&self, status: StatusCode, part: &str) {
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
    let ann = lfs.token("ann", Role::Read, "team/a");
    lfs.said(post(), &ann).await.fails(StatusCode::NOT_IMPLEMENTED, "'git dits track'");
    let bearer = said(post().bearer_auth(&ann).send().await.unwrap()).await;
    bearer.fails(StatusCode::NOT_IMPLEMENTED, "lfs.url");
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
