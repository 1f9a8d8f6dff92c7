//! From what a client says about how to connect to a connection of requests.
//!
//! Always holds: only the proxy of the options is asked, none of the environment; no redirection is followed, as a token must
//! not go elsewhere; nothing but HTTPS is spoken to the server.

use super::Connection;
use super::verify::Each;
use crate::TransportError;
use crate::options::{Options, Transport};
use crate::proxy::Proxy;
use crate::trust::{Trust, Verdict};
use reqwest::redirect::Policy;
use std::time::Duration;
use tokio::time::Instant;

/// What the HTTP client says when a proxy asks who we are, and when it does not connect.
const PROXY_WORDS: [&str; 2] = ["proxy authorization required", "tunnel error"];

/// Asks the server of `trust`, directly or through the proxy of `options`, until `deadline`.
///
/// # Errors
/// [`TransportError::NotOurs`], [`TransportError::Untrusted`], [`TransportError::ProxyAuthentication`],
/// [`TransportError::Proxy`], [`TransportError::Failed`], [`TransportError::Tls`].
pub(crate) async fn reach(
    trust: &Trust,
    options: &Options,
    deadline: Instant,
) -> Result<(Connection, Verdict), TransportError> {
    let proxy = options.proxy.as_ref();
    let first_use = options.transport == Transport::Https && proxy.is_none();
    let (tls, each) = Each::settings(trust, proxy.is_some(), first_use)?;
    let left = deadline.saturating_duration_since(Instant::now());
    let client =
        client(tls, options, left).map_err(|error| TransportError::Failed { why: error.to_string() })?;
    let connected = Connection::connect(client, &trust.key, left).await;
    match (connected, each.verdict(), proxy) {
        (Ok(connection), Some(verdict), _) => Ok((connection, verdict)),
        (Ok(_), None, _) => Err(TransportError::Tls { source: rustls::Error::NoCertificatesPresented }),
        (Err(_), ..) if each.has_refused() => Err(TransportError::Untrusted { server: trust.key.clone() }),
        (Err(TransportError::Failed { why }), _, Some(proxy)) => Err(of_proxy(proxy, trust, why)),
        (Err(error), ..) => Err(error),
    }
}

fn client(tls: rustls::ClientConfig, options: &Options, left: Duration) -> reqwest::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(left)
        .default_headers(options.headers.clone())
        .user_agent(concat!("git-dits/", env!("CARGO_PKG_VERSION")))
        // What is not in the options is not asked.
        .no_proxy();
    if let Some(proxy) = &options.proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy.secret_url())?);
    }
    builder.build()
}

fn of_proxy(proxy: &Proxy, trust: &Trust, why: String) -> TransportError {
    let [who, no] = PROXY_WORDS;
    if why.contains(who) {
        let answer = "407 Proxy Authentication Required".to_owned();
        TransportError::ProxyAuthentication { proxy: proxy.to_string(), answer }
    } else if why.contains(no) {
        TransportError::Proxy { proxy: proxy.to_string(), server: trust.key.clone(), why }
    } else {
        TransportError::Failed { why }
    }
}
