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

mod git_stream;

use crate::access::{Caller, Role};
use crate::contents::{Contents, ContentsError};
use crate::door::{Door, now};
use crate::faults::Faults;
use crate::filter::Filters;
use crate::git::{self, Git, Service};
use crate::guard::{Guard, Keeper};
use crate::hooks::Way;
use crate::locks::Locks;
use crate::locks::desk::Desk;
use crate::locks::stream::{AskError, Asked};
use crate::prover::{ProofQueue, Tell};
use crate::pushes::Pushes;
use crate::refusal::Refusal;
use crate::stores::Stores;
use crate::view::{Scope, View};
use dits_net::Stream;
use dits_net::listen::Peer;
use dits_store::{MemoryStore, PackStore, StoreError, take_away};
use dits_sync::SyncError;
use dits_sync::address::realm;
use dits_sync::budget::Budget;
use dits_sync::driver::{Channel, drive};
use dits_sync::machine::Machine;
use dits_sync::message::{Hello, Message, Purpose, Reason};
use dits_sync::pull::Giver;
use dits_sync::push::Taker;
use git_stream::{GitTask, git_task};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OnceCell, watch};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::sleep;

/// What clients are told when the server ends.
pub(crate) const CLOSE_REASON: &[u8] = b"the server is shutting down";

/// A connection without any stream is ended after this long.
pub(crate) const UNUSED_MAX: Duration = Duration::from_secs(10 * 60);

/// Who asks about locks is looked at again this often.
const RIGHTS_EVERY: Duration = Duration::from_secs(10);

/// What all streams of a server work with.
pub(crate) struct Shared {
    pub door: Arc<Door>,
    pub stores: Arc<Stores>,
    pub contents: Arc<Contents>,
    pub filters: Arc<Filters>,
    pub locks: Arc<Locks>,
    pub desk: Arc<Desk>,
    pub git: Git,
    /// The program that hooks run, and how Git is told of them once that is known.
    pub exe: PathBuf,
    pub way: OnceCell<Way>,
    pub proofs: ProofQueue,
    pub memory: Budget,
    pub pushes: Pushes,
    pub faults: Arc<Faults>,
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
            // A client that comes back to it connects anew.
            () = sleep(UNUSED_MAX), if streams.is_empty() => break,
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    // Each stream has deadlines of its own, and the server closes the connection if this takes too long.
    while let Some(ended) = streams.join_next().await {
        shared.told_of(ended);
    }
    peer.close(CLOSE_REASON);
}

/// Serves one stream, whatever carries it.
pub(crate) async fn serve_stream(shared: Arc<Shared>, stream: Stream, from: IpAddr) {
    // Who does not say hello gets no answer.
    let Ok((channel, hello)) = Channel::accept(stream, &shared.memory).await else { return };
    let channel = channel.map_stream(|stream| shared.faults.stream(&hello, stream));
    let (task, caller) = match shared.admit(&hello, from).await {
        Ok(admitted) => admitted,
        Err(refusal) => return channel.refuse(&refusal.into_message()).await,
    };
    let wire = channel.wire();
    let (what, moved) = (task.name(), git::Moved::default());
    let failure = match task {
        Task::Login { user, key } => return shared.door.log_in(channel, &hello, &user, &key, from).await,
        Task::Push => shared.push(channel, &hello.repository, &caller).await,
        Task::Pull => shared.pull(channel, &hello.repository, &caller).await,
        Task::Git(task) => shared.git(channel, &hello, task, (&caller, from), &moved).await,
        Task::Locks(folder) => shared.answer_about_locks(channel, (&hello, from), &folder, &caller).await,
    };
    let (sent, received) = wire.bytes();
    let bytes = (sent + moved.sent.into_inner(), received + moved.received.into_inner());
    shared.door.ended(what, &caller, &hello.repository, from, failure, Some(bytes));
}

/// What an admitted stream does.
enum Task {
    Push,
    Pull,
    Git(GitTask),
    Locks(PathBuf),
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
            Task::Locks(_) => "locks",
            Task::Login { .. } => "login",
        }
    }
}

impl Shared {
    fn told_of(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended {
            (self.tell)(&format!("a stream ended by a fault of this program: {error}"));
        }
    }

    /// Tells the owner what went wrong, and gives what others are told.
    pub(crate) fn trouble(&self, what: &str, error: &dyn std::fmt::Display) -> Refusal {
        (self.tell)(&format!("{what}: {error}"));
        Refusal::internal()
    }

    /// Checks a hello in full.
    async fn admit(&self, hello: &Hello, from: IpAddr) -> Result<(Task, Caller), Refusal> {
        let folder = self.git.layout().repository(&hello.repository)?;
        let (task, needed) = match &hello.purpose {
            Purpose::Push => (Task::Push, Role::Write),
            Purpose::Pull => (Task::Pull, Role::Read),
            Purpose::Locks => (Task::Locks(folder), Role::Read),
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

    /// What takes a push. Chunks that turn out to be damaged go, so that the client is asked for them.
    fn taker(&self, keeper: &Keeper) -> Result<Taker, StoreError> {
        let mut taker = Taker::new(&self.faults.store(keeper.view.clone()))?;
        let store = keeper.store.clone();
        taker.set_mender(Arc::new(move |id| take_away(&store, id)));
        let (store, filters, realm) = (keeper.store.clone(), self.filters.clone(), keeper.realm.clone());
        taker.set_filters(Arc::new(move || filters.of(&realm, &store)));
        Ok(taker)
    }

    /// What a caller may see of a realm's store, and where is noted what he is told.
    fn keeper(&self, store: PackStore, name: &str, caller: &Caller) -> Result<Keeper, ContentsError> {
        let realm = realm(name).to_owned();
        let contents = self.contents.clone();
        let scope = if caller.reads_all_of(&realm) {
            None
        } else {
            let all = self.git.layout().repositories(&realm)?;
            let mut readable: Vec<String> =
                all.into_iter().filter(|other| other != name && caller.role_in(other).is_some()).collect();
            readable.push(name.to_owned());
            readable.iter().try_for_each(|readable| contents.ensure(readable, &store))?;
            Some(Scope { contents: contents.clone(), repository: name.to_owned(), readable, clock: now })
        };
        let view = View::new(store.clone(), scope);
        Ok(Keeper { contents, store, view, realm, repository: name.to_owned(), clock: now })
    }

    async fn push(&self, mut channel: Channel, name: &str, caller: &Caller) -> Option<String> {
        let realm = realm(name);
        // Until its chunks are kept.
        let _running = self.pushes.enter(name, channel.pulse()).await;
        let opened = block_in_place(|| {
            let keeper = self.keeper(self.stores.open(realm)?, name, caller)?;
            Ok(Guard::taking(self.taker(&keeper)?, keeper, Taker::bound))
        });
        let mut guard = match opened {
            Ok(guard) => guard,
            Err(error) => return self.refuse_for(channel, error).await,
        };
        let result = match channel.send(&Message::Welcome).await {
            Ok(()) => drive(&mut guard, channel, &mut |_| {}).await,
            Err(error) => Err(error),
        };
        let taker = guard.into_inner();
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

    async fn pull(&self, channel: Channel, name: &str, caller: &Caller) -> Option<String> {
        let opened = block_in_place(|| {
            let store = self.stores.existing(realm(name))?;
            store.map(|store| self.keeper(store, name, caller)).transpose()
        });
        match opened {
            Ok(Some(keeper)) => {
                let giver = Giver::new(Arc::new(self.faults.store(keeper.view.clone())));
                self.give(channel, Guard::giving(giver, keeper)).await
            }
            Ok(None) => self.give(channel, Giver::new(Arc::new(MemoryStore::new()))).await,
            Err(error) => self.refuse_for(channel, error).await,
        }
    }

    async fn give(&self, mut channel: Channel, mut machine: impl Machine) -> Option<String> {
        let result = match channel.send(&Message::Welcome).await {
            Ok(()) => drive(&mut machine, channel, &mut |_| {}).await,
            Err(error) => Err(error),
        };
        let error = result.err()?;
        self.tell_if_ours(&error);
        Some(error.to_string())
    }

    async fn answer_about_locks(
        &self,
        mut channel: Channel,
        (hello, from): (&Hello, IpAddr),
        folder: &Path,
        caller: &Caller,
    ) -> Option<String> {
        let (locks, git, repository) = (&self.locks, &self.git, &hello.repository);
        let asked = Asked { locks, git, repository, folder, caller };
        let answered = match channel.send(&Message::Welcome).await {
            Ok(()) => tokio::select! {
                answered = asked.serve(&mut channel) => answered,
                refusal = self.is_denied(hello, from) => {
                    channel.refuse(&refusal.clone().into_message()).await;
                    return Some(refusal.text);
                }
            },
            Err(error) => Err(error.into()),
        };
        match answered {
            Ok(()) => {
                channel.finish().await;
                None
            }
            Err(AskError::Sync(error)) => {
                if !matches!(error, SyncError::Lost(_) | SyncError::Refused { .. }) {
                    channel.refuse(&error.to_refusal()).await;
                }
                Some(error.to_string())
            }
            Err(AskError::Locks(error)) => {
                let refusal = self.trouble("cannot answer about locks", &error);
                channel.refuse(&refusal.into_message()).await;
                Some(error.to_string())
            }
        }
    }

    /// Ends when somebody may no longer read: a watch may run for ever, and rights do not.
    async fn is_denied(&self, hello: &Hello, from: IpAddr) -> Refusal {
        loop {
            sleep(RIGHTS_EVERY).await;
            match self.door.let_in(hello, Role::Read, from).await {
                // What is wrong with the server, or with others at this address, is no reason.
                Err(refusal) if matches!(refusal.reason, Reason::Unauthorized | Reason::Forbidden) => {
                    return refusal;
                }
                _ => {}
            }
        }
    }

    async fn refuse_for(&self, channel: Channel, error: ContentsError) -> Option<String> {
        let failure = error.to_string();
        let refusal = match error {
            ContentsError::Store(error) => {
                let error = SyncError::from(error);
                self.tell_if_ours(&error);
                error.to_refusal()
            }
            ContentsError::Repo(error) => self.trouble("cannot list refs", &error).into_message(),
        };
        channel.refuse(&refusal).await;
        Some(failure)
    }

    /// Peers come and go, and some send nonsense; what our own disk does is news.
    fn tell_if_ours(&self, error: &SyncError) {
        if let SyncError::Store(error) = error {
            (self.tell)(&error.to_string());
        }
    }
}
