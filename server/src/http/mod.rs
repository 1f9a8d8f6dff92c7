//! HTTP on the server's port: for what comes through proxies that let nothing else pass.
//!
//! [`router`] joins the parts, each a router of its own: [`streams`] carries streams in requests; [`services`] are all that need to know
//! who asks ([`auth`]): [`lfs`] answers clients of Git LFS, [`api`] the [`page`] of locks. Every other path is answered with 404 and JSON. [`connection`] runs HTTP/1.1 or HTTP/2 on a connection whose handshake is done.
//!
//! Always holds: an error is JSON with a `message`; what an answer says it is, it is for every browser; bodies are bounded before they are read, and reading one has a
//! deadline.

mod answer;
mod api;
mod api_events;
mod auth;
mod body;
pub(crate) mod connection;
mod lfs;
mod lfs_locks;
mod lfs_words;
mod page;
mod registry;
pub(crate) mod streams;
#[cfg(test)]
mod tests;

use crate::session::Shared;
use answer::Failure;
use axum::Router;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::map_response;
use axum::response::Response;
use std::sync::Arc;
use streams::Streams;

/// What is answered to somebody, not to anybody.
pub(crate) fn services(shared: &Arc<Shared>) -> Router {
    lfs::router(shared).merge(api::router(shared))
}

/// All that the server answers over HTTP.
pub(crate) fn router(streams: &Streams, services: Router) -> Router {
    Router::new()
        .merge(page::router())
        .merge(streams.router())
        .merge(services)
        .fallback(|uri: Uri| async move { Failure::nothing_at(&uri) })
        .method_not_allowed_fallback(|| async {
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not known here")
        })
        .layer(map_response(nosniff))
}

/// Nobody shall guess from its bytes what an answer is.
async fn nosniff(mut answer: Response) -> Response {
    answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
