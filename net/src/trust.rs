//! Whether a server is the one it should be: one answer for every transport.
//!
//! In this order: told not to look, anything is accepted; a server with a pin must show the pinned certificate,
//! whoever else vouches for another; one whose certificate an authority vouches for, for this very host name and now, is
//! trusted, and nothing is recorded, since such certificates are renewed; any other is trusted on first use, as SSH
//! does, and pinned.
//!
//! Always holds: the server signed the handshake with the key of the certificate it showed, whatever was
//! decided about it; a pin is recorded only after that. Resumption is off: the proof is asked each time.

use crate::TransportError;
use crate::options::{ClientIdentity, Options, Roots};
use crate::pin::{Fingerprint, Pins, fingerprint, host_key};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use std::sync::{Arc, OnceLock};

/// For a host that cannot be a TLS server name. It matches no certificate.
const NO_NAME: &str = "dits.invalid";

/// What is asked of a server.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    /// `HOST:PORT`, as in the pin file.
    pub key: String,
    pub pinned: Option<Fingerprint>,
    pub name: ServerName<'static>,
    roots: Roots,
    verify: bool,
    identity: Option<ClientIdentity>,
}

/// Why a certificate was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    Pinned,
    Authority,
    FirstUse,
    Unchecked,
}

/// A certificate that was accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    pub found: Fingerprint,
    pub basis: Basis,
}

impl Trust {
    /// What `options` say about this server.
    ///
    /// # Errors
    /// [`TransportError::Pins`].
    pub fn of(host: &str, port: u16, options: &Options) -> Result<Trust, TransportError> {
        let key = host_key(host, port);
        let pinned = options.pins.lookup(&key).map_err(|source| TransportError::Pins { source })?;
        let name = ServerName::try_from(host.to_owned())
            .unwrap_or_else(|_| ServerName::try_from(NO_NAME).expect("a constant name is valid"));
        let (roots, verify) = (options.roots.clone(), options.verify);
        Ok(Trust { key, pinned, name, roots, verify, identity: options.client_identity.clone() })
    }

    /// Keeps what was learned by a finished handshake; gives the fingerprint if it was pinned just now. Later
    /// handshakes of the same connection must meet the same server.
    ///
    /// # Errors
    /// [`TransportError::Pins`].
    pub fn settle(
        &mut self,
        verdict: Verdict,
        pins: &dyn Pins,
    ) -> Result<Option<Fingerprint>, TransportError> {
        if verdict.basis != Basis::FirstUse {
            return Ok(None);
        }
        pins.record(&self.key, verdict.found).map_err(|source| TransportError::Pins { source })?;
        self.pinned = Some(verdict.found);
        Ok(self.pinned)
    }

    /// The TLS settings of one handshake, and the verifier that remembers its outcome.
    pub fn handshake(&self) -> Result<(rustls::ClientConfig, Arc<Verifier>), TransportError> {
        let verifier =
            Arc::new(Verifier { provider: crate::provider(), trust: self.clone(), seen: OnceLock::new() });
        let config = self.config(verifier.clone()).map_err(|source| TransportError::Tls { source })?;
        Ok((config, verifier))
    }

    fn config(&self, verifier: Arc<Verifier>) -> Result<rustls::ClientConfig, rustls::Error> {
        let builder = rustls::ClientConfig::builder_with_provider(verifier.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            Some(identity) => {
                builder.with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![crate::PROTOCOL.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// Whether an authority vouches for this certificate under the server's name.
    fn vouched(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
        provider: &Arc<CryptoProvider>,
    ) -> bool {
        let verifier: Option<Arc<dyn ServerCertVerifier>> = match &self.roots {
            Roots::System => rustls_platform_verifier::Verifier::new(provider.clone())
                .ok()
                .map(|verifier| Arc::new(verifier) as Arc<dyn ServerCertVerifier>),
            Roots::These(roots) => {
                WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
                    .build()
                    .ok()
                    .map(|verifier| verifier as Arc<dyn ServerCertVerifier>)
            }
        };
        verifier.is_some_and(|verifier| {
            verifier.verify_server_cert(certificate, others, &self.name, &[], now).is_ok()
        })
    }
}

/// Decides about the certificate of one handshake, and remembers how.
#[derive(Debug)]
pub(crate) struct Verifier {
    provider: Arc<CryptoProvider>,
    trust: Trust,
    /// No basis: it was not accepted.
    seen: OnceLock<(Fingerprint, Option<Basis>)>,
}

impl Verifier {
    /// What the finished or failed handshake means.
    ///
    /// # Errors
    /// [`TransportError::PinMismatch`] instead of `outcome`'s error when that is the cause of it.
    pub fn outcome<T>(&self, outcome: Result<T, TransportError>) -> Result<(T, Verdict), TransportError> {
        match (outcome, self.seen.get().copied()) {
            (Err(_), Some((found, None))) if self.trust.pinned.is_some_and(|expected| expected != found) => {
                let expected = self.trust.pinned.unwrap_or(found);
                Err(TransportError::PinMismatch { host: self.trust.key.clone(), expected, found })
            }
            (Err(error), _) => Err(error),
            (Ok(made), Some((found, Some(basis)))) => Ok((made, Verdict { found, basis })),
            (Ok(_), _) => Err(TransportError::Tls { source: rustls::Error::NoCertificatesPresented }),
        }
    }

    fn decide(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Option<Basis> {
        match self.trust.pinned {
            _ if !self.trust.verify => Some(Basis::Unchecked),
            Some(pinned) => (pinned == fingerprint(certificate)).then_some(Basis::Pinned),
            None if self.trust.vouched(certificate, others, now, &self.provider) => Some(Basis::Authority),
            None => Some(Basis::FirstUse),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let basis = self.decide(end_entity, intermediates, now);
        let second = self.seen.set((fingerprint(end_entity), basis)).is_err();
        if second || basis.is_none() {
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
