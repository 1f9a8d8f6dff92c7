//! The body of a request: bounded in bytes before it is read, and in time.
//!
//! Always holds: who sends JSON says so in `Content-Type`. A page of another site that a browser shows cannot do that unasked, and so
//! cannot send what a user would be let in for.
//!
//! Fails as [`Failure`]: 415 no JSON, 413 too many bytes, 408 too slow, 422 not what was expected.

use super::answer::Failure;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::timeout;

/// Time for a body to arrive.
const BODY_MAX: Duration = Duration::from_secs(30);
/// Bytes of JSON: one place with the longest path, every letter of it escaped, and some more.
pub(super) const JSON_BYTES_MAX: usize = 64 << 10;
/// What JSON may be called: by everybody, and by Git LFS.
const KINDS: [&str; 2] = ["application/json", "application/vnd.git-lfs+json"];

/// Waits for something that waits for a body.
pub(super) async fn in_time<T>(reading: impl Future<Output = T>) -> Result<T, Failure> {
    let late = |_| Failure::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time");
    timeout(BODY_MAX, reading).await.map_err(late)
}

/// What a body of JSON says.
pub(super) async fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Failure> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !KINDS.iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        let message = format!("the body has to be one of {}", KINDS.join(", "));
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let bytes = in_time(to_bytes(body, JSON_BYTES_MAX)).await?.map_err(|_| {
        let message = format!("a body of JSON has at most {JSON_BYTES_MAX} bytes, and as many as it says");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the body cannot be read: {error}"))
    })
}
