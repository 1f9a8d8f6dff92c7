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
use crate::contents::{Contents, ContentsError};
use crate::faults::Faults;
use crate::git::{self, Git, Push, Service};
use crate::guard::{Guard, Keeper};
use crate::hooks::Way;
use crate::prover::{ProofQueue, Tell};
use crate::pushes::Pushes;
use crate::refusal::Refusal;
use crate::repositories;
use crate::stores::Stores;
use crate::tokens::{Caller, Role};
use crate::view::{Scope, View};
use dits_net::Stream;
use dits_net::listen::Peer;
use dits_net::stream::{Receiving, Sending};
use dits_store::{MemoryStore, PackStore, StoreError, take_away};
use dits_sync::SyncError;
use dits_sync::address::realm;
use dits_sync::budget::Budget;
use dits_sync::driver::{Channel, drive};
use dits_sync::machine::Machine;
use dits_sync::message::{Hello, Message, Purpose};
use dits_sync::pull::Giver;
use dits_sync::push::Taker;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{OnceCell, watch};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::sleep;

/// What clients are told when the server ends.
pub(crate) const CLOSE_REASON: &[u8] = b"the server is shutting down";

/// Git's packet that ends a list; a list of nothing is only that.
const FLUSH: &[u8; 4] = b"0000";
/// A connection without any stream is ended after this long.
pub(crate) const UNUSED_MAX: Duration = Duration::from_secs(10 * 60);

/// What all streams of a server work with.
pub(crate) struct Shared {
    pub access: Access,
    pub stores: Arc<Stores>,
    pub contents: Arc<Contents>,
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
                Some(stream) => drop(streams.spawn(serve_stream(shared.clone(), stream))),
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

async fn serve_stream(shared: Arc<Shared>, stream: Stream) {
    // Who does not say hello gets no answer.
    let Ok((channel, hello)) = Channel::accept(stream, &shared.memory).await else { return };
    let channel = channel.map_stream(|stream| shared.faults.stream(&hello, stream));
    let (task, caller) = match block_in_place(|| shared.admit(&hello)) {
        Ok(task) => task,
        Err(refusal) => return channel.refuse(&refusal.into_message()).await,
    };
    match task {
        Task::Push => shared.push(channel, &hello.repository, &caller).await,
        Task::Pull => shared.pull(channel, &hello.repository, &caller).await,
        Task::Git(task) => shared.git(channel, &hello.repository, task).await,
    }
}

/// A service that runs, and what belongs to a push.
type Started = (tokio::process::Child, Option<Push>);

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

    /// What takes a push. Chunks that turn out to be damaged go, so that the client is asked for them.
    fn taker(&self, keeper: &Keeper) -> Result<Taker, StoreError> {
        let mut taker = Taker::new(&self.faults.store(keeper.view.clone()))?;
        let store = keeper.store.clone();
        taker.set_mender(Arc::new(move |id| take_away(&store, id)));
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

    async fn push(&self, mut channel: Channel, name: &str, caller: &Caller) {
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

    async fn pull(&self, channel: Channel, name: &str, caller: &Caller) {
        let opened = block_in_place(|| {
            let store = self.stores.existing(realm(name))?;
            store.map(|store| self.keeper(store, name, caller)).transpose()
        });
        match opened {
            Ok(Some(keeper)) => {
                let giver = Giver::new(Arc::new(self.faults.store(keeper.view.clone())));
                self.give(channel, Guard::giving(giver, keeper)).await;
            }
            Ok(None) => self.give(channel, Giver::new(Arc::new(MemoryStore::new()))).await,
            Err(error) => self.refuse_for(channel, error).await,
        }
    }

    async fn give(&self, mut channel: Channel, mut machine: impl Machine) {
        let result = match channel.send(&Message::Welcome).await {
            Ok(()) => drive(&mut machine, channel, &mut |_| {}).await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            self.tell_if_ours(&error);
        }
    }

    async fn git(&self, mut channel: Channel, name: &str, task: GitTask) {
        let is_push = task.service == Service::ReceivePack;
        let exists = repositories::exists(&task.folder);
        let started = match (is_push, exists) {
            (_, true) => self.start(name, &task).await.map(Some),
            (true, false) => Ok(None),
            (false, false) => Err(Refusal::not_found(name)),
        };
        let started = match started {
            Ok(started) => started,
            Err(refusal) => return channel.refuse(&refusal.into_message()).await,
        };
        // Leaving early drops the child, and so ends it.
        if channel.send(&Message::Welcome).await.is_err() {
            return;
        }
        let Ok(Stream { mut send, mut recv }) = channel.into_raw().await else { return };
        let (child, push) = match started {
            Some(started) => started,
            None => match self.first_push(name, &task, &mut send, &mut recv).await {
                Ok(Some(started)) => started,
                Ok(None) => return send.finish().await,
                Err(git::GivenUp) => return send.abandon(),
            },
        };
        let moved = git::pump(child, &mut send, recv).await;
        // Git has moved its refs, or never will: from here on they say what is needed.
        if let (Some(push), Ok(())) = (&push, &moved) {
            push.end();
        }
        // Before the client hears the end: who clones after a push finds the branch.
        if is_push && let Err(error) = repositories::settle_head(&self.git, &task.folder).await {
            self.trouble(&format!("cannot set HEAD of '{name}'"), &error);
        }
        match moved {
            Ok(()) => send.finish().await,
            Err(git::GivenUp) => send.abandon(),
        }
    }

    /// A push to a repository that does not exist: it is made when the client says what it pushes. Before that it
    /// hears what an empty one would say, so a dry run makes nothing.
    async fn first_push(
        &self,
        name: &str,
        task: &GitTask,
        send: &mut Sending,
        recv: &mut Receiving,
    ) -> Result<Option<Started>, git::GivenUp> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            self.trouble(&format!("{what} '{name}'"), error);
            git::GivenUp
        };
        let empty = self.git.layout().empty(&task.object_format);
        let made = repositories::create(&self.git, &empty, &task.object_format).await;
        made.map_err(|error| failed("cannot make an empty repository for", &error))?;
        let said = git::advertisement(&self.git, &empty, &task.protocol).await;
        let said = said.map_err(|error| failed("cannot answer for", &error))?;
        send.write(said.into()).await.map_err(|_| git::GivenUp)?;
        let mut first = [0; 4];
        let activity = send.activity();
        // Quiet for hours, perhaps, while the contents travel beside it.
        let more = tokio::select! {
            more = recv.fill(&mut first) => more,
            () = git::stall(&activity) => return Err(git::GivenUp),
        };
        if !more.map_err(|_| git::GivenUp)? || first == *FLUSH {
            return Ok(None);
        }
        let made = repositories::create(&self.git, &task.folder, &task.object_format).await;
        made.map_err(|error| failed("cannot create repository", &error))?;
        let (mut child, push) = self.start(name, task).await.map_err(|_| git::GivenUp)?;
        git::catch_up(&mut child, &first).await?;
        Ok(Some((child, push)))
    }

    /// Starts a service on a repository that exists.
    async fn start(&self, name: &str, task: &GitTask) -> Result<Started, Refusal> {
        let GitTask { service, protocol, folder, .. } = task;
        let mut push = None;
        if *service == Service::ReceivePack {
            let failed =
                |error: &dyn std::fmt::Display| self.trouble(&format!("cannot push to '{name}'"), error);
            let way = self.way.get_or_init(|| Way::probe(&self.git, folder, &self.exe)).await;
            let settings =
                way.configure(&self.git, folder, &self.exe).await.map_err(|error| failed(&error))?;
            let prepared = block_in_place(|| {
                self.contents.ensure(name, &self.stores.open(realm(name))?)?;
                Ok::<_, ContentsError>(Push::begin(self.git.layout(), name, settings)?)
            });
            push = Some(prepared.map_err(|error| failed(&error))?);
        }
        let child = self.git.serve(*service, push.as_ref(), folder, protocol);
        Ok((child.map_err(|error| self.trouble("cannot run git", &error))?, push))
    }

    async fn refuse_for(&self, channel: Channel, error: ContentsError) {
        let refusal = match error {
            ContentsError::Store(error) => {
                let error = SyncError::from(error);
                self.tell_if_ours(&error);
                error.to_refusal()
            }
            ContentsError::Repo(error) => self.trouble("cannot list refs", &error).into_message(),
        };
        channel.refuse(&refusal).await;
    }

    /// Peers come and go, and some send nonsense; what our own disk does is news.
    fn tell_if_ours(&self, error: &SyncError) {
        if let SyncError::Store(error) = error {
            (self.tell)(&error.to_string());
        }
    }
}

/// The time, in seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
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
