//! The listening end: a QUIC endpoint that shows a server's certificate.
//!
//! What: [`bind`] turns who the server is and an address into a `quinn::Endpoint`; accepting connections and
//! speaking the protocol on them is the server's work. Why a plain endpoint: the server decides how many
//! connections it takes and how it stops, and quinn's own type says all of that.
//!
//! Always holds: TLS 1.3 and [`crate::PROTOCOL`] or no connection; no early data and no resumption, so
//! every client sees the certificate and the proof of its key each time. A server that was started again tells
//! the clients of the one before, at their next packet, that their connections are gone: what names connections and what
//! signs that word follow from its key.
//!
//! Fails as [`TransportError::Tls`] when certificate and key cannot be used together and as
//! [`TransportError::Socket`] when the address cannot be bound. A server that turns a client away should let
//! the handshake finish first and then close with a code and a reason: before that QUIC drops the reason.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::crypto::{CryptoError, HmacKey};
use quinn_proto::HashedConnectionIdGenerator;

use super::tuning;
use crate::TransportError;
use crate::certificate::ServerTls;

/// What the two secrets are for, so that neither is good for anything else.
const RESET_CONTEXT: &str = "git-dits 2026 QUIC stateless reset";
const NAMES_CONTEXT: &str = "git-dits 2026 QUIC connection ids";

/// Listens on `addr` (UDP; port 0 takes a free one, `[::]` serves IPv4 too where the system allows it).
///
/// Must be called inside a tokio runtime. Errors: [`TransportError::Tls`], [`TransportError::CertificateFile`],
/// [`TransportError::Socket`].
pub fn bind(addr: SocketAddr, tls: &ServerTls) -> Result<quinn::Endpoint, TransportError> {
    let crypto = QuicServerConfig::try_from(tls.config(&[crate::PROTOCOL])?)
        .map_err(|e| TransportError::Tls { source: rustls::Error::General(e.to_string()) })?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(tuning::transport());
    tuning::endpoint(addr, endpoint_config(&tls.identity.key_der), Some(config))
}

fn endpoint_config(key_der: &[u8]) -> quinn::EndpointConfig {
    let mut config =
        quinn::EndpointConfig::new(Arc::new(ResetKey(blake3::derive_key(RESET_CONTEXT, key_der))));
    let [a, b, c, d, e, f, g, h, ..] = blake3::derive_key(NAMES_CONTEXT, key_der);
    let names = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(names)));
    config
}

/// Signs the word that a connection is gone.
struct ResetKey([u8; blake3::KEY_LEN]);

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        blake3::Hasher::new_keyed(&self.0).update(data).finalize_xof().fill(signature_out);
    }

    fn signature_len(&self) -> usize {
        blake3::OUT_LEN
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let expected = blake3::keyed_hash(&self.0, data);
        // The comparison of hashes takes the same time for any two.
        match <[u8; blake3::OUT_LEN]>::try_from(signature) {
            Ok(signature) if expected == signature => Ok(()),
            _ => Err(CryptoError),
        }
    }
}
