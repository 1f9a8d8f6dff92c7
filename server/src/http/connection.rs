//! HTTP/1.1 or HTTP/2 on one connection.
//!
//! Always holds: a client that begins no request within [`IDLE_MAX`] while none runs, be it that it sends nothing, sends its headers
//! slowly, or reads an answer slowly, is let go, [`LAST_MAX`] later at the latest. An answer that goes on says so with [`Running`]. When the server stops, requests
//! that run have their answer first.

use super::streams::{PeerAddress, Streams};
use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Time without a request.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Time for what is under way when a connection is to end.
const LAST_MAX: Duration = Duration::from_secs(30);
/// Time for the headers of a request.
const HEADERS_MAX: Duration = Duration::from_secs(30);
/// A quiet HTTP/2 connection is asked this often.
const PING: Duration = Duration::from_secs(20);
/// Time for the answer.
const PING_MAX: Duration = Duration::from_secs(10);
/// Requests at once on a connection of HTTP/2.
const REQUESTS_MAX: u32 = 64;
/// Bytes of headers.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// Bytes in flight on a connection of HTTP/2.
const HTTP2_WINDOW: u32 = 1 << 20;

/// Requests of a connection.
#[derive(Debug, Default)]
struct Requests {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Requests {
    /// Returns when none ran for [`IDLE_MAX`].
    async fn are_over(&self) {
        loop {
            let before = self.begun.load(Ordering::Relaxed);
            sleep(IDLE_MAX).await;
            let now = self.begun.load(Ordering::Relaxed);
            if now == before && now == self.ended.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

/// A request runs as long as this lives, also when its client has gone.
pub(super) struct Running(Arc<Requests>);

impl Running {
    fn new(requests: Arc<Requests>) -> Running {
        requests.begun.fetch_add(1, Ordering::Relaxed);
        Running(requests)
    }
}

/// The connection that a request came on, for those whose answer goes on.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    requests: Arc<Requests>,
    stop: watch::Receiver<bool>,
}

impl Connection {
    /// Says that something runs beyond the head of the answer.
    pub(super) fn begin(&self) -> Running {
        Running::new(self.requests.clone())
    }

    /// Returns when the server stops.
    pub(super) async fn stopping(&mut self) {
        // It fails when the server is gone altogether.
        let _ = self.stop.wait_for(|stop| *stop).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

async fn counted(State(requests): State<Arc<Requests>>, request: Request, next: Next) -> Response {
    let _running = Running::new(requests);
    next.run(request).await
}

/// Answers what comes from `peer` on `io` with `router` until one of both has enough, or `stop` turns true.
pub(crate) async fn serve<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    (streams, router): (&Streams, Router),
    io: IO,
    peer: SocketAddr,
    stop: watch::Receiver<bool>,
) {
    let requests = Arc::<Requests>::default();
    let mut here = Connection { requests: requests.clone(), stop };
    let router = router
        .layer(Extension(PeerAddress(peer)))
        .layer(Extension(here.clone()))
        .layer(from_fn_with_state(requests.clone(), counted));
    let builder = builder();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), TowerToHyperService::new(router)));
    let stopping = async {
        here.stopping().await;
        streams.fetched().await;
    };
    tokio::select! {
        // What went wrong, the client knows.
        _ = &mut connection => return,
        () = stopping => {}
        () = requests.are_over() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_MAX, connection).await;
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_MAX).max_buf_size(HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING_MAX)
        .max_concurrent_streams(REQUESTS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX as u32)
        .initial_stream_window_size(HTTP2_WINDOW)
        .initial_connection_window_size(HTTP2_WINDOW);
    builder
}
