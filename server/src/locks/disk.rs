//! Where locks are kept: one redb file, `DIR/locks`, in which every change is one durable transaction.
//!
//! Tables: `locks` (repository, id → the lock as JSON), `latest` (repository → time of its last event), `news` (repository, owner, number →
//! an event as JSON, until its owner has heard of it), `meta` (`next` → the next id, `news` → the next number).
//! The file belongs to the process that serves the folder.

use super::LocksError;
use dits_lock::{Event, Lock, Table, What};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

const LOCKS: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("locks");
const LATEST: TableDefinition<'_, &str, u64> = TableDefinition::new("latest");
const NEWS: TableDefinition<'_, (&str, &str, u64), &[u8]> = TableDefinition::new("news");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Key of the next id.
const NEXT: &str = "next";
/// Key of the next number of news.
const NEXT_NEWS: &str = "news";
/// The first id.
const FIRST: u64 = 1;
/// News that are kept for one owner of one repository: the latest.
pub(super) const NEWS_MAX: usize = 1000;

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
        write.open_table(LOCKS)?;
        write.open_table(LATEST)?;
        write.open_table(NEWS)?;
        write.open_table(META)?;
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
        add_news(&write, repository, events)?;
        Ok(write.commit()?)
    }

    /// The first news of an owner, at most so many, with their numbers.
    pub fn news(&self, repository: &str, owner: &str, most: usize) -> Result<Vec<(u64, Event)>, LocksError> {
        self.read_news(repository, owner, most).map_err(|error| failed(&self.path, error))
    }

    fn read_news(
        &self,
        repository: &str,
        owner: &str,
        most: usize,
    ) -> Result<Vec<(u64, Event)>, redb::Error> {
        let table = self.database.begin_read()?.open_table(NEWS)?;
        let mut news = Vec::new();
        for row in table.range((repository, owner, 0)..=(repository, owner, u64::MAX))? {
            let (key, json) = row?;
            // What cannot be read must not keep anybody from locking.
            news.extend(serde_json::from_slice(json.value()).ok().map(|event| (key.value().2, event)));
            if news.len() == most {
                break;
            }
        }
        Ok(news)
    }

    /// An owner has heard of these, and of all before them.
    pub fn told(&self, repository: &str, owner: &str, last: u64) -> Result<(), LocksError> {
        let drop_news = || -> Result<(), redb::Error> {
            let write = self.database.begin_write()?;
            let gone = (repository, owner, 0)..=(repository, owner, last);
            write.open_table(NEWS)?.retain_in(gone, |_, _| false)?;
            Ok(write.commit()?)
        };
        drop_news().map_err(|error| failed(&self.path, error))
    }
}

/// Keeps what owners are to hear of; of too many the oldest go.
fn add_news(write: &WriteTransaction, repository: &str, events: &[Event]) -> Result<(), redb::Error> {
    let (mut news, mut meta) = (write.open_table(NEWS)?, write.open_table(META)?);
    let first = meta.get(NEXT_NEWS)?.map_or(0, |next| next.value());
    let (mut next, mut owners) = (first, BTreeSet::new());
    for event in events.iter().filter(|event| event.is_news_to_owner()) {
        let json = serde_json::to_vec(event).map_err(std::io::Error::from)?;
        news.insert((repository, &event.lock.owner[..], next), &json[..])?;
        owners.insert(&event.lock.owner[..]);
        next += 1;
    }
    if next > first {
        meta.insert(NEXT_NEWS, next)?;
    }
    for owner in owners {
        let all = (repository, owner, 0)..=(repository, owner, u64::MAX);
        let mut surplus = news.range(all.clone())?.count().saturating_sub(NEWS_MAX);
        news.retain_in(all, |_, _| {
            let stays = surplus == 0;
            surplus = surplus.saturating_sub(1);
            stays
        })?;
    }
    Ok(())
}

fn failed(path: &Path, error: impl Into<redb::Error>) -> LocksError {
    LocksError::Disk { path: path.to_owned(), source: Box::new(error.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locks::tests::lock;
    use dits_lock::{LockId, Why};

    #[test]
    fn what_was_written_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("locks");
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

    #[test]
    fn news_stay_until_they_are_told_and_of_too_many_the_latest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("locks");
        let disk = Disk::open(&path).unwrap();
        disk.read().unwrap();
        let forced = |id: u64| Event {
            at: 5,
            by: Some("bob".into()),
            what: What::Unlocked(Why::Forced),
            lock: lock(id, "x"),
        };
        let events: Vec<Event> = (0..NEWS_MAX as u64 + 5).map(forced).collect();
        disk.write("team/a", &events[..3], 1).unwrap();
        disk.write("team/a", &events[3..], 1).unwrap();
        disk.write("team/b", &events[..1], 1).unwrap();
        drop(disk);
        let disk = Disk::open(&path).unwrap();
        let all = disk.news("team/a", "ann", usize::MAX).unwrap();
        assert_eq!((all.len(), all[0].1.lock.id), (NEWS_MAX, LockId(5)), "the oldest are gone");
        let some = disk.news("team/a", "ann", 2).unwrap();
        disk.told("team/a", "ann", some[1].0).unwrap();
        assert_eq!(disk.news("team/a", "ann", 1).unwrap()[0].1.lock.id, LockId(7));
        assert_eq!(disk.news("team/a", "ann", usize::MAX).unwrap().len(), NEWS_MAX - 2);
        assert_eq!(disk.news("team/b", "ann", usize::MAX).unwrap().len(), 1);
        assert!(disk.news("team/a", "an", usize::MAX).unwrap().is_empty());
    }
}
