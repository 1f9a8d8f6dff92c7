//! The streams of one connection: who asks, whether they may, and what serves them.
//!
//! Each stream is independent: it says hello with its own token, is refused or welcomed, and runs on a task of
//! its own. A stream that fails ends alone. The order of checks is part of the promise to people without
//! rights: form of the request, then token, then right, and only then whether a repository exists.
//!
//! A push of contents does not need the Git repository to exist: chunks belong to the realm, and a repository
//! may have its refs at another host. For the same reason a pull from a realm that has no store yet finds every
//! content absent, and creates nothing.
//!
//! A push that breaks keeps the chunks that arrived, bound to nothing, so that the next try does not send them
//! again. Failures of our own are told to the owner ([`Shared::tell`]); the peer learns their class only.

use crate::access::Access;
use crate::git::{self, Git, Service};
use crate::prover::{ProofQueue, Tell};
use crate::refusal::Refusal;
use crate::repositories;
use crate::stores::Stores;
use crate::tokens::{Caller, Role};
use dits_net::Stream;
use dits_net::listen::Peer;
use dits_store::{ChunkRead, MemoryStore, StoreError, take_away};
use dits_sync::SyncError;
use dits_sync::address::realm;
use dits_sync::driver::{Channel, drive};
use dits_sync::message::{Hello, Message, Purpose};
use dits_sync::pull::Giver;
use dits_sync::push::Taker;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::{JoinSet, block_in_place};

/// What clients are told when the server ends.
pub(crate) const CLOSE_REASON: &[u8] = b"the server is shutting down";

/// What all streams of a server work with.
pub(crate) struct Shared {
    pub access: Access,
    pub stores: Arc<Stores>,
    pub git: Git,
    pub proofs: ProofQueue,
    pub tell: Tell,
}

/// Serves a connection until the peer ends it, or `stop` turns true and its running streams have ended.
pub(crate) async fn serve(shared: Arc<Shared>, peer: Peer, mut stop: watch::Receiver<bool>) {
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            stream = peer.next_stream() => match stream {
                Some(stream) => drop(streams.spawn(serve_stream(shared.clone(), stream))),
                None => break,
            },
            Some(ended) = streams.join_next() => shared.told_of(ended),
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    // Each stream has deadlines of its own, and the server closes the connection if this takes too long.
    while let Some(ended) = streams.join_next().await {
        shared.told_of(ended);
    }
    peer.close(CLOSE_REASON);
}

async fn serve_stream(shared: Arc<Shared>, stream: Stream) {
    // Who does not say hello gets no answer.
    let Ok((channel, hello)) = Channel::accept(stream).await else { return };
    let (task, _caller) = match block_in_place(|| shared.admit(&hello)) {
        Ok(task) => task,
        Err(refusal) => return channel.refuse(&refusal.into_message()).await,
    };
    match task {
        Task::Push => shared.push(channel, realm(&hello.repository)).await,
        Task::Pull => shared.pull(channel, realm(&hello.repository)).await,
        Task::Git(task) => shared.git(channel, &hello.repository, task).await,
    }
}

/// What an admitted stream does.
enum Task {
    Push,
    Pull,
    Git(GitTask),
}

/// A checked wish for a Git service.
struct GitTask {
    service: Service,
    protocol: String,
    object_format: String,
    folder: PathBuf,
}

impl Shared {
    fn told_of(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended {
            (self.tell)(&format!("a stream ended by a fault of this program: {error}"));
        }
    }

    fn trouble(&self, what: &str, error: &dyn std::fmt::Display) -> Refusal {
        (self.tell)(&format!("{what}: {error}"));
        Refusal::internal()
    }

    /// Checks a hello in full.
    fn admit(&self, hello: &Hello) -> Result<(Task, Caller), Refusal> {
        let folder = self.git.layout().repository(&hello.repository)?;
        let (task, needed) = match &hello.purpose {
            Purpose::Push => (Task::Push, Role::Write),
            Purpose::Pull => (Task::Pull, Role::Read),
            // Only tokens are known here.
            Purpose::Login { .. } => return Err(Refusal::bad_request("no login by key at this server")),
            Purpose::Git { service, protocol, object_format } => {
                let task = git_task(service, protocol, object_format, folder)?;
                let needed = if task.service == Service::ReceivePack { Role::Write } else { Role::Read };
                (Task::Git(task), needed)
            }
        };
        let caller = self.access.caller(&hello.token);
        let caller = caller.map_err(|error| self.trouble("cannot check a token", &error))?;
        let caller = caller.ok_or_else(|| Refusal::unauthorized(&hello.token))?;
        match caller.role_in(&hello.repository) {
            Some(role) if role >= needed => Ok((task, caller)),
            _ => Err(Refusal::forbidden(needed, &hello.repository)),
        }
    }

    async fn push(&self, mut channel: Channel, realm: &str) {
        let opened = block_in_place(|| self.stores.open(realm).and_then(|store| Taker::new(&store)));
        let mut taker = match opened {
            Ok(taker) => taker,
            Err(error) => return self.refuse_for(channel, error).await,
        };
        let result = match channel.send(&Message::Welcome).await {
            Ok(()) => drive(&mut taker, channel, &mut |_| {}).await,
            Err(error) => Err(error),
        };
        // Bound is bound, even if the peer did not live to hear of it.
        taker.claimed().iter().for_each(|binding| self.proofs.add(realm, *binding));
        if let Err(error) = result {
            self.tell_if_ours(&error);
            if let Err(error) = block_in_place(|| taker.salvage()) {
                (self.tell)(&format!("cannot keep the chunks of a broken push: {error}"));
            }
            // What is known to be damaged must not be taken for here: the next try brings it.
            if let SyncError::Store(StoreError::Corrupt { id, .. }) = error
                && let Err(error) = block_in_place(|| self.stores.open(realm).and_then(|s| take_away(&s, id)))
            {
                (self.tell)(&format!("cannot drop the corrupt chunk {id}: {error}"));
            }
        }
    }

    async fn pull(&self, mut channel: Channel, realm: &str) {
        let store: Arc<dyn ChunkRead> = match block_in_place(|| self.stores.existing(realm)) {
            Ok(Some(store)) => Arc::new(store),
            Ok(None) => Arc::new(MemoryStore::new()),
            Err(error) => return self.refuse_for(channel, error).await,
        };
        let result = match channel.send(&Message::Welcome).await {
            Ok(()) => drive(&mut Giver::new(store), channel, &mut |_| {}).await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            self.tell_if_ours(&error);
        }
    }

    async fn git(&self, mut channel: Channel, name: &str, task: GitTask) {
        let child = match self.start(name, &task).await {
            Ok(child) => child,
            Err(refusal) => return channel.refuse(&refusal.into_message()).await,
        };
        // Leaving early drops the child, and so ends it.
        if channel.send(&Message::Welcome).await.is_err() {
            return;
        }
        let Ok(Stream { mut send, recv }) = channel.into_raw().await else { return };
        let moved = git::pump(child, &mut send, recv).await;
        // Before the client hears the end: who clones after a push finds the branch.
        if task.service == Service::ReceivePack
            && let Err(error) = repositories::settle_head(&self.git, &task.folder).await
        {
            self.trouble(&format!("cannot set HEAD of '{name}'"), &error);
        }
        match moved {
            Ok(()) => send.finish().await,
            Err(git::GivenUp) => send.abandon(),
        }
    }

    /// Finds or creates the repository and starts its service.
    async fn start(&self, name: &str, task: &GitTask) -> Result<tokio::process::Child, Refusal> {
        let GitTask { service, protocol, object_format, folder } = task;
        if *service == Service::ReceivePack {
            let made = repositories::create(&self.git, folder, object_format).await;
            made.map_err(|error| self.trouble(&format!("cannot create repository '{name}'"), &error))?;
        } else if !repositories::exists(Path::new(folder)) {
            return Err(Refusal::not_found(name));
        }
        let child = self.git.serve(*service, name, folder, protocol);
        child.map_err(|error| self.trouble("cannot run git", &error))
    }

    async fn refuse_for(&self, channel: Channel, error: StoreError) {
        let error = SyncError::from(error);
        self.tell_if_ours(&error);
        channel.refuse(&error.to_refusal()).await;
    }

    /// Peers come and go, and some send nonsense; what our own disk does is news.
    fn tell_if_ours(&self, error: &SyncError) {
        if let SyncError::Store(error) = error {
            (self.tell)(&error.to_string());
        }
    }
}

fn git_task(service: &str, protocol: &str, object_format: &str, folder: PathBuf) -> Result<GitTask, Refusal> {
    let service = Service::parse(service).ok_or_else(|| Refusal::bad_request("unknown git service"))?;
    if !git::is_protocol(protocol) {
        return Err(Refusal::bad_request("malformed git protocol version"));
    }
    if !repositories::is_object_format(object_format) {
        return Err(Refusal::bad_request("unknown object format: expected sha1 or sha256"));
    }
    Ok(GitTask { service, protocol: protocol.into(), object_format: object_format.into(), folder })
}
