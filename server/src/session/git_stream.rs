//! A stream of Git's own: its service is started, and the bytes go both ways.
//!
//! The first push makes the repository, and not before the client says what it pushes. What belongs to a push (what its
//! hooks are told, what they note) is made before Git starts and ended when Git has moved its refs.
//!
//! Fails as a refusal before the welcome; after that a stream is given up, as Git's own protocol has no word for it.

use super::Shared;
use crate::access::Caller;
use crate::contents::ContentsError;
use crate::git::{self, Push, Service};
use crate::hooks::Way;
use crate::locks::desk::LivePush;
use crate::refusal::Refusal;
use crate::repositories;
use dits_lock::push::{KEY_VARIABLE, SOCKET_VARIABLE};
use dits_net::Stream;
use dits_net::stream::{Receiving, Sending};
use dits_sync::address::realm;
use dits_sync::driver::Channel;
use dits_sync::message::{Hello, Message};
use std::net::IpAddr;
use std::path::PathBuf;
use tokio::task::block_in_place;

/// Git's packet that ends a list; a list of nothing is only that.
const FLUSH: &[u8; 4] = b"0000";

/// A checked wish for a Git service.
pub(super) struct GitTask {
    pub service: Service,
    protocol: String,
    object_format: String,
    folder: PathBuf,
}

/// A service that runs, and what belongs to a push.
type Started = (tokio::process::Child, Option<(Push, LivePush)>);

impl Shared {
    pub(super) async fn git(
        &self,
        mut channel: Channel,
        hello: &Hello,
        task: GitTask,
        who: (&Caller, IpAddr),
        count: &git::Moved,
    ) -> Option<String> {
        let name = &hello.repository;
        let is_push = task.service == Service::ReceivePack;
        let started = match self.start_if_there(name, &task, who).await {
            Ok(started) => started,
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
        let Ok(Stream { mut send, mut recv }) = channel.into_raw().await else { return gone() };
        let (child, push) = match started {
            Some(started) => started,
            None => match self.first_push(name, &task, who, (&mut send, &mut recv)).await {
                Ok(Some(started)) => started,
                Ok(None) => {
                    send.finish().await;
                    return None;
                }
                Err(git::GivenUp) => {
                    send.abandon();
                    return gone();
                }
            },
        };
        let moved = git::pump(child, &mut send, recv, count).await;
        // Git has moved its refs, or never will: from here on they say what is needed.
        if let (Some((push, _)), Ok(())) = (&push, &moved) {
            push.end();
        }
        // Before the client hears the end: who clones after a push finds the branch.
        if is_push && let Err(error) = repositories::settle_head(&self.git, &task.folder).await {
            self.trouble(&format!("cannot set HEAD of '{name}'"), &error);
        }
        // And who unlocks finds the locks as the push has left them.
        if let Some((_, live)) = push {
            live.end(self).await;
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

    /// Starts the service; `None` for a push to a repository that is yet to be made.
    async fn start_if_there(
        &self,
        name: &str,
        task: &GitTask,
        who: (&Caller, IpAddr),
    ) -> Result<Option<Started>, Refusal> {
        match (task.service == Service::ReceivePack, repositories::exists(&task.folder)) {
            (_, true) => self.start(name, task, who).await.map(Some),
            (true, false) => Ok(None),
            (false, false) => Err(Refusal::not_found(name)),
        }
    }

    /// A push to a repository that does not exist: it is made when the client says what it pushes. Before that it
    /// hears what an empty one would say, so a dry run makes nothing.
    async fn first_push(
        &self,
        name: &str,
        task: &GitTask,
        who: (&Caller, IpAddr),
        (send, recv): (&mut Sending, &mut Receiving),
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
        let (mut child, push) = self.start(name, task, who).await.map_err(|_| git::GivenUp)?;
        git::catch_up(&mut child, &first).await?;
        Ok(Some((child, push)))
    }

    /// Starts a service on a repository that exists.
    async fn start(
        &self,
        name: &str,
        task: &GitTask,
        (caller, from): (&Caller, IpAddr),
    ) -> Result<Started, Refusal> {
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
            let live = self.desk.begin(name, folder, &caller.name).map_err(|error| failed(&error))?;
            push = Some((prepared.map_err(|error| failed(&error))?, live));
        }
        // For the hook that writes down which refs moved, and for the one that asks about locks.
        let mut notes = vec![
            ("DITS_SERVER", self.git.layout().root().to_string_lossy().into_owned()),
            ("DITS_REPOSITORY", name.to_owned()),
            ("DITS_CALLER", caller.name.clone()),
            ("DITS_CALLER_BY", caller.by.clone()),
            ("DITS_CALLER_FROM", from.to_string()),
        ];
        if let Some((_, live)) = &push {
            notes.push((SOCKET_VARIABLE, self.desk.socket().to_string_lossy().into_owned()));
            notes.push((KEY_VARIABLE, live.key().to_owned()));
        }
        let child = self.git.serve(*service, push.as_ref().map(|(push, _)| push), folder, protocol, &notes);
        Ok((child.map_err(|error| self.trouble("cannot run git", &error))?, push))
    }
}

/// Checks a wish for a Git service.
pub(super) fn git_task(
    service: &str,
    protocol: &str,
    object_format: &str,
    folder: PathBuf,
) -> Result<GitTask, Refusal> {
    let service = Service::parse(service).ok_or_else(|| Refusal::bad_request("unknown git service"))?;
    if !git::is_protocol(protocol) {
        return Err(Refusal::bad_request("malformed git protocol version"));
    }
    if !repositories::is_object_format(object_format) {
        return Err(Refusal::bad_request("unknown object format: expected sha1 or sha256"));
    }
    Ok(GitTask { service, protocol: protocol.into(), object_format: object_format.into(), folder })
}
