//! What a client process calls: connect, push, pull, and a raw stream for Git. Blocking.
//!
//! A [`Client`] owns a small tokio runtime and one connection; each call opens a stream on it. Two
//! worker threads, so that encryption goes on while a machine reads its store.

use crate::address::Address;
use crate::ask::Asker;
use crate::driver::{Channel, Wire, drive};
use crate::machine::{Machine, SyncError, Tally};
use crate::message::{Hello, Purpose, priority};
use crate::pace::Pace;
use crate::pull::Puller;
use crate::push::{PushItem, Pusher};
use crate::slow::watch;
use crate::weigh::Weigher;
use crate::weigh_push::PushWeigher;
use bytes::Bytes;
use dits_format::Oid;
use dits_net::connection::WireBytes;
use dits_net::options::Limits;
use dits_net::pin::Fingerprint;
use dits_net::route::Way;
use dits_net::stream::{Receiving, Sending};
use dits_net::{Connection, Options, TransportError};
use dits_store::{ChunkRead, ChunkWrite};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle, Runtime};

/// How long connecting may take, resolving and handshake together.
pub const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A connection to the server of one repository.
#[derive(Debug)]
pub struct Client {
    /// Both are there until the client is dropped.
    runtime: Option<Runtime>,
    connection: Option<Connection>,
    repository: String,
    limits: Limits,
    pace: Arc<Pace>,
}

/// What a push or pull did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Contents and chunks.
    pub tally: Tally,
    /// Bytes of messages sent and received.
    pub wire: (u64, u64),
}

/// Sees the counts of a push or pull as they grow.
pub type Observer<'a> = &'a mut (dyn FnMut(Tally) + Send);

impl Client {
    /// Connects as `options` say; see [`Connection::connect`] for errors.
    pub fn connect(address: &Address, options: &Options) -> Result<Client, TransportError> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|source| TransportError::Socket { source })?;
        match runtime.block_on(Connection::connect(&address.host, address.port, options)) {
            Ok(connection) => Ok(Client {
                runtime: Some(runtime),
                connection: Some(connection),
                repository: address.repository.clone(),
                limits: options.limits,
                pace: Arc::new(Pace::new(&options.limits)),
            }),
            Err(error) => {
                // A resolver that hangs must not hold us beyond the deadline.
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("only drop takes it")
    }

    fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("only drop takes it")
    }

    /// The fingerprint that was pinned by this connection, if the server was new.
    pub fn first_use(&self) -> Option<&Fingerprint> {
        self.connection().first_use()
    }

    /// What carries the streams.
    pub fn way(&self) -> Way {
        self.connection().way()
    }

    /// Bytes on the wire so far, both ways.
    pub fn wire(&self) -> WireBytes {
        self.connection().stats()
    }

    /// Sends `items` from `store`; when it returns, the server has them all, durably.
    pub fn push(
        &self,
        token: &str,
        store: Arc<dyn ChunkRead>,
        items: Vec<PushItem>,
        observe: Observer<'_>,
    ) -> Result<Report, SyncError> {
        self.run(token, Purpose::Push, &mut Pusher::new(store, items), observe)
    }

    /// Fetches `oids` into `store`; also returns those that the server does not have. What arrived before
    /// an error is kept.
    pub fn pull(
        &self,
        token: &str,
        store: &(impl ChunkWrite + Clone + 'static),
        oids: Vec<Oid>,
        observe: Observer<'_>,
    ) -> Result<(Report, Vec<Oid>), SyncError> {
        let mut puller = Puller::new(store, oids)?;
        match self.run(token, Purpose::Pull, &mut puller, observe) {
            Ok(report) => Ok((report, puller.absent().to_vec())),
            Err(error) => {
                puller.salvage()?;
                Err(error)
            }
        }
    }

    /// Which of `oids` the server holds whole and proved, in their order.
    pub fn ask(&self, token: &str, oids: Vec<Oid>) -> Result<Vec<bool>, SyncError> {
        let mut asker = Asker::new(oids);
        self.run(token, Purpose::Pull, &mut asker, &mut |_| {})?;
        Ok(asker.answers().to_vec())
    }

    /// Counts what [`Client::pull`] would move (`chunks_needed`, `needed_bytes`) without moving it; also returns
    /// those contents that the server does not have.
    pub fn weigh(
        &self,
        token: &str,
        store: Arc<dyn ChunkRead>,
        oids: Vec<Oid>,
    ) -> Result<(Report, Vec<Oid>), SyncError> {
        let mut weigher = Weigher::new(store, oids);
        let report = self.run(token, Purpose::Pull, &mut weigher, &mut |_| {})?;
        Ok((report, weigher.absent().to_vec()))
    }

    /// Counts what [`Client::push`] would send (`chunks_needed`, `needed_bytes`) without sending it.
    pub fn weigh_push(
        &self,
        token: &str,
        store: Arc<dyn ChunkRead>,
        items: Vec<PushItem>,
    ) -> Result<Report, SyncError> {
        self.run(token, Purpose::Pull, &mut PushWeigher::new(store, items), &mut |_| {})
    }

    fn run<M: Machine>(
        &self,
        token: &str,
        purpose: Purpose,
        machine: &mut M,
        observe: Observer<'_>,
    ) -> Result<Report, SyncError> {
        let hello = self.hello(token, purpose);
        let started = Instant::now();
        let wire = self.runtime().block_on(async {
            let channel = Channel::open(self.connection(), hello).await?.paced(&self.pace);
            let (wire, activity) = (channel.wire(), channel.activity());
            tokio::select! {
                driven = drive(machine, channel, observe) => driven?,
                slow = watch(self.limits.slow, &activity) => return Err(slow),
            }
            Ok::<Arc<Wire>, SyncError>(wire)
        })?;
        let (sent, received) = wire.bytes();
        self.connection().measured(sent + received, started.elapsed());
        Ok(Report { tally: machine.tally(), wire: (sent, received) })
    }

    fn hello(&self, token: &str, purpose: Purpose) -> Hello {
        Hello {
            repository: self.repository.clone(),
            token: token.into(),
            priority: priority::NORMAL,
            purpose,
        }
    }

    /// Opens a stream to a Git service of the server.
    pub fn git(&self, token: &str, purpose: Purpose) -> Result<(GitWriter, GitReader), SyncError> {
        let hello = self.hello(token, purpose);
        let handle = self.runtime().handle().clone();
        self.runtime().block_on(async {
            let channel = Channel::open(self.connection(), hello).await?;
            let stream = channel.into_raw().await?;
            let writer = GitWriter { handle: handle.clone(), send: stream.send };
            Ok((writer, GitReader { handle, recv: stream.recv }))
        })
    }

    /// Ends the connection in good order. Dropping the client does the same.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Client {
    /// Also after an error the server is told: it would keep the connection, and a Git process for it, until
    /// it is found idle.
    fn drop(&mut self) {
        if let (Some(runtime), Some(connection)) = (self.runtime.take(), self.connection.take()) {
            runtime.block_on(connection.close());
            runtime.shutdown_background();
        }
    }
}

/// The sending half of a Git stream.
#[derive(Debug)]
pub struct GitWriter {
    handle: Handle,
    send: Sending,
}

impl GitWriter {
    /// No more bytes follow; the server's Git sees the end of its input.
    pub fn finish(&mut self) {
        self.handle.block_on(self.send.end());
    }
}

impl Write for GitWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len();
        let written = self.handle.block_on(self.send.write(Bytes::copy_from_slice(bytes)));
        written.map(|()| len).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The receiving half of a Git stream.
#[derive(Debug)]
pub struct GitReader {
    handle: Handle,
    recv: Receiving,
}

impl Read for GitReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.handle.block_on(self.recv.read(out)).map_err(io::Error::other)
    }
}
