//! The certificate that clients pin.
//!
//! It is made once, signed by itself, and then stays: to every client it *is* the server, so a new one would
//! look like an attack. Names and dates in it mean nothing (clients compare its hash), so the subject is a
//! fixed word and it does not run out in anybody's time.
//!
//! Always holds: the key file is readable by its owner only, and is written before the certificate, so a start
//! that was cut short leaves a key nobody has seen, which is replaced. A certificate without its key is an
//! error: silently making another would break every pin.
//!
//! Fails as [`IdentityError`].

use crate::layout::{Layout, PRIVATE, write_file};
use dits_net::certificate::ServerIdentity;
use dits_store::StoreError;
use std::io::ErrorKind;
use std::path::Path;

/// Subject of every certificate.
const SUBJECT: &str = "git-dits";

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The certificate is here, its key is not.
    #[error(
        "'cert.der' has lost its 'key.der'\nhint: remove 'cert.der' to make a new identity; every client must accept it anew"
    )]
    KeyLost,
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] StoreError),
}

/// Reads the identity of a server, or makes it at its first start.
pub fn load_or_create(layout: &Layout) -> Result<ServerIdentity, IdentityError> {
    let (cert, key) = (layout.root().join("cert.der"), layout.root().join("key.der"));
    match (read(&cert)?, read(&key)?) {
        (Some(cert_der), Some(key_der)) => Ok(ServerIdentity { cert_der, key_der }),
        (Some(_), None) => Err(IdentityError::KeyLost),
        (None, _) => {
            let identity = make()?;
            write_file(&key, PRIVATE, &identity.key_der)?;
            write_file(&cert, 0o644, &identity.cert_der)?;
            Ok(identity)
        }
    }
}

fn make() -> Result<ServerIdentity, rcgen::Error> {
    // The validity that rcgen starts with lasts more than two thousand years.
    let mut params = rcgen::CertificateParams::new(vec![SUBJECT.to_owned()])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, SUBJECT);
    let key = rcgen::KeyPair::generate()?;
    let cert = params.self_signed(&key)?;
    Ok(ServerIdentity { cert_der: cert.der().to_vec(), key_der: key.serialize_der() })
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_identity_stays_and_a_lost_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, _lock) = Layout::claim(dir.path()).unwrap();
        let first = load_or_create(&layout).unwrap();
        let second = load_or_create(&layout).unwrap();
        assert_eq!((first.cert_der, &first.key_der), (second.cert_der, &second.key_der));
        let key = dir.path().join("key.der");
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, PRIVATE);
        std::fs::remove_file(key).unwrap();
        assert!(matches!(load_or_create(&layout), Err(IdentityError::KeyLost)));
    }
}
