//! How much of what the transports can move is left when contents move: on loopback, in memory, in one run.
//!
//! Ways to bring the same bytes from one end to the other, in turns, so that a machine that is busy with
//! something else is so for all of them: bare quinn (a stream of `dits-net` adds nothing to one, and has settings without
//! which quinn is slower), bare tokio-rustls over a TCP socket, and a push and a pull over either, with machines,
//! driver, hashing and stores in memory. Both ends are in this process and share its cores. Printed are medians,
//! ours as a part of the bare one, and then each turn. *Verified* is the bare one with a hash of each chunk at the end that receives, which is
//! never left out: its time on all cores, spread over them, is the least that ours can take.
//!
//! What is received is kept in memory, and a system takes long to give fresh memory; so the program starts itself again with
//! an allocator that keeps what it has, and the first round does not count.
//!
//! `cargo run --release -p dits-sync --example throughput [MEBIBYTES [ROUNDS [quic-push]]]`

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people who measure")]

use bytes::Bytes;
use dits_format::tree::{Builder, Entry};
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, Proof};
use dits_net::certificate::ServerIdentity;
use dits_net::file_pins::FilePins;
use dits_net::listen::Arrived;
use dits_net::options::Transport;
use dits_net::{Connection, Listener, Options, Stream};
use dits_store::{ChunkWrite, MemoryStore};
use dits_sync::budget::{Budget, CLIENT_BUDGET_BYTES};
use dits_sync::driver::{Channel, drive};
use dits_sync::machine::Machine;
use dits_sync::message::{Hello, Message, Purpose, priority};
use dits_sync::pull::{Giver, Puller};
use dits_sync::push::{PushItem, Pusher, Taker};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const MIB: usize = 1 << 20;
/// About what a chunk of a video is.
const CHUNK_BYTES: usize = 80 << 10;
/// What the bare ones write and read at once.
const PIECE_BYTES: usize = 256 << 10;
/// What is read from a socket at once, as our own streams do.
const READ_BYTES: usize = 64 << 10;
/// Settings of glibc's allocator with which it gives nothing back.
const KEEP: [(&str, &str); 3] =
    [("MALLOC_TRIM_THRESHOLD_", "1000000000000"), ("MALLOC_MMAP_MAX_", "0"), ("MALLOC_ARENA_MAX", "1")];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if std::env::var_os(KEEP[0].0).is_none() {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        assert!(again.args(words).envs(KEEP).status().unwrap().success());
        return;
    }
    let number = |i: usize, default| words.get(i).map_or(default, |word| word.parse::<usize>().unwrap());
    let (mebibytes, rounds) = (number(0, 1024), number(1, 5));
    // For a profiler: one of these alone, like `quic-pull`.
    let only = words.get(2);
    let server = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // As `Client` does it, which has a thread of its own besides; the bare ones have two.
    let threads = |count| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(count).enable_all().build().unwrap()
    };
    let (client, bare) = (threads(1), threads(2));
    let content = content(mebibytes * MIB);
    let (mut rates, mut costs) = (vec![Vec::new(); 8], vec![Vec::new(); 8]);
    for round in 0..=rounds {
        let mut place = 0;
        for transport in [Transport::Quic, Transport::Tcp] {
            for what in [What::Bare, What::Verified, What::Push, What::Pull] {
                let name = format!("{transport:?}-{what:?}").to_lowercase();
                if only.is_some_and(|only| *only != name) {
                    rates[place].push(0.0);
                    costs[place].push(0.0);
                    place += 1;
                    continue;
                }
                let before = cpu_seconds();
                let client = if matches!(what, What::Bare | What::Verified) { &bare } else { &client };
                let took = client.block_on(run(&server, transport, what, &content));
                // The first round warms up.
                if round > 0 {
                    rates[place].push(mebibytes as f64 / took.as_secs_f64());
                    costs[place].push((cpu_seconds() - before) * 1024.0 / mebibytes as f64);
                }
                place += 1;
            }
        }
    }
    println!("{mebibytes} MiB, median of {rounds}, {} cores", std::thread::available_parallelism().unwrap());
    tell(&rates, &costs);
}

/// Medians for people, and each turn for who computes with them. In either, four ways for each transport.
fn tell(rates: &[Vec<f64>], costs: &[Vec<f64>]) {
    let transports = ["quinn", "rustls over TCP"];
    for (name, at) in transports.iter().zip([0, 4]) {
        let [bare, verified, push, pull] = [0, 1, 2, 3].map(|what| median(&rates[at + what]));
        println!(
            "{name:>16}: bare {bare:5.0} MiB/s, verified {verified:5.0} ({:.2}), push {push:5.0} ({:.2}), pull {pull:5.0} ({:.2})",
            verified / bare,
            push / bare,
            pull / bare
        );
        let [bare, verified, push, pull] = [0, 1, 2, 3].map(|what| median(&costs[at + what]));
        println!(
            "{:>16}  {bare:10.2} s of CPU a GiB, {verified:7.2}       , {push:10.2}       , {pull:10.2}",
            ""
        );
    }
    for (name, at) in transports.iter().zip([0, 4]) {
        for (what, at) in ["bare", "verified", "push", "pull"].iter().zip(at..) {
            let all = |values: &[f64]| {
                let texts: Vec<String> = values.iter().map(|value| format!("{value:.2}")).collect();
                texts.join(" ")
            };
            println!(
                "{name} {what}, each turn: {} MiB/s; {} s of CPU a GiB",
                all(&rates[at]),
                all(&costs[at])
            );
        }
    }
}

/// Time on all cores that this process has had.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    // Fields 14 and 15 of proc(5), in hundredths of a second.
    fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[derive(Debug, Clone, Copy)]
enum What {
    Bare,
    Verified,
    Push,
    Pull,
}

/// One content that never repeats.
#[derive(Clone)]
struct Content {
    /// Its bytes, for the bare ones: they read memory that nobody has just read, as ours do.
    bytes: Bytes,
    /// A store that has it.
    store: MemoryStore,
    item: PushItem,
}

fn content(size: usize) -> Content {
    let store = MemoryStore::new();
    let mut bytes = Vec::with_capacity(size);
    let (mut batch, mut builder, mut oid) = (store.batch().unwrap(), Builder::new(), blake3::Hasher::new());
    let mut state = 1_u64;
    let mut piece = vec![0; CHUNK_BYTES];
    let mut left = size;
    while left > 0 {
        let piece = &mut piece[..CHUNK_BYTES.min(left)];
        for word in piece.chunks_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
        }
        left -= piece.len();
        bytes.extend_from_slice(piece);
        oid.update(piece);
        let entry = Entry { id: ChunkId::of(Kind::Data, piece), bytes: piece.len() as u64 };
        batch.put(entry.id, Kind::Data, piece).unwrap();
        builder.push(entry, &mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).unwrap();
    }
    let root = builder.finish(&mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).unwrap();
    let oid = Oid::from_hex(oid.finalize().to_hex().as_bytes()).unwrap();
    let manifest = Manifest::plain(0, oid, size as u64, root);
    batch.put(manifest.id(), Kind::Manifest, &manifest.encode()).unwrap();
    batch.bind(Binding { oid, manifest: manifest.id(), size: size as u64, proof: Proof::Proved });
    batch.commit().unwrap();
    Content { bytes: bytes.into(), store, item: PushItem { oid, size: size as u64, base: None } }
}

/// Moves the content once.
async fn run(server: &Runtime, transport: Transport, what: What, content: &Content) -> Duration {
    let identity = identity();
    if let (Transport::Tcp, What::Bare | What::Verified) = (transport, what) {
        return bare_tls(server, identity, what, content.bytes.clone()).await;
    }
    let listener = {
        let _inside = server.enter();
        Listener::bind("127.0.0.1:0".parse().unwrap(), identity).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let pins = FilePins { path: folder.path().join("known_hosts") };
    let mut options = Options::new(Arc::new(pins), Duration::from_secs(10));
    options.transport = transport;
    let port = listener.address().unwrap().port();
    let store = content.store.clone();
    let server = server.spawn(async move {
        let Arrived::Peer(peer) = listener.accept().await.unwrap().greet().await.unwrap() else { panic!() };
        serve(what, peer.next_stream().await.unwrap(), store).await;
        let _ = peer.next_stream().await;
    });
    let connection = Connection::connect("127.0.0.1", port, &options).await.unwrap();
    // What it is received into is freed later.
    let target = MemoryStore::new();
    let started = Instant::now();
    ask(what, &connection, content.clone(), &target).await;
    let took = started.elapsed();
    connection.close().await;
    server.await.unwrap();
    took
}

fn identity() -> ServerIdentity {
    let made = rcgen::generate_simple_self_signed(vec!["dits".to_owned()]).unwrap();
    ServerIdentity { cert_der: made.cert.der().to_vec(), key_der: made.signing_key.serialize_der() }
}

/// Bytes over tokio-rustls and a TCP socket, and nothing of ours.
async fn bare_tls(server: &Runtime, identity: ServerIdentity, what: What, bytes: Bytes) -> Duration {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let cert = CertificateDer::from(identity.cert_der);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.clone()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert], PrivatePkcs8KeyDer::from(identity.key_der).into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (tell, told) = tokio::sync::oneshot::channel();
    let server = server.spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        tell.send(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        let socket = tokio::io::BufReader::with_capacity(READ_BYTES, socket);
        let mut tls = acceptor.accept(socket).await.unwrap();
        let mut taker = Buffer::new(what);
        loop {
            let read = tls.read(taker.room()).await.unwrap();
            if !taker.took(read) {
                break;
            }
        }
        tls.write_all(b"!").await.unwrap();
        tls.shutdown().await.unwrap();
    });
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    // The bare ones may have a thread of the pool: they are not to be slowed down.
    let client = tokio::spawn(async move {
        let socket = TcpStream::connect(told.await.unwrap()).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let name = ServerName::try_from("dits").unwrap();
        let mut tls = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
        let started = Instant::now();
        for piece in bytes.chunks(PIECE_BYTES) {
            tls.write_all(piece).await.unwrap();
        }
        tls.shutdown().await.unwrap();
        tls.read_exact(&mut [0]).await.unwrap();
        started.elapsed()
    });
    let took = client.await.unwrap();
    server.await.unwrap();
    took
}

/// Where a bare one receives into.
struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
    verifies: bool,
}

impl Buffer {
    fn new(what: What) -> Buffer {
        let verifies = matches!(what, What::Verified);
        Buffer { bytes: vec![0; if verifies { CHUNK_BYTES } else { PIECE_BYTES }], filled: 0, verifies }
    }

    fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    /// Takes so many bytes, and says whether more follow.
    fn took(&mut self, bytes: usize) -> bool {
        self.filled += bytes;
        if self.filled == self.bytes.len() && self.verifies {
            std::hint::black_box(ChunkId::of(Kind::Data, &self.bytes));
        }
        if self.filled == self.bytes.len() || !self.verifies {
            self.filled = 0;
        }
        bytes > 0
    }
}

async fn ask(what: What, connection: &Connection, content: Content, target: &MemoryStore) {
    let Content { mut bytes, store, item } = content;
    let hello = |purpose| Hello {
        repository: "a/b".into(),
        token: String::new(),
        priority: priority::NORMAL,
        purpose,
    };
    match what {
        What::Bare | What::Verified => {
            let mut stream = connection.open().await.unwrap();
            let sending = async move {
                while !bytes.is_empty() {
                    let piece = bytes.split_to(PIECE_BYTES.min(bytes.len()));
                    stream.send.write(piece).await.unwrap();
                }
                stream.send.finish().await;
                assert!(stream.recv.fill(&mut [0]).await.unwrap());
            };
            tokio::spawn(sending).await.unwrap();
        }
        What::Push => {
            let channel = Channel::open(connection, hello(Purpose::Push)).await.unwrap();
            drive_to_end(&mut Pusher::new(Arc::new(store), vec![item]), channel).await;
        }
        What::Pull => {
            let channel = Channel::open(connection, hello(Purpose::Pull)).await.unwrap();
            drive_to_end(&mut Puller::new(target, vec![item.oid.into()], true).unwrap(), channel).await;
        }
    }
}

async fn serve(what: What, mut stream: Stream, source: MemoryStore) {
    if let What::Bare | What::Verified = what {
        let mut taker = Buffer::new(what);
        loop {
            let read = stream.recv.read(taker.room()).await.unwrap();
            if !taker.took(read) {
                break;
            }
        }
        stream.send.write(Bytes::from_static(b"!")).await.unwrap();
        return stream.send.finish().await;
    }
    let (mut channel, _) = Channel::accept(stream, &Budget::new(CLIENT_BUDGET_BYTES)).await.unwrap();
    channel.send(&Message::Welcome).await.unwrap();
    match what {
        What::Push => drive_to_end(&mut Taker::new(&MemoryStore::new()).unwrap(), channel).await,
        _ => drive_to_end(&mut Giver::new(Arc::new(source)), channel).await,
    }
}

async fn drive_to_end<M: Machine>(machine: &mut M, channel: Channel) {
    drive(machine, channel, &mut |_| {}).await.unwrap();
}
