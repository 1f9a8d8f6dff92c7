//! Whether each of the connections that requests are made on ends at the right server.
//!
//! HTTP clients open connections as they need them, so one verifier looks at many. Each must meet what the first one met:
//! the same certificate, or one that an authority vouches for again.
//!
//! Always holds: a server that nobody vouches for, and that has no pin, is not trusted on first use here: what answers
//! in place of the server may well be what made plain TLS fail. Only somebody who asked for HTTPS alone has that.

use crate::TransportError;
use crate::pin::fingerprint;
use crate::trust::{Basis, Trust, Verdict, Verifier};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What HTTPS requests are made over, in the order we like.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Decides about the certificates of many handshakes with one server, and with a proxy before it.
#[derive(Debug)]
pub(crate) struct Each {
    trust: Trust,
    verifier: Arc<Verifier>,
    /// What stands in between may be what an authority vouches for, in place of a server that has a pin.
    proxied: bool,
    /// Whether a certificate that nobody knows may be taken for the server's.
    first_use: bool,
    first: OnceLock<Verdict>,
    refused: AtomicBool,
}

impl Each {
    /// The TLS settings for requests, and what decides.
    pub(crate) fn settings(
        trust: &Trust,
        proxied: bool,
        first_use: bool,
    ) -> Result<(rustls::ClientConfig, Arc<Each>), TransportError> {
        let (_, verifier) = trust.handshake()?;
        let (first, refused) = (OnceLock::new(), AtomicBool::new(false));
        let each = Arc::new(Each { trust: trust.clone(), verifier, proxied, first_use, first, refused });
        Ok((trust.config(each.clone(), &PROTOCOLS)?, each))
    }

    /// What the first handshake showed, if it was accepted.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.first.get().copied()
    }

    /// Whether a certificate was not accepted.
    pub(crate) fn has_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    fn basis(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Option<Basis> {
        let vouched = || self.trust.vouched(certificate, others, name, now, &crate::provider());
        let decided = self.verifier.decide(certificate, others, now);
        match decided {
            Some(Basis::FirstUse) if !self.first_use => None,
            None if self.proxied && vouched() => Some(Basis::Authority),
            decided => decided,
        }
    }
}

impl ServerCertVerifier for Each {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let accepted = if *server_name == self.trust.name {
            self.basis(end_entity, intermediates, server_name, now).is_some_and(|basis| {
                let found = fingerprint(end_entity);
                let first = self.first.get_or_init(|| Verdict { found, basis });
                first.basis == basis && (basis != Basis::FirstUse || first.found == found)
            })
        } else {
            // A proxy that is spoken to over TLS: only authorities know it.
            !self.trust.verifies()
                || self.trust.vouched(end_entity, intermediates, server_name, now, &crate::provider())
        };
        if !accepted {
            self.refused.store(true, Ordering::Relaxed);
            return Err(CertificateError::UnknownIssuer.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
