//! A Git stream of a client: raw bytes both ways, for who reads and writes as with a pipe.
//!
//! Each half waits as long as anything at all moves between the two machines: on its own such a stream may be quiet for
//! hours, while the contents of a push travel beside it.

use crate::machine::{GIT_SILENCE_MAX, SyncError};
use bytes::Bytes;
use dits_net::TransportError;
use dits_net::stream::{Activity, FINISH_MAX, Receiving, Sending};
use std::io::{self, Read, Write};
use std::pin::pin;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How one half of a Git stream waits: as long as anything moves between the two machines.
#[derive(Debug, Clone)]
pub(super) struct Wait {
    pub handle: Handle,
    pub activity: Arc<Activity>,
}

impl Wait {
    fn on<T>(&self, moves: impl Future<Output = Result<T, TransportError>>) -> io::Result<T> {
        self.handle.block_on(async {
            let mut moves = pin!(moves);
            loop {
                let before = self.activity.bytes();
                match timeout(GIT_SILENCE_MAX, &mut moves).await {
                    Ok(moved) => return moved.map_err(io::Error::other),
                    Err(_) if self.activity.bytes() != before => {}
                    Err(_) => return Err(io::Error::other(SyncError::Silence(GIT_SILENCE_MAX))),
                }
            }
        })
    }
}

/// The sending half of a Git stream.
#[derive(Debug)]
pub struct GitWriter {
    pub(super) wait: Wait,
    pub(super) send: Sending,
}

impl GitWriter {
    /// No more bytes follow; the server's Git sees the end of its input.
    pub fn finish(&mut self) {
        // A peer that takes no end is found silent by whoever reads.
        let _ = self.wait.handle.block_on(async { timeout(FINISH_MAX, self.send.end()).await });
    }
}

impl Write for GitWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.send.write(Bytes::copy_from_slice(bytes));
        self.wait.on(sent).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The receiving half of a Git stream.
#[derive(Debug)]
pub struct GitReader {
    pub(super) wait: Wait,
    pub(super) recv: Receiving,
}

impl Read for GitReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.wait.on(self.recv.read(out))
    }
}
