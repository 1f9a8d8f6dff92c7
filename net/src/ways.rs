//! All ways to a server, in their order.
//!
//! Without a proxy: QUIC and TLS over TCP race ([`dial`]); where a server answers that it does not know our protocol, something stands
//! in between, and HTTPS requests are made. Through a proxy: TLS through the tunnel that it makes; if that ends at
//! somebody else, HTTPS requests through it. QUIC goes past a proxy, and only when nothing else was asked for. What is known to work
//! only by requests begins with these.
//!
//! Always holds: what a proxy says about itself is final; a changed pin is told even if the last way failed otherwise.

use crate::dial::{Reached, Won, dial, resolve};
use crate::file_routes::Route;
use crate::options::{Options, Transport};
use crate::proxy::{Proxy, Scheme};
use crate::route::{Plan, Way};
use crate::tcp::{self, Counters};
use crate::through::Target;
use crate::trust::Trust;
use crate::{TransportError, https};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// Finds a way, and where to keep what was learned of it.
pub(crate) async fn find(
    (host, port): (&str, u16),
    trust: &Trust,
    options: &Options,
    deadline: Instant,
) -> Result<(Won, Option<Route>), TransportError> {
    let through = options.proxy.as_ref().filter(|_| options.transport != Transport::Quic);
    let (addresses, server) = match through {
        // The server's name may mean nothing here.
        Some(proxy) => {
            (proxy_addresses(proxy, &trust.key, deadline).await?, format!("{proxy}>{}", trust.key))
        }
        None => (resolve(host, port, deadline).await?, trust.key.clone()),
    };
    let remembered = options.routes.as_deref().zip(addresses.first());
    let route = remembered.and_then(|(file, address)| Route::to(file, server, *address));
    let plan = route.as_ref().map_or(Plan::Race, Route::choose);
    let mut failure = None;
    for is_requests in [false, true].map(|later| later != begins_with_requests(plan, options)) {
        let tried = match (is_requests, through) {
            (true, _) if may_request(options, failure.as_ref()) => requests(trust, options, deadline).await,
            (false, Some(proxy)) if may_tunnel(proxy, options) => tunnel(proxy, trust, deadline).await,
            (false, None) if options.transport != Transport::Https => {
                race(trust, options, plan, &addresses, deadline).await
            }
            _ => continue,
        };
        match tried {
            Ok(won) => return Ok((won, route)),
            Err(error) => failure = Some(telling(failure, error)),
        }
    }
    Err(failure.unwrap_or(TransportError::TimedOut))
}

fn begins_with_requests(plan: Plan, options: &Options) -> bool {
    options.transport == Transport::Auto && plan == Plan::First(Way::Https)
}

/// Whether requests can be made after what failed.
fn may_request(options: &Options, failed: Option<&TransportError>) -> bool {
    use TransportError as E;
    let is_final = match failed {
        None => false,
        Some(E::ProxyAuthentication { .. } | E::Proxy { .. } | E::ClientCertificate | E::Tls { .. }) => true,
        Some(E::Version) => false,
        Some(_) => options.proxy.is_none(),
    };
    matches!(options.transport, Transport::Auto | Transport::Https) && !is_final
}

/// Whether TLS of our own can go through the proxy's tunnel.
fn may_tunnel(proxy: &Proxy, options: &Options) -> bool {
    match options.transport {
        Transport::Tcp => true,
        Transport::Auto => proxy.scheme() != Scheme::Https,
        Transport::Quic | Transport::Https => false,
    }
}

/// The failure to report: a changed pin, or else what came last.
fn telling(before: Option<TransportError>, last: TransportError) -> TransportError {
    match before {
        Some(pin @ TransportError::PinMismatch { .. }) => pin,
        _ => last,
    }
}

async fn proxy_addresses(
    proxy: &Proxy,
    server: &str,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, TransportError> {
    resolve(proxy.host(), proxy.port(), deadline).await.map_err(|_| TransportError::Proxy {
        proxy: proxy.to_string(),
        server: server.to_owned(),
        why: "its host is not known".to_owned(),
    })
}

async fn race(
    trust: &Trust,
    options: &Options,
    plan: Plan,
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<Won, TransportError> {
    let won = dial(&Arc::new(trust.clone()), options, plan, addresses, deadline).await;
    won.map_err(|error| error.unwrap_or(TransportError::TimedOut))
}

async fn tunnel(proxy: &Proxy, trust: &Trust, deadline: Instant) -> Result<Won, TransportError> {
    let target = Target::Proxied { proxy: proxy.clone(), server: trust.key.clone() };
    // Something that takes TLS and says nothing must leave time for requests.
    let half = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2;
    let counters = Arc::<Counters>::default();
    let shaken = timeout_at(half, tcp::client::shake_hands(&target, trust, &counters)).await;
    let (ready, verdict) = shaken.map_err(|_| TransportError::TimedOut)??;
    Ok(Won { reached: Reached::Tcp(ready), verdict, other_is_closed: false })
}

async fn requests(trust: &Trust, options: &Options, deadline: Instant) -> Result<Won, TransportError> {
    let (connection, verdict) = https::reach(trust, options, deadline).await?;
    Ok(Won { reached: Reached::Https(connection), verdict, other_is_closed: true })
}
