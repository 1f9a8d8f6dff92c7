//! A certificate authority of a story.
//!
//! It may be that of a company that inspects TLS, or of a team that gives certificates to people.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::fs;
use std::path::{Path, PathBuf};

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({})", self.file.display())
    }
}

impl Authority {
    /// A new one; its certificate is in `ca.pem` in `folder`.
    pub fn new(folder: &Path) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.self_signed(&key).expect("the parameters are good");
        let file = folder.join("ca.pem");
        fs::write(&file, certificate.pem()).expect("the folder can be written");
        Authority { issuer: Issuer::new(params, key), file }
    }

    /// Its certificate.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A certificate for these names or addresses, and its key, both PEM.
    pub fn issue(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("names are good");
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("the parameters are good");
        (certificate.pem(), key.serialize_pem())
    }
}
