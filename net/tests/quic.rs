//! The QUIC transport over a real loopback socket: trust on first use, deadlines, data, closing.
//!
//! Every test serves on a free port of 127.0.0.1 with a fresh certificate and keeps its pins in its own
//! folder. Nothing sleeps: each wait ends by an event, or fails by [`PATIENCE`].

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dits_net::certificate::ServerIdentity;
use dits_net::file_pins::FilePins;
use dits_net::options::Transport;
use dits_net::pin::{Fingerprint, KnownHosts, Pins, fingerprint, host_key};
use dits_net::quic::server;
use dits_net::{Connection, Options, Stream, TransportError};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const HOST: &str = "127.0.0.1";
const PATIENCE: Duration = Duration::from_secs(20);

fn identity() -> ServerIdentity {
    let made = rcgen::generate_simple_self_signed(vec!["dits".to_owned()]).unwrap();
    ServerIdentity { cert_der: made.cert.der().to_vec(), key_der: made.signing_key.serialize_der() }
}

fn bind(address: SocketAddr, identity: ServerIdentity) -> Result<quinn::Endpoint, TransportError> {
    server::bind(address, &identity.into())
}

async fn connect(
    host: &str,
    port: u16,
    pins: &FilePins,
    deadline: Duration,
) -> Result<Connection, TransportError> {
    let mut options = Options::new(Arc::new(pins.clone()), deadline);
    options.transport = Transport::Quic;
    Connection::connect(host, port, &options).await
}

fn free_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn file_pins(folder: &TempDir) -> FilePins {
    FilePins { path: folder.path().join("deep/er/known_hosts") }
}

fn text(pins: &FilePins) -> Option<String> {
    fs::read_to_string(&pins.path).ok()
}

/// A server that keeps every connection open until the client ends it. Returns its port.
fn idle_server(identity: ServerIdentity) -> (u16, JoinHandle<()>) {
    keep_open(bind(free_port(), identity).unwrap())
}

fn keep_open(endpoint: quinn::Endpoint) -> (u16, JoinHandle<()>) {
    let port = endpoint.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            tokio::spawn(async move {
                if let Ok(connection) = incoming.await {
                    connection.closed().await;
                }
            });
        }
    });
    (port, task)
}

/// The wait's outcome; the test fails when there is none by [`PATIENCE`].
async fn soon<T>(wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.unwrap()
}

async fn dial(port: u16, pins: &FilePins) -> Result<Connection, TransportError> {
    connect(HOST, port, pins, PATIENCE).await
}

#[tokio::test]
async fn first_use_is_recorded_and_the_second_connection_knows_the_host() {
    let folder = TempDir::new().unwrap();
    let pins = file_pins(&folder);
    let identity = identity();
    let expected = fingerprint(&identity.cert_der);
    let (port, _server) = idle_server(identity);

    let first = dial(port, &pins).await.unwrap();
    assert_eq!(first.first_use(), Some(&expected));
    assert_eq!(text(&pins).unwrap(), format!("{HOST}:{port} {expected}\n"));
    let wire = first.stats();
    assert!(wire.tx >= 1200 && wire.rx >= 1200, "{wire:?}");
    first.close().await;

    let second = dial(port, &pins).await.unwrap();
    assert_eq!(second.first_use(), None);
    second.close().await;
    assert_eq!(text(&pins).unwrap().lines().count(), 1);
    assert_private(&pins.path);
}

#[cfg(unix)]
fn assert_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut names: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["known_hosts", "known_hosts.lock"]);
}

#[cfg(not(unix))]
fn assert_private(_: &Path) {}

#[tokio::test]
async fn a_name_is_resolved_and_pinned_as_written() {
    let folder = TempDir::new().unwrap();
    let pins = file_pins(&folder);
    let (port, _server) = idle_server(identity());
    // Where this name has an IPv6 address too, nobody serves it there: the next address gets its turn.
    let connection = connect("LocalHost", port, &pins, Duration::from_secs(4)).await.unwrap();
    assert!(text(&pins).unwrap().starts_with(&format!("localhost:{port} ")));
    connection.close().await;
}

#[tokio::test]
async fn ipv6_is_served_and_pinned_in_brackets() {
    let Ok(_) = UdpSocket::bind("[::1]:0") else { return };
    let folder = TempDir::new().unwrap();
    let pins = file_pins(&folder);
    let (port, _server) = keep_open(bind("[::1]:0".parse().unwrap(), identity()).unwrap());
    connect("::1", port, &pins, PATIENCE).await.unwrap().close().await;
    assert!(text(&pins).unwrap().starts_with(&format!("[::1]:{port} ")));
}

#[tokio::test]
async fn a_changed_certificate_is_refused_and_nothing_is_recorded() {
    let folder = TempDir::new().unwrap();
    let pins = file_pins(&folder);
    let (old, new) = (identity(), identity());
    let (was, is) = (fingerprint(&old.cert_der), fingerprint(&new.cert_der));
    let (port, _server) = idle_server(new);
    pins.record(&host_key(HOST, port), was).unwrap();
    let before = text(&pins);

    let error = dial(port, &pins).await.unwrap_err();
    let shown = error.to_string();
    assert!(shown.contains(&was.to_string()) && shown.contains(&is.to_string()), "{shown}");
    let TransportError::PinMismatch { host, expected, found } = error else { panic!("{shown}") };
    assert_eq!((host, expected, found), (format!("{HOST}:{port}"), was, is));
    assert_eq!(text(&pins), before);
}

/// A server that shows any certificate with any key, matching or not, and speaks `alpn`.
fn strange_server(cert_der: Vec<u8>, key_der: Vec<u8>, alpn: &[u8]) -> quinn::Endpoint {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let signer = provider.key_provider.load_private_key(PrivatePkcs8KeyDer::from(key_der).into()).unwrap();
    let shown = CertifiedKey::new(vec![CertificateDer::from(cert_der)], signer);
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    tls.alpn_protocols = vec![alpn.to_vec()];
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
    quinn::Endpoint::server(quinn::ServerConfig::with_crypto(Arc::new(crypto)), free_port()).unwrap()
}

#[tokio::test]
async fn a_certificate_without_its_key_is_refused_pinned_or_not() {
    let folder = TempDir::new().unwrap();
    let pins = file_pins(&folder);
    let stolen = identity();
    let (port, _server) = keep_open(strange_server(stolen.cert_der.clone(), identity().key_der, b"dits/1"));

    let error = dial(port, &pins).await.unwrap_err();
    assert!(matches!(error, TransportError::Failed { .. }), "{error}");
    assert_eq!(text(&pins), None);

    pins.record(&host_key(HOST, port), fingerprint(&stolen.cert_der)).unwrap();
    let error = dial(port, &pins).await.unwrap_err();
    assert!(matches!(error, TransportError::Failed { .. }), "{error}");
}

#[tokio::test]
async fn a_silent_port_is_unreachable_within_the_deadline() {
    let folder = TempDir::new().unwrap();
    let pins = file_pins(&folder);
    let silent = UdpSocket::bind(free_port()).unwrap();
    let given = Duration::from_millis(300);
    let started = Instant::now();
    let error = connect(HOST, silent.local_addr().unwrap().port(), &pins, given).await.unwrap_err();
    let took = started.elapsed();
    assert!(matches!(error, TransportError::Unreachable { deadline, .. } if deadline == given), "{error}");
    assert!(took >= given && took < given * 10, "{took:?}");
    assert_eq!(text(&pins), None);
}

#[tokio::test]
async fn eight_mebibytes_come_back_as_sent() {
    const SIZE: usize = 8 << 20;
    let folder = TempDir::new().unwrap();
    let endpoint = bind(free_port(), identity()).unwrap();
    let port = endpoint.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let connection = endpoint.accept().await.unwrap().await.unwrap();
        let (mut send, mut recv) = connection.accept_bi().await.unwrap();
        while let Some(chunk) = recv.read_chunk(1 << 20, true).await.unwrap() {
            send.write_chunk(chunk.bytes).await.unwrap();
        }
        send.finish().unwrap();
        connection.closed().await;
    });

    let client = dial(port, &file_pins(&folder)).await.unwrap();
    let sent = Bytes::from(
        (0..SIZE as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>(),
    );
    let Stream { mut send, mut recv } = soon(client.open()).await.unwrap();
    let write = async {
        send.write(sent.clone()).await.unwrap();
        send.end().await;
    };
    let mut received = vec![0; SIZE];
    let ((), filled) = soon(async { tokio::join!(write, recv.fill(&mut received)) }).await;
    assert!(filled.unwrap() && received == sent);
    assert_eq!(soon(recv.read(&mut [0])).await.unwrap(), 0);
    assert!(client.stats().tx > SIZE as u64 && client.stats().rx > SIZE as u64);
    client.close().await;
    soon(server).await.unwrap();
}

#[tokio::test]
async fn a_server_that_closes_with_a_reason_is_quoted() {
    let folder = TempDir::new().unwrap();
    let endpoint = bind(free_port(), identity()).unwrap();
    let port = endpoint.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let connection = endpoint.accept().await.unwrap().await.unwrap();
        connection.close(7u32.into(), b"server is \x1b[31mfull");
        endpoint.wait_idle().await;
    });
    let client = dial(port, &file_pins(&folder)).await.unwrap();
    let error = soon(async {
        let mut stream = client.open().await?;
        stream.recv.read(&mut [0]).await
    });
    let error = error.await.unwrap_err();
    assert_eq!(error.to_string(), "remote closed the connection: server is [31mfull");
    assert!(matches!(error, TransportError::Refused { code: 7, .. }));
    let late = soon(client.open()).await.unwrap_err();
    assert!(matches!(late, TransportError::Refused { .. }));
    soon(server).await.unwrap();
}

#[tokio::test]
async fn a_reset_stream_leaves_the_connection_alive() {
    let folder = TempDir::new().unwrap();
    let endpoint = bind(free_port(), identity()).unwrap();
    let port = endpoint.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let connection = endpoint.accept().await.unwrap().await.unwrap();
        let (mut send, mut recv) = connection.accept_bi().await.unwrap();
        send.reset(3u32.into()).unwrap();
        recv.stop(4u32.into()).unwrap();
        connection.closed().await;
    });
    let client = dial(port, &file_pins(&folder)).await.unwrap();
    let Stream { mut send, mut recv } = soon(client.open()).await.unwrap();
    send.write(Bytes::from_static(b"x")).await.unwrap();
    let error = soon(recv.read(&mut [0])).await.unwrap_err();
    assert!(matches!(error, TransportError::StreamAbandoned { code: 3 }), "{error}");
    soon(send.finish()).await;
    let error = send.write(Bytes::from_static(b"y")).await.unwrap_err();
    assert!(
        matches!(error, TransportError::StreamAbandoned { code: 4 } | TransportError::StreamClosed),
        "{error}"
    );
    soon(client.open()).await.unwrap();
    client.close().await;
    soon(server).await.unwrap();
}

#[tokio::test]
async fn another_protocol_is_not_spoken_to() {
    let folder = TempDir::new().unwrap();
    let own = identity();
    let (port, _server) = keep_open(strange_server(own.cert_der, own.key_der, b"dits/9"));
    let error = dial(port, &file_pins(&folder)).await.unwrap_err();
    assert!(matches!(error, TransportError::Version), "{error}");
    assert_eq!(text(&file_pins(&folder)), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_first_connections_at_once_keep_both_lines() {
    let folder = TempDir::new().unwrap();
    let pins = file_pins(&folder);
    let ((a, _a), (b, _b)) = (idle_server(identity()), idle_server(identity()));
    let spawn = |port| {
        let pins = pins.clone();
        tokio::spawn(async move { dial(port, &pins).await.unwrap().close().await })
    };
    let (one, two) = (spawn(a), spawn(b));
    soon(one).await.unwrap();
    soon(two).await.unwrap();
    assert!(pins.lookup(&host_key(HOST, a)).unwrap().is_some());
    assert!(pins.lookup(&host_key(HOST, b)).unwrap().is_some());
}

#[test]
fn many_recorders_at_once_lose_no_line_and_a_reader_sees_whole_texts() {
    const RECORDERS: usize = 16;
    let folder = TempDir::new().unwrap();
    let pins = file_pins(&folder);
    let start = Barrier::new(RECORDERS);
    let print = |i: usize| -> Fingerprint { fingerprint(&i.to_le_bytes()) };
    std::thread::scope(|scope| {
        for i in 0..RECORDERS {
            let (pins, start) = (&pins, &start);
            scope.spawn(move || {
                start.wait();
                pins.record(&format!("host{i}:1"), print(i)).unwrap();
                assert_eq!(pins.lookup(&format!("host{i}:1")).unwrap(), Some(print(i)));
            });
        }
    });
    let known = KnownHosts::parse(&text(&pins).unwrap()).unwrap();
    for i in 0..RECORDERS {
        assert_eq!(known.lookup(&format!("host{i}:1")), Some(print(i)));
    }
}

#[tokio::test]
async fn damaged_pins_stop_the_connection_and_name_the_line() {
    let folder = TempDir::new().unwrap();
    let pins = FilePins { path: folder.path().join("known_hosts") };
    fs::write(&pins.path, "# mine\nhost:1 blake3:zz\n").unwrap();
    let TransportError::Pins { source: error } = dial(1, &pins).await.unwrap_err() else { panic!() };
    assert!(error.to_string().contains("known_hosts': bad pin at line 2:"), "{error}");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    let before = text(&pins);
    assert!(pins.record("other:1", fingerprint(b"x")).is_err());
    assert_eq!(text(&pins), before);
}

#[test]
fn a_leftover_temporary_file_is_no_obstacle_and_a_pin_is_never_replaced() {
    let folder = TempDir::new().unwrap();
    let pins = FilePins { path: folder.path().join("known_hosts") };
    fs::write(folder.path().join("known_hosts.tmp"), "half a li").unwrap();
    pins.record("host:1", fingerprint(b"a")).unwrap();
    pins.record("host:1", fingerprint(b"a")).unwrap();
    let error = pins.record("host:1", fingerprint(b"b")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(text(&pins).unwrap(), format!("host:1 {}\n", fingerprint(b"a")));
}
