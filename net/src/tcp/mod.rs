//! TLS 1.3 over TCP, for networks that let no UDP through: each stream is a connection of its own.
//!
//! Why not many streams in one: a lost packet would hold up all of them, and each would need windows of its own.
//! A handshake more for a further stream is little beside what travels.
//!
//! Always holds: an end of file without TLS's own end (`close_notify`) is an error for the reader, never an end.
//! A half that is dropped unfinished ends the socket both ways.

pub(crate) mod client;
pub(crate) mod line;
pub(crate) mod server;

use crate::connection::WireBytes;
use crate::stream::{Activity, Stream};
use line::{Line, end};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, BufReader, split};
use tokio::net::TcpStream;

/// Bytes that are read from a socket at once.
const READ_BYTES: usize = 64 << 10;

/// A line with room to read ahead: TLS itself reads in small bites.
pub(crate) type Buffered = BufReader<Line>;

pub(crate) fn buffered(line: Line) -> Buffered {
    BufReader::with_capacity(READ_BYTES, line)
}

/// Bytes of TCP payload.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    tx: AtomicU64,
    rx: AtomicU64,
}

impl Counters {
    fn sent(&self, bytes: usize) {
        self.tx.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn received(&self, bytes: usize) {
        self.rx.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> WireBytes {
        WireBytes { tx: self.tx.load(Ordering::Relaxed), rx: self.rx.load(Ordering::Relaxed) }
    }
}

/// A stream over a TLS connection that owns the line to `socket`.
pub(crate) fn stream<T>(tls: T, socket: Arc<TcpStream>, activity: &Arc<Activity>) -> Stream
where
    T: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
{
    let (recv, send) = split(tls);
    Stream::piped(Box::new(Half { send, socket, ended: false }), Box::new(recv), activity)
}

/// The writing half: dropped before its end, it ends the socket, though the reading half still holds that.
struct Half<W> {
    send: W,
    socket: Arc<TcpStream>,
    ended: bool,
}

impl<W> Drop for Half<W> {
    fn drop(&mut self) {
        if !self.ended {
            end(&self.socket);
        }
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Half<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.send).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.send).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.send).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = std::task::ready!(Pin::new(&mut self.send).poll_shutdown(cx));
        self.ended = ended.is_ok();
        Poll::Ready(ended)
    }
}
