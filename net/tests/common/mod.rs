//! A listener and clients of it on loopback, each with a fresh certificate and pins of its own.
//! Nothing sleeps: each wait ends by an event, or fails by [`PATIENCE`].

#![allow(dead_code, clippy::allow_attributes, reason = "each test program takes what it needs")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use bytes::Bytes;
use dits_net::certificate::{ServerIdentity, ServerTls};
use dits_net::file_pins::FilePins;
use dits_net::listen::{Arrived, Peer};
use dits_net::options::Transport;
use dits_net::{Connection, Listener, Options, Stream, TransportError};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::timeout;

pub const HOST: &str = "127.0.0.1";
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const BOTH: [Transport; 2] = [Transport::Quic, Transport::Tcp];

pub fn identity() -> ServerIdentity {
    let made = rcgen::generate_simple_self_signed(vec!["dits".to_owned()]).unwrap();
    ServerIdentity { cert_der: made.cert.der().to_vec(), key_der: made.signing_key.serialize_der() }
}

pub fn free_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// The wait's outcome; the test fails when there is none by [`PATIENCE`].
pub async fn soon<T>(wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.unwrap()
}

/// One end of the world: a listener, and a folder for what clients remember.
pub struct Rig {
    pub listener: Listener,
    pub folder: TempDir,
}

impl Rig {
    pub fn new() -> Rig {
        Rig::with(identity())
    }

    pub fn with(tls: impl Into<ServerTls>) -> Rig {
        Rig { listener: Listener::bind(free_port(), tls).unwrap(), folder: TempDir::new().unwrap() }
    }

    pub fn port(&self) -> u16 {
        self.listener.address().unwrap().port()
    }

    pub fn pins(&self) -> FilePins {
        FilePins { path: self.folder.path().join("known_hosts") }
    }

    pub fn pinned(&self) -> Option<String> {
        std::fs::read_to_string(self.pins().path).ok()
    }

    pub fn options(&self, transport: Transport) -> Options {
        let mut options = Options::new(Arc::new(self.pins()), PATIENCE);
        options.transport = transport;
        options
    }

    /// Connects to the listener while that greets.
    pub async fn connect(&self, options: &Options) -> Result<(Connection, Peer), TransportError> {
        self.connect_to(HOST, options).await
    }

    pub async fn connect_to(
        &self,
        host: &str,
        options: &Options,
    ) -> Result<(Connection, Peer), TransportError> {
        let greeted = async {
            let arrived = self.listener.accept().await.unwrap().greet().await;
            match arrived {
                Ok(Arrived::Peer(peer)) => peer,
                // The client fails too, and says why.
                Ok(Arrived::Http(_)) | Err(_) => std::future::pending().await,
            }
        };
        let connecting = Connection::connect(host, self.port(), options);
        soon(async {
            let (mut greeted, mut connecting) = (std::pin::pin!(greeted), std::pin::pin!(connecting));
            tokio::select! {
                peer = &mut greeted => Ok((connecting.await?, peer)),
                connection = &mut connecting => Ok((connection?, greeted.await)),
            }
        })
        .await
    }

    /// A stream's two ends: ours and the server's, after one byte of ours.
    pub async fn stream(&self, transport: Transport) -> (Connection, Peer, Stream, Stream) {
        let (connection, peer) = self.connect(&self.options(transport)).await.unwrap();
        let mut ours = soon(connection.open()).await.unwrap();
        ours.send.write(Bytes::from_static(b"!")).await.unwrap();
        let mut theirs = soon(peer.next_stream()).await.unwrap();
        let mut first = [0];
        assert!(soon(theirs.recv.fill(&mut first)).await.unwrap());
        (connection, peer, ours, theirs)
    }
}
