//! The streams of one connection: who asks, whether they may, and what serves them.
//!
//! Each stream is independent: it says hello with its own token, is refused or welcomed, and runs on a task of
//! its own. A stream that fails ends alone. The order of checks is part of the promise to people without
//! rights: form of the request, then token and right ([`crate::door`]), and only then whether a repository exists.
//!
//! A push of contents does not need the Git repository to exist: chunks belong to the realm, and a repository
//! may have its refs at another host. For the same reason a pull from a realm that has no store yet finds every
//! content absent, and creates nothing.
//!
//! A push that breaks keeps the chunks that arrived, bound to nothing, so that the next try does not send them
//! again. Failures of our own are told to the owner ([`Shared::tell`]); the peer learns their class only.

use crate::access::{Caller, Role};
use crate::door::Door;
use crate::git::{self, Git, Service};
use crate::prover::{ProofQueue, Tell, take_away};
use crate::refusal::Refusal;
use crate::repositories;
use crate::stores::Stores;
use dits_net::Stream;
use dits_net::listen::Peer;
use dits_store::{ChunkRead, MemoryStore, StoreError};
use dits_sync::SyncError;
use dits_sync::address::realm;
use dits_sync::driver::{Channel, drive};
use dits_sync::message::{Hello, Message, Purpose};
use dits_sync::pull::Giver;
use dits_sync::push::Taker;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::{JoinSet, block_in_place};

/// What clients are told when the server ends.
pub(crate) const CLOSE_REASON: &[u8] = b"the server is shutting down";

/// What all streams of a server work with.
pub(crate) struct Shared {
    pub door: Door,
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
                Some(stream) => drop(streams.spawn(serve_stream(shared.clone(), stream, peer.address().ip()))),
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

async fn serve_stream(shared: Arc<Shared>, stream: Stream, from: IpAddr) {
    // Who does not say hello gets no answer.
    let Ok((channel, hello)) = Channel::accept(stream).await else { return };
    let (task, caller) = match shared.admit(&hello, from).await {
        Ok(admitted) => admitted,
        Err(refusal) => return channel.refuse(&refusal.into_message()).await,
    };
    let wire = channel.wire();
    let (what, moved) = (task.name(), git::Moved::default());
    let failure = match task {
        Task::Login { user, key } => return shared.door.log_in(channel, &hello, &user, &key, from).await,
        Task::Push => shared.push(channel, realm(&hello.repository)).await,
        Task::Pull => shared.pull(channel, realm(&hello.repository)).await,
        Task::Git(task) => shared.git(channel, &hello, task, (&caller, from), &moved).await,
    };
    let (sent, received) = wire.bytes();
    let bytes = (sent + moved.sent.into_inner(), received + moved.received.into_inner());
    shared.door.ended(what, &caller, &hello, from, failure, bytes);
}

/// What an admitted stream does.
enum Task {
    Push,
    Pull,
    Git(GitTask),
    /// Whoever comes to log in is nobody yet.
    Login {
        user: String,
        key: String,
    },
}

impl Task {
    /// As in the audit log.
    fn name(&self) -> &'static str {
        match self {
            Task::Push => "push",
            Task::Pull => "pull",
            Task::Git(task) => task.service.name(),
            Task::Login { .. } => "login",
        }
    }
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
    async fn admit(&self, hello: &Hello, from: IpAddr) -> Result<(Task, Caller), Refusal> {
        let folder = self.git.layout().repository(&hello.repository)?;
        let (task, needed) = match &hello.purpose {
            Purpose::Push => (Task::Push, Role::Write),
            Purpose::Pull => (Task::Pull, Role::Read),
            Purpose::Login { user, key } => {
                return Ok((
                    Task::Login { user: user.clone(), key: key.clone() },
                    Caller::anonymous(Vec::new()),
                ));
            }
            Purpose::Git { service, protocol, object_format } => {
                let task = git_task(service, protocol, object_format, folder)?;
                let needed = if task.service == Service::ReceivePack { Role::Write } else { Role::Read };
                (Task::Git(task), needed)
            }
        };
        let caller = self.door.let_in(hello, needed, from).await?;
        if needed >= Role::Write {
            self.door.writes(task.name(), &caller, hello, from)?;
        }
        Ok((task, caller))
    }

    async fn push(&self, mut channel: Channel, realm: &str) -> Option<String> {
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
        let failure = result.as_ref().err().map(ToString::to_string);
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
        failure
    }

    async fn pull(&self, mut channel: Channel, realm: &str) -> Option<String> {
        let store: Arc<dyn ChunkRead> = match block_in_place(|| self.stores.existing(realm)) {
            Ok(Some(store)) => Arc::new(store),
            Ok(None) => Arc::new(MemoryStore::new()),
            Err(error) => return self.refuse_for(channel, error).await,
        };
        let result = match channel.send(&Message::Welcome).await {
            Ok(()) => drive(&mut Giver::new(store), channel, &mut |_| {}).await,
            Err(error) => Err(error),
        };
        let error = result.err()?;
        self.tell_if_ours(&error);
        Some(error.to_string())
    }

    async fn git(
        &self,
        mut channel: Channel,
        hello: &Hello,
        task: GitTask,
        who: (&Caller, IpAddr),
        count: &git::Moved,
    ) -> Option<String> {
        let name = &hello.repository;
        let child = match self.start(name, &task, who).await {
            Ok(child) => child,
            Err(refusal) => {
                let failure = refusal.text.clone();
                channel.refuse(&refusal.into_message()).await;
                return Some(failure);
            }
        };
        let gone = || Some("the client has gone away".to_owned());
        // Leaving early drops the child, and so ends it.
        if channel.send(&Message::Welcome).await.is_err() {
            return gone();
        }
        let Ok(Stream { mut send, recv }) = channel.into_raw().await else { return gone() };
        let moved = git::pump(child, &mut send, recv, count).await;
        // Before the client hears the end: who clones after a push finds the branch.
        if task.service == Service::ReceivePack
            && let Err(error) = repositories::settle_head(&self.git, &task.folder).await
        {
            self.trouble(&format!("cannot set HEAD of '{name}'"), &error);
        }
        match moved {
            Ok(()) => send.finish().await,
            Err(git::GivenUp) => {
                send.abandon();
                return gone();
            }
        }
        None
    }

    /// Finds or creates the repository and starts its service.
    async fn start(
        &self,
        name: &str,
        task: &GitTask,
        (caller, from): (&Caller, IpAddr),
    ) -> Result<tokio::process::Child, Refusal> {
        let GitTask { service, protocol, object_format, folder } = task;
        if *service == Service::ReceivePack {
            let made = repositories::create(&self.git, folder, object_format).await;
            made.map_err(|error| self.trouble(&format!("cannot create repository '{name}'"), &error))?;
        } else if !repositories::exists(Path::new(folder)) {
            return Err(Refusal::not_found(name));
        }
        // For the hook that writes down which refs moved.
        let notes = [
            ("DITS_SERVER", self.git.layout().root().to_string_lossy().into_owned()),
            ("DITS_REPOSITORY", name.to_owned()),
            ("DITS_CALLER", caller.name.clone()),
            ("DITS_CALLER_BY", caller.by.clone()),
            ("DITS_CALLER_FROM", from.to_string()),
        ];
        let child = self.git.serve(*service, name, folder, protocol, &notes);
        child.map_err(|error| self.trouble("cannot run git", &error))
    }

    async fn refuse_for(&self, channel: Channel, error: StoreError) -> Option<String> {
        let error = SyncError::from(error);
        self.tell_if_ours(&error);
        channel.refuse(&error.to_refusal()).await;
        Some(error.to_string())
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
