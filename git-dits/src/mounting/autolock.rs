//! `dits.mount.autolock`: taking the lock of a file that is opened for writing.
//!
//! The server is asked on a thread of its own, as whoever opens the file waits [`PATIENCE`] at most. A lock that comes later is noted all the same, and the next
//! open finds it. Such a lock is marked as taken by a mount, so that it goes with the push that contains the change (`remote::lock_release`). After
//! a server that did not answer nobody waits for it again within [`PAUSE`].

use super::gate::found;
use crate::context::{self, Context};
use crate::locking::{Locking, words};
use anyhow::Result;
use dits_lock::ask::{Acquire, Acquired, Item};
use dits_lock::{Answer, Ask, What};
use dits_mount::outside::{Event, Events};
use dits_remote::{LockError, LockPeer, LockPlace, Settings};
use dits_repo::locks_seen::seen;
use dits_repo::settings::MOUNT_AUTOLOCK;
use dits_repo::{Git, RepoError, lockable};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long an open file waits for its lock.
pub const PATIENCE: Duration = Duration::from_secs(4);
/// How long a server is left alone that did not answer.
const PAUSE: Duration = Duration::from_secs(5);
/// How long settings are believed.
const SETTINGS_LIFE: Duration = Duration::from_secs(1);
/// Locks that are asked for at the same time.
const ASKS_MAX: usize = 16;

/// What happens to who has no lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// He is refused.
    Refuse,
    /// The lock is taken for him.
    Take,
}

/// Why somebody has no lock.
#[derive(Debug, Clone)]
pub struct NotTaken {
    /// The reason.
    pub why: String,
    /// What to do.
    pub hint: Option<String>,
    /// Whether the server did not answer.
    is_down: bool,
}

/// Takes locks.
pub struct Taker {
    git: Git,
    settings: Settings,
    events: Arc<dyn Events>,
    pub(super) policy: Mutex<Option<(Instant, Option<Policy>)>>,
    /// Since when the server does not answer, and how that was told.
    down: Arc<Mutex<Option<(Instant, NotTaken)>>>,
    /// Held once by each thread that asks.
    asking: Arc<()>,
}

impl Taker {
    /// Takes locks for the worktree of `git`.
    pub fn new(git: Git, settings: Settings, events: Arc<dyn Events>) -> Taker {
        let (policy, down, asking) = Default::default();
        Taker { git, settings, events, policy, down, asking }
    }

    /// What happens to who has no lock; `None` when files need none.
    pub fn policy(&self) -> Result<Option<Policy>, RepoError> {
        let mut known = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, policy)) = *known
            && since.elapsed() < SETTINGS_LIFE
        {
            return Ok(policy);
        }
        let repository = found(&self.git)?;
        let policy =
            match (lockable::choose::is_wanted(&repository)?, repository.setting_bool(MOUNT_AUTOLOCK)?) {
                (false, _) => None,
                (true, false) => Some(Policy::Refuse),
                (true, true) => Some(Policy::Take),
            };
        *known = Some((Instant::now(), policy));
        Ok(policy)
    }

    /// Forgets that a server did not answer.
    pub fn try_again(&self) {
        *self.down.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Takes the lock of `path`.
    pub fn take(&self, path: &str) -> Result<(), NotTaken> {
        {
            let down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((since, why)) = &*down
                && since.elapsed() < PAUSE
            {
                return Err(why.clone());
            }
        }
        if Arc::strong_count(&self.asking) > ASKS_MAX {
            return Err(NotTaken::down("too many files wait for their locks"));
        }
        let (git, settings, events) = (self.git.clone(), self.settings.clone(), self.events.clone());
        let (down, asking, wanted) = (self.down.clone(), self.asking.clone(), path.to_owned());
        let (say, heard) = mpsc::channel();
        let ask = move || {
            let _asking = asking;
            let taken = ask(&git, settings, &*events, &wanted);
            let down_now = taken.as_ref().err().filter(|why| why.is_down);
            *down.lock().unwrap_or_else(PoisonError::into_inner) =
                down_now.map(|why| (Instant::now(), why.clone()));
            // Whoever asked may have given up.
            let _ = say.send(taken);
        };
        let started = thread::Builder::new().name("autolock".to_owned()).spawn(ask);
        started.map_err(|error| NotTaken::down(&error.to_string()))?;
        match heard.recv_timeout(PATIENCE) {
            Ok(taken) => taken,
            Err(RecvTimeoutError::Timeout) => {
                let why = NotTaken::down(&format!("no answer within {} seconds", PATIENCE.as_secs()));
                *self.down.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((Instant::now(), why.clone()));
                Err(why)
            }
            Err(RecvTimeoutError::Disconnected) => Err(NotTaken::down("the asking ended without an answer")),
        }
    }
}

impl NotTaken {
    /// For a reason that waiting does not change.
    pub fn new(why: String, hint: Option<String>) -> NotTaken {
        NotTaken { why, hint, is_down: false }
    }

    fn down(why: &str) -> NotTaken {
        let hint = Some("it is tried again when the file is opened the next time".to_owned());
        NotTaken { why: format!("its lock cannot be taken: {why}"), hint, is_down: true }
    }
}

fn ask(git: &Git, settings: Settings, events: &dyn Events, path: &str) -> Result<(), NotTaken> {
    let refused = |why: String, hint| NotTaken::new(format!("its lock cannot be taken: {why}"), hint);
    match acquire(git, settings, events, path) {
        Ok(None) => Ok(()),
        Ok(Some((why, hint))) => Err(refused(why, hint)),
        Err(error) => match error.downcast_ref::<LockError>() {
            Some(LockError::Refused { why, hint }) => Err(refused(why.clone(), hint.clone())),
            _ => Err(NotTaken::down(&format!("{error:#}"))),
        },
    }
}

/// Asks for the lock and notes it; `Some` says why not.
fn acquire(
    git: &Git,
    settings: Settings,
    events: &dyn Events,
    path: &str,
) -> Result<Option<(String, Option<String>)>> {
    let repository = found(git)?;
    let on = repository.head()?;
    let on = on.and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned));
    let place = LockPlace::find(&repository, None, on.as_deref())?;
    let context = Context { cwd: repository.git_dir.clone(), repository, settings };
    let locking = Locking { context, place, on };
    let branch = locking.branch(None)?;
    let repository = &locking.context.repository;
    let refs = locking.tracking(branch.as_deref());
    let versions = seen(&repository.git, &refs, &[path])?;
    let item = Item { path: path.to_owned(), seen: versions.into_iter().flatten().next() };
    let ask = Acquire { items: vec![item], branch, on: locking.meant()?, ..Acquire::default() };
    let mut peer = LockPeer::connect(repository, &locking.place, &locking.context.settings)?;
    let answer = peer.ask_once(&Ask::Acquire(ask))?;
    peer.close();
    let Answer::Acquired { outcomes, news, .. } = answer else { return Err(LockError::Answer.into()) };
    let now = context::now()?;
    news.iter().for_each(|event| events.happened(Event::News { what: words::news(event, now) }));
    let outcome = outcomes.into_iter().next().ok_or(LockError::Answer)?;
    locking.know(|known| {
        let gone = news.iter().filter(|event| matches!(event.what, What::Unlocked(_)));
        gone.for_each(|event| known.lost(event.lock.id));
        if let Acquired::Locked(lock) = &outcome {
            known.who = Some(lock.owner.clone());
            known.gained_by_mount(lock.clone());
        }
    })?;
    Ok(match outcome {
        Acquired::Locked(_) => None,
        Acquired::Refused(denial) => Some(words::denial(&denial, path, now)),
        Acquired::Passed => return Err(LockError::Answer.into()),
    })
}
