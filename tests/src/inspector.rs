//! A proxy that looks into TLS: what a company may put before the internet.
//!
//! It answers `CONNECT`, shows a certificate of its own authority in place of the server's, and passes on whole requests and
//! whole answers of HTTP, each kept until it is complete. Nothing but HTTP gets through. As a portal it passes
//! nothing on, and answers everything with a page.

use crate::Authority;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use reqwest::Client;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// Most bytes of a body that it keeps.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A running one; ended when dropped.
#[derive(Debug)]
pub struct Inspector {
    address: SocketAddr,
    passed: Arc<AtomicUsize>,
    _runtime: Runtime,
}

/// What all its connections share.
#[derive(Clone)]
struct Shared {
    acceptor: TlsAcceptor,
    client: Client,
    is_portal: bool,
    passed: Arc<AtomicUsize>,
}

impl Inspector {
    /// Starts one that shows certificates of `authority`.
    pub fn start(authority: &Authority) -> Inspector {
        Inspector::run(authority, false)
    }

    /// Starts one that answers everything with a page.
    pub fn portal(authority: &Authority) -> Inspector {
        Inspector::run(authority, true)
    }

    fn run(authority: &Authority, is_portal: bool) -> Inspector {
        // It fails when it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Runtime::new().expect("a runtime can be made");
        let client = Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build();
        let passed = Arc::<AtomicUsize>::default();
        let shared = Shared {
            acceptor: acceptor(authority),
            client: client.expect("a client can be made"),
            is_portal,
            passed: passed.clone(),
        };
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        runtime.spawn(async move {
            while let Ok((io, _)) = listener.accept().await {
                tokio::spawn(inspect(io, shared.clone()));
            }
        });
        Inspector { address, passed, _runtime: runtime }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests that were passed on.
    pub fn passed(&self) -> usize {
        self.passed.load(Ordering::Relaxed)
    }
}

/// TLS with a certificate of `authority` for this machine, as HTTP is spoken over it.
pub(crate) fn acceptor(authority: &Authority) -> TlsAcceptor {
    let (certificate, key) = authority.issue(&["127.0.0.1"]);
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("it was just made");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("it was just made");
    let config =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let mut config = config.expect("they belong together");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn inspect(mut io: TcpStream, shared: Shared) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.ok()?);
    }
    let server = String::from_utf8(head).ok()?.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    io.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
    let tls = shared.acceptor.accept(io).await.ok()?;
    let answer = move |request| pass_on(request, server.clone(), shared.clone());
    let service = TowerToHyperService::new(Router::new().fallback(answer));
    Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tls), service).await.ok()
}

async fn pass_on(request: Request, server: String, shared: Shared) -> Response<Body> {
    if shared.is_portal {
        let page = Response::builder().header(header::CONTENT_TYPE, "text/html");
        return page.body(Body::from("<html>Please log in</html>")).expect("it is well formed");
    }
    let failed =
        |status: StatusCode| Response::builder().status(status).body(Body::empty()).expect("well formed");
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else { return failed(StatusCode::BAD_REQUEST) };
    let url = format!("https://{server}{}", parts.uri.path_and_query().map_or("/", |path| path.as_str()));
    let mut headers = parts.headers;
    for of_the_connection in [header::HOST, header::CONTENT_LENGTH, header::CONNECTION] {
        headers.remove(of_the_connection);
    }
    let sent = shared.client.request(parts.method, url).headers(headers).body(body).send().await;
    let Ok(answer) = sent else { return failed(StatusCode::BAD_GATEWAY) };
    shared.passed.fetch_add(1, Ordering::Relaxed);
    let mut back = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != header::TRANSFER_ENCODING && name != header::CONNECTION {
            back = back.header(name, value);
        }
    }
    let Ok(body) = answer.bytes().await else { return failed(StatusCode::BAD_GATEWAY) };
    back.body(Body::from(body)).expect("it was well formed")
}
