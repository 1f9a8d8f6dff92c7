//! Lockable files: read-only in the working tree unless this user holds a lock that covers them.
//!
//! A hint in the right place: whoever opens the file in a program sees at once that he has not locked it. It is no
//! protection; servers refuse pushes. [`choose`] says which files shall be what, from attributes and the locks that this
//! clone knows of; hydration sets these modes as it writes, and [`flip`](mod@flip) changes files that are there.
//! [`refresh`] is both for a set of files.
//!
//! What must hold:
//! - only files with the attribute `lockable` are touched, and only their write bits;
//! - a file that differs from Git's index is never made read-only: somebody works on it;
//! - Git's index agrees afterwards, so that no status reads a file for it;
//! - where nothing mentions `lockable`, nothing is asked of Git ([`mention`]).

pub mod access;
pub mod ahead;
pub mod choose;
pub mod flip;
pub mod mention;
pub mod places;

pub use access::Access;
pub use ahead::Ahead;
pub use choose::{Chosen, is_on};
pub use flip::{Flipped, flip};
pub use mention::is_mentioned;
pub use places::Places;

use crate::{RepoError, Repository, index};
use dits_lock::LockPath;
use std::sync::Mutex;

/// Files that may have the wrong mode.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// All lockable ones. Those that are read-only although that is switched off become writable.
    All,
    /// These paths from the top, as far as they are lockable.
    Paths(&'a [Vec<u8>]),
    /// The same without those that git-dits manages: these are seen to when they are hydrated.
    Unmanaged(&'a [Vec<u8>]),
    /// Whatever is at these places: their locks came or went.
    Places(&'a [LockPath]),
    /// The same, where Git has been asked already.
    Asked(&'a Ahead, &'a [LockPath]),
    /// These paths, as far as they are lockable no more: they become writable.
    Freed(&'a [Vec<u8>]),
}

/// Makes the files of `scope` what they shall be. `critical` is held while Git's index is locked.
///
/// # Errors
/// When Git's index is locked by somebody else, or cannot be read: nothing is changed then. What concerns single files
/// is in [`Flipped`].
pub fn refresh(
    repository: &Repository,
    scope: Scope<'_>,
    critical: &Mutex<()>,
) -> Result<Flipped, RepoError> {
    let chosen = chosen(repository, scope)?;
    flip(repository, &chosen, critical)
}

/// What the files of `scope` shall be.
///
/// # Errors
/// When Git cannot be asked.
pub fn chosen(repository: &Repository, scope: Scope<'_>) -> Result<Chosen, RepoError> {
    match scope {
        Scope::All => choose::all(repository),
        Scope::Paths(paths) => choose::of_paths(repository, paths, false),
        Scope::Unmanaged(paths) => choose::of_paths(repository, paths, true),
        Scope::Freed(paths) => choose::freed(repository, paths),
        Scope::Places(places) => choose::of_paths(repository, &at_places(repository, places)?, false),
        Scope::Asked(ahead, places) => choose::by_locks(repository, ahead.files(places)),
    }
}

/// Paths of Git's index at `places`, and the places themselves: a file that is new has no other name.
fn at_places(repository: &Repository, places: &[LockPath]) -> Result<Vec<Vec<u8>>, RepoError> {
    let wanted: Places<()> = places.iter().map(|place| (place, ())).collect();
    let files = places.iter().filter(|place| !place.is_prefix());
    let mut paths: Vec<Vec<u8>> = files.map(|place| place.as_str().as_bytes().to_vec()).collect();
    let bytes = match std::fs::read(&repository.index) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(paths),
        read => read.map_err(RepoError::io("read", &repository.index))?,
    };
    let mut add = |path: &[u8]| {
        if wanted.covering(path).is_some() {
            paths.push(path.to_vec());
        }
    };
    let summary = index::walk(&bytes, repository.hash, |entry| {
        add(entry.path);
        Ok(())
    })?;
    if summary.has_split_link {
        // Most entries are in another file then.
        repository.git.run(&["ls-files", "-z"])?.split(|byte| *byte == 0).for_each(add);
    }
    paths.sort_unstable();
    paths.dedup();
    Ok(paths)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
