//! What a client opens streams on.
//!
//! One value for a server, whatever carries its streams. Dropping it without [`Connection::close`] leaves the server
//! to find out by itself.

use crate::dial::Reached;
use crate::file_routes::Route;
use crate::options::{Options, Transport};
use crate::pin::Fingerprint;
use crate::route::Way;
use crate::stream::{Activity, Stream};
use crate::trust::Trust;
use crate::ways::find;
use crate::{TransportError, https, quic, tcp};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A connection to a server whose certificate is trusted.
#[derive(Debug)]
pub struct Connection {
    carrier: Carrier,
    activity: Arc<Activity>,
    first_use: Option<Fingerprint>,
    shown: Fingerprint,
    /// Where what is learned about the way goes.
    route: Option<Route>,
    /// Whether the next connection may take another way.
    chooses: bool,
}

#[derive(Debug)]
enum Carrier {
    Quic(quic::client::Connection),
    Tcp(Box<tcp::client::Connection>),
    Https(https::Connection),
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
    /// [`TransportError::Resolve`], [`TransportError::Unreachable`], [`TransportError::NobodyListens`],
    /// [`TransportError::PinMismatch`], [`TransportError::Refused`], [`TransportError::Version`],
    /// [`TransportError::Proxy`], [`TransportError::ProxyAuthentication`], [`TransportError::NotOurs`], [`TransportError::Untrusted`],
    /// [`TransportError::Pins`], [`TransportError::Failed`] when the handshake fails, [`TransportError::Tls`],
    /// [`TransportError::Socket`]. Pins are read and written on the calling thread, outside the deadline.
    pub async fn connect(host: &str, port: u16, options: &Options) -> Result<Connection, TransportError> {
        let deadline = Instant::now() + options.deadline;
        let mut trust = Trust::of(host, port, options)?;
        let (won, route) =
            find((host, port), &trust, options, deadline).await.map_err(|error| match error {
                TransportError::TimedOut => {
                    TransportError::Unreachable { host: host.to_owned(), port, deadline: options.deadline }
                }
                error => error,
            })?;
        let first_use = trust.settle(won.verdict, &*options.pins)?;
        if let Some(route) = &route {
            route.opened(won.reached.way(), won.other_is_closed);
        }
        let carrier = match won.reached {
            Reached::Quic(connection) => Carrier::Quic(connection),
            Reached::Tcp(ready) => {
                Carrier::Tcp(Box::new(tcp::client::Connection::new(ready, trust, options.deadline)))
            }
            Reached::Https(connection) => Carrier::Https(connection),
        };
        let chooses = options.transport == Transport::Auto && options.proxy.is_none();
        let (activity, shown) = (Arc::default(), won.verdict.found);
        Ok(Connection { carrier, activity, first_use, shown, route, chooses })
    }

    /// Opens a stream. Fails at once when the connection is known to be dead.
    pub async fn open(&self) -> Result<Stream, TransportError> {
        match &self.carrier {
            Carrier::Quic(quic) => {
                let (send, recv) = quic.connection.open_bi().await?;
                Ok(Stream::quic(send, recv, &self.activity))
            }
            Carrier::Tcp(tcp) => tcp.open(&self.activity).await,
            Carrier::Https(https) => https.open(&self.activity),
        }
    }

    /// Whether streams can still be opened, as far as is known.
    pub fn is_open(&self) -> bool {
        match &self.carrier {
            Carrier::Quic(quic) => quic.connection.close_reason().is_none(),
            // Each stream has connections of its own.
            Carrier::Tcp(_) | Carrier::Https(_) => true,
        }
    }

    /// What carries its streams.
    pub fn way(&self) -> Way {
        match &self.carrier {
            Carrier::Quic(_) => Way::Quic,
            Carrier::Tcp(_) => Way::Tcp,
            Carrier::Https(_) => Way::Https,
        }
    }

    /// Keeps, for the next connection, how long a transfer of so many bytes took.
    pub fn measured(&self, bytes: u64, took: Duration) {
        if let Some(route) = &self.route {
            route.measured(self.way(), bytes, took);
        }
    }

    /// Keeps the same of a transfer that goes on, and says whether its rest is better given to a new connection: then that
    /// one takes another way.
    pub fn is_better_elsewhere(&self, bytes: u64, took: Duration) -> bool {
        self.measured(bytes, took);
        self.chooses && self.route.as_ref().is_some_and(|route| route.leaves(self.way()))
    }

    /// The fingerprint that was pinned by this connection, if the server was new.
    pub fn first_use(&self) -> Option<&Fingerprint> {
        self.first_use.as_ref()
    }

    /// The fingerprint of the certificate that the server showed when this was connected.
    pub fn fingerprint(&self) -> Fingerprint {
        self.shown
    }

    /// What the connection has cost on the wire so far.
    pub fn stats(&self) -> WireBytes {
        match &self.carrier {
            Carrier::Quic(quic) => quic.stats(),
            Carrier::Tcp(tcp) => tcp.stats(),
            Carrier::Https(https) => https.stats(),
        }
    }

    /// Ends the connection in good order. Bytes still on their way are lost: finish the streams first.
    pub async fn close(self) {
        match self.carrier {
            Carrier::Quic(quic) => quic.close().await,
            Carrier::Tcp(tcp) => tcp.close(),
            Carrier::Https(https) => https.close().await,
        }
    }
}
