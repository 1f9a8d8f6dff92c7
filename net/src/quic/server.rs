//! The listening end: a QUIC endpoint that shows one self-signed certificate.
//!
//! What: [`bind`] turns an identity and an address into a `quinn::Endpoint`; accepting connections and
//! speaking the protocol on them is the server's work. Why a plain endpoint: the server decides how many
//! connections it takes and how it stops, and quinn's own type says all of that.
//!
//! Always holds: TLS 1.3 and [`crate::PROTOCOL`] or no connection; no early data and no resumption, so
//! every client sees the certificate and the proof of its key each time.
//!
//! Fails as [`TransportError::Tls`] when certificate and key cannot be used together and as
//! [`TransportError::Socket`] when the address cannot be bound. A server that turns a client away should let
//! the handshake finish first and then close with a code and a reason: before that QUIC drops the reason.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::crypto::rustls::QuicServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::tuning;
use crate::TransportError;

/// The certificate a server shows and the key it proves it with.
#[derive(Clone)]
pub struct ServerIdentity {
    /// X.509 certificate, DER.
    pub cert_der: Vec<u8>,
    /// Its private key, PKCS#8 DER. Never printed.
    pub key_der: Vec<u8>,
}

impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerIdentity({})", crate::pin::fingerprint(&self.cert_der))
    }
}

/// Listens on `addr` (UDP; port 0 takes a free one, `[::]` serves IPv4 too where the system allows it).
///
/// Must be called inside a tokio runtime. Errors: [`TransportError::Tls`], [`TransportError::Socket`].
pub fn bind(addr: SocketAddr, identity: ServerIdentity) -> Result<quinn::Endpoint, TransportError> {
    let crypto = crypto(identity).map_err(|source| TransportError::Tls { source })?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(tuning::transport());
    tuning::endpoint(addr, Some(config))
}

fn crypto(identity: ServerIdentity) -> Result<QuicServerConfig, rustls::Error> {
    let chain = vec![CertificateDer::from(identity.cert_der)];
    let key = PrivatePkcs8KeyDer::from(identity.key_der).into();
    let mut config = rustls::ServerConfig::builder_with_provider(tuning::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![crate::PROTOCOL.to_vec()];
    config.send_tls13_tickets = 0;
    QuicServerConfig::try_from(config).map_err(|e| rustls::Error::General(e.to_string()))
}
