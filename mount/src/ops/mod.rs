//! What a filesystem is asked, answered from nodes, overlay, blobs and contents.
//!
//! An adapter calls these from any number of threads. One lock guards the nodes and the open files; nobody reads or writes
//! bytes of files, or waits for a network or for Git, while holding it. A change is planned, recorded in the overlay, applied and noted in
//! the journal under that lock, so all see changes in one order, and a change that could not be recorded has not happened.
//!
//! Who may do what by owner and mode is not checked here: kernels do that from the attributes (`default_permissions`).

mod ghost;
mod keep;
mod marks;
mod names;
mod open;
mod read;
mod state;
mod write;
mod xattrs;

pub use open::Opened;
pub use state::Backing;
pub use write::Allocate;

use crate::Fault;
use crate::attr::{Attr, DirEntry, Ino, Kind, SetAttr, Time};
use crate::attributes;
use crate::journal::Journal;
use crate::nodes::{Body, Change, Nodes};
use crate::outside::{Blobs, Event, Events, Gate};
use crate::overlay::Overlay;
use crate::read::Engine;
use state::State;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What a mount is made of.
pub struct Parts {
    /// The base with the overlay's changes.
    pub nodes: Nodes,
    /// Where changes go; without one the mount is read-only.
    pub overlay: Option<Overlay>,
    /// Whether the overlay is shown, and not changed.
    pub read_only: bool,
    /// Where contents are read.
    pub engine: Arc<Engine>,
    /// Git's blobs.
    pub blobs: Arc<dyn Blobs>,
    /// Who may write.
    pub gate: Arc<dyn Gate>,
    /// Who hears of trouble.
    pub events: Arc<dyn Events>,
    /// A name that no earlier journal of this mount had.
    pub epoch: String,
    /// The time of day.
    pub clock: Box<dyn Fn() -> Time + Send + Sync>,
}

/// A mounted project.
pub struct Mount {
    state: RwLock<State>,
    overlay: Option<Mutex<Overlay>>,
    read_only: bool,
    offers_backing: AtomicBool,
    engine: Arc<Engine>,
    blobs: Arc<dyn Blobs>,
    gate: Arc<dyn Gate>,
    events: Arc<dyn Events>,
    journal: Journal,
    attributes: attributes::Cache,
    clock: Box<dyn Fn() -> Time + Send + Sync>,
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mount").finish_non_exhaustive()
    }
}

/// A file that is open for writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenWriter {
    /// Its path.
    pub path: Vec<u8>,
}

impl Mount {
    /// A mount of these parts.
    pub fn new(parts: Parts) -> Mount {
        let Parts { nodes, overlay, read_only, engine, blobs, gate, events, epoch, clock } = parts;
        for ino in overlay.iter().flat_map(Overlay::lost) {
            let path = crate::control::path_text(&nodes.path(*ino));
            let why = format!("what was written to '{path}' before the machine stopped is gone");
            events.happened(Event::Overlay { why });
        }
        Mount {
            state: RwLock::new(State::new(nodes)),
            read_only: read_only || overlay.is_none(),
            overlay: overlay.map(Mutex::new),
            offers_backing: AtomicBool::new(false),
            attributes: attributes::Cache::default(),
            engine,
            blobs,
            gate,
            events,
            journal: Journal::new(&epoch),
            clock,
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn overlay(&self) -> Result<MutexGuard<'_, Overlay>, Fault> {
        Ok(lock(self.overlay.as_ref().ok_or(Fault::ReadOnly)?))
    }

    fn check_writable(&self) -> Result<(), Fault> {
        if self.is_read_only() { Err(Fault::ReadOnly) } else { Ok(()) }
    }

    /// The time of day.
    pub fn now(&self) -> Time {
        (self.clock)()
    }

    /// Records a change and makes it. What happens to a node without a name need not be known after a restart.
    fn commit(&self, state: &mut State, change: &Change) -> Result<(), Fault> {
        let mut overlay = self.overlay()?;
        let subject = change.subject();
        let outlives = subject.is_none_or(|ino| state.nodes.get(ino).is_ok_and(|node| node.is_linked));
        if outlives {
            self.told(overlay.record(change))?;
        }
        if let Err(misfit) = state.nodes.apply(change) {
            self.events.happened(Event::Overlay { why: misfit.to_string() });
            if outlives {
                self.told(overlay.take_back())?;
            }
            return Err(Fault::Io);
        }
        if overlay.is_long() {
            // The change is recorded: that the log could not be made shorter is no fault of this one.
            let _ = self.told(overlay.compact(&state.nodes));
        }
        Ok(())
    }

    /// Tells of an error of the overlay.
    fn told<T>(&self, result: std::io::Result<T>) -> Result<T, Fault> {
        result.map_err(|error| {
            self.events.happened(Event::Overlay { why: error.to_string() });
            error.into()
        })
    }

    /// Asks whether the file at `path` may be changed: only of those that are lockable. Not to be called with the lock held.
    fn ask_gate(&self, path: &[u8]) -> Result<(), Fault> {
        if self.attributes(path)?.lockable { self.gate.may_write(path) } else { Ok(()) }
    }

    /// Whether nothing can be written.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Which paths changed since when.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Files that are open for writing.
    pub fn writers(&self) -> Vec<OpenWriter> {
        let state = self.state();
        let writing = state.open.iter().filter(|(_, open)| open.writers > 0);
        writing.map(|(ino, _)| OpenWriter { path: state.nodes.path(*ino) }).collect()
    }

    /// Looks at the nodes.
    pub fn with_nodes<T>(&self, look: impl FnOnce(&Nodes) -> T) -> T {
        look(&self.state().nodes)
    }

    /// The node with this name in a folder; `.` and `..` too.
    pub fn lookup(&self, parent: Ino, name: &[u8]) -> Result<Attr, Fault> {
        let state = self.state();
        let ino = match name {
            b"." => parent,
            b".." => state.nodes.get(parent)?.parent,
            _ if name.len() > crate::attr::NAME_BYTES_MAX => return Err(Fault::NameTooLong),
            _ => state.nodes.child(parent, name)?,
        };
        if state.is_written_past(ino) {
            drop(state);
            return self.attr(ino);
        }
        state.nodes.attr(ino)
    }

    /// What `stat` shows.
    pub fn attr(&self, ino: Ino) -> Result<Attr, Fault> {
        {
            let state = self.state();
            if !state.is_written_past(ino) {
                return state.nodes.attr(ino);
            }
        }
        let mut state = self.state_mut();
        self.look_again(&mut state, ino)?;
        state.nodes.attr(ino)
    }

    /// Sets attributes, and the size.
    pub fn set_attr(&self, ino: Ino, set: &SetAttr) -> Result<Attr, Fault> {
        self.check_writable()?;
        if let Some(bytes) = set.bytes {
            self.resize(ino, bytes)?;
        }
        let mut state = self.state_mut();
        if let Some(change) = state.nodes.set(ino, set, self.now())? {
            self.pin(&mut state, ino)?;
            let result = self.commit(&mut state, &change);
            if result.is_ok() && set.mtime.is_some() {
                self.keep_time(&mut state, ino);
            }
            self.unpin(&mut state, ino);
            result?;
            if !is_only_older(&state.nodes, ino, set) {
                self.note(&state, ino);
            }
        }
        state.nodes.attr(ino)
    }

    /// Target of a symbolic link.
    pub fn read_link(&self, ino: Ino) -> Result<Box<[u8]>, Fault> {
        match &self.state().nodes.get(ino)?.body {
            Body::Symlink(target) => Ok(target.clone()),
            _ => Err(Fault::Invalid),
        }
    }

    /// Entries of a folder by name, those behind `after`, at most `most`.
    pub fn read_dir(&self, ino: Ino, after: Option<&[u8]>, most: usize) -> Result<Vec<DirEntry>, Fault> {
        use std::ops::Bound::{Excluded, Unbounded};
        let state = self.state();
        let entries =
            state.nodes.folder(ino)?.range::<[u8], _>((after.map_or(Unbounded, Excluded), Unbounded));
        let entry = |(name, ino): (_, &Ino)| {
            let kind = match state.nodes.get(*ino)?.body {
                Body::Directory(_) => Kind::Directory,
                Body::File(_) => Kind::File,
                Body::Symlink(_) => Kind::Symlink,
            };
            Ok(DirEntry { name: Box::clone(name), ino: *ino, kind })
        };
        entries.take(most).map(entry).collect()
    }

    /// Notes in the journal that a node changed.
    fn note(&self, state: &State, ino: Ino) {
        if state.nodes.get(ino).is_ok_and(|node| node.is_linked) {
            self.note_path(&state.nodes.path(ino));
        }
    }

    fn note_path(&self, path: &[u8]) {
        self.journal.note(path);
        self.attributes.changed(path);
    }

    /// Notes that a node and all below it changed.
    fn note_below(&self, state: &State, ino: Ino) {
        let mut path = state.nodes.path(ino);
        if state.nodes.folder(ino).is_ok() {
            path.push(b'/');
        }
        self.note_path(&path);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a file that has the bytes of its commit gets another time and nothing else. Git would read all of it to find that nothing
/// changed, so it need not hear of this.
fn is_only_older(nodes: &Nodes, ino: Ino, set: &SetAttr) -> bool {
    let only_time = SetAttr { mtime: set.mtime, ..SetAttr::default() } == *set;
    let source = nodes.get(ino).map(|node| &node.body);
    only_time && matches!(source, Ok(Body::File(source)) if !source.is_upper())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod full_tests;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod model;
#[cfg(test)]
pub(crate) mod tests;
