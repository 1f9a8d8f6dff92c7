//! Which way to a server: QUIC and TLS over TCP, to each of its addresses, one after the other and soon at once.
//!
//! Attempts stand in a row: the first way to the first address, the other way to it, the first way to the next
//! address, and so on, addresses of both families taking turns. The next one starts when the one before failed, or
//! is silent for a short while; the first finished handshake wins and the others are dropped. So a network without UDP
//! costs a quarter of a second once (then it is remembered, see `route`), and a dead IPv6 path as little.
//!
//! A port that refuses TCP has no server of ours behind it; one that answers QUIC all the same has
//! [`REFUSED_GRACE`] to do so.
//!
//! Fails as [`TransportError`]. What concerns trust, or is the server's own word, ends the attempt at once; of
//! the others the one that tells most is reported.

use crate::options::{Options, Transport};
use crate::route::{Plan, Way};
use crate::tcp::{self, Counters};
use crate::trust::{Trust, Verdict};
use crate::{TransportError, quic};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Silence of an attempt after which the next one starts too, where nothing is known.
pub const RACE_DELAY: Duration = Duration::from_millis(250);
/// The same after an attempt of the way that worked before.
pub const KNOWN_DELAY: Duration = Duration::from_secs(1);
/// What the others have left when the port has refused TCP.
pub const REFUSED_GRACE: Duration = Duration::from_secs(1);
/// Most addresses of a host that are tried.
pub const ADDRESSES_MAX: usize = 8;

/// A finished handshake.
#[derive(Debug)]
pub(crate) enum Reached {
    Quic(quic::client::Connection),
    Tcp(tcp::client::Ready),
}

/// How a server was reached.
#[derive(Debug)]
pub(crate) struct Won {
    pub reached: Reached,
    pub verdict: Verdict,
    /// Whether the other way had been asked earlier, and was silent.
    pub other_is_closed: bool,
}

/// An attempt: a way, an address.
type Attempt = (Way, SocketAddr);

impl Reached {
    pub fn way(&self) -> Way {
        match self {
            Reached::Quic(_) => Way::Quic,
            Reached::Tcp(_) => Way::Tcp,
        }
    }
}

/// The addresses of a host, families taking turns.
pub(crate) async fn resolve(
    host: &str,
    port: u16,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, TransportError> {
    let failed = |source| TransportError::Resolve { host: host.to_owned(), source };
    let resolved = timeout_at(deadline, tokio::net::lookup_host((host, port))).await;
    let resolved = resolved.map_err(|_| failed(std::io::ErrorKind::TimedOut.into()))?.map_err(failed)?;
    let found: Vec<SocketAddr> = resolved.collect();
    let (first, second): (Vec<_>, Vec<_>) =
        found.iter().partition(|address| address.is_ipv6() == found[0].is_ipv6());
    let longest = first.len().max(second.len());
    let turns = (0..longest).flat_map(|i| [first.get(i), second.get(i)]).flatten();
    Ok(turns.copied().copied().take(ADDRESSES_MAX).collect())
}

/// The attempts in their order, and the silence after each.
fn attempts(transport: Transport, plan: Plan, addresses: &[SocketAddr]) -> Vec<(Attempt, Duration)> {
    let (ways, delay) = match (transport, plan) {
        (Transport::Quic, _) => (vec![Way::Quic], RACE_DELAY),
        (Transport::Tcp, _) => (vec![Way::Tcp], RACE_DELAY),
        (Transport::Auto, Plan::Race) => (vec![Way::Quic, Way::Tcp], RACE_DELAY),
        (Transport::Auto, Plan::First(way)) => (vec![way, way.other()], KNOWN_DELAY),
    };
    let each = |address: &SocketAddr| ways.iter().map(|way| ((*way, *address), delay)).collect::<Vec<_>>();
    addresses.iter().flat_map(each).collect()
}

/// Tries to reach a server, until `deadline`.
pub(crate) async fn dial(
    trust: &Arc<Trust>,
    options: &Options,
    plan: Plan,
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<Won, Option<TransportError>> {
    let mut waiting = attempts(options.transport, plan, addresses).into_iter();
    let mut started: Vec<Attempt> = Vec::new();
    let mut running = JoinSet::new();
    let mut next_at = Some(Instant::now());
    let mut end = deadline;
    let mut failure = None;
    loop {
        tokio::select! {
            Some(ended) = running.join_next() => {
                let (attempt, outcome) = ended.map_err(|_| None)?;
                match outcome {
                    Ok((reached, verdict)) => {
                        return Ok(Won { other_is_closed: is_closed(&started, attempt), reached, verdict });
                    }
                    Err(error) if is_final(&error) => return Err(Some(error)),
                    Err(error) => {
                        if matches!(error, TransportError::NobodyListens { .. }) {
                            end = end.min(Instant::now() + REFUSED_GRACE * addresses.len() as u32);
                        }
                        failure = worse(failure, error);
                        next_at = next_at.map(|_| Instant::now());
                    }
                }
            }
            () = sleep_until(next_at.unwrap_or(end)), if next_at.is_some() => match waiting.next() {
                Some((attempt, silence)) => {
                    started.push(attempt);
                    let trust = trust.clone();
                    running.spawn(async move { (attempt, shake_hands(attempt, &trust).await) });
                    next_at = Some(Instant::now() + silence);
                }
                None => next_at = None,
            },
            () = sleep_until(end) => return Err(failure),
        }
        if running.is_empty() && next_at.is_none() {
            return Err(failure);
        }
    }
}

/// Whether the other way to the same address was tried before the attempt that won.
fn is_closed(started: &[Attempt], won: Attempt) -> bool {
    started
        .iter()
        .take_while(|attempt| **attempt != won)
        .any(|(way, address)| *way != won.0 && *address == won.1)
}

async fn shake_hands((way, address): Attempt, trust: &Trust) -> Result<(Reached, Verdict), TransportError> {
    match way {
        Way::Quic => {
            let (connection, verdict) = quic::client::shake_hands(address, trust).await?;
            Ok((Reached::Quic(connection), verdict))
        }
        Way::Tcp => {
            let counters = Arc::<Counters>::default();
            let (ready, verdict) = tcp::client::shake_hands(address, trust, &counters).await?;
            Ok((Reached::Tcp(ready), verdict))
        }
    }
}

/// Whether another way or address would say the same, or must not be asked.
fn is_final(error: &TransportError) -> bool {
    matches!(
        error,
        TransportError::PinMismatch { .. }
            | TransportError::Refused { .. }
            | TransportError::Version
            | TransportError::ClientCertificate
            | TransportError::Tls { .. }
    )
}

/// Of two failures, the one that tells more; silence tells nothing.
fn worse(before: Option<TransportError>, new: TransportError) -> Option<TransportError> {
    let rank = |error: &TransportError| match error {
        TransportError::TimedOut => 0,
        TransportError::Socket { .. } => 1,
        TransportError::NobodyListens { .. } => 2,
        _ => 3,
    };
    match before {
        Some(before) if rank(&before) >= rank(&new) => Some(before),
        before if rank(&new) == 0 => before,
        _ => Some(new),
    }
}
