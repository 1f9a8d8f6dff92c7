//! What a server shows to prove who it is, and whom it asks for the same.
//!
//! Either its own self-signed certificate, which clients pin, or one that an authority vouches for, kept by somebody
//! else in two files (PEM: the chain, the key) and renewed there while the server runs. The files are looked at
//! again at a handshake, at most once in [`LOOK_EVERY`]; a pair that cannot be used, as in the middle of a renewal, leaves
//! the one before in place.
//!
//! Always holds: TLS 1.3 only, no tickets and no early data, so every client sees the certificate and the proof of
//! its key each time. With an authority for clients, whoever has no certificate of it gets nothing of the protocol.
//!
//! Fails as [`TransportError::Tls`] and [`TransportError::CertificateFile`].

use crate::TransportError;
use crate::options::{ClientIdentity, Roots};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How often the files of a certificate are looked at, at most.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Largest certificate or key file, bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

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

/// Everything about who a server is.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// Its own certificate. The key also keeps what outlives a restart.
    pub identity: ServerIdentity,
    /// Files of the certificate (a chain) and the key to show in its place.
    pub files: Option<(PathBuf, PathBuf)>,
    /// File of the authorities that clients must have a certificate of.
    pub client_ca: Option<PathBuf>,
}

impl From<ServerIdentity> for ServerTls {
    fn from(identity: ServerIdentity) -> ServerTls {
        ServerTls { identity, files: None, client_ca: None }
    }
}

impl ServerTls {
    /// The TLS settings for clients that speak one of `protocols`.
    pub(crate) fn config(&self, protocols: &[&[u8]]) -> Result<rustls::ServerConfig, TransportError> {
        let tls = |source| TransportError::Tls { source };
        let builder = rustls::ServerConfig::builder_with_provider(crate::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(tls)?;
        let builder = match &self.client_ca {
            Some(path) => builder.with_client_cert_verifier(client_verifier(path)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = match &self.files {
            Some((cert, key)) => builder.with_cert_resolver(Arc::new(Renewed::open(cert, key)?)),
            None => {
                let key = PrivatePkcs8KeyDer::from(self.identity.key_der.clone()).into();
                let chain = vec![CertificateDer::from(self.identity.cert_der.clone())];
                builder.with_single_cert(chain, key).map_err(tls)?
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

fn client_verifier(
    path: &Path,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TransportError> {
    let text = read(path).map_err(|why| unusable(path, why))?;
    let Roots::These(roots) = Roots::from_pem(&text).map_err(|error| unusable(path, error))? else {
        return Err(unusable(path, "no authority"));
    };
    WebPkiClientVerifier::builder_with_provider(roots, crate::provider())
        .build()
        .map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, why: impl fmt::Display) -> TransportError {
    TransportError::CertificateFile { path: path.to_owned(), why: why.to_string() }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other("the file is too large"));
    }
    fs::read(path)
}

/// A certificate from two files that may change.
struct Renewed {
    cert: PathBuf,
    key: PathBuf,
    now: Mutex<Shown>,
}

struct Shown {
    pair: Arc<CertifiedKey>,
    stamp: Option<Stamp>,
    looked: Instant,
}

/// Both files' times and lengths: another one means that there is something new to read.
type Stamp = [(SystemTime, u64); 2];

impl Renewed {
    fn open(cert: &Path, key: &Path) -> Result<Renewed, TransportError> {
        let stamp = stamp(cert, key);
        let pair = Arc::new(load(cert, key)?);
        let now = Mutex::new(Shown { pair, stamp, looked: Instant::now() });
        Ok(Renewed { cert: cert.to_owned(), key: key.to_owned(), now })
    }

    fn current(&self, at: Instant) -> Arc<CertifiedKey> {
        let mut shown = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if at.duration_since(shown.looked) >= LOOK_EVERY {
            shown.looked = at;
            let stamp = stamp(&self.cert, &self.key);
            if stamp != shown.stamp
                && let Ok(pair) = load(&self.cert, &self.key)
            {
                shown.pair = Arc::new(pair);
                shown.stamp = stamp;
            }
        }
        shown.pair.clone()
    }
}

impl fmt::Debug for Renewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Renewed({})", self.cert.display())
    }
}

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current(Instant::now()))
    }
}

fn stamp(cert: &Path, key: &Path) -> Option<Stamp> {
    let of = |path: &Path| {
        let found: Metadata = fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    Some([of(cert)?, of(key)?])
}

fn load(cert: &Path, key: &Path) -> Result<CertifiedKey, TransportError> {
    let chain = read(cert).map_err(|error| unusable(cert, error))?;
    let secret = read(key).map_err(|error| unusable(key, error))?;
    let ClientIdentity { chain, key: secret } =
        ClientIdentity::from_pem(&chain, &secret).map_err(|error| unusable(cert, why(&error)))?;
    CertifiedKey::from_der(chain, secret, &crate::provider()).map_err(|error| unusable(key, error))
}

/// The cause is what names the trouble.
fn why(error: &TransportError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(cert: &Path, key: &Path) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(vec!["host".to_owned()]).unwrap();
        fs::write(cert, made.cert.pem()).unwrap();
        fs::write(key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    }

    #[test]
    fn a_renewed_certificate_is_shown_and_half_a_renewal_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let first = write(&cert, &key);
        let shown = Renewed::open(&cert, &key).unwrap();
        let start = Instant::now();
        let leaf = |after: u32| shown.current(start + LOOK_EVERY * after).cert[0].to_vec();

        fs::write(&cert, "half a certi").unwrap();
        assert_eq!(leaf(1), first);
        let second = write(&cert, &key);
        assert_ne!(first, second);
        let newer = SystemTime::now() + Duration::from_secs(5);
        fs::File::options().write(true).open(&key).unwrap().set_modified(newer).unwrap();
        assert_eq!(leaf(2), second);
        // Somebody else's key.
        let third = rcgen::generate_simple_self_signed(vec!["host".to_owned()]).unwrap();
        fs::write(&key, third.signing_key.serialize_pem()).unwrap();
        assert_eq!(leaf(3), second);
        assert!(matches!(Renewed::open(&cert, &key), Err(TransportError::CertificateFile { .. })));
    }
}
