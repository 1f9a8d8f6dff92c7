//! What the server answers to requests, one by one, over a plain connection.

use super::connection::{self, Connection};
use super::streams::Streams;
use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::routing::get;
use bytes::Bytes;
use dits_net::Stream;
use reqwest::{Client, Response, StatusCode};
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

/// reqwest wants TLS settings also where nothing is encrypted.
pub(super) fn no_tls() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    builder.unwrap().with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
}

/// A server without sessions: the streams that are opened come to the test.
struct Http {
    root: String,
    client: Client,
    opened: mpsc::UnboundedReceiver<(Stream, std::net::IpAddr)>,
    stop: watch::Sender<bool>,
}

impl Http {
    async fn start() -> Http {
        Http::with(Router::new()).await
    }

    /// One that answers this too.
    async fn with(services: Router) -> Http {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let (streams, opened) = Streams::new();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((io, peer)) = listener.accept().await {
                let (streams, stopped, services) = (streams.clone(), stopped.clone(), services.clone());
                tokio::spawn(async move {
                    let router = super::router(&streams, services);
                    connection::serve((&streams, router), io, peer, stopped).await;
                });
            }
        });
        let client = Client::builder().no_proxy().tls_backend_preconfigured(no_tls()).build().unwrap();
        Http { root, client, opened, stop }
    }

    fn url(&self, rest: &str) -> String {
        format!("{}/dits/1/streams/{rest}", self.root)
    }

    async fn post(&self, rest: &str, body: impl Into<Bytes>) -> Response {
        self.client.post(self.url(rest)).body(body.into()).send().await.unwrap()
    }

    async fn get(&self, rest: &str) -> Response {
        self.client.get(self.url(rest)).send().await.unwrap()
    }
}

const ID: &str = "0123456789abcdef0123456789abcdef";

fn at(offset: u64) -> String {
    format!("{ID}?at={offset}")
}

fn next(answer: &Response) -> Option<&str> {
    answer.headers().get("dits-next")?.to_str().ok()
}

#[tokio::test]
async fn a_stream_is_carried_by_requests_that_are_repeated() {
    let mut http = Http::start().await;
    for _ in 0..2 {
        let answer = http.post(&at(0), "hello").await;
        assert_eq!((answer.status(), next(&answer)), (StatusCode::OK, Some("5")));
    }
    let mut stream = http.opened.recv().await.unwrap().0;
    let mut read = [0; 5];
    assert!(stream.recv.fill(&mut read).await.unwrap());
    assert_eq!(&read, b"hello");
    let answer = http.post(&format!("{}&end=1", at(3)), "lo!").await;
    assert_eq!(next(&answer), Some("6"));
    let mut read = [0; 5];
    assert_eq!(stream.recv.read(&mut read).await.unwrap(), 1);
    assert_eq!(stream.recv.read(&mut read).await.unwrap(), 0, "the end was said");

    stream.send.write(Bytes::from_static(b"welcome")).await.unwrap();
    for _ in 0..2 {
        let answer = http.get(&at(0)).await;
        assert_eq!(answer.headers()["dits-end"], "0");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.bytes().await.unwrap(), "welcome");
    }
    stream.send.end().await;
    let answer = http.get(&at(7)).await;
    assert_eq!((answer.headers()["dits-end"].to_str().unwrap(), answer.content_length()), ("1", Some(0)));
    assert!(http.opened.try_recv().is_err(), "a repeated request opened a second stream");
}

#[tokio::test]
async fn what_cannot_be_has_a_status_of_its_own() {
    let mut http = Http::start().await;
    assert_eq!(http.get(&at(0)).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(http.post(&at(1), "x").await.status(), StatusCode::NOT_FOUND);
    for bad in ["xyz?at=0", &format!("{ID}?at=-1"), ID, &format!("{}?at=0", ID.to_uppercase())] {
        assert_eq!(http.post(bad, "x").await.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
    assert_eq!(http.post(&at(0), vec![0; (1 << 20) + 1]).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(next(&http.post(&at(0), "hello").await), Some("5"));
    assert_eq!(http.post(&at(7), "x").await.status(), StatusCode::CONFLICT);
    assert_eq!(http.get(&at(1)).await.status(), StatusCode::CONFLICT);
    let mut stream = http.opened.recv().await.unwrap().0;
    stream.send.write(Bytes::from_static(b"ab")).await.unwrap();
    assert_eq!(http.get(&at(1)).await.bytes().await.unwrap(), "b");
    assert_eq!(http.get(&at(0)).await.status(), StatusCode::RANGE_NOT_SATISFIABLE);

    let delete = async || http.client.delete(http.url(ID)).send().await.unwrap().status();
    assert_eq!(delete().await, StatusCode::NO_CONTENT);
    assert_eq!(delete().await, StatusCode::NO_CONTENT);
    stream.recv.fill(&mut [0; 6]).await.unwrap_err();
    assert_eq!(http.post(&at(0), "hello").await.status(), StatusCode::GONE, "it began anew");
    assert_eq!(http.get(&at(2)).await.status(), StatusCode::GONE);
}

#[tokio::test]
async fn a_stream_that_the_server_gave_up_is_gone() {
    let mut http = Http::start().await;
    http.post(&at(0), "hello").await;
    let mut stream = http.opened.recv().await.unwrap().0;
    stream.send.write(Bytes::from_static(b"no")).await.unwrap();
    drop(stream);
    assert_eq!(http.post(&at(5), "x").await.status(), StatusCode::GONE);
    assert_eq!(http.get(&at(0)).await.status(), StatusCode::GONE);
}

#[tokio::test]
async fn other_paths_are_answered_with_json() {
    let http = Http::start().await;
    let get = async |path: &str| http.client.get(format!("{}{path}", http.root)).send().await.unwrap();
    assert!(get("/").await.text().await.unwrap().contains("git-dits"));
    assert_eq!(get("/dits/1").await.headers()["dits-speaks"], "dits/1");
    let answer = get("/nothing").await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(body["message"], "nothing is at '/nothing'");
    let answer = http.client.put(http.url(ID)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_server_that_stops_lets_clients_fetch_what_was_said() {
    let mut http = Http::start().await;
    http.post(&at(0), "hello").await;
    let mut stream = http.opened.recv().await.unwrap().0;
    http.stop.send_replace(true);
    stream.send.write(Bytes::from_static(b"bye")).await.unwrap();
    stream.send.end().await;
    drop(stream);
    assert_eq!(http.get(&at(0)).await.bytes().await.unwrap(), "bye");
    assert_eq!(http.get(&at(3)).await.headers()["dits-end"], "1");
}

async fn raw(http: &Http, request: &[u8]) -> String {
    raw_to(&http.root, request).await
}

/// Sends `request` as it is, and reads until the server has enough.
pub(super) async fn raw_to(root: &str, request: &[u8]) -> String {
    let address = root.strip_prefix("http://").unwrap();
    let mut io = TcpStream::connect(address).await.unwrap();
    io.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    io.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_slowly_is_gone_in_the_end() {
    let http = Http::start().await;
    assert_eq!(raw(&http, b"").await, "");
    raw(&http, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let slow = raw(&http, b"GET / HTTP/1.1\r\nHost: x\r\n").await;
    assert!(slow.is_empty() || slow.starts_with("HTTP/1.1 408 "), "{slow}");
    let unfinished =
        format!("POST /dits/1/streams/{} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", at(0));
    assert!(raw(&http, unfinished.as_bytes()).await.starts_with("HTTP/1.1 408 "));
}

/// Says something ten times, every 20 s, and holds the connection up for as long.
async fn go_on(Extension(connection): Extension<Connection>) -> Body {
    let (say, pieces) = mpsc::channel(1);
    let running = connection.begin();
    tokio::spawn(async move {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            say.send(Ok::<_, Infallible>(Bytes::from_static(b"still here"))).await.unwrap();
        }
        drop(running);
    });
    Body::from_stream(ReceiverStream::new(pieces))
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_goes_on_is_a_request_that_runs() {
    let http = Http::with(Router::new().route("/on", get(go_on))).await;
    let answer = raw(&http, b"GET /on HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(answer.matches("still here").count(), 10, "{answer}");
    assert!(answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
}
