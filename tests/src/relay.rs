//! A wire between a client and a server that can be cut in the middle of a transfer.
//!
//! Datagrams are passed on both ways until a given number of bytes went one way; from then on nothing is, as
//! if the cable were pulled. So a transfer can be held at a known place for as long as a test needs, and
//! the test does not depend on who is faster.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often a thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);
/// Larger than any datagram.
const DATAGRAM_BYTES_MAX: usize = 1 << 16;
/// No cut.
const OPEN: u64 = u64::MAX;

/// A wire; removed when dropped.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    up: Way,
    down: Way,
    ended: AtomicBool,
}

#[derive(Debug)]
struct Way {
    passed: AtomicU64,
    limit: AtomicU64,
}

impl Way {
    fn new() -> Way {
        Way { passed: AtomicU64::new(0), limit: AtomicU64::new(OPEN) }
    }

    fn cut_after(&self, bytes: u64) {
        self.limit.store(self.passed.load(Ordering::SeqCst) + bytes, Ordering::SeqCst);
    }

    fn is_cut(&self) -> bool {
        self.passed.load(Ordering::SeqCst) >= self.limit.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn is_cut(&self) -> bool {
        self.up.is_cut() || self.down.is_cut()
    }

    fn pass(&self, way: &Way, bytes: &[u8], send: impl FnOnce(&[u8])) {
        if !self.is_cut() {
            way.passed.fetch_add(bytes.len() as u64, Ordering::SeqCst);
            send(bytes);
        }
    }
}

impl Relay {
    /// A wire to the server on this port.
    pub fn to(port: u16) -> Relay {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let shared = Shared { server, up: Way::new(), down: Way::new(), ended: AtomicBool::new(false) };
        let shared = Arc::new(shared);
        let socket = local_socket();
        let port = socket.local_addr().expect("it is bound").port();
        let threads = shared.clone();
        std::thread::spawn(move || listen(&threads, &socket));
        Relay { port, shared }
    }

    /// URL of a repository at the other end.
    pub fn url(&self, repository: &str) -> String {
        format!("dits://127.0.0.1:{}/{repository}", self.port)
    }

    /// Cuts the wire after so many more bytes towards the server.
    pub fn cut_up_after(&self, bytes: u64) {
        self.shared.up.cut_after(bytes);
    }

    /// Cuts the wire after so many more bytes from the server.
    pub fn cut_down_after(&self, bytes: u64) {
        self.shared.down.cut_after(bytes);
    }

    /// Whether nothing passes any more.
    pub fn is_cut(&self) -> bool {
        self.shared.is_cut()
    }

    /// Lets everything pass again.
    pub fn mend(&self) {
        self.shared.up.limit.store(OPEN, Ordering::SeqCst);
        self.shared.down.limit.store(OPEN, Ordering::SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
    }
}

fn local_socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
    socket.set_read_timeout(Some(LOOK)).expect("a socket has timeouts");
    socket
}

/// From clients to the server; each client gets a socket of its own on the other side.
fn listen(shared: &Arc<Shared>, socket: &UdpSocket) {
    let socket = Arc::new(socket.try_clone().expect("a socket can be shared"));
    let clients: Mutex<HashMap<SocketAddr, Arc<UdpSocket>>> = Mutex::default();
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    while !shared.ended.load(Ordering::SeqCst) {
        let Ok((len, client)) = socket.recv_from(&mut buffer) else { continue };
        let mut clients = clients.lock().expect("nobody panics with it");
        let upstream = clients.entry(client).or_insert_with(|| {
            let upstream = Arc::new(local_socket());
            let (shared, socket, from) = (shared.clone(), socket.clone(), upstream.clone());
            std::thread::spawn(move || answer(&shared, &from, &socket, client));
            upstream
        });
        // A datagram that cannot be sent is one that is lost: the protocol lives with that.
        shared.pass(&shared.up, &buffer[..len], |bytes| drop(upstream.send_to(bytes, shared.server)));
    }
}

/// From the server to one client.
fn answer(shared: &Shared, upstream: &UdpSocket, socket: &UdpSocket, client: SocketAddr) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    while !shared.ended.load(Ordering::SeqCst) {
        let Ok((len, _)) = upstream.recv_from(&mut buffer) else { continue };
        shared.pass(&shared.down, &buffer[..len], |bytes| drop(socket.send_to(bytes, client)));
    }
}
