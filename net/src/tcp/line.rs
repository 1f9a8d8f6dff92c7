//! A TCP socket that several parties hold: the stream that reads and writes it, and whoever may have to end it.
//!
//! Bytes are counted as they pass. The socket is ended, both ways, when the stream was dropped before it had said
//! properly that no more follows: so a peer that waits learns of it at once, and learns that something was cut off.

use super::Counters;
use crate::TransportError;
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// A silent connection is asked for a sign of life this often.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Bytes that the peer does not acknowledge for this long mean that it is gone.
const GONE_AFTER: Duration = Duration::from_secs(30);

/// The socket, for reading and writing.
#[derive(Debug)]
pub(crate) struct Line {
    socket: Arc<TcpStream>,
    counters: Arc<Counters>,
    /// Closed together with the line.
    _held: watch::Sender<()>,
    ended: bool,
}

impl Line {
    /// A line over `socket`, and what tells when it is gone.
    pub fn new(
        socket: TcpStream,
        counters: Arc<Counters>,
    ) -> Result<(Line, watch::Receiver<()>), TransportError> {
        let set_up = || {
            socket.set_nodelay(true)?;
            let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE * 3).with_interval(KEEP_ALIVE);
            SockRef::from(&socket).set_tcp_keepalive(&keep_alive)?;
            #[cfg(target_os = "linux")]
            SockRef::from(&socket).set_tcp_user_timeout(Some(GONE_AFTER))?;
            Ok::<(), io::Error>(())
        };
        set_up().map_err(|source| TransportError::Socket { source })?;
        let (held, gone) = watch::channel(());
        Ok((Line { socket: Arc::new(socket), counters, _held: held, ended: false }, gone))
    }

    /// The socket itself, for those who may have to end it.
    pub fn socket(&self) -> &Arc<TcpStream> {
        &self.socket
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.ended {
            end(&self.socket);
        }
    }
}

/// Ends a socket both ways, now.
pub(crate) fn end(socket: &TcpStream) {
    // It fails when the peer has ended it before.
    let _ = SockRef::from(socket).shutdown(Shutdown::Both);
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_read_ready(cx))?;
            match self.socket.try_read(out.initialize_unfilled()) {
                Ok(read) => {
                    out.advance(read);
                    self.counters.received(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_write_ready(cx))?;
            match self.socket.try_write_vectored(slices) {
                Ok(written) => {
                    self.counters.sent(written);
                    return Poll::Ready(Ok(written));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ended = true;
        Poll::Ready(SockRef::from(&*self.socket).shutdown(Shutdown::Write))
    }
}
