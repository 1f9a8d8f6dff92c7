//! The page of locks: plain files that are part of the program. What it knows it asks for ([`super::api`]), as its user.
//!
//! Whoever asks for `/` and takes no HTML is told in a line what this is.
//!
//! Always holds: a browser runs, shows and asks for nothing that does not come from here, makes no markup of text (Trusted Types), shows the page in no
//! frame, and tells nobody where it was.

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// What the page may do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
/// For those who want no page.
const LINE: &str = "this is a git-dits server: give its address to git as dits://HOST:PORT/TEAM/PROJECT\n";
const INDEX: &str = include_str!("page/index.html");

const SCRIPT: &str = "text/javascript; charset=utf-8";
/// What the page is made of: path, kind, text.
const FILES: [(&str, &str, &str); 5] = [
    ("/dits/1/page/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/dits/1/page/page.js", SCRIPT, include_str!("page/page.js")),
    ("/dits/1/page/view.js", SCRIPT, include_str!("page/view.js")),
    ("/dits/1/page/net.js", SCRIPT, include_str!("page/net.js")),
    ("/dits/1/page/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

/// The page and its files.
pub(super) fn router() -> Router {
    let page = Router::new().route("/", get(index));
    let router = FILES.into_iter().fold(page, |router, (path, kind, text)| {
        router.route(path, get(move || async move { ([(header::CONTENT_TYPE, kind)], text) }))
    });
    router.layer(map_response(dressed))
}

async fn index(headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    let (kind, text) = match accepts {
        Some(kinds) if kinds.contains("text/html") => ("text/html; charset=utf-8", INDEX),
        _ => ("text/plain; charset=utf-8", LINE),
    };
    ([(header::CONTENT_TYPE, kind), (header::VARY, "accept")], text).into_response()
}

async fn dressed(answer: Response) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        // A server that was updated has another page.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, answer).into_response()
}
