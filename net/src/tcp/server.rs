//! The listening end: sockets, handshakes, and what is known of who is connected.
//!
//! A connection that does not want our protocol but `http/1.1`, `h2` or names nothing is handed up as it is.
//!
//! Always holds: closing a socket with unread bytes would make the system throw away what was sent last, so a
//! peer is kept until it has ended its half too, for a while.

use super::line::{Line, end};
use super::{Buffered, Counters, buffered, stream};
use crate::TransportError;
use crate::listen::{Http, PROTOCOLS_HTTP};
use crate::stream::{Activity, FINISH_MAX, Stream};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Connections that the system keeps for us before we look.
const BACKLOG: i32 = 1024;
/// Bytes thrown away at once while a peer ends its half.
const SCRATCH_BYTES: usize = 16 << 10;

/// Opens a listening socket; `[::]` serves IPv4 too where the system allows it.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        let _ = socket.set_only_v6(false);
    }
    // A restarted server finds its old connections in their last minute.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Who is connected.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    /// All streams of a client, which has one address and many connections, share their activity.
    activity: HashMap<IpAddr, Weak<Activity>>,
    sockets: Vec<Weak<TcpStream>>,
}

impl Roster {
    fn enter(&mut self, from: IpAddr, socket: &Arc<TcpStream>) -> Arc<Activity> {
        // Looking through all of them each time would cost a busy server more than keeping a few too long.
        if self.sockets.len() == self.sockets.capacity() {
            self.sockets.retain(|socket| socket.strong_count() > 0);
            self.activity.retain(|_, activity| activity.strong_count() > 0);
        }
        self.sockets.push(Arc::downgrade(socket));
        let known = self.activity.get(&from).and_then(Weak::upgrade);
        let activity = known.unwrap_or_default();
        self.activity.insert(from, Arc::downgrade(&activity));
        activity
    }

    /// Ends every connection.
    pub fn close(&mut self) {
        self.sockets.drain(..).filter_map(|socket| socket.upgrade()).for_each(|socket| end(&socket));
    }
}

/// Somebody who wants to connect.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub socket: TcpStream,
    pub address: SocketAddr,
    pub tls: Arc<rustls::ServerConfig>,
    pub roster: Arc<Mutex<Roster>>,
}

/// What came of a handshake.
#[derive(Debug)]
pub(crate) enum Greeted {
    Peer(Peer),
    Http(Http),
}

impl Arrival {
    /// Finishes the handshake.
    pub async fn greet(self) -> Result<Greeted, TransportError> {
        let (line, gone) = Line::new(self.socket, Arc::<Counters>::default())?;
        let socket = line.socket().clone();
        let from = self.address.ip().to_canonical();
        let activity = self.roster.lock().unwrap_or_else(PoisonError::into_inner).enter(from, &socket);
        let tls = TlsAcceptor::from(self.tls).accept(buffered(line)).await?;
        if tls.get_ref().1.alpn_protocol() != Some(crate::PROTOCOL) {
            return Ok(Greeted::Http(http(tls, self.address)));
        }
        let first = Mutex::new(Some(stream(tls, socket.clone(), &activity)));
        Ok(Greeted::Peer(Peer(Arc::new(Shared { first, socket, gone, address: self.address }))))
    }
}

fn http(tls: TlsStream<Buffered>, address: SocketAddr) -> Http {
    let is_h2 = tls.get_ref().1.alpn_protocol() == Some(PROTOCOLS_HTTP[0]);
    Http { io: Box::new(tls), address, is_h2 }
}

/// A connected client, with the one stream it has.
#[derive(Debug, Clone)]
pub(crate) struct Peer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    first: Mutex<Option<Stream>>,
    socket: Arc<TcpStream>,
    gone: watch::Receiver<()>,
    address: SocketAddr,
}

impl Peer {
    /// The stream, once; after that `None` when both ends are done with it.
    pub async fn next_stream(&self) -> Option<Stream> {
        let first = self.0.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        if first.is_some() {
            return first;
        }
        let mut gone = self.0.gone.clone();
        while gone.changed().await.is_ok() {}
        let _ = timeout(FINISH_MAX, self.drain()).await;
        None
    }

    /// Reads what the client still sends, to its end.
    async fn drain(&self) {
        let mut scratch = vec![0; SCRATCH_BYTES];
        while self.0.socket.readable().await.is_ok() {
            match self.0.socket.try_read(&mut scratch) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    pub fn close(&self) {
        end(&self.0.socket);
    }
}
