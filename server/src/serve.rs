//! Starting and stopping a server.
//!
//! [`Server::start`] takes the folder, prepares everything in it and binds the endpoint: when it returns, the
//! server answers as soon as [`Server::run`] is polled. `run` ends when the caller's future does: no new
//! connection is taken, running streams have [`SHUTDOWN_GRACE`] to end, then the endpoint is closed with a
//! reason, the children of Git and the prover are stopped, and the folder is free again.
//!
//! Always holds: without tokens only this very machine is served. The hook that keeps refs from pointing at
//! missing contents can be executed: Git passes over a hook that cannot, so we look before we serve.
//!
//! Fails as [`ServeError`], before anything is bound where possible.

use crate::access::{Access, AccessError};
use crate::audit::{AuditLog, Event};
use crate::contents::Contents;
use crate::door::{Door, now};
use crate::faults::Faults;
use crate::git::Git;
use crate::hooks;
use crate::http::{self, connection, streams::Streams};
use crate::identity::{self, IdentityError};
use crate::layout::{Claim, Layout, LayoutError};
use crate::locks::desk::{self, Desk};
use crate::locks::{Locks, LocksError};
use crate::memory;
use crate::prover::{Prover, Tell};
use crate::pushes::Pushes;
use crate::session::{self, CLOSE_REASON, Shared};
use crate::stores::Stores;
use axum::Router;
use dits_net::certificate::ServerTls;
use dits_net::listen::{Arrival, Arrived};
use dits_net::{Listener, TransportError};
use dits_store::StoreError;
use dits_sync::budget::Budget;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, watch};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::timeout;

/// Time that running streams have to end when the server stops.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// Time for a client to finish its handshake.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Connections served at once.
pub const CONNECTIONS_MAX: usize = 1024;
/// Time for clients to hear of the end, and for what still ran to notice it.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// Problems kept until somebody wants to know.
const EARLY_PROBLEMS_MAX: usize = 100;

/// What to serve, where.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The server's folder; created if need be.
    pub dir: PathBuf,
    /// Address to listen on, UDP and TCP; port 0 takes one that is free for both.
    pub listen: SocketAddr,
    /// Files (PEM) of a certificate chain and its key to show in place of the server's own.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// File (PEM) of the authorities that clients must have a certificate of.
    pub client_ca: Option<PathBuf>,
    /// Whether everybody on this machine may do everything, without tokens.
    pub anonymous: bool,
    /// The `git-dits` program that the pre-receive hook runs.
    pub exe: PathBuf,
    /// Bytes of memory for messages that arrive, of all streams together; by itself [`memory::for_messages`].
    pub memory: Option<u64>,
    /// What is to go wrong; only for this machine.
    pub faults: Option<Arc<Faults>>,
}

/// Why a server cannot start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No tokens, and open to others.
    #[error(
        "refusing to serve {0} without tokens\nhint: serve on 127.0.0.1, or leave out the option that allows everybody"
    )]
    AnonymousNetwork(SocketAddr),
    /// To fail on purpose, and open to others.
    #[error("refusing to serve {0} with faults\nhint: '--faults' is for trials: serve on 127.0.0.1")]
    FaultsNetwork(SocketAddr),
    /// The folder cannot be used.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The tokens cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The locks cannot be used.
    #[error(transparent)]
    Locks(#[from] LocksError),
    /// The folder's disk failed.
    #[error(transparent)]
    Io(#[from] StoreError),
    /// The file system does not run programs.
    #[error("'{}' cannot be executed: {source}\nhint: the server's folder must not be on a file system mounted noexec", path.display())]
    Hook {
        /// The hook.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The endpoint cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: TransportError,
    },
    /// A thread or the runtime could not be started.
    #[error("cannot start: {0}")]
    Start(#[source] io::Error),
    /// The endpoint broke while serving.
    #[error("the network endpoint has failed")]
    Endpoint,
}

/// Who is told of problems, and what was to be told before that was known.
#[derive(Default)]
struct Problems {
    early: Vec<String>,
    sink: Option<Tell>,
}

/// A server that listens.
pub struct Server {
    listener: Listener,
    address: SocketAddr,
    admin_token: Option<String>,
    problems: Arc<Mutex<Problems>>,
    shared: Arc<Shared>,
    prover: Prover,
    /// The last field: dropped when all else has stopped.
    _claim: Claim,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Prepares the folder and binds the endpoint. Must be called inside a multi-threaded tokio runtime.
    pub fn start(config: ServerConfig) -> Result<Server, ServeError> {
        if !config.listen.ip().to_canonical().is_loopback() {
            if config.anonymous {
                return Err(ServeError::AnonymousNetwork(config.listen));
            }
            if config.faults.is_some() {
                return Err(ServeError::FaultsNetwork(config.listen));
            }
        }
        let (layout, claim) = Layout::claim(&config.dir)?;
        let problems = Arc::new(Mutex::new(Problems::default()));
        let tell = teller(problems.clone());
        let (access, admin_token) = Access::open(&layout, config.anonymous, tell.clone(), now())?;
        let git = Git::new(layout.clone(), std::env::var_os("PATH"));
        install_hook(&git, &config)?;
        let identity = identity::load_or_create(&layout)?;
        let tls = ServerTls { identity, files: config.certificate, client_ca: config.client_ca };
        let listener = Listener::bind(config.listen, tls.clone())
            .map_err(|source| ServeError::Listen { address: config.listen, source })?;
        let address = listener.address().map_err(ServeError::Start)?;

        let stores = Arc::new(Stores::new(layout.clone()));
        let realms = layout.realms_present()?;
        let prover = Prover::start(stores.clone(), realms, tell.clone()).map_err(ServeError::Start)?;
        let memory = Budget::new(
            usize::try_from(config.memory.unwrap_or_else(memory::for_messages)).unwrap_or(usize::MAX),
        );
        let door = Arc::new(Door::new(access, AuditLog::of(&layout), tls, tell.clone()));
        door.note(Event::of("start", &address.to_string()));
        let noting = door.clone();
        let locks = Arc::new(Locks::open(&layout)?.noted_by(move |event| noting.note(event)));
        let desk = Desk::open().map_err(ServeError::Start)?;
        let contents = Arc::new(Contents::new(layout));
        let shared = Arc::new(Shared {
            door,
            stores,
            contents,
            filters: Arc::default(),
            locks,
            desk,
            git,
            exe: config.exe,
            way: OnceCell::new(),
            proofs: prover.queue(),
            memory,
            pushes: Pushes::default(),
            faults: config.faults.unwrap_or_default(),
            tell,
        });
        Ok(Server { listener, address, admin_token, problems, shared, prover, _claim: claim })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token made by this, the very first, start: to be shown once.
    pub fn admin_token(&self) -> Option<&str> {
        self.admin_token.as_deref()
    }

    /// What it works with.
    #[cfg(test)]
    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Sets who is told, in one line each, about failures of the server's own; the first of those that came
    /// before are told now. `tell` is called from any thread and must not block for long.
    pub fn on_problem(&self, tell: impl Fn(&str) + Send + Sync + 'static) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        problems.early.drain(..).for_each(|text| tell(&text));
        problems.sink = Some(Arc::new(tell));
    }

    /// Serves until `shutdown` ends.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        // Hooks ask until the last push has ended.
        let mut hooks = JoinSet::new();
        hooks.spawn(desk::run(self.shared.clone()));
        desk::recover(&self.shared).await;
        let (stop, stopped) = watch::channel(false);
        let (streams, mut requested) = Streams::new();
        let router = http::router(&streams, http::services(&self.shared));
        let mut connections = JoinSet::new();
        let shared = self.shared.clone();
        connections.spawn(async move { shared.locks.end_leases_in_time(now, &shared.tell).await });
        let (mut shutdown, mut sweeping) = (pin!(shutdown), pin!(streams.sweep()));
        let result = loop {
            tokio::select! {
                arrival = self.listener.accept() => match arrival {
                    None => break Err(ServeError::Endpoint),
                    Some(arrival) if connections.len() >= CONNECTIONS_MAX => arrival.refuse(),
                    Some(arrival) => {
                        let requests = (streams.clone(), router.clone());
                        connections.spawn(greet(self.shared.clone(), requests, arrival, stopped.clone()));
                    }
                },
                Some((stream, from)) = requested.recv() => {
                    connections.spawn(session::serve_stream(self.shared.clone(), stream, from));
                }
                () = &mut sweeping => {}
                Some(_) = connections.join_next() => {}
                () = &mut shutdown => break Ok(()),
            }
        };
        self.listener.stop_accepting();
        self.shared.faults.release();
        self.shared.locks.stop();
        stop.send_replace(true);
        let _ = timeout(SHUTDOWN_GRACE, all(&mut connections)).await;
        self.listener.close(CLOSE_REASON);
        // What still runs now fails to read or write, and keeps what it has.
        let _ = timeout(CLOSE_MAX, all(&mut connections)).await;
        let _ = timeout(CLOSE_MAX, self.listener.wait_idle()).await;
        // A task that is only told to end keeps the folder's locks for a moment longer.
        let ended = async { (hooks.shutdown().await, connections.shutdown().await) };
        let _ = timeout(CLOSE_MAX, ended).await;
        block_in_place(|| drop(self.prover));
        self.shared.door.note(Event::of("stop", if result.is_ok() { "ok" } else { "failed" }));
        result
    }
}

fn teller(problems: Arc<Mutex<Problems>>) -> Tell {
    Arc::new(move |text| {
        let mut problems = problems.lock().unwrap_or_else(PoisonError::into_inner);
        match problems.sink.clone() {
            Some(tell) => {
                drop(problems);
                tell(text);
            }
            None if problems.early.len() < EARLY_PROBLEMS_MAX => problems.early.push(text.to_owned()),
            None => {}
        }
    })
}

async fn all(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

async fn greet(
    shared: Arc<Shared>,
    (streams, router): (Streams, Router),
    arrival: Arrival,
    stop: watch::Receiver<bool>,
) {
    match timeout(HANDSHAKE_MAX, arrival.greet()).await {
        Ok(Ok(Arrived::Peer(peer))) => session::serve(shared, peer, stop).await,
        Ok(Ok(Arrived::Http(http))) => {
            connection::serve((&streams, router), http.io, http.address, stop).await;
        }
        Ok(Err(_)) | Err(_) => {}
    }
}

fn install_hook(git: &Git, config: &ServerConfig) -> Result<(), ServeError> {
    for path in hooks::install(git, &config.exe)? {
        rustix::fs::access(&path, rustix::fs::Access::EXEC_OK)
            .map_err(|error| ServeError::Hook { path, source: error.into() })?;
    }
    Ok(())
}

/// Serves in a runtime of its own until what `shutdown` gives ends; that is asked for in the runtime before `ready`
/// sees the server, which listens then: who is told that it does may stop it at once.
pub fn serve_blocking<F: Future<Output = ()> + Send>(
    config: ServerConfig,
    shutdown: impl FnOnce() -> F,
    ready: impl FnOnce(&Server),
) -> Result<(), ServeError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(ServeError::Start)?;
    let result = runtime.block_on(async {
        let server = Server::start(config)?;
        let shutdown = shutdown();
        ready(&server);
        server.run(shutdown).await
    });
    runtime.shutdown_timeout(CLOSE_MAX);
    result
}
