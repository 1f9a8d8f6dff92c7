//! The connecting end: one handshake a stream, all with the same server.
//!
//! The first one found the server; its trust and its address count for all that follow.

use super::line::{Line, end};
use super::{Buffered, Counters, buffered, stream};
use crate::TransportError;
use crate::connection::WireBytes;
use crate::stream::{Activity, Stream};
use crate::trust::{Trust, Verdict};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long a finished handshake may wait for its stream: the server gives up after thirty seconds.
const READY_MAX: Duration = Duration::from_secs(10);

/// A handshake that is done.
#[derive(Debug)]
pub(crate) struct Ready {
    tls: Box<TlsStream<Buffered>>,
    address: SocketAddr,
    counters: Arc<Counters>,
    since: Instant,
}

/// A server that streams can be opened to.
#[derive(Debug)]
pub(crate) struct Connection {
    trust: Trust,
    address: SocketAddr,
    deadline: Duration,
    counters: Arc<Counters>,
    /// The handshake that found the server: the first stream's.
    ready: Mutex<Option<Ready>>,
    open: Mutex<Vec<Weak<TcpStream>>>,
}

impl Connection {
    /// A connection whose later handshakes ask for `trust`, each within `deadline`.
    pub fn new(ready: Ready, trust: Trust, deadline: Duration) -> Connection {
        let (address, counters) = (ready.address, ready.counters.clone());
        Connection {
            trust,
            address,
            deadline,
            counters,
            ready: Mutex::new(Some(ready)),
            open: Mutex::default(),
        }
    }

    /// Opens a stream.
    pub async fn open(&self, activity: &Arc<Activity>) -> Result<Stream, TransportError> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        let tls = match ready {
            Some(ready) if ready.since.elapsed() < READY_MAX => ready.tls,
            _ => {
                let shaken = timeout(self.deadline, shake_hands(self.address, &self.trust, &self.counters));
                shaken.await.map_err(|_| TransportError::TimedOut)??.0.tls
            }
        };
        let socket = tls.get_ref().0.get_ref().socket().clone();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|socket| socket.strong_count() > 0);
        open.push(Arc::downgrade(&socket));
        drop(open);
        Ok(stream(tls, socket, activity))
    }

    pub fn stats(&self) -> WireBytes {
        self.counters.bytes()
    }

    /// Ends every stream that still is open.
    pub fn close(&self) {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        open.iter().filter_map(Weak::upgrade).for_each(|socket| end(&socket));
    }
}

/// One handshake with one address.
pub(crate) async fn shake_hands(
    address: SocketAddr,
    trust: &Trust,
    counters: &Arc<Counters>,
) -> Result<(Ready, Verdict), TransportError> {
    let socket = TcpStream::connect(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::ConnectionRefused => TransportError::NobodyListens { server: trust.key.clone() },
        _ => error.into(),
    })?;
    let (line, _) = Line::new(socket, counters.clone())?;
    let (config, verifier) = trust.handshake()?;
    let connected = TlsConnector::from(Arc::new(config)).connect(trust.name.clone(), buffered(line)).await;
    let (tls, verdict) = verifier.outcome(connected.map_err(TransportError::from))?;
    if tls.get_ref().1.alpn_protocol() != Some(crate::PROTOCOL) {
        return Err(TransportError::Version);
    }
    Ok((Ready { tls: Box::new(tls), address, counters: counters.clone(), since: Instant::now() }, verdict))
}
