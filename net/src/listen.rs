//! What a server takes streams from.
//!
//! [`Listener::accept`] gives arrivals; each is greeted (its handshake done) on a task of its own, then it is a
//! [`Peer`] that opens streams.

use crate::TransportError;
use crate::quic::server::{self, ServerIdentity};
use crate::stream::{Activity, Stream};
use std::net::SocketAddr;
use std::sync::Arc;

/// Application code of a connection that ends in good order.
const CLOSE_NORMAL: quinn::VarInt = quinn::VarInt::from_u32(0);

/// A bound address.
#[derive(Debug)]
pub struct Listener {
    quic: quinn::Endpoint,
}

/// Somebody who wants to connect.
#[derive(Debug)]
pub struct Arrival {
    quic: quinn::Incoming,
}

/// A connected client.
#[derive(Debug, Clone)]
pub struct Peer {
    quic: quinn::Connection,
    activity: Arc<Activity>,
}

impl Listener {
    /// Listens on `addr`; port 0 takes a free one. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`TransportError::Tls`], [`TransportError::Socket`].
    pub fn bind(addr: SocketAddr, identity: ServerIdentity) -> Result<Listener, TransportError> {
        Ok(Listener { quic: server::bind(addr, identity)? })
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.quic.local_addr()
    }

    /// The next arrival; `None` when the endpoint is broken or closed.
    pub async fn accept(&self) -> Option<Arrival> {
        Some(Arrival { quic: self.quic.accept().await? })
    }

    /// Takes nobody any more; who is here stays.
    pub fn stop_accepting(&self) {
        self.quic.set_server_config(None);
    }

    /// Ends every connection with a reason.
    pub fn close(&self, reason: &[u8]) {
        self.quic.close(CLOSE_NORMAL, reason);
    }

    /// Returns when everybody has heard of the end.
    pub async fn wait_idle(&self) {
        self.quic.wait_idle().await;
    }
}

impl Arrival {
    /// Turns it away.
    pub fn refuse(self) {
        self.quic.refuse();
    }

    /// Finishes the handshake; waits for the client as long as that takes.
    pub async fn greet(self) -> Result<Peer, TransportError> {
        Ok(Peer { quic: self.quic.await?, activity: Arc::default() })
    }
}

impl Peer {
    /// The next stream that the client opens; `None` when the connection has ended.
    pub async fn next_stream(&self) -> Option<Stream> {
        let (send, recv) = self.quic.accept_bi().await.ok()?;
        Some(Stream::quic(send, recv, &self.activity))
    }

    /// Who it is.
    pub fn address(&self) -> SocketAddr {
        self.quic.remote_address()
    }

    /// Ends the connection in good order.
    pub fn close(&self, reason: &[u8]) {
        self.quic.close(CLOSE_NORMAL, reason);
    }
}
