//! Making one request, again if need be, and reading its answer within limits.
//!
//! Always holds: a request that failed on its way, or that something in between answered with an error of its own
//! (502, 503, 504), is made again with the same words, for at most [`RETRY_MAX`]. An answer's body is at most [`WINDOW`] bytes.

use super::{POLL_MAX, SPEAKS};
use crate::connection::WireBytes;
use crate::error::{TransportError, printable};
use crate::tunnel::WINDOW;
use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, StatusCode};
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long a request may fail again and again.
const RETRY_MAX: Duration = Duration::from_secs(20);
/// Time between two tries.
const RETRY: Duration = Duration::from_millis(200);
/// Time for a request and its answer: what the server may wait, and two windows on their way at 30 kB/s.
const REQUEST_MAX: Duration = Duration::from_secs(POLL_MAX.as_secs() + 70);
/// Time to tell the server that a stream is done with.
const FAREWELL_MAX: Duration = Duration::from_secs(2);
/// Causes of an error that are told.
const CAUSES_MAX: usize = 8;

/// What requests are made with.
#[derive(Debug)]
pub(super) struct Asker {
    client: Client,
    root: String,
    sent: AtomicU64,
    received: AtomicU64,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Asker {
    pub(super) fn new(client: Client, root: String) -> Asker {
        Asker { client, root, sent: AtomicU64::default(), received: AtomicU64::default() }
    }

    /// Whether our server answers.
    pub(super) async fn greet(&self, deadline: Duration) -> Result<(), TransportError> {
        let answer = timeout(deadline, once(self.client.get(&self.root))).await;
        let answer = answer.map_err(|_| TransportError::TimedOut)??;
        match answer.header(SPEAKS) {
            Some(speaks) if speaks.as_bytes() == crate::PROTOCOL => Ok(()),
            _ => Err(answer.not_ours()),
        }
    }

    /// Sends `bytes` to `path`.
    pub(super) async fn post(&self, path: &str, bytes: Bytes) -> Result<Answer, TransportError> {
        let length = bytes.len() as u64;
        let answer = self.ask(|| self.client.post(self.at(path)).body(bytes.clone())).await?;
        self.sent.fetch_add(length, Ordering::Relaxed);
        Ok(answer)
    }

    /// Asks for what is at `path`.
    pub(super) async fn get(&self, path: &str) -> Result<Answer, TransportError> {
        let answer = self.ask(|| self.client.get(self.at(path))).await?;
        self.received.fetch_add(answer.body.len() as u64, Ordering::Relaxed);
        Ok(answer)
    }

    /// Says that nothing more is wanted of `path`; the server finds out by itself if it does not hear.
    pub(super) async fn farewell(&self, path: &str) {
        let _ = timeout(FAREWELL_MAX, self.client.delete(self.at(path)).send()).await;
    }

    pub(super) fn stats(&self) -> WireBytes {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WireBytes { tx: count(&self.sent), rx: count(&self.received) }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    async fn ask(&self, request: impl Fn() -> RequestBuilder) -> Result<Answer, TransportError> {
        let started = Instant::now();
        loop {
            let answer = match timeout(REQUEST_MAX, once(request())).await {
                Ok(Ok(answer)) if !is_passing(&answer) => return Ok(answer),
                Ok(answer) => answer,
                Err(_) => Err(TransportError::TimedOut),
            };
            if started.elapsed() >= RETRY_MAX {
                return answer;
            }
            sleep(RETRY).await;
        }
    }
}

/// Whether something in between says that it could not reach the server. Our own server always says who speaks.
fn is_passing(answer: &Answer) -> bool {
    let statuses = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
    statuses.contains(&answer.status) && answer.header(SPEAKS).is_none()
}

async fn once(request: RequestBuilder) -> Result<Answer, TransportError> {
    let mut response = request.send().await.map_err(failed)?;
    let mut body = BytesMut::new();
    while let Some(bytes) = response.chunk().await.map_err(failed)? {
        if body.len() + bytes.len() > WINDOW {
            return Err(TransportError::Failed { why: "an answer over the limit".into() });
        }
        body.extend_from_slice(&bytes);
    }
    Ok(Answer {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body: body.freeze(),
    })
}

impl Answer {
    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The number in a header.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.parse().ok()
    }

    /// Why this answer is none that we can use.
    pub(super) fn refused(&self) -> TransportError {
        if self.header(SPEAKS).is_none() {
            return self.not_ours();
        }
        let text = String::from_utf8_lossy(&self.body);
        TransportError::Failed { why: printable(format!("{}: {text}", self.status).as_bytes()) }
    }

    fn not_ours(&self) -> TransportError {
        let kind = self.header("content-type").unwrap_or("no content type");
        TransportError::NotOurs { what: printable(format!("{} ({kind})", self.status).as_bytes()) }
    }
}

/// Why there was no answer: the causes in one line, without the URL, which is ours.
fn failed(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    let mut words = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(next) = cause.filter(|_| words.len() < CAUSES_MAX) {
        words.push(next.to_string());
        cause = next.source();
    }
    words.dedup();
    TransportError::Failed { why: printable(words.join(": ").as_bytes()) }
}
