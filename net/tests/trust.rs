//! Who is trusted, over both transports: authorities, renewed certificates, no checks, certificates of clients,
//! another version of the protocol, and somebody who wants HTTP.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use bytes::Bytes;
use common::{BOTH, HOST, PATIENCE, Rig, free_port, identity, soon};
use dits_net::certificate::ServerTls;
use dits_net::listen::Arrived;
use dits_net::options::{ClientIdentity, Roots, Transport};
use dits_net::{Connection, Options, TransportError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// An authority, and files of what it has signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Authority { issuer, folder: TempDir::new().unwrap() };
        std::fs::write(authority.file("ca"), authority.issuer.pem()).unwrap();
        authority
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn roots(&self) -> Roots {
        Roots::from_pem(self.issuer.pem().as_bytes()).unwrap()
    }

    /// Texts of a certificate for these names, and its key.
    fn sign(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        (cert.pem(), key.serialize_pem())
    }

    /// A server that shows a certificate for these names.
    fn server(&self, names: &[&str]) -> ServerTls {
        let (cert, key) = self.sign(names);
        std::fs::write(self.file("cert"), cert).unwrap();
        std::fs::write(self.file("key"), key).unwrap();
        ServerTls { files: Some((self.file("cert"), self.file("key"))), ..identity().into() }
    }
}

#[tokio::test]
async fn a_certificate_of_an_authority_is_trusted_for_its_name_and_not_recorded() {
    for transport in BOTH {
        let authority = Authority::new();
        let rig = Rig::with(authority.server(&["localhost"]));
        let mut options = rig.options(transport);
        options.roots = authority.roots();
        let (connection, _peer) = rig.connect_to("localhost", &options).await.unwrap();
        assert_eq!((connection.first_use(), rig.pinned()), (None, None));
        // Under another name it vouches for nothing: first use.
        let (connection, _peer) = rig.connect_to(HOST, &options).await.unwrap();
        assert!(connection.first_use().is_some() && rig.pinned().unwrap().starts_with(HOST), "{transport:?}");
        // Another authority's word is none either.
        options.roots = Authority::new().roots();
        let (connection, _peer) = rig.connect_to("localhost", &options).await.unwrap();
        assert!(connection.first_use().is_some(), "{transport:?}");
    }
}

#[tokio::test]
async fn a_pin_outweighs_an_authority() {
    let authority = Authority::new();
    let rig = Rig::with(authority.server(&["localhost"]));
    let print = dits_net::pin::fingerprint(b"the one before");
    std::fs::write(rig.pins().path, format!("localhost:{} {print}\n", rig.port())).unwrap();
    for transport in BOTH {
        let mut options = rig.options(transport);
        options.roots = authority.roots();
        let error = rig.connect_to("localhost", &options).await.unwrap_err();
        assert!(matches!(error, TransportError::PinMismatch { .. }), "{error}");
        options.verify = false;
        let (connection, _peer) = rig.connect_to("localhost", &options).await.unwrap();
        assert_eq!(connection.first_use(), None);
    }
    assert_eq!(rig.pinned().unwrap().lines().count(), 1);
}

#[tokio::test]
async fn unchecked_is_accepted_and_not_recorded() {
    for transport in BOTH {
        let rig = Rig::new();
        let mut options = rig.options(transport);
        options.verify = false;
        let (connection, _peer) = rig.connect(&options).await.unwrap();
        assert_eq!((connection.first_use(), rig.pinned()), (None, None));
    }
}

#[tokio::test]
async fn only_clients_with_a_certificate_of_the_authority_are_let_in() {
    let authority = Authority::new();
    let tls = ServerTls { client_ca: Some(authority.file("ca")), ..identity().into() };
    let rig = Rig::with(tls);
    let signed = |authority: &Authority| {
        let (cert, key) = authority.sign(&["ann"]);
        Some(ClientIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap())
    };
    for transport in BOTH {
        let mut options = rig.options(transport);
        for stranger in [None, signed(&Authority::new())] {
            let is_known_to_be_asked = stranger.is_none();
            options.client_identity = stranger;
            let greeting = async {
                let arrival = rig.listener.accept().await.unwrap();
                assert!(arrival.greet().await.is_err());
                std::future::pending::<()>().await;
            };
            // The client's handshake is done before the server has looked; then it hears of it.
            let trying = async {
                let connection = Connection::connect(HOST, rig.port(), &options).await?;
                let mut stream = connection.open().await?;
                stream.recv.read(&mut [0]).await
            };
            let error = soon(async {
                tokio::select! { result = trying => result.unwrap_err(), () = greeting => unreachable!() }
            });
            let error = error.await;
            if is_known_to_be_asked {
                assert!(matches!(error, TransportError::ClientCertificate), "{transport:?}: {error}");
            }
        }
        options.client_identity = signed(&authority);
        let (connection, peer) = rig.connect(&options).await.unwrap();
        let mut stream = soon(connection.open()).await.unwrap();
        stream.send.write(Bytes::from_static(b"x")).await.unwrap();
        assert!(soon(peer.next_stream()).await.is_some());
    }
}

fn other_version() -> rustls::ServerConfig {
    let who = identity();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(who.cert_der)],
            PrivatePkcs8KeyDer::from(who.key_der).into(),
        )
        .unwrap();
    tls.alpn_protocols = vec![b"dits/9".to_vec()];
    tls
}

#[tokio::test]
async fn a_server_of_another_version_is_named_as_such() {
    let folder = TempDir::new().unwrap();
    let pins = dits_net::file_pins::FilePins { path: folder.path().join("pins") };
    let mut options = Options::new(Arc::new(pins), PATIENCE);
    let said = |error: TransportError| {
        assert!(matches!(error, TransportError::Version), "{error}");
        assert_eq!(error.to_string(), "the server speaks another version of the protocol");
    };

    let tcp = tokio::net::TcpListener::bind(free_port()).await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(other_version()));
    tokio::spawn(async move { acceptor.accept(tcp.accept().await.unwrap().0).await.map(|_| ()) });
    options.transport = Transport::Tcp;
    said(soon(Connection::connect(HOST, port, &options)).await.unwrap_err());

    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(other_version()).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let quic = quinn::Endpoint::server(config, free_port()).unwrap();
    let port = quic.local_addr().unwrap().port();
    tokio::spawn(async move { quic.accept().await.unwrap().await.map(|_| ()) });
    options.transport = Transport::Quic;
    said(soon(Connection::connect(HOST, port, &options)).await.unwrap_err());
    assert!(!folder.path().join("pins").exists());
}

/// A TLS client that asks for `protocols` and trusts this listener.
async fn plain_tls(
    rig: &Rig,
    authority: &Authority,
    protocols: &[&[u8]],
) -> std::io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
    let Roots::These(roots) = authority.roots() else { panic!() };
    let mut tls =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let socket = tokio::net::TcpStream::connect((HOST, rig.port())).await?;
    let name = ServerName::try_from("localhost").unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, socket).await
}

#[tokio::test]
async fn who_wants_http_is_handed_up_and_a_version_of_the_future_is_refused() {
    let authority = Authority::new();
    let rig = Rig::with(authority.server(&["localhost"]));
    for (protocols, is_h2) in
        [(vec![], false), (vec![&b"http/1.1"[..]], false), (vec![&b"h2"[..], b"http/1.1"], true)]
    {
        let arrival = async { rig.listener.accept().await.unwrap().greet().await };
        let (client, arrived) =
            soon(async { tokio::join!(plain_tls(&rig, &authority, &protocols), arrival) }).await;
        let mut client = client.unwrap();
        let Ok(Arrived::Http(mut http)) = arrived else { panic!("{arrived:?}") };
        assert_eq!((http.is_h2, http.address), (is_h2, client.get_ref().0.local_addr().unwrap()));
        client.write_all(b"GET /").await.unwrap();
        let mut word = [0; 5];
        soon(http.io.read_exact(&mut word)).await.unwrap();
        assert_eq!(&word, b"GET /");
    }
    let arrival = async { rig.listener.accept().await.unwrap().greet().await };
    let (client, arrived) =
        soon(async { tokio::join!(plain_tls(&rig, &authority, &[b"dits/9"]), arrival) }).await;
    assert!(client.is_err() && arrived.is_err());
}
