//! Where locks are kept: one redb file, `DIR/locks`, in which every change is one durable transaction.
//!
//! Tables: `locks` (repository, id → the lock as JSON), `latest` (repository → time of its last event), `meta` (`next` → the next id).
//! The file belongs to the process that serves the folder.

use super::LocksError;
use dits_lock::{Event, Lock, Table, What};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const LOCKS: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("locks");
const LATEST: TableDefinition<'_, &str, u64> = TableDefinition::new("latest");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Key of the next id.
const NEXT: &str = "next";
/// The first id.
const FIRST: u64 = 1;

/// The file.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    database: Database,
}

impl Disk {
    /// Opens it, or makes it.
    pub fn open(path: &Path) -> Result<Disk, LocksError> {
        let database = Database::create(path).map_err(|error| failed(path, error))?;
        Ok(Disk { path: path.to_owned(), database })
    }

    /// For what is kept beside the locks.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// What a failure of this file is called.
    pub fn failed(&self, error: impl Into<redb::Error>) -> LocksError {
        failed(&self.path, error)
    }

    /// All tables, and the next id.
    pub fn read(&self) -> Result<(HashMap<String, Table>, u64), LocksError> {
        let (locks, latest, next) = self.raw().map_err(|error| failed(&self.path, error))?;
        let mut tables: HashMap<String, Vec<Lock>> = HashMap::new();
        for (repository, id, json) in locks {
            let lock = serde_json::from_slice(&json).map_err(|error| LocksError::Damaged {
                repository: repository.clone(),
                id,
                why: error.to_string(),
            })?;
            tables.entry(repository).or_default().push(lock);
        }
        let names = latest.into_iter().map(|(repository, latest)| {
            let locks = tables.remove(&repository).unwrap_or_default();
            (repository, Table::new(locks, latest))
        });
        Ok((names.collect(), next))
    }

    #[expect(clippy::type_complexity, reason = "rows of two tables, taken apart at once")]
    fn raw(&self) -> Result<(Vec<(String, u64, Vec<u8>)>, Vec<(String, u64)>, u64), redb::Error> {
        let write = self.database.begin_write()?;
        // Made when the file is new.
        (write.open_table(LOCKS)?, write.open_table(LATEST)?, write.open_table(META)?);
        write.commit()?;
        let read = self.database.begin_read()?;
        let mut locks = Vec::new();
        for row in read.open_table(LOCKS)?.iter()? {
            let (key, json) = row?;
            let (repository, id) = key.value();
            locks.push((repository.to_owned(), id, json.value().to_vec()));
        }
        let mut latest = Vec::new();
        for row in read.open_table(LATEST)?.iter()? {
            let (repository, time) = row?;
            latest.push((repository.value().to_owned(), time.value()));
        }
        let next = read.open_table(META)?.get(NEXT)?.map_or(FIRST, |next| next.value());
        Ok((locks, latest, next))
    }

    /// Makes events durable, all or none, and the next id with them.
    pub fn write(&self, repository: &str, events: &[Event], next: u64) -> Result<(), LocksError> {
        self.transact(repository, events, next).map_err(|error| failed(&self.path, error))
    }

    fn transact(&self, repository: &str, events: &[Event], next: u64) -> Result<(), redb::Error> {
        let write = self.database.begin_write()?;
        {
            let (mut locks, mut latest) = (write.open_table(LOCKS)?, write.open_table(LATEST)?);
            for event in events {
                let key = (repository, event.lock.id.0);
                if let What::Unlocked(_) = event.what {
                    locks.remove(key)?;
                } else {
                    let json = serde_json::to_vec(&event.lock).map_err(std::io::Error::from)?;
                    locks.insert(key, &json[..])?;
                }
            }
            if let Some(last) = events.last() {
                latest.insert(repository, last.at)?;
            }
            write.open_table(META)?.insert(NEXT, next)?;
        }
        Ok(write.commit()?)
    }
}

fn failed(path: &Path, error: impl Into<redb::Error>) -> LocksError {
    LocksError::Disk { path: path.to_owned(), source: Box::new(error.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_lock::{Branch, LockId, LockPath, Mode, Why};

    #[test]
    fn what_was_written_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("locks");
        let lock = |id: u64, path: &str| Lock {
            id: LockId(id),
            path: LockPath::parse(path).unwrap(),
            branch: Branch::parse("main").unwrap(),
            owner: "ann".into(),
            mode: Mode::Exclusive,
            at: 5,
            reason: None,
            expires: Some(9),
            change: None,
            held: true,
        };
        let event = |what, lock| Event { at: 5, by: Some("ann".into()), what, lock };
        let disk = Disk::open(&path).unwrap();
        disk.write("team/a", &[event(What::Locked, lock(1, "x")), event(What::Locked, lock(2, "y"))], 3)
            .unwrap();
        disk.write("team/a", &[event(What::Unlocked(Why::Released), lock(1, "x"))], 3).unwrap();
        drop(disk);
        let (tables, next) = Disk::open(&path).unwrap().read().unwrap();
        let table = &tables["team/a"];
        assert_eq!((next, table.len(), table.now(0)), (3, 1, 5));
        assert_eq!(table.get(LockId(2)), Some(&lock(2, "y")));
    }
}
