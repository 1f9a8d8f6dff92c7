//! Pushes under way that touch locks, written down before their hook says yes.
//!
//! What a push does to locks is done when it is over. A server that is killed before that finds here, at its next start, what is to be
//! done. In the same file as the locks: table `pushes`, (repository, key of the push) → [`Pending`] as JSON.

use super::verdict::Own;
use super::{Locks, LocksError};
use dits_lock::push::Move;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use serde::{Deserialize, Serialize};

const PUSHES: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("pushes");

/// A push whose hook has said yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    /// Who pushes.
    pub who: String,
    /// Since when, in seconds since 1970.
    pub at: u64,
    /// What moves.
    pub moves: Vec<Move>,
    /// The pusher's own locks that it meets in other branches than their target.
    pub own: Vec<Own>,
}

/// A push that was found at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Left {
    pub repository: String,
    pub key: String,
    pub pending: Pending,
}

impl Locks {
    /// Writes one down, durably.
    pub(super) fn note(&self, repository: &str, key: &str, pending: &Pending) -> Result<(), LocksError> {
        let json =
            serde_json::to_vec(pending).map_err(|error| self.disk.failed(std::io::Error::from(error)))?;
        insert(self.disk.database(), (repository, key), &json).map_err(|error| self.disk.failed(error))
    }

    /// What it did to locks is done.
    pub(super) fn forget(&self, repository: &str, key: &str) -> Result<(), LocksError> {
        remove(self.disk.database(), (repository, key)).map_err(|error| self.disk.failed(error))
    }

    /// Those that are written down.
    pub(super) fn noted(&self) -> Result<Vec<Left>, LocksError> {
        let rows = read(self.disk.database()).map_err(|error| self.disk.failed(error))?;
        let left = |(repository, key, json): (String, String, Vec<u8>)| {
            let pending = serde_json::from_slice(&json).map_err(|error| LocksError::Push {
                repository: repository.clone(),
                why: error.to_string(),
            })?;
            Ok(Left { repository, key, pending })
        };
        rows.into_iter().map(left).collect()
    }
}

fn insert(database: &Database, key: (&str, &str), json: &[u8]) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    write.open_table(PUSHES)?.insert(key, json)?;
    Ok(write.commit()?)
}

fn remove(database: &Database, key: (&str, &str)) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    write.open_table(PUSHES)?.remove(key)?;
    Ok(write.commit()?)
}

fn read(database: &Database) -> Result<Vec<(String, String, Vec<u8>)>, redb::Error> {
    let read = database.begin_read()?;
    let table = match read.open_table(PUSHES) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        table => table?,
    };
    let mut rows = Vec::new();
    for row in table.iter()? {
        let (key, json) = row?;
        let (repository, key) = key.value();
        rows.push((repository.to_owned(), key.to_owned(), json.value().to_vec()));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use dits_lock::{Branch, LockId};

    #[test]
    fn what_was_noted_is_there_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, _claim) = Layout::claim(dir.path()).unwrap();
        let one = Move { branch: Branch::parse("task").unwrap(), old: None, new: Some("c1".into()) };
        let own = Own { of: 0, lock: LockId(3), file: ("a".into(), None) };
        let pending = Pending { who: "ann".into(), at: 7, moves: vec![one], own: vec![own] };
        let locks = Locks::open(&layout).unwrap();
        assert_eq!(locks.noted().unwrap(), []);
        locks.note("team/a", "k1", &pending).unwrap();
        locks.note("team/a", "k2", &pending).unwrap();
        locks.forget("team/a", "k2").unwrap();
        drop(locks);
        let left = Left { repository: "team/a".into(), key: "k1".into(), pending };
        let locks = Locks::open(&layout).unwrap();
        assert_eq!(locks.noted().unwrap(), [left]);
        locks.forget("team/a", "k1").unwrap();
        assert_eq!(locks.noted().unwrap(), []);
    }
}
