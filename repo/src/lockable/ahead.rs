//! What Git says of the files at some places, asked before it is known what becomes of their locks.
//!
//! A command that asks a server about locks knows which files it may have to change, so Git is asked about their attributes in the
//! time in which the connection is made. Asks nothing where nothing is lockable.

use super::{Places, at_places, is_mentioned, is_on};
use crate::{RepoError, Repository, attributes};
use dits_lock::LockPath;
use std::collections::HashSet;

/// The lockable files at some places.
#[derive(Debug, Clone, Default)]
pub struct Ahead {
    keys: HashSet<String>,
    files: Vec<Vec<u8>>,
}

impl Ahead {
    /// Asks about all files at `places`.
    ///
    /// # Errors
    /// When Git cannot be asked, or a setting has no meaning.
    pub fn ask(repository: &Repository, places: &[LockPath]) -> Result<Ahead, RepoError> {
        let mut ahead = Ahead { keys: places.iter().map(LockPath::key).collect(), files: Vec::new() };
        if is_mentioned(repository)? && is_on(repository)? {
            let paths = at_places(repository, places)?;
            let lockable = attributes::lockable(&repository.git, &paths)?;
            ahead.files = lockable.into_iter().map(|file| file.path).collect();
        }
        Ok(ahead)
    }

    /// Whether it was asked about all of `places`.
    pub fn knows(&self, places: &[LockPath]) -> bool {
        places.iter().all(|place| self.keys.contains(&place.key()))
    }

    /// The lockable files at those of its places.
    pub(super) fn files(&self, places: &[LockPath]) -> impl Iterator<Item = Vec<u8>> {
        let places: Places<()> = places.iter().map(|place| (place, ())).collect();
        self.files.iter().filter(move |path| places.covering(path).is_some()).cloned()
    }
}
