//! What this clone knows about locks while no server is asked: those that are its user's, and the last list that came.
//!
//! One JSON file, `dits/locks.json` in Git's common folder, shared by all worktrees: written whole, under a lock of its own.
//! It is a copy of what servers said, so a file that cannot be read counts as none: the next answer writes it anew. For the same
//! reason no disk is waited for: two syncs took a third of the time of `git dits lock`.
//!
//! Times are seconds since 1970.

use crate::{RepoError, Repository};
use dits_lock::{Lock, LockId};
use dits_store::{StoreError, durable};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Bytes of the file.
const BYTES_MAX: u64 = 64 << 20;

/// What is known, for each server (`HOST:PORT/PATH`, or the address of a host's lock API).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockCache {
    /// By the server that said it.
    #[serde(default)]
    pub servers: BTreeMap<String, Known>,
}

/// What one server said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The name under which it knows this user.
    #[serde(default)]
    pub who: Option<String>,
    /// Locks of this user, as far as this clone has heard.
    #[serde(default)]
    pub own: Vec<Lock>,
    /// Those of them that a mount took by itself (`dits.mount.autolock`).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub auto: BTreeSet<LockId>,
    /// The last list of all locks.
    #[serde(default)]
    pub listed: Vec<Lock>,
    /// When that came.
    #[serde(default)]
    pub listed_at: Option<u64>,
}

impl Known {
    /// Takes in a lock of this user, who asked for it: one that a mount had taken is his own from now on.
    pub fn gained(&mut self, lock: Lock) {
        self.lost(lock.id);
        self.own.push(lock);
    }

    /// Takes in a lock that a mount took by itself. One that the user had before stays what it was.
    pub fn gained_by_mount(&mut self, lock: Lock) {
        let is_users = self.own.iter().any(|own| own.id == lock.id) && !self.auto.contains(&lock.id);
        let id = lock.id;
        self.gained(lock);
        if !is_users {
            self.auto.insert(id);
        }
    }

    /// Takes in that a lock is gone.
    pub fn lost(&mut self, id: LockId) {
        self.auto.remove(&id);
        self.own.retain(|own| own.id != id);
    }
}

impl LockCache {
    /// What is known now.
    pub fn load(repository: &Repository) -> Result<LockCache, RepoError> {
        let path = path(repository);
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(LockCache::default()),
            Ok(meta) if meta.len() > BYTES_MAX => return Ok(LockCache::default()),
            _ => {}
        }
        let bytes = std::fs::read(&path).map_err(StoreError::io("read", &path))?;
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Changes what is known; other processes wait meanwhile.
    pub fn update<T>(
        repository: &Repository,
        change: impl FnOnce(&mut LockCache) -> T,
    ) -> Result<T, RepoError> {
        let (path, modes) = (path(repository), repository.modes()?);
        let folder = path.with_file_name("");
        durable::create_shared_dir(&folder, modes)?;
        let turn = durable::lock_file(&path.with_extension("lock"), modes)?;
        turn.lock().map_err(StoreError::io("lock", &path))?;
        let before = LockCache::load(repository)?;
        let mut cache = before.clone();
        let value = change(&mut cache);
        if cache != before {
            let json = serde_json::to_vec(&cache).map_err(|e| StoreError::io("write", &path)(e.into()))?;
            durable::write_copy(&folder, &path, &json, modes)?;
        }
        Ok(value)
    }

    /// All locks of this user, of all servers.
    pub fn own(&self) -> impl Iterator<Item = &Lock> {
        self.servers.values().flat_map(|known| &known.own)
    }
}

/// The file.
pub fn path(repository: &Repository) -> PathBuf {
    repository.common_dir.join("dits").join("locks.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Git;
    use dits_lock::{Branch, LockPath};

    #[test]
    fn what_was_heard_is_known_and_damage_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        Git::at(dir.path()).run(&["init", "-q"]).unwrap();
        let repository = Repository::find(dir.path()).unwrap();
        assert_eq!(LockCache::load(&repository).unwrap(), LockCache::default());
        let lock =
            Lock::taken(LockId(1), LockPath::parse("a").unwrap(), Branch::parse("main").unwrap(), "ann", 5);
        let gain = |cache: &mut LockCache| cache.servers.entry("s".into()).or_default().gained(lock.clone());
        LockCache::update(&repository, gain).unwrap();
        LockCache::update(&repository, gain).unwrap();
        assert_eq!(LockCache::load(&repository).unwrap().own().collect::<Vec<_>>(), [&lock]);
        let change = |change: fn(&mut Known, Lock)| {
            let auto = |cache: &mut LockCache| {
                let known = cache.servers.get_mut("s").unwrap();
                change(known, lock.clone());
                !known.auto.is_empty()
            };
            LockCache::update(&repository, auto).unwrap()
        };
        assert!(!change(Known::gained_by_mount), "the user had it before");
        assert!(!change(|known, lock| known.lost(lock.id)) && change(Known::gained_by_mount));
        assert!(change(Known::gained_by_mount), "renewed");
        assert!(!change(Known::gained), "the user wants it too");
        std::fs::write(path(&repository), "{").unwrap();
        assert_eq!(LockCache::load(&repository).unwrap(), LockCache::default());
    }
}
