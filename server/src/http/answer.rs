//! How HTTP requests are told that they failed: JSON with a `message`.
//!
//! Always holds: what is in between is told not to keep the answer. A 401 says how to log in: as [`BEARER`], for which no browser opens a
//! window of its own.

use crate::refusal::{BEARER, Refusal};
use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use dits_sync::message::Reason;
use serde_json::{Map, Value};

/// A request that failed.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    headers: Vec<(HeaderName, &'static str)>,
    body: Map<String, Value>,
}

impl Failure {
    /// A failure in the server's words.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Failure {
        let headers = vec![(header::CACHE_CONTROL, "no-store")];
        Failure { status, headers, body: Map::new() }.with("message", message.into())
    }

    /// Its words.
    pub(super) fn message(&self) -> &str {
        self.body.get("message").and_then(Value::as_str).unwrap_or_default()
    }

    /// Nobody ever put something there.
    pub(super) fn nothing_at(uri: &Uri) -> Failure {
        Failure::new(StatusCode::NOT_FOUND, format!("nothing is at '{}'", uri.path()))
    }

    /// The same with more to say.
    pub(super) fn with(mut self, key: &str, value: impl Into<Value>) -> Failure {
        self.body.insert(key.into(), value.into());
        self
    }

    /// The same with a header.
    pub(super) fn with_header(mut self, name: HeaderName, value: &'static str) -> Failure {
        self.headers.push((name, value));
        self
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let status = match refusal.reason {
            Reason::Unauthorized => StatusCode::UNAUTHORIZED,
            Reason::Forbidden => StatusCode::FORBIDDEN,
            Reason::NotFound => StatusCode::NOT_FOUND,
            Reason::BadRequest => StatusCode::BAD_REQUEST,
            Reason::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Reason::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            Reason::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Reason::Silence => StatusCode::REQUEST_TIMEOUT,
        };
        let failure = Failure::new(status, refusal.text);
        match refusal.reason {
            Reason::Unauthorized => failure.with_header(header::WWW_AUTHENTICATE, BEARER),
            _ => failure,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let headers = self.headers.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value)));
        (self.status, headers.collect::<HeaderMap>(), Json(self.body)).into_response()
    }
}
