//! What the commands about locks share: who is asked, what was heard, and what follows from it.
//!
//! A command asks one question for all paths. While the connection is made it looks at the paths: both take a few starts of
//! `git`. Whatever a command gained or lost goes through [`Locking::after`], the one place where the clone learns of it.
//!
//! Fails where there is no server for the remote; what concerns one path fails for that path alone.

pub mod view;
pub mod words;

use crate::context::{self, Context};
use crate::mounting::control;
use crate::{lockable, report, unlocking};
use anyhow::Result;
use dits_lock::{Answer, Ask, Event, Lock, LockPath, What};
use dits_mount::control::Ask as Tell;
use dits_remote::{LockError, LockPeer, LockPlace};
use dits_repo::lockable::{Ahead, Scope};
use dits_repo::locks::{Known, LockCache};
use std::thread;

/// The branch that locks are for where `--branch` does not say it.
const LOCK_BRANCH: &str = "dits.lockbranch";

/// A repository and the keeper of its locks.
#[derive(Debug)]
pub struct Locking {
    /// The repository.
    pub context: Context,
    /// The keeper.
    pub place: LockPlace,
    /// The branch that is checked out.
    pub on: Option<String>,
}

/// What has changed for this user.
#[derive(Debug, Default)]
pub struct Changed {
    /// The name the user is known by, if it was heard.
    pub who: Option<String>,
    /// Locks that are the user's.
    pub gained: Vec<Lock>,
    /// Locks that were.
    pub lost: Vec<Lock>,
    /// Locks that the user has given up, and that stay until their change has arrived.
    pub retained: Vec<Lock>,
    /// What Git said of the files meanwhile.
    pub ahead: Option<Ahead>,
}

impl Locking {
    /// Finds the keeper of the locks of `remote`, or of the one that pushes go to.
    pub fn find(remote: Option<&str>) -> Result<Locking> {
        let context = Context::find(true)?;
        let repository = &context.repository;
        let on = repository.head()?.and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned));
        let place = LockPlace::find(repository, remote, on.as_deref())?;
        Ok(Locking { context, place, on })
    }

    /// Goes there.
    pub fn connect(&self) -> Result<LockPeer, LockError> {
        unlocking::settle(&self.context);
        let peer = LockPeer::connect(&self.context.repository, &self.place, &self.context.settings)?;
        if let Some(notice) = peer.first_use_notice() {
            report::notice(&format!("git-dits: {notice}"));
        }
        Ok(peer)
    }

    /// What Git says of the files at `paths`, while something else is `done`; `None` where it cannot be asked, which is told when it
    /// is asked again.
    pub fn look_ahead<T>(&self, paths: &[&str], done: impl FnOnce() -> T) -> (Option<Ahead>, T) {
        let places: Vec<LockPath> = paths.iter().filter_map(|path| LockPath::parse(path).ok()).collect();
        thread::scope(|scope| {
            let asking = scope.spawn(|| Ahead::ask(&self.context.repository, &places).ok());
            let done = done();
            (asking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), done)
        })
    }

    /// Goes there while something else is `prepared`.
    pub fn connect_while<T: Send>(&self, prepare: impl FnOnce() -> T) -> (Result<LockPeer, LockError>, T) {
        thread::scope(|scope| {
            let connecting = scope.spawn(|| self.connect());
            let prepared = prepare();
            let connected = connecting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (connected, prepared)
        })
    }

    /// The target branch that a command names, or the setting. That of the repository counts only where its Git is elsewhere: a
    /// server of ours has lock branches of its own.
    pub fn branch(&self, named: Option<&str>) -> Result<Option<String>> {
        match named {
            Some(name) => Ok(Some(name.to_owned())),
            None if self.place.has_git => Ok(self.context.repository.config(LOCK_BRANCH)?),
            None => Ok(self.context.repository.setting(LOCK_BRANCH)?),
        }
    }

    /// The branch that the user's changes are for, as far as is known here: where the remote's Git is not at the keeper, which then
    /// knows no branches, the branch that its HEAD points at.
    pub fn meant(&self) -> Result<Option<String>> {
        let prefix = format!("refs/remotes/{}/", self.place.remote);
        let head = match self.place.has_git {
            true => None,
            false => {
                self.context.repository.git.line(&["symbolic-ref", "--quiet", &format!("{prefix}HEAD")])?
            }
        };
        let head = head.and_then(|name| name.strip_prefix(&prefix).map(str::to_owned));
        Ok(head.or_else(|| self.on.clone()))
    }

    /// The remote-tracking refs that the target branch may be, when `branch` was named or not.
    pub fn tracking(&self, branch: Option<&str>) -> Vec<String> {
        let names = match branch {
            Some(branch) => vec![branch.strip_prefix("refs/heads/").unwrap_or(branch)],
            None => std::iter::once("HEAD").chain(self.on.as_deref()).collect(),
        };
        names.iter().map(|name| format!("refs/remotes/{}/{name}", self.place.remote)).collect()
    }

    /// Takes in what has changed for this user, and gives his files the modes that go with it.
    pub fn after(&self, changed: &Changed) -> Result<()> {
        let Changed { who, gained, lost, retained, ahead } = changed;
        if gained.is_empty() && lost.is_empty() && retained.is_empty() {
            return Ok(());
        }
        self.know(|known| {
            known.who = who.clone().or(known.who.take());
            lost.iter().for_each(|lock| known.lost(lock.id));
            retained.iter().chain(gained).for_each(|lock| known.gained(lock.clone()));
        })?;
        let places: Vec<LockPath> = lost.iter().chain(gained).map(|lock| lock.path.clone()).collect();
        let scope = match ahead.as_ref().filter(|ahead| ahead.knows(&places)) {
            Some(ahead) => Scope::Asked(ahead, &places),
            None => Scope::Places(&places),
        };
        if let Err(error) = lockable::refresh(&self.context, scope) {
            // The locks are what they are.
            lockable::tell(&error);
        }
        Ok(())
    }

    /// Changes what is known of this keeper.
    pub fn know(&self, change: impl FnOnce(&mut Known)) -> Result<()> {
        LockCache::update(&self.context.repository, |cache| {
            change(cache.servers.entry(self.place.name()).or_default());
        })?;
        control::tell_all(&self.context.repository, &Tell::LocksChanged);
        Ok(())
    }

    /// What is known of this keeper without asking it.
    pub fn known(&self) -> Result<Known> {
        let mut cache = LockCache::load(&self.context.repository)?;
        Ok(cache.servers.remove(&self.place.name()).unwrap_or_default())
    }

    /// Tells the user what happened to his locks without him; returns those that are gone.
    pub fn tell(&self, news: &[Event]) -> Result<Vec<Lock>> {
        let now = context::now()?;
        news.iter().for_each(|event| report::warning(&words::news(event, now)));
        let gone = news.iter().filter(|event| matches!(event.what, What::Unlocked(_)));
        Ok(gone.map(|event| event.lock.clone()).collect())
    }

    /// The name that the keeper knows the user by, and what he may do.
    pub fn who_am_i(&self, peer: &mut LockPeer) -> Result<(String, String)> {
        match peer.ask_once(&Ask::WhoAmI)? {
            Answer::You { name, role } => Ok((name, role)),
            _ => Err(LockError::Answer.into()),
        }
    }
}
