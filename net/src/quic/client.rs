//! The connecting end: resolve, shake hands, check the pin, within one deadline.
//!
//! What: [`connect`] gives a [`Connection`] to a server whose certificate is the pinned one, or records it
//! when the host has no pin (trust on first use). Names, dates and issuers in the certificate mean nothing
//! here: the pin is the whole trust, so the TLS server name is a fixed word and is not sent.
//!
//! Always holds: the server signed the handshake with the key of the certificate it showed, first use or
//! not; a pin is recorded only after that; a certificate that is not the pinned one ends the handshake
//! before any byte of the protocol, and nothing is recorded. Resumption is off: the proof is asked each time.
//!
//! Units: `Duration` for the deadline. The addresses of a host are tried in turn, each with an equal share of
//! the time that is left, so a dead IPv6 path cannot eat the time of a live IPv4 one.
//!
//! Fails as [`TransportError`]. A pin mismatch, a refusal or unusable pins end the attempt at once; any
//! other failure moves on to the next address, and the last failure is reported.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use tokio::time::timeout;

use super::tuning;
use crate::TransportError;
use crate::connection::WireBytes;
use crate::pin::{Fingerprint, Pins, fingerprint, host_key};

/// How long [`Connection::close`] waits for the peer to have seen the close.
pub const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// How often it looks.
const CLOSE_LOOK: Duration = Duration::from_micros(500);

/// Application close code of a normal end.
const CLOSE_NORMAL: quinn::VarInt = quinn::VarInt::from_u32(0);
/// TLS wants a name; pins make it meaningless.
const SERVER_NAME: &str = "dits.invalid";

/// A connection to a server whose certificate is pinned.
#[derive(Debug)]
pub struct Connection {
    /// The QUIC connection; streams are opened on it.
    pub connection: quinn::Connection,
    endpoint: quinn::Endpoint,
    /// The pin recorded by this very connection; `None` when the host was known before.
    pub first_use: Option<Fingerprint>,
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

/// Connects to `host` (name or address, IPv6 without brackets) at UDP `port`, all within `deadline`.
///
/// Errors: [`TransportError::Resolve`], [`TransportError::Unreachable`], [`TransportError::PinMismatch`],
/// [`TransportError::Refused`], [`TransportError::Pins`], [`TransportError::Failed`] when the handshake
/// fails, [`TransportError::Socket`]. Pins are read and written on the calling thread, outside the deadline.
pub async fn connect(
    host: &str,
    port: u16,
    pins: &dyn Pins,
    deadline: Duration,
) -> Result<Connection, TransportError> {
    let started = Instant::now();
    let unreachable = || TransportError::Unreachable { host: host.to_owned(), port, deadline };
    let key = host_key(host, port);
    let pinned = pins.lookup(&key).map_err(|source| TransportError::Pins { source })?;
    let resolved =
        timeout(deadline, tokio::net::lookup_host((host, port))).await.map_err(|_| unreachable())?;
    let addresses: Vec<SocketAddr> =
        resolved.map_err(|source| TransportError::Resolve { host: host.to_owned(), source })?.collect();

    let mut failure = unreachable();
    for (tried, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_sub(started.elapsed());
        let share = left.div_f64((addresses.len() - tried) as f64);
        match timeout(share, shake_hands(*address, &key, pinned)).await {
            Ok(Ok((mut connection, found))) => {
                if pinned.is_none() {
                    pins.record(&key, found).map_err(|source| TransportError::Pins { source })?;
                    connection.first_use = Some(found);
                }
                return Ok(connection);
            }
            Ok(Err(last @ (TransportError::PinMismatch { .. } | TransportError::Refused { .. }))) => {
                return Err(last);
            }
            Err(_) | Ok(Err(TransportError::TimedOut)) => failure = unreachable(),
            Ok(Err(other)) => failure = other,
        }
    }
    Err(failure)
}

/// One handshake with one address; also returns the certificate's fingerprint.
async fn shake_hands(
    address: SocketAddr,
    key: &str,
    pinned: Option<Fingerprint>,
) -> Result<(Connection, Fingerprint), TransportError> {
    let any: SocketAddr =
        if address.is_ipv6() { (Ipv6Addr::UNSPECIFIED, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() };
    let endpoint = tuning::endpoint(any, None)?;
    let verifier = Arc::new(Verifier { provider: tuning::provider(), pinned, seen: OnceLock::new() });
    let mut config = quinn::ClientConfig::new(Arc::new(
        crypto(verifier.clone()).map_err(|source| TransportError::Tls { source })?,
    ));
    config.transport_config(tuning::transport());
    let connecting = endpoint
        .connect_with(config, address, SERVER_NAME)
        .map_err(|e| TransportError::Socket { source: std::io::Error::other(e) })?;
    let outcome = connecting.await;
    match (outcome, verifier.seen.get().copied(), pinned) {
        (Err(_), Some(found), Some(expected)) if found != expected => {
            Err(TransportError::PinMismatch { host: key.to_owned(), expected, found })
        }
        (Err(error), ..) => Err(error.into()),
        (Ok(connection), Some(found), _) => Ok((Connection { connection, endpoint, first_use: None }, found)),
        (Ok(_), None, _) => Err(TransportError::Tls { source: rustls::Error::NoCertificatesPresented }),
    }
}

fn crypto(verifier: Arc<Verifier>) -> Result<QuicClientConfig, rustls::Error> {
    let mut config = rustls::ClientConfig::builder_with_provider(verifier.provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![crate::PROTOCOL.to_vec()];
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    QuicClientConfig::try_from(config).map_err(|e| rustls::Error::General(e.to_string()))
}

/// Accepts the pinned certificate, or any one when there is no pin, and remembers what it saw.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    pinned: Option<Fingerprint>,
    seen: OnceLock<Fingerprint>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = fingerprint(end_entity);
        let second = self.seen.set(found).is_err();
        if second || self.pinned.is_some_and(|pinned| pinned != found) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
