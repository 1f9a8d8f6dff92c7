//! Files that are about to be committed under another name, while a lock is on the old one.
//!
//! A lock is on a place, and does not go along: whoever comes next finds the file unlocked under its new name. Asked is only
//! what this clone has heard of locks, so it is a warning, and where it has heard of none, Git is not asked.

use dits_lock::Lock;
use dits_repo::lockable::Places;
use dits_repo::locks::LockCache;
use dits_repo::{RepoError, Repository};

/// One renamed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its path in `HEAD`.
    pub from: Vec<u8>,
    /// Its path in the index.
    pub to: Vec<u8>,
    /// Who has the lock of the old path; `None`: this user.
    pub owner: Option<String>,
}

/// Renames that are staged, of files that this user or others have locked. `now` is in seconds since 1970.
///
/// # Errors
/// When Git cannot be asked.
pub fn moved(repository: &Repository, now: u64) -> Result<Vec<Moved>, RepoError> {
    let cache = LockCache::load(repository)?;
    let own = Places::of_locks(cache.own(), now);
    let listed: Vec<&Lock> = cache.servers.values().flat_map(|known| &known.listed).collect();
    if listed.is_empty() && cache.own().next().is_none() {
        return Ok(Vec::new());
    }
    let all = Places::of_locks(listed, now);
    if repository.git.commit("HEAD")?.is_none() {
        return Ok(Vec::new());
    }
    let ask = ["diff-index", "--cached", "-z", "-M", "--diff-filter=R", "--name-status", "HEAD"];
    let out = repository.git.run(&ask)?;
    let fields: Vec<&[u8]> = out.split(|byte| *byte == 0).collect();
    let rename = |fields: &[&[u8]]| {
        let owner = match own.covering(fields[1]) {
            Some(_) => None,
            None => Some(all.covering(fields[1])?.owner.clone()),
        };
        Some(Moved { from: fields[1].to_vec(), to: fields[2].to_vec(), owner })
    };
    Ok(fields.chunks_exact(3).filter_map(rename).collect())
}
