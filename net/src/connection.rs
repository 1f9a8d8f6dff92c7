//! What a client opens streams on.
//!
//! One value for a server, whatever carries its streams. Dropping it without [`Connection::close`] leaves the server
//! to find out by itself.

use crate::TransportError;
use crate::options::Options;
use crate::pin::{Fingerprint, fingerprint};
use crate::quic;
use crate::stream::{Activity, Stream};
use std::sync::Arc;

/// A connection to a server whose certificate is trusted.
#[derive(Debug)]
pub struct Connection {
    quic: quic::client::Connection,
    activity: Arc<Activity>,
}

/// Bytes of a connection on the wire, as far as they can be seen from here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WireBytes {
    /// Sent by this side.
    pub tx: u64,
    /// Received by this side.
    pub rx: u64,
}

impl Connection {
    /// Connects to `host` (name or address, IPv6 without brackets) at `port`, within the deadline of `options`.
    ///
    /// # Errors
    /// As [`quic::client::connect`].
    pub async fn connect(host: &str, port: u16, options: &Options) -> Result<Connection, TransportError> {
        let quic = quic::client::connect(host, port, &*options.pins, options.deadline).await?;
        Ok(Connection { quic, activity: Arc::default() })
    }

    /// Opens a stream.
    pub async fn open(&self) -> Result<Stream, TransportError> {
        let (send, recv) = self.quic.connection.open_bi().await?;
        Ok(Stream::quic(send, recv, &self.activity))
    }

    /// The fingerprint that was pinned by this connection, if the server was new.
    pub fn first_use(&self) -> Option<&Fingerprint> {
        self.quic.first_use.as_ref()
    }

    /// The fingerprint of the certificate that the server showed.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        let shown = self.quic.connection.peer_identity()?;
        let chain = shown.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>().ok()?;
        Some(fingerprint(chain.first()?))
    }

    /// What the connection has cost on the wire so far.
    pub fn stats(&self) -> WireBytes {
        self.quic.stats()
    }

    /// Ends the connection in good order. Bytes still on their way are lost: finish the streams first.
    pub async fn close(self) {
        self.quic.close().await;
    }
}
