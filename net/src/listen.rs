//! What a server takes streams from: QUIC and TLS over TCP, at the same port number.
//!
//! [`Listener::accept`] gives arrivals; each is greeted (its handshake done) on a task of its own, then it is a
//! [`Peer`] that opens streams, or somebody who speaks HTTP. Over TCP a peer opens one stream.

use crate::certificate::ServerTls;
use crate::stream::{Activity, Stream};
use crate::tcp::server::{self as tcp, Greeted, Roster};
use crate::{TransportError, quic};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

/// Application code of a connection that ends in good order.
const CLOSE_NORMAL: quinn::VarInt = quinn::VarInt::from_u32(0);
/// How often a free port is looked for that both protocols can have.
const PORT_TRIES: u32 = 16;
/// Rest after the system had no socket for us: it lacks something that others may give back.
const ACCEPT_REST: Duration = Duration::from_millis(50);
/// What a connection names that wants HTTP, in the order we like.
pub(crate) const PROTOCOLS_HTTP: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A bound address.
#[derive(Debug)]
pub struct Listener {
    quic: quinn::Endpoint,
    /// Gone when nobody is accepted any more.
    tcp: Mutex<Option<Arc<TcpListener>>>,
    tls: Arc<rustls::ServerConfig>,
    roster: Arc<Mutex<Roster>>,
}

/// Somebody who wants to connect.
#[derive(Debug)]
pub struct Arrival(Way);

#[derive(Debug)]
enum Way {
    Quic(Box<quinn::Incoming>),
    Tcp(tcp::Arrival),
}

/// Somebody whose handshake is done.
#[derive(Debug)]
pub enum Arrived {
    /// A client of ours.
    Peer(Peer),
    /// Somebody who speaks HTTP.
    Http(Http),
}

/// A TLS connection on which HTTP is to be spoken.
pub struct Http {
    /// Plain bytes, both ways.
    pub io: Box<dyn Duplex>,
    /// Who it is.
    pub address: SocketAddr,
    /// Whether HTTP/2 was agreed on; HTTP/1.1 if not.
    pub is_h2: bool,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http({})", self.address)
    }
}

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for T {}

/// A connected client.
#[derive(Debug, Clone)]
pub struct Peer(Carrier);

#[derive(Debug, Clone)]
enum Carrier {
    Quic(quinn::Connection, Arc<Activity>),
    Tcp(tcp::Peer),
}

impl Listener {
    /// Listens on `addr`, UDP and TCP; port 0 takes one that is free for both. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`TransportError::Tls`], [`TransportError::CertificateFile`], [`TransportError::Socket`].
    pub fn bind(addr: SocketAddr, tls: impl Into<ServerTls>) -> Result<Listener, TransportError> {
        let tls = tls.into();
        let over_tcp = Arc::new(tls.config(&[crate::PROTOCOL, PROTOCOLS_HTTP[0], PROTOCOLS_HTTP[1]])?);
        let (quic, tcp) = bind_both(addr, &tls)?;
        Ok(Listener { quic, tcp: Mutex::new(Some(Arc::new(tcp))), tls: over_tcp, roster: Arc::default() })
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.quic.local_addr()
    }

    /// The next arrival; `None` when the endpoint is broken or closed.
    pub async fn accept(&self) -> Option<Arrival> {
        let tcp = self.tcp.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let way = tokio::select! {
            incoming = self.quic.accept() => Way::Quic(Box::new(incoming?)),
            arrival = self.accept_tcp(tcp.as_deref()) => Way::Tcp(arrival),
        };
        Some(Arrival(way))
    }

    async fn accept_tcp(&self, listener: Option<&TcpListener>) -> tcp::Arrival {
        let Some(listener) = listener else { return std::future::pending().await };
        loop {
            match listener.accept().await {
                Ok((socket, address)) => {
                    let (tls, roster) = (self.tls.clone(), self.roster.clone());
                    return tcp::Arrival { socket, address, tls, roster };
                }
                // One that gave up while it waited, or no descriptor left: neither ends a server.
                Err(_) => tokio::time::sleep(ACCEPT_REST).await,
            }
        }
    }

    /// Takes nobody any more; who is here stays.
    pub fn stop_accepting(&self) {
        self.quic.set_server_config(None);
        self.tcp.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Ends every connection, with a reason where the transport can carry one.
    pub fn close(&self, reason: &[u8]) {
        self.quic.close(CLOSE_NORMAL, reason);
        self.roster.lock().unwrap_or_else(PoisonError::into_inner).close();
    }

    /// Returns when everybody has heard of the end.
    pub async fn wait_idle(&self) {
        self.quic.wait_idle().await;
    }
}

fn bind_both(addr: SocketAddr, tls: &ServerTls) -> Result<(quinn::Endpoint, TcpListener), TransportError> {
    let socket = |source| TransportError::Socket { source };
    let mut tried = 0;
    loop {
        tried += 1;
        let quic = quic::server::bind(addr, tls)?;
        let mut same = addr;
        same.set_port(quic.local_addr().map_err(socket)?.port());
        match tcp::bind(same) {
            Ok(tcp) => return Ok((quic, tcp)),
            Err(_) if addr.port() == 0 && tried < PORT_TRIES => {}
            Err(error) => return Err(socket(error)),
        }
    }
}

impl Arrival {
    /// Turns it away.
    pub fn refuse(self) {
        match self.0 {
            Way::Quic(incoming) => incoming.refuse(),
            Way::Tcp(arrival) => drop(arrival),
        }
    }

    /// Finishes the handshake; waits for the client as long as that takes.
    pub async fn greet(self) -> Result<Arrived, TransportError> {
        match self.0 {
            Way::Quic(incoming) => Ok(Arrived::Peer(Peer(Carrier::Quic((*incoming).await?, Arc::default())))),
            Way::Tcp(arrival) => Ok(match arrival.greet().await? {
                Greeted::Peer(peer) => Arrived::Peer(Peer(Carrier::Tcp(peer))),
                Greeted::Http(http) => Arrived::Http(http),
            }),
        }
    }
}

impl Peer {
    /// The next stream that the client opens; `None` when the connection has ended.
    pub async fn next_stream(&self) -> Option<Stream> {
        match &self.0 {
            Carrier::Quic(connection, activity) => {
                let (send, recv) = connection.accept_bi().await.ok()?;
                Some(Stream::quic(send, recv, activity))
            }
            Carrier::Tcp(peer) => peer.next_stream().await,
        }
    }

    /// Who it is.
    pub fn address(&self) -> SocketAddr {
        match &self.0 {
            Carrier::Quic(connection, _) => connection.remote_address(),
            Carrier::Tcp(peer) => peer.address(),
        }
    }

    /// Ends the connection in good order.
    pub fn close(&self, reason: &[u8]) {
        match &self.0 {
            Carrier::Quic(connection, _) => connection.close(CLOSE_NORMAL, reason),
            Carrier::Tcp(peer) => peer.close(),
        }
    }
}
