//! Everything a client says about how to connect, read from its settings by whoever has them.
//! Nothing here is looked up: this crate knows no environment and no configuration.

use crate::TransportError;
use crate::pin::Pins;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// How to connect.
#[derive(Clone)]
pub struct Options {
    /// Which certificate belongs to which server.
    pub pins: Arc<dyn Pins>,
    /// How long connecting may take, resolving and handshake together.
    pub deadline: Duration,
    /// What may carry the streams.
    pub transport: Transport,
    /// File that remembers which way worked where; nothing is remembered without.
    pub routes: Option<PathBuf>,
    /// Whose certificates are trusted without a pin.
    pub roots: Roots,
    /// Whether the server's certificate is looked at. Without, nothing is recorded either.
    pub verify: bool,
    /// What we show to a server that asks who we are.
    pub client_identity: Option<ClientIdentity>,
}

/// What may carry the streams of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// Whatever works, and works better.
    #[default]
    Auto,
    /// QUIC alone.
    Quic,
    /// TLS over TCP alone.
    Tcp,
}

impl FromStr for Transport {
    type Err = ();

    fn from_str(text: &str) -> Result<Transport, ()> {
        match text {
            "auto" => Ok(Transport::Auto),
            "quic" => Ok(Transport::Quic),
            "tcp" => Ok(Transport::Tcp),
            _ => Err(()),
        }
    }
}

/// Certificate authorities.
#[derive(Debug, Clone, Default)]
pub enum Roots {
    /// Those of the system.
    #[default]
    System,
    /// These, and no others.
    These(Arc<RootCertStore>),
}

impl Roots {
    /// Reads a text of PEM certificates.
    ///
    /// # Errors
    /// [`TransportError::Tls`] for a text without a certificate, or with one that is damaged.
    pub fn from_pem(text: &[u8]) -> Result<Roots, TransportError> {
        let mut store = RootCertStore::empty();
        for certificate in certificates(text)? {
            store.add(certificate).map_err(|source| TransportError::Tls { source })?;
        }
        Ok(Roots::These(Arc::new(store)))
    }
}

/// A certificate, those that vouch for it, and its key. The key is never printed.
pub struct ClientIdentity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl ClientIdentity {
    /// Reads both from texts of PEM; they may be the same text.
    ///
    /// # Errors
    /// [`TransportError::Tls`] when either is missing or damaged. An encrypted key is none.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<ClientIdentity, TransportError> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| unusable("private key", &error))?;
        Ok(ClientIdentity { chain: certificates(certificate)?, key })
    }
}

impl Clone for ClientIdentity {
    fn clone(&self) -> Self {
        ClientIdentity { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientIdentity({} certificates)", self.chain.len())
    }
}

/// The certificates of a PEM text: at least one.
fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.map_err(|error| unusable("certificate", &error))?;
    if found.is_empty() {
        return Err(unusable("certificate", &"there is none in the text"));
    }
    Ok(found)
}

fn unusable(what: &str, why: &dyn fmt::Display) -> TransportError {
    TransportError::Tls { source: rustls::Error::General(format!("no usable {what} (PEM): {why}")) }
}

impl Options {
    /// The usual way, within `deadline`.
    pub fn new(pins: Arc<dyn Pins>, deadline: Duration) -> Options {
        Options {
            pins,
            deadline,
            transport: Transport::Auto,
            routes: None,
            roots: Roots::System,
            verify: true,
            client_identity: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
