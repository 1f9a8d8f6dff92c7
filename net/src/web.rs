//! What an HTTP client needs that talks to a host which is not ours, as Git does: a code host with its own interface.
//!
//! Authorities alone vouch for such a host: nothing is pinned, and nothing is trusted on first use. All that counts is in the
//! [`Options`], as for servers of ours.
//!
//! Fails as [`TransportError::Tls`] where the options' certificates cannot be used, [`TransportError::Failed`] for a proxy.

use crate::TransportError;
use crate::options::{Options, Roots};
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use std::sync::Arc;

/// What is spoken over TLS, in the order we like.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What is handed to the HTTP client.
#[derive(Debug)]
pub struct Web {
    /// How TLS is spoken.
    pub tls: ClientConfig,
    /// What stands in between.
    pub proxy: Option<reqwest::Proxy>,
}

impl Web {
    /// What `options` say.
    ///
    /// # Errors
    /// See the head of this file.
    pub fn of(options: &Options) -> Result<Web, TransportError> {
        let proxy = options.proxy.as_ref().map(|proxy| reqwest::Proxy::all(proxy.secret_url())).transpose();
        let failed = |error: reqwest::Error| TransportError::Failed { why: error.without_url().to_string() };
        let tls = tls(options).map_err(|source| TransportError::Tls { source })?;
        Ok(Web { tls, proxy: proxy.map_err(failed)? })
    }
}

fn tls(options: &Options) -> Result<ClientConfig, rustls::Error> {
    let provider = crate::provider();
    let verifier: Arc<dyn ServerCertVerifier> = match &options.roots {
        _ if !options.verify => Arc::new(Unchecked(provider.clone())),
        Roots::System => Arc::new(rustls_platform_verifier::Verifier::new(provider.clone())?),
        Roots::These(roots) => {
            let builder = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone());
            builder.build().map_err(|error| rustls::Error::General(error.to_string()))?
        }
    };
    // Other than our own server such a host may speak no TLS 1.3.
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &options.client_identity {
        Some(identity) => builder.with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())?,
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

/// `http.sslVerify=false`: any certificate will do, as long as the host has its key.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
