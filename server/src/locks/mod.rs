//! The locks of a server's repositories: one keeper for all streams, all HTTP requests, and all pushes.
//!
//! [`Locks::change`] is the only way to change a table: leases that are over end first, a plan is made on the table, its events are
//! written to the audit log ([`note`]), made durable ([`disk`]), then applied, then told to whoever listens. All of this under one
//! mutex: of two wishes for one place one comes first. [`target`] says which branch a lock is for, [`stream`] answers clients, [`desk`] the
//! hooks of pushes, [`watch`](mod@watch) those who want to hear more, [`leases`] ends what nobody asks about.
//!
//! Always holds: what was answered is on disk. When the disk fails, nothing has changed, and the client is told so. Time never goes
//! back ([`clock`]).
//!
//! Blocks on the disk: callers on the runtime use `block_in_place`. Fails as [`LocksError`].

pub(crate) mod branches;
mod clock;
pub(crate) mod desk;
mod disk;
mod leases;
mod note;
mod pending;
mod reserve;
mod room;
mod settle;
pub(crate) mod stream;
mod take;
mod talk;
pub(crate) mod target;
mod tip;
mod verdict;
mod watch;

use crate::audit;
use crate::layout::Layout;
use clock::Clock;
use disk::Disk;
use dits_lock::table::Plan;
use dits_lock::{Event, Table};
use note::Note;
use reserve::Reservations;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, Semaphore, broadcast};

/// Events that a listener may be behind before it has to begin anew.
const BEHIND_MAX: usize = 4096;

/// Large questions that are read and answered at once.
const LARGE_AT_ONCE: usize = 2;

/// Why nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum LocksError {
    /// The file cannot be opened, read or written.
    #[error("cannot use the locks in '{path}': {source}", path = .path.display())]
    Disk {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        source: Box<redb::Error>,
    },
    /// A record cannot be read.
    #[error("the lock {id} of '{repository}' is damaged: {why}")]
    Damaged {
        /// Of this repository.
        repository: String,
        /// Its id.
        id: u64,
        /// What is wrong.
        why: String,
    },
    /// A push that was under way cannot be read.
    #[error("a push to '{repository}' that was under way is damaged: {why}")]
    Push {
        /// To this repository.
        repository: String,
        /// What is wrong.
        why: String,
    },
    /// Git could not say what a repository holds.
    #[error("cannot compare locks with branches: {0}")]
    Git(#[source] std::io::Error),
    /// It cannot be written down.
    #[error("the server cannot write its audit log, so no lock changes hands; its owner has been told why")]
    NoAudit,
    /// The outcomes have no room in an answer.
    #[error("too much for one answer: nothing has changed")]
    TooMuch,
}

/// Something that happened in a repository.
#[derive(Debug, Clone)]
pub(crate) struct Happened {
    /// The repository.
    pub repository: Arc<str>,
    /// What.
    pub event: Event,
}

/// All locks of a server.
#[derive(Debug)]
pub(crate) struct Locks {
    disk: Disk,
    state: Mutex<State>,
    happened: broadcast::Sender<Happened>,
    /// Held before `state` where both are.
    reserved: Arc<Reservations>,
    note: Note,
    /// A lease is new: it may be the next to end.
    leased: Notify,
    stop: tokio::sync::watch::Sender<bool>,
    /// Turns of large questions: what bounds the memory that they take.
    large: Semaphore,
}

#[derive(Debug)]
struct State {
    tables: HashMap<String, Table>,
    clock: Clock,
    /// The next id: one count for the whole server, so that an id means nothing in another repository.
    next: u64,
}

impl Locks {
    /// Reads what is there.
    pub fn open(layout: &Layout) -> Result<Locks, LocksError> {
        let disk = Disk::open(&layout.locks())?;
        let (tables, next) = disk.read()?;
        let latest = tables.values().map(|table| table.now(0)).max().unwrap_or(0);
        let state = Mutex::new(State { tables, clock: Clock::from(latest, Instant::now()), next });
        Ok(Locks {
            disk,
            state,
            happened: broadcast::Sender::new(BEHIND_MAX),
            note: Note(Box::new(|_| true)),
            leased: Notify::new(),
            stop: tokio::sync::watch::Sender::new(false),
            large: Semaphore::new(LARGE_AT_ONCE),
            reserved: Reservations::new(),
        })
    }

    /// The same with an audit log; `note` says whether a line could be written.
    pub fn noted_by(self, note: impl Fn(audit::Event) -> bool + Send + Sync + 'static) -> Locks {
        Locks { note: Note(Box::new(note)), ..self }
    }

    /// The server ends: watches do, too.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Ends when the server does.
    pub async fn stopped(&self) {
        // It fails when nobody can stop it any more.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    /// Looks at the locks of a repository as they are at `clock`.
    pub fn look<T>(
        &self,
        repository: &str,
        clock: u64,
        look: impl FnOnce(&Table) -> T,
    ) -> Result<T, LocksError> {
        let mut state = self.state();
        let now = state.clock.now(clock, Instant::now());
        if let Err(error) = self.end_leases(&mut state, repository, now) {
            // A disk that is full keeps nobody from looking: what is over is over.
            let (Some(table), LocksError::Disk { .. }) = (state.tables.get(repository), &error) else {
                return Err(error);
            };
            let mut table = table.clone();
            table.expired(table.now(now)).iter().for_each(|event| table.apply(event));
            return Ok(look(&table));
        }
        Ok(look(state.tables.get(repository).unwrap_or(&Table::default())))
    }

    /// Makes a plan on the table of a repository, given the time that counts and the next id, and carries it out.
    pub fn change<T: Serialize>(
        &self,
        repository: &str,
        clock: u64,
        plan: impl FnOnce(&Table, u64, &mut u64) -> Plan<T>,
    ) -> Result<Vec<T>, LocksError> {
        let mut state = self.state();
        let now = state.clock.now(clock, Instant::now());
        self.end_leases(&mut state, repository, now)?;
        let empty = Table::default();
        let table = state.tables.get(repository).unwrap_or(&empty);
        let mut next = state.next;
        let Plan { outcomes, events } = plan(table, table.now(now), &mut next);
        if !room::is_room_for(&outcomes) {
            return Err(LocksError::TooMuch);
        }
        self.carry_out(&mut state, repository, &events, next)?;
        Ok(outcomes)
    }

    /// The repositories that have locks, or had some.
    pub fn repositories(&self) -> Vec<String> {
        self.state().tables.keys().cloned().collect()
    }

    /// Everything that happens from now on, in all repositories.
    pub fn listen(&self) -> broadcast::Receiver<Happened> {
        self.happened.subscribe()
    }

    fn end_leases(&self, state: &mut State, repository: &str, now: u64) -> Result<(), LocksError> {
        let Some(table) = state.tables.get(repository) else { return Ok(()) };
        let (events, next) = (table.expired(table.now(now)), state.next);
        self.carry_out(state, repository, &events, next)
    }

    fn carry_out(
        &self,
        state: &mut State,
        repository: &str,
        events: &[Event],
        next: u64,
    ) -> Result<(), LocksError> {
        if events.is_empty() {
            return Ok(());
        }
        let noted = note::lines(repository, events).into_iter().all(&self.note.0);
        let kept = match noted || !note::must_be_noted(events) {
            true => self.disk.write(repository, events, next),
            false => Err(LocksError::NoAudit),
        };
        if let Err(error) = kept {
            // It fails when the log does: then its owner knows.
            let _ = (self.note.0)(note::undone(repository, events.len(), &error));
            return Err(error);
        }
        state.next = next;
        let table = state.tables.entry(repository.to_owned()).or_default();
        events.iter().for_each(|event| table.apply(event));
        if events.iter().any(|event| event.lock.expires.is_some()) {
            self.leased.notify_one();
        }
        let repository: Arc<str> = repository.into();
        for event in events {
            // It fails when nobody listens.
            let _ = self.happened.send(Happened { repository: repository.clone(), event: event.clone() });
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is half done in it: tables change only when all that can fail is over.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
