//! Who may write lockable files of a mount: the locks that this clone knows to be its user's.
//!
//! `dits/locks.json` is looked at anew when it has changed, so `git dits lock` counts at once and an open file with a lock costs no more than a `stat`.
//! Only before somebody is refused Git is asked: a file that the last commit does not have cannot be locked and is free, as in a working tree on disk. With
//! `dits.mount.autolock` the server is asked for the lock then ([`Taker`](autolock::Taker)), and nowhere else.
//!
//! Always holds: an answer comes within [`autolock::PATIENCE`] and the time of some starts of `git`; in doubt it is no. Nothing of the mount itself is touched.

use super::autolock::{NotTaken, Policy, Taker};
use crate::context;
use crate::locking::words;
use dits_lock::Lock;
use dits_mount::Fault;
use dits_mount::outside::{Event, Events, Gate};
use dits_remote::Settings;
use dits_repo::lockable::{Places, places};
use dits_repo::locks::{self, LockCache};
use dits_repo::{Git, RepoError, Repository};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The gate of a mount whose worktree is `repository`, which must be found from its Git folder: so that the mount is not looked at.
pub fn open(repository: &Repository, settings: Settings, events: Arc<dyn Events>) -> Arc<LockGate> {
    let taker = Taker::new(repository.git.clone(), settings, events.clone());
    let (git, file, known) = (repository.git.clone(), locks::path(repository), Mutex::default());
    Arc::new(LockGate { git, file, known, taker, events })
}

/// The repository anew, with settings as they are now. Where it is run is taken for a working tree; there is none that may be looked into.
pub(super) fn found(git: &Git) -> Result<Repository, RepoError> {
    let mut repository = Repository::of(git)?;
    repository.worktree = None;
    Ok(repository)
}

/// Lets those write who hold a lock.
pub struct LockGate {
    git: Git,
    file: PathBuf,
    known: Mutex<Known>,
    taker: Taker,
    events: Arc<dyn Events>,
}

/// What a file was when it was read.
type Stamp = (u64, i64, i64, u64);

#[derive(Default)]
struct Known {
    stamp: Option<Stamp>,
    own: Vec<Lock>,
}

impl LockGate {
    /// Locks of this clone have changed: what failed is tried again.
    pub fn locks_changed(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).stamp = None;
        self.taker.try_again();
    }

    /// Whether the user holds a lock that covers `path`.
    fn is_held(&self, path: &[u8]) -> Result<bool, RepoError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = fs::metadata(&self.file).ok();
        let stamp = stamp.map(|meta| (meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()));
        if stamp.is_none() || stamp != known.stamp {
            let own = LockCache::load(&found(&self.git)?)?.own().cloned().collect();
            *known = Known { stamp, own };
        }
        let now = context::now().unwrap_or(u64::MAX);
        Ok(Places::of_locks(&known.own, now).covering(path).is_some())
    }

    /// Whether the last commit has a file at `path`.
    fn is_committed(&self, path: &[u8]) -> Result<bool, RepoError> {
        let object = [b"HEAD:", path].concat();
        let args = ["rev-parse", "--verify", "--quiet"].map(std::ffi::OsStr::new);
        let object = std::ffi::OsStr::from_bytes(&object);
        Ok(self.git.line(&[&args[..], &[object]].concat())?.is_some())
    }

    fn ask(&self, path: &[u8]) -> Result<(), NotTaken> {
        let failed = |error: RepoError| NotTaken::new(format!("its lock cannot be looked up: {error}"), None);
        let Some(policy) = self.taker.policy().map_err(failed)? else { return Ok(()) };
        if !self.is_committed(path).map_err(failed)? {
            return Ok(());
        }
        // A place is text, or it had no key.
        let path = String::from_utf8_lossy(path);
        match policy {
            Policy::Refuse => Err(self.not_locked(&path).map_err(failed)?),
            Policy::Take => self.taker.take(&path),
        }
    }

    /// Whose lock it is, as far as this clone has heard.
    fn not_locked(&self, path: &str) -> Result<NotTaken, RepoError> {
        let cache = LockCache::load(&found(&self.git)?)?;
        let now = context::now().unwrap_or_default();
        let listed = cache.servers.values().flat_map(|known| &known.listed);
        let why = match Places::of_locks(listed, now).covering(path.as_bytes()) {
            Some(lock) => words::held(lock, path, now),
            None => "it is lockable, and you have not locked it".to_owned(),
        };
        Ok(NotTaken::new(why, Some(format!("git dits lock '{path}'"))))
    }
}

impl Gate for LockGate {
    fn may_write(&self, path: &[u8]) -> Result<(), Fault> {
        // What no lock can name would be read-only for ever.
        if places::key_of(path).is_none() || self.is_held(path).unwrap_or(false) {
            return Ok(());
        }
        self.ask(path).map_err(|NotTaken { why, hint, .. }| {
            let hint = hint.map(|hint| format!("; hint: {hint}")).unwrap_or_default();
            let why = format!("{why}{hint}");
            self.events.happened(Event::Refused { path: path.to_vec(), why });
            Fault::Denied
        })
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
