//! What a client process calls: connect, push, pull, and a raw stream for Git. Blocking.
//!
//! A [`Client`] owns a small tokio runtime and one connection; each call opens a stream on it. One worker thread carries
//! the bytes, beside the thread of the caller, where the machine works: more of them only wait for each other.

use crate::address::Address;
use crate::ask::Asker;
use crate::driver::{Channel, drive_until};
use crate::filter::Filter;
use crate::login::KeyHolder;
use crate::machine::{Machine, SyncError, Tally};
use crate::message::{Hello, Purpose, priority};
use crate::pace::Pace;
use crate::pull::{PullItem, Puller};
use crate::push::{PushItem, Pusher};
use crate::slow::watch;
use crate::weigh::Weigher;
use crate::weigh_push::PushWeigher;
use dits_format::Oid;
use dits_net::connection::WireBytes;
use dits_net::options::Limits;
use dits_net::pin::Fingerprint;
use dits_net::route::Way;
use dits_net::{Connection, Options, TransportError};
use dits_store::{ChunkRead, ChunkWrite, Follow};
use leaving::Left;
use side_by_side::{shares, side_by_side};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

mod extras;
mod git;
mod leaving;
mod side_by_side;

pub use extras::{Parts, Ranged};
use git::Wait;
pub use git::{GitReader, GitWriter};

/// How long connecting may take, resolving and handshake together.
pub const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A connection to the server of one repository.
#[derive(Debug)]
pub struct Client {
    /// Both are there until the client is dropped.
    runtime: Option<Runtime>,
    connection: Option<Connection>,
    repository: String,
    /// Bytes of messages of all streams that have ended, well or not.
    spent: Mutex<(u64, u64)>,
    limits: Limits,
    pace: Arc<Pace>,
    /// Whether who runs a transfer goes on elsewhere when it is told to.
    leaves: AtomicBool,
}

/// What a push or pull did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Contents and chunks.
    pub tally: Tally,
    /// Bytes of messages sent and received.
    pub wire: (u64, u64),
}

/// What a content that is pulled is taken to weigh: its size is not known here.
const PULLED_BYTES: u64 = 1 << 20;

/// What is to be sent.
#[derive(Debug, Clone, Default)]
pub struct Push {
    /// The contents.
    pub items: Vec<PushItem>,
    /// What the server lacked some time ago, surely: it is sent without asking.
    pub filter: Option<Arc<Filter>>,
    /// What it has by now, most likely: it is asked first.
    pub there: Arc<crate::there::There>,
}

impl From<Vec<PushItem>> for Push {
    fn from(items: Vec<PushItem>) -> Push {
        Push { items, ..Push::default() }
    }
}

/// What is to be fetched.
#[derive(Debug, Clone)]
pub struct Pull {
    /// The contents.
    pub items: Vec<PullItem>,
    /// Nothing of them is here: the server need not ask.
    pub cold: bool,
    /// See [`priority`].
    pub priority: u8,
    /// Who reads contents as they come.
    pub follower: Option<Arc<dyn Follow>>,
}

impl From<Vec<Oid>> for Pull {
    fn from(oids: Vec<Oid>) -> Pull {
        let items = oids.into_iter().map(PullItem::from).collect();
        Pull { items, cold: false, priority: priority::NORMAL, follower: None }
    }
}

/// Sees the counts of a push or pull as they grow.
pub type Observer<'a> = &'a mut (dyn FnMut(Tally) + Send);

impl Client {
    /// Connects as `options` say; see [`Connection::connect`] for errors.
    pub fn connect(address: &Address, options: &Options) -> Result<Client, TransportError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|source| TransportError::Socket { source })?;
        match runtime.block_on(Connection::connect(&address.host, address.port, options)) {
            Ok(connection) => Ok(Client {
                runtime: Some(runtime),
                connection: Some(connection),
                repository: address.repository.clone(),
                spent: Mutex::default(),
                limits: options.limits,
                pace: Arc::new(Pace::new(&options.limits)),
                leaves: AtomicBool::new(false),
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

    /// Whether streams can still be opened, as far as is known.
    pub fn is_open(&self) -> bool {
        self.connection().is_open()
    }

    /// Bytes on the wire so far, both ways.
    pub fn wire(&self) -> WireBytes {
        self.connection().stats()
    }

    /// Bytes of messages sent and received so far, by streams that have ended.
    pub fn spent(&self) -> (u64, u64) {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends contents from `store`; when it returns, the server has them all, durably.
    pub fn push(
        &self,
        token: &str,
        store: Arc<dyn ChunkRead>,
        push: impl Into<Push>,
        observe: Observer<'_>,
    ) -> Result<Report, SyncError> {
        let Push { items, filter, there } = push.into();
        let one = |items: Vec<PushItem>, observe: Observer<'_>| {
            let mut pusher = Pusher::new(store.clone(), items);
            filter.iter().for_each(|filter| pusher.set_filter(filter.clone()));
            pusher.set_there(there.clone());
            self.run(self.hello(token, Purpose::Push), &mut pusher, observe)
        };
        match self.has_lanes() {
            true => side_by_side(shares(items, |item| item.size), observe, one),
            false => one(items, observe),
        }
    }

    /// Fetches contents into `store`; also returns those that the server does not have. What arrived before
    /// an error is kept.
    pub fn pull(
        &self,
        token: &str,
        store: &(impl ChunkWrite + Clone + 'static),
        pull: impl Into<Pull>,
        observe: Observer<'_>,
    ) -> Result<(Report, Vec<Oid>), SyncError> {
        let Pull { items, cold, priority, follower } = pull.into();
        let absent = Mutex::new(Vec::new());
        let one = |(cold, items): (bool, Vec<PullItem>), observe: Observer<'_>| {
            let mut puller = Puller::new(store, items, cold)?;
            follower.iter().for_each(|follower| puller.follow(follower.clone()));
            let hello = Hello { priority, ..self.hello(token, Purpose::Pull) };
            let result = self.run(hello, &mut puller, observe);
            match &result {
                Ok(_) => absent.lock().unwrap_or_else(PoisonError::into_inner).extend(puller.absent()),
                Err(_) => puller.salvage()?,
            }
            result
        };
        let report = match self.has_lanes() {
            true => {
                // What the first share brings need not come again with the next ones.
                let colds = std::iter::once(cold).chain(std::iter::repeat(false));
                let shares = shares(items, |_| PULLED_BYTES);
                side_by_side(colds.zip(shares).collect(), observe, one)
            }
            false => one((cold, items), observe),
        }?;
        Ok((report, absent.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Which of `oids` the server holds whole and proved, in their order.
    pub fn ask(&self, token: &str, oids: Vec<Oid>) -> Result<Vec<bool>, SyncError> {
        let mut asker = Asker::new(oids);
        self.run(self.hello(token, Purpose::Pull), &mut asker, &mut |_| {})?;
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
        let report = self.run(self.hello(token, Purpose::Pull), &mut weigher, &mut |_| {})?;
        Ok((report, weigher.absent().to_vec()))
    }

    /// Counts what [`Client::push`] would send (`chunks_needed`, `needed_bytes`) without sending it.
    pub fn weigh_push(
        &self,
        token: &str,
        store: Arc<dyn ChunkRead>,
        items: Vec<PushItem>,
    ) -> Result<Report, SyncError> {
        self.run(self.hello(token, Purpose::Pull), &mut PushWeigher::new(store, items), &mut |_| {})
    }

    /// Logs in with a key; `sign` gives the signature of a challenge, to be made over [`crate::login::to_be_signed`].
    pub fn log_in(
        &self,
        user: &str,
        key: &str,
        sign: &mut (dyn FnMut(&[u8; 32]) -> Option<String> + Send),
    ) -> Result<String, SyncError> {
        let purpose = Purpose::Login { user: user.into(), key: key.into() };
        let mut holder = KeyHolder::new(sign);
        self.run(self.hello("", purpose), &mut holder, &mut |_| {})?;
        holder.token().ok_or(SyncError::Protocol("a login without a token"))
    }

    /// The fingerprint of the certificate that the server showed.
    pub fn fingerprint(&self) -> Fingerprint {
        self.connection().fingerprint()
    }

    fn run<M: Machine>(
        &self,
        hello: Hello,
        machine: &mut M,
        observe: Observer<'_>,
    ) -> Result<Report, SyncError> {
        self.run_until(hello, machine, observe, std::future::pending())
    }

    /// The same, unless `end` ends it.
    fn run_until<M: Machine>(
        &self,
        hello: Hello,
        machine: &mut M,
        observe: Observer<'_>,
        end: impl Future<Output = SyncError>,
    ) -> Result<Report, SyncError> {
        let started = Instant::now();
        // Who waits for news of locks wants little, and may wait long.
        let slowest = self.limits.slow.filter(|_| hello.purpose != Purpose::Locks);
        let is_push = hello.purpose == Purpose::Push;
        let left = Left::default();
        let observe = &mut |tally: Tally| {
            left.is(&tally);
            observe(tally);
        };
        let wire = self.runtime().block_on(async {
            let channel = Channel::open(self.connection(), hello).await?.paced(&self.pace);
            let (wire, activity) = (channel.wire(), channel.activity());
            let leave = async |leaves: bool| {
                if leaves { self.leave(&wire, &left).await } else { std::future::pending().await }
            };
            let driven = tokio::select! {
                // What a push has sent is kept by the server when it has seen the end of it, and sent again else.
                driven = drive_until(machine, channel, observe, leave(is_push)) => driven,
                slow = watch(slowest, &activity) => Err(slow),
                () = leave(!is_push) => Err(SyncError::Elsewhere),
                over = end => Err(over),
            };
            let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
            (spent.0, spent.1) = (spent.0 + wire.bytes().0, spent.1 + wire.bytes().1);
            driven.map(|()| wire)
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
            let wait = Wait { handle, activity: stream.send.activity() };
            let writer = GitWriter { wait: wait.clone(), send: stream.send };
            Ok((writer, GitReader { wait, recv: stream.recv }))
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
