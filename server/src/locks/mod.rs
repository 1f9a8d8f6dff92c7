//! The locks of a server's repositories: one keeper for all streams, all HTTP requests, and all pushes.
//!
//! [`Locks::change`] is the only way to change a table: leases that are over end first, a plan is made on the table, its events are
//! made durable ([`disk`]), then applied, then told to whoever listens. All of this under one mutex: of two wishes for
//! one place one comes first. [`target`] says which branch a lock is for, [`stream`] answers clients, [`desk`] the hooks of pushes.
//!
//! Always holds: what was answered is on disk. When the disk fails, nothing has changed, and the client is told so.
//!
//! Blocks on the disk: callers on the runtime use `block_in_place`. Fails as [`LocksError`].

pub(crate) mod branches;
pub(crate) mod desk;
mod disk;
mod pending;
mod reserve;
mod settle;
pub(crate) mod stream;
mod take;
mod talk;
pub(crate) mod target;
mod tip;
mod verdict;

use crate::layout::Layout;
use disk::Disk;
use dits_lock::table::Plan;
use dits_lock::{Event, Table};
use reserve::Reservations;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// Events that a listener may be behind before it has to begin anew.
const BEHIND_MAX: usize = 4096;

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
}

#[derive(Debug)]
struct State {
    tables: HashMap<String, Table>,
    /// The next id: one count for the whole server, so that an id means nothing in another repository.
    next: u64,
}

impl Locks {
    /// Reads what is there.
    pub fn open(layout: &Layout) -> Result<Locks, LocksError> {
        let disk = Disk::open(&layout.locks())?;
        let (tables, next) = disk.read()?;
        let (happened, _) = broadcast::channel(BEHIND_MAX);
        let reserved = Reservations::new();
        Ok(Locks { disk, state: Mutex::new(State { tables, next }), happened, reserved })
    }

    /// Looks at the locks of a repository as they are at `clock`.
    pub fn look<T>(
        &self,
        repository: &str,
        clock: u64,
        look: impl FnOnce(&Table) -> T,
    ) -> Result<T, LocksError> {
        let mut state = self.state();
        self.end_leases(&mut state, repository, clock)?;
        Ok(look(state.tables.get(repository).unwrap_or(&Table::default())))
    }

    /// Makes a plan on the table of a repository, given the time that counts and the next id, and carries it out.
    pub fn change<T>(
        &self,
        repository: &str,
        clock: u64,
        plan: impl FnOnce(&Table, u64, &mut u64) -> Plan<T>,
    ) -> Result<Vec<T>, LocksError> {
        let mut state = self.state();
        self.end_leases(&mut state, repository, clock)?;
        let empty = Table::default();
        let table = state.tables.get(repository).unwrap_or(&empty);
        let mut next = state.next;
        let Plan { outcomes, events } = plan(table, table.now(clock), &mut next);
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

    fn end_leases(&self, state: &mut State, repository: &str, clock: u64) -> Result<(), LocksError> {
        let Some(table) = state.tables.get(repository) else { return Ok(()) };
        let (events, next) = (table.expired(table.now(clock)), state.next);
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
        self.disk.write(repository, events, next)?;
        state.next = next;
        let table = state.tables.entry(repository.to_owned()).or_default();
        events.iter().for_each(|event| table.apply(event));
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
