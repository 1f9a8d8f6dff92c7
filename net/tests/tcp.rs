//! TLS over TCP beside QUIC at the same port: data, ends, cuts, the race, and what is remembered of it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use bytes::Bytes;
use common::{BOTH, HOST, PATIENCE, Rig, free_port, identity, soon};
use dits_net::listen::Arrived;
use dits_net::options::Transport;
use dits_net::route::Way;
use dits_net::stream::Stream;
use dits_net::{Connection, Listener, Options, TransportError};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::{TcpListener, UdpSocket};

fn noise(size: u32) -> Bytes {
    (0..size).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Everything up to the end of the stream.
async fn rest(stream: &mut Stream) -> Result<Vec<u8>, TransportError> {
    let mut all = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stream.recv.read(&mut buffer).await? {
            0 => return Ok(all),
            read => all.extend_from_slice(&buffer[..read]),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_goes_both_ways_at_once_and_halves_end_one_by_one() {
    for transport in BOTH {
        let rig = Rig::new();
        let (connection, _peer, mut ours, mut theirs) = rig.stream(transport).await;
        let (up, down) = (noise(5 << 20), noise(7 << 20));
        let client = {
            let up = up.clone();
            tokio::spawn(async move {
                let Stream { mut send, recv } = ours;
                let write = tokio::spawn(async move {
                    send.write(up).await.unwrap();
                    send.end().await;
                    send
                });
                ours = Stream { send: soon(write).await.unwrap(), recv };
                rest(&mut ours).await.unwrap()
            })
        };
        // The server answers only after the client's end: our half is closed, theirs is not.
        assert!(soon(rest(&mut theirs)).await.unwrap() == up);
        soon(theirs.send.write(down.clone())).await.unwrap();
        soon(theirs.send.finish()).await;
        assert!(soon(client).await.unwrap() == down, "{transport:?}");
        let wire = connection.stats();
        assert!(wire.tx > 5 << 20 && wire.rx > 7 << 20, "{transport:?}: {wire:?}");
        let way = if transport == Transport::Tcp { Way::Tcp } else { Way::Quic };
        assert_eq!(connection.way(), way);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_streams_of_a_connection_share_their_activity_at_both_ends() {
    for transport in BOTH {
        let rig = Rig::new();
        let (connection, _peer, first, theirs) = rig.stream(transport).await;
        let mut second = if transport == Transport::Tcp {
            let (opened, arrival) =
                soon(async { tokio::join!(connection.open(), greet(&rig.listener)) }).await;
            let (mut opened, Arrived::Peer(peer)) = (opened.unwrap(), arrival) else { panic!() };
            opened.send.write(Bytes::from_static(b"second")).await.unwrap();
            (opened, soon(peer.next_stream()).await.unwrap())
        } else {
            let mut opened = soon(connection.open()).await.unwrap();
            opened.send.write(Bytes::from_static(b"second")).await.unwrap();
            (opened, soon(_peer.next_stream()).await.unwrap())
        };
        let before = (first.send.activity().bytes(), theirs.send.activity().bytes());
        let mut word = [0; 6];
        assert!(soon(second.1.recv.fill(&mut word)).await.unwrap());
        second.1.send.write(Bytes::from_static(b"word")).await.unwrap();
        assert!(soon(second.0.recv.fill(&mut word[..4])).await.unwrap());
        let after = (first.send.activity().bytes(), theirs.send.activity().bytes());
        assert_eq!((after.0 - before.0, after.1 - before.1), (4, 10), "{transport:?}");
    }
}

async fn greet(listener: &Listener) -> Arrived {
    listener.accept().await.unwrap().greet().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_given_up_is_an_error_at_the_other_end_and_not_an_end() {
    for transport in BOTH {
        let rig = Rig::new();
        let (_connection, _peer, mut ours, mut theirs) = rig.stream(transport).await;
        theirs.send.abandon();
        let error = soon(ours.recv.read(&mut [0])).await.unwrap_err();
        let cut = matches!(error, TransportError::StreamAbandoned { .. } | TransportError::Failed { .. });
        assert!(cut, "{transport:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_a_connection_cuts_what_is_still_open() {
    for transport in BOTH {
        let rig = Rig::new();
        let (connection, _peer, mut ours, mut theirs) = rig.stream(transport).await;
        soon(connection.close()).await;
        soon(theirs.recv.read(&mut [0])).await.unwrap_err();
        soon(async { while ours.send.write(Bytes::from_static(b"x")).await.is_ok() {} }).await;

        let rig = Rig::new();
        let (_connection, _peer, mut ours, _theirs) = rig.stream(transport).await;
        rig.listener.close(b"going");
        soon(ours.recv.read(&mut [0])).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn last_words_arrive_though_the_server_has_not_read_everything() {
    let rig = Rig::new();
    let (connection, peer, ours, mut theirs) = rig.stream(Transport::Tcp).await;
    let Stream { mut send, mut recv } = ours;
    let writing = tokio::spawn(async move { while send.write(noise(64 << 10)).await.is_ok() {} });
    soon(theirs.send.write(Bytes::from_static(b"no room"))).await.unwrap();
    soon(theirs.send.finish()).await;
    drop(theirs);
    let lingering = tokio::spawn(async move { peer.next_stream().await.is_none() });
    let mut word = [0; 7];
    assert!(soon(recv.fill(&mut word)).await.unwrap());
    assert_eq!(&word, b"no room");
    assert_eq!(soon(recv.read(&mut [0])).await.unwrap(), 0);
    drop(recv);
    soon(connection.close()).await;
    soon(writing).await.unwrap();
    assert!(soon(lingering).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_nobody_any_more_refuses_at_once() {
    let rig = Rig::new();
    rig.connect(&rig.options(Transport::Auto)).await.unwrap();
    rig.listener.stop_accepting();
    let started = Instant::now();
    for transport in [Transport::Tcp, Transport::Auto] {
        let error = Connection::connect(HOST, rig.port(), &rig.options(transport)).await.unwrap_err();
        let refused = matches!(error, TransportError::NobodyListens { .. } | TransportError::Failed { .. });
        assert!(refused, "{transport:?}: {error}");
    }
    assert!(started.elapsed() < PATIENCE / 2);
}

#[tokio::test]
async fn the_same_pin_counts_over_both() {
    let rig = Rig::new();
    let (first, _peer) = rig.connect(&rig.options(Transport::Tcp)).await.unwrap();
    let print = *first.first_use().unwrap();
    let pinned = format!("{HOST}:{} {print}\n", rig.port());
    assert_eq!(rig.pinned().unwrap(), pinned);
    let (second, _peer) = rig.connect(&rig.options(Transport::Quic)).await.unwrap();
    assert_eq!(second.first_use(), None);
    let text = pinned.replace(&print.to_string(), &dits_net::pin::fingerprint(b"another").to_string());
    std::fs::write(rig.pins().path, text).unwrap();
    for transport in [Transport::Tcp, Transport::Quic, Transport::Auto] {
        let error = rig.connect(&rig.options(transport)).await.unwrap_err();
        assert!(matches!(error, TransportError::PinMismatch { found, .. } if found == print), "{error}");
    }
}

/// A listener for TCP whose UDP port is taken by somebody who never answers.
struct Hole {
    udp: UdpSocket,
    tcp: TcpListener,
    backend: Listener,
}

impl Hole {
    async fn new() -> Hole {
        let backend = Listener::bind(free_port(), identity()).unwrap();
        loop {
            let tcp = TcpListener::bind(free_port()).await.unwrap();
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                return Hole { udp, tcp, backend };
            }
        }
    }

    fn port(&self) -> u16 {
        self.udp.local_addr().unwrap().port()
    }

    /// Passes one TCP connection on to the real listener, which greets it.
    async fn pass(&self) -> Arrived {
        let (mut near, _) = self.tcp.accept().await.unwrap();
        let mut far = tokio::net::TcpStream::connect(self.backend.address().unwrap()).await.unwrap();
        tokio::spawn(async move { drop(tokio::io::copy_bidirectional(&mut near, &mut far).await) });
        greet(&self.backend).await
    }
}

fn auto(folder: &TempDir, routes: bool) -> Options {
    let pins = dits_net::file_pins::FilePins { path: folder.path().join("known_hosts") };
    let mut options = Options::new(Arc::new(pins), PATIENCE);
    options.routes = routes.then(|| folder.path().join("cache/routes"));
    options
}

#[tokio::test]
async fn where_udp_is_swallowed_tcp_connects_within_two_seconds_and_is_asked_first_then() {
    let (hole, folder) = (Hole::new().await, TempDir::new().unwrap());
    let options = auto(&folder, true);
    let started = Instant::now();
    let (connection, _peer) =
        soon(async { tokio::join!(Connection::connect(HOST, hole.port(), &options), hole.pass()) }).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(connection.unwrap().way(), Way::Tcp);
    let mut datagram = [0; 2048];
    assert!(hole.udp.try_recv(&mut datagram).is_ok(), "QUIC was asked first");
    while hole.udp.try_recv(&mut datagram).is_ok() {}

    let (connection, _peer) =
        soon(async { tokio::join!(Connection::connect(HOST, hole.port(), &options), hole.pass()) }).await;
    assert_eq!(connection.unwrap().way(), Way::Tcp);
    assert!(hole.udp.try_recv(&mut datagram).is_err(), "QUIC was asked again");

    std::fs::write(options.routes.as_ref().unwrap(), "not a route").unwrap();
    let (connection, _peer) =
        soon(async { tokio::join!(Connection::connect(HOST, hole.port(), &options), hole.pass()) }).await;
    assert_eq!(connection.unwrap().way(), Way::Tcp);
    assert!(hole.udp.try_recv(&mut datagram).is_ok(), "a damaged memory is none");
    let text = std::fs::read_to_string(options.routes.as_ref().unwrap()).unwrap();
    let server = format!("{HOST}:{}", hole.port());
    let known: Vec<&str> = text.lines().collect();
    assert!(
        known
            .iter()
            .any(|line| line.starts_with(&format!("127.0.0.0/24 {server} quic ")) && line.ends_with(" x"))
    );
    assert!(
        known
            .iter()
            .any(|line| line.starts_with(&format!("127.0.0.0/24 {server} tcp ")) && line.ends_with(" -"))
    );
}

#[tokio::test]
async fn a_way_that_moves_more_is_taken() {
    let rig = Rig::new();
    let mut options = rig.options(Transport::Auto);
    options.routes = Some(rig.folder.path().join("routes"));
    let ways = async |options: &Options| rig.connect(options).await.unwrap().0;
    let connection = ways(&options).await;
    assert_eq!(connection.way(), Way::Quic);
    connection.measured(8 << 20, Duration::from_secs(8));
    let mut tcp = options.clone();
    tcp.transport = Transport::Tcp;
    // Too little to tell.
    ways(&tcp).await.measured(1 << 20, Duration::from_millis(1));
    assert_eq!(ways(&options).await.way(), Way::Quic);
    ways(&tcp).await.measured(8 << 20, Duration::from_secs(4));
    assert_eq!(ways(&options).await.way(), Way::Tcp);
}

#[tokio::test]
async fn nobody_at_all_is_told_soon_and_silence_takes_the_deadline() {
    let folder = TempDir::new().unwrap();
    let gone = free_listener_port();
    let started = Instant::now();
    let error = Connection::connect(HOST, gone, &auto(&folder, false)).await.unwrap_err();
    assert!(matches!(error, TransportError::NobodyListens { .. }), "{error}");
    assert!(started.elapsed() < PATIENCE / 4, "{:?}", started.elapsed());

    let hole = Hole::new().await;
    let mut options = auto(&folder, false);
    options.deadline = Duration::from_millis(400);
    // TCP is accepted by the system, and says nothing.
    let error = Connection::connect(HOST, hole.port(), &options).await.unwrap_err();
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");
}

/// A port that was free for both protocols a moment ago.
fn free_listener_port() -> u16 {
    loop {
        let tcp = std::net::TcpListener::bind(free_port()).unwrap();
        let address = tcp.local_addr().unwrap();
        if std::net::UdpSocket::bind(address).is_ok() {
            return address.port();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_started_again_resets_the_connections_of_the_one_before() {
    let folder = TempDir::new().unwrap();
    let who = identity();
    // A runtime of its own, so that it can be gone in the middle of everything, without a goodbye.
    let process = tokio::runtime::Runtime::new().unwrap();
    let (tell, told) = tokio::sync::oneshot::channel();
    let first = who.clone();
    process.spawn(async move {
        let listener = Listener::bind(free_port(), first).unwrap();
        tell.send(listener.address().unwrap()).unwrap();
        let _peer = greet(&listener).await;
        std::future::pending::<()>().await;
    });
    let address = soon(told).await.unwrap();
    let mut options = auto(&folder, false);
    options.transport = Transport::Quic;
    let connection = soon(Connection::connect(HOST, address.port(), &options)).await.unwrap();
    process.shutdown_background();
    let _again = soon(async {
        loop {
            match Listener::bind(address, who.clone()) {
                Ok(listener) => return listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    let started = Instant::now();
    let error = soon(async {
        let mut stream = connection.open().await?;
        stream.send.write(Bytes::from_static(b"are you there")).await?;
        stream.recv.read(&mut [0]).await
    });
    error.await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    connection.open().await.unwrap_err();
}

proptest! {
    #[test]
    fn any_text_of_routes_is_some_memory(text in "\\PC*|([0-9a-f./: x-]|quic|tcp|\n){0,200}") {
        let memory = dits_net::route::Memory::parse(&text);
        let _ = memory.choose("10.0.0.0/24", "host:1", 1_800_000_000);
        let again = dits_net::route::Memory::parse(&memory.text(1_800_000_000));
        prop_assert_eq!(again.text(1_800_000_000), memory.text(1_800_000_000));
    }
}
