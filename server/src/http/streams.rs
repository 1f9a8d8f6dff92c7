//! Streams in HTTP requests, for proxies that pass on whole requests and whole answers only.
//!
//! `POST /dits/1/streams/ID?at=OFFSET[&end=1]` brings bytes up; `at=0` opens the stream. The answer's `dits-next` is the
//! offset that is wanted next, which may be inside of what was sent. `GET …?at=OFFSET` brings bytes down and
//! says that everything before was received; with nothing to say it waits for [`POLL_MAX`], then answers with no
//! bytes. The last piece has `dits-end: 1`. `DELETE …` says that the client needs nothing more. Every request may
//! be repeated. Every answer has the header `dits-speaks`, so that a client can tell it from what somebody in between says.
//!
//! Always holds: a stream that was opened here is served like any other, whatever carried it. Statuses: 404 never opened, 410 ended, 409 bytes are missing before, 416
//! asked for what was acknowledged, 413 too many bytes, 429 and 503 too many streams.

use super::answer::Failure;
use super::body::in_time;
use super::registry::{Closed, Found, Registry, parse_id};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use dits_net::Stream;
use dits_net::https::{END, NEXT, POLL_MAX, ROOT, SPEAKS};
use dits_net::stream::Activities;
use dits_net::tunnel::{Fault, Piece, Tunnel, WINDOW};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often streams that nobody asks for are looked for.
const SWEEP: Duration = Duration::from_secs(10);
/// How often a server that stops looks whether clients have fetched what was said to them.
const LOOK: Duration = Duration::from_millis(50);

/// The address that a request comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerAddress(pub(super) SocketAddr);

/// All streams that are carried by requests.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    registry: Arc<Mutex<Registry>>,
    opened: mpsc::UnboundedSender<(Stream, IpAddr)>,
    /// A client has one address and many streams: a quiet one lives as long as another moves.
    activity: Arc<Mutex<Activities>>,
}

#[derive(Debug, Deserialize)]
struct Place {
    at: u64,
    #[serde(default)]
    end: u8,
}

/// What speaks our protocol says so in this word.
const PROTOCOL: &str = "dits/1";

type Answer<T> = Result<T, Failure>;
/// An error of axum becomes one of ours.
type Asked<T> = Result<Query<T>, axum::extract::rejection::QueryRejection>;

impl Streams {
    /// No streams; those that clients open come out of the receiver. Few enough for an unbounded one: see [`Registry`].
    pub(crate) fn new() -> (Streams, mpsc::UnboundedReceiver<(Stream, IpAddr)>) {
        let (opened, streams) = mpsc::unbounded_channel();
        (Streams { registry: Arc::default(), opened, activity: Arc::default() }, streams)
    }

    /// The routes.
    pub(super) fn router(&self) -> Router {
        let stream = get(down).post(up).delete(end);
        Router::new()
            .route(ROOT, get(|| async { [no_store()] }))
            .route(&format!("{ROOT}/streams/{{id}}"), stream)
            .layer(map_response(|mut answer: Response| async {
                answer.headers_mut().insert(SPEAKS, HeaderValue::from_static(PROTOCOL));
                answer
            }))
            .with_state(self.clone())
    }

    /// Ends streams that nobody asks for; does so as long as it is polled.
    pub(crate) async fn sweep(&self) {
        loop {
            tokio::time::sleep(SWEEP).await;
            self.registry().sweep(Instant::now());
        }
    }

    /// Returns when clients have fetched all that was said to them.
    pub(super) async fn fetched(&self) {
        while !self.registry().is_idle() {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: &str) -> Answer<Found> {
        Ok(self.registry().find(name(id)?, Instant::now())?)
    }

    fn find_or_open(&self, id: &str, peer: SocketAddr) -> Answer<Found> {
        let address = peer.ip().to_canonical();
        let open = || {
            let activity = self.activity.lock().unwrap_or_else(PoisonError::into_inner).of(address);
            let (tunnel, stream) = Tunnel::open(&activity);
            // It fails when the server has stopped: then the stream is dropped, and the client told.
            let _ = self.opened.send((stream, peer.ip()));
            tunnel
        };
        Ok(self.registry().find_or_open(name(id)?, address, Instant::now(), open)?)
    }
}

async fn up(
    State(streams): State<Streams>,
    Extension(PeerAddress(peer)): Extension<PeerAddress>,
    Path(id): Path<String>,
    place: Asked<Place>,
    body: Body,
) -> Answer<impl IntoResponse> {
    let Query(Place { at, end }) = place.map_err(|error| bad_request(&error))?;
    let found = if at == 0 { streams.find_or_open(&id, peer)? } else { streams.find(&id)? };
    let read = async {
        let turn = found.upload.lock().await;
        (to_bytes(body, WINDOW).await, turn)
    };
    let (body, _turn) = in_time(read).await?;
    let bytes = body.map_err(|_| {
        let message = format!("a body has at most {WINDOW} bytes, and as many as it says");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    })?;
    let next = found.tunnel.take(&Piece { at, bytes, last: end == 1 }, POLL_MAX).await?;
    // Waiting for the reader may have taken long.
    let _ = streams.find(&id);
    let headers = [(HeaderName::from_static(NEXT), next.to_string()), no_store()];
    Ok((StatusCode::OK, headers))
}

async fn down(
    State(streams): State<Streams>,
    Path(id): Path<String>,
    place: Asked<Place>,
) -> Answer<impl IntoResponse> {
    let Query(Place { at, .. }) = place.map_err(|error| bad_request(&error))?;
    let piece = streams.find(&id)?.tunnel.piece(at, POLL_MAX).await?;
    let _ = streams.find(&id);
    let end = if piece.last { "1" } else { "0" };
    let kind = (header::CONTENT_TYPE, "application/octet-stream".to_owned());
    Ok(([(HeaderName::from_static(END), end.to_owned()), no_store(), kind], piece.bytes))
}

async fn end(State(streams): State<Streams>, Path(id): Path<String>) -> Answer<StatusCode> {
    match streams.registry().end(name(&id)?, "the client has given up the stream", Instant::now()) {
        // Also said once more: it may be a repetition.
        Ok(()) | Err(Closed::Ended) => Ok(StatusCode::NO_CONTENT),
        Err(closed) => Err(closed.into()),
    }
}

fn name(id: &str) -> Answer<u128> {
    parse_id(id).ok_or_else(|| bad_request(&"a stream's name is 32 digits of hex"))
}

fn no_store() -> (HeaderName, String) {
    (header::CACHE_CONTROL, "no-store".to_owned())
}

fn bad_request(why: &dyn std::fmt::Display) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, why.to_string())
}

impl From<Closed> for Failure {
    fn from(closed: Closed) -> Failure {
        let status = match closed {
            Closed::Unknown => StatusCode::NOT_FOUND,
            Closed::Ended => StatusCode::GONE,
            Closed::PeerLimit => StatusCode::TOO_MANY_REQUESTS,
            Closed::Limit => StatusCode::SERVICE_UNAVAILABLE,
        };
        Failure::new(status, closed.to_string())
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        let status = match fault {
            Fault::Gap { .. } => StatusCode::CONFLICT,
            Fault::TooOld { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Fault::PastEnd { .. } => StatusCode::BAD_REQUEST,
            Fault::Stopped | Fault::Abandoned => StatusCode::GONE,
        };
        Failure::new(status, fault.to_string())
    }
}
