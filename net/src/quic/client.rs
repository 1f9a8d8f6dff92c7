//! The connecting end: one handshake with one address.
//!
//! Who the server must be is `trust`'s business, which address and when is `dial`'s.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use tokio::time::timeout;

use super::tuning;
use crate::TransportError;
use crate::connection::WireBytes;
use crate::trust::{Trust, Verdict};

/// How long [`Connection::close`] waits for the peer to have seen the close.
pub const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// How often it looks.
const CLOSE_LOOK: Duration = Duration::from_micros(500);

/// Application close code of a normal end.
const CLOSE_NORMAL: quinn::VarInt = quinn::VarInt::from_u32(0);

/// A connection to a server that is trusted.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The QUIC connection; streams are opened on it.
    pub connection: quinn::Connection,
    endpoint: quinn::Endpoint,
}

impl Connection {
    /// Bytes of UDP payload so far, headers of QUIC included.
    pub fn stats(&self) -> WireBytes {
        let stats = self.connection.stats();
        WireBytes { tx: stats.udp_tx.bytes, rx: stats.udp_rx.bytes }
    }

    /// Ends the connection and waits, at most [`CLOSE_DEADLINE`], until the peer has been told.
    ///
    /// Bytes still on their way are lost: finish the streams and read the peer's answer first.
    pub async fn close(self) {
        let datagrams = || {
            let stats = self.connection.stats();
            (stats.udp_tx.datagrams, stats.udp_rx.datagrams)
        };
        let (sent, received) = datagrams();
        self.connection.close(CLOSE_NORMAL, b"");
        // What is sent now is the close, and what comes back the answer to it. The endpoint is idle much later:
        // it waits three times as long as a lost answer would take.
        let told = async {
            while datagrams().0 == sent || datagrams().1 == received {
                tokio::time::sleep(CLOSE_LOOK).await;
            }
        };
        let told_or_idle = async {
            tokio::select! { () = told => (), () = self.endpoint.wait_idle() => () }
        };
        // Past the deadline the peer finds out by itself, after its idle time.
        let _ = timeout(CLOSE_DEADLINE, told_or_idle).await;
    }
}

/// One handshake with one address.
pub(crate) async fn shake_hands(
    address: SocketAddr,
    trust: &Trust,
) -> Result<(Connection, Verdict), TransportError> {
    let any: SocketAddr =
        if address.is_ipv6() { (Ipv6Addr::UNSPECIFIED, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() };
    let endpoint = tuning::endpoint(any, quinn::EndpointConfig::default(), None)?;
    let (tls, verifier) = trust.handshake()?;
    let crypto = QuicClientConfig::try_from(tls)
        .map_err(|e| TransportError::Tls { source: rustls::Error::General(e.to_string()) })?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(tuning::transport());
    let connecting = endpoint
        .connect_with(config, address, &trust.name.to_str())
        .map_err(|e| TransportError::Socket { source: std::io::Error::other(e) })?;
    let (connection, verdict) = verifier.outcome(connecting.await.map_err(TransportError::from))?;
    Ok((Connection { connection, endpoint }, verdict))
}
