//! HTTP on the server's port: for what comes through proxies that let nothing else pass.
//!
//! [`router`] joins the parts, each a router of its own: [`streams`] carries streams in requests. Every other path
//! is answered with 404 and JSON. [`connection`] runs HTTP/1.1 or HTTP/2 on a connection whose handshake is done.
//!
//! Always holds: an error is JSON with a `message`; bodies are bounded before they are read, and reading one has a
//! deadline.

mod answer;
pub(crate) mod connection;
mod registry;
pub(crate) mod streams;
#[cfg(test)]
mod tests;

use answer::Failure;
use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::routing::get;
use streams::Streams;

/// All that the server answers over HTTP.
pub(crate) fn router(streams: &Streams) -> Router {
    Router::new()
        .route(
            "/",
            get(|| async {
                "this is a git-dits server: give its address to git as dits://HOST:PORT/TEAM/PROJECT\n"
            }),
        )
        .merge(streams.router())
        .fallback(|uri: Uri| async move {
            Failure::new(StatusCode::NOT_FOUND, format!("nothing is at '{}'", uri.path()))
        })
        .method_not_allowed_fallback(|| async {
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not known here")
        })
}
