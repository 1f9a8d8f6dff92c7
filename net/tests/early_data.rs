//! A message that was sent ahead of the handshake could be replayed by whoever saw it. So there is no early data: a client that
//! would like to send some, and remembers all that a server ever told it, finds that it cannot.

use dits_net::certificate::ServerIdentity;
use dits_net::quic::server;
use quinn::crypto::rustls::QuicClientConfig;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn early_data_is_refused() {
    let made = rcgen::generate_simple_self_signed(vec!["dits".to_owned()]).unwrap();
    let (cert_der, key_der) = (made.cert.der().to_vec(), made.signing_key.serialize_der());
    let listening =
        server::bind((Ipv4Addr::LOCALHOST, 0).into(), &ServerIdentity { cert_der, key_der }.into()).unwrap();
    let address = listening.local_addr().unwrap();
    tokio::spawn(async move {
        while let Some(incoming) = listening.accept().await {
            tokio::spawn(async move {
                let connection = incoming.await.unwrap();
                // A ticket would come after the handshake, and before the answer to the first stream.
                if let Ok((mut send, mut recv)) = connection.accept_bi().await {
                    recv.read_to_end(10).await.unwrap();
                    send.write_all(b"heard").await.unwrap();
                    send.finish().unwrap();
                }
                connection.closed().await;
            });
        }
    });

    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![dits_net::PROTOCOL.to_vec()];
    config.enable_early_data = true;
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()));
    let mut client = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    client.set_default_client_config(config);
    for attempt in 0..3 {
        let connecting = client.connect(address, "dits").unwrap();
        let Err(connecting) = connecting.into_0rtt() else {
            panic!("attempt {attempt} could send early data")
        };
        let connection = timeout(PATIENCE, connecting).await.unwrap().unwrap();
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(b"hello").await.unwrap();
        send.finish().unwrap();
        assert_eq!(timeout(PATIENCE, recv.read_to_end(10)).await.unwrap().unwrap(), b"heard");
        connection.close(0_u32.into(), b"");
    }
}
