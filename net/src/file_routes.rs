//! The memory of routes in a file: the edge of `route`.
//!
//! Read whole, replaced whole. Processes that write at the same moment may drop what the other learned: it is a
//! memory, and is learned again. For the same reason nothing here fails: a file that cannot be read is an empty memory,
//! and one that cannot be written is left.

use crate::beside::{File, lock, replace};
use crate::route::{MEASURED_FROM, Memory, Plan, Seen, State, TEXT_BYTES_MAX, Way, network};
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long another writer is waited for.
const PATIENCE: Duration = Duration::from_millis(100);

/// What is remembered about one server, seen from one network.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    file: PathBuf,
    network: String,
    server: String,
}

impl Route {
    /// The route to the server of this name by way of this address; `None` when no network leads there.
    pub fn to(file: &Path, server: String, address: SocketAddr) -> Option<Route> {
        let local = local_address(address)?;
        Some(Route { file: file.to_owned(), network: network(local.ip()), server })
    }

    /// Whom to ask first.
    pub fn choose(&self) -> Plan {
        self.read().choose(&self.network, &self.server, now())
    }

    /// Whether the rest of a transfer on `way` is better given to the way that would be asked first now.
    pub fn leaves(&self, way: Way) -> bool {
        self.read().leaves(&self.network, &self.server, way, now())
    }

    /// Keeps that this way works; `closed` tells that the other one was asked before and stayed silent.
    pub fn opened(&self, way: Way, other_is_closed: bool) {
        let closed = other_is_closed.then_some((way.other(), State::Closed));
        self.learn([Some((way, State::Open)), closed]);
    }

    /// Keeps how fast a transfer was, when it was large enough to tell.
    pub fn measured(&self, way: Way, bytes: u64, took: Duration) {
        if bytes >= MEASURED_FROM && !took.is_zero() {
            let goodput = (u128::from(bytes) * 1_000_000 / took.as_micros().max(1)) as u64;
            self.learn([Some((way, State::Measured { goodput, bytes })), None]);
        }
    }

    fn learn(&self, lessons: [Option<(Way, State)>; 2]) {
        let Some(folder) = self.file.parent() else { return };
        if std::fs::create_dir_all(folder).is_err() {
            return;
        }
        let Ok(_lock) = lock(&self.file, PATIENCE) else { return };
        let at = now();
        let (mut memory, before) = (self.read(), self.read());
        for (way, state) in lessons.into_iter().flatten() {
            memory.learn(&self.network, &self.server, way, Seen { at, state });
        }
        if memory != before {
            let _ = replace(&self.file, &memory.text(at));
        }
    }

    fn read(&self) -> Memory {
        let mut text = String::new();
        let read =
            File::open(&self.file).and_then(|file| file.take(TEXT_BYTES_MAX).read_to_string(&mut text));
        read.map(|_| Memory::parse(&text)).unwrap_or_default()
    }
}

/// The address of ours that packets to `address` leave from. Nothing is sent.
fn local_address(address: SocketAddr) -> Option<SocketAddr> {
    let any: SocketAddr =
        if address.is_ipv6() { (Ipv6Addr::UNSPECIFIED, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(address).ok()?;
    socket.local_addr().ok()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
