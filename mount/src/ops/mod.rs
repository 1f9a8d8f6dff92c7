//! What a filesystem is asked, answered from nodes, overlay, blobs and contents.
//!
//! An adapter calls these from any number of threads. One lock guards the nodes and the open files; nobody reads or writes
//! bytes of files, or waits for a network or for Git, while holding it. A change is planned, recorded in the overlay, applied and noted in
//! the journal under that lock, so all see changes in one order, and a change that could not be recorded has not happened.
//!
//! Who may do what by owner and mode is not checked here: kernels do that from the attributes (`default_permissions`).

mod files;
mod ghost;
mod marks;
mod names;
mod xattrs;

pub use files::{Backing, Opened};

use crate::Fault;
use crate::attr::{Access, Attr, DirEntry, Fh, Ino, Kind, SetAttr, Time};
use crate::attributes;
use crate::journal::Journal;
use crate::nodes::{Body, Change, Nodes};
use crate::outside::{Blobs, Event, Events, Gate};
use crate::overlay::Overlay;
use crate::read::{Engine, Stream};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What a mount is made of.
pub struct Parts {
    /// The base with the overlay's changes.
    pub nodes: Nodes,
    /// Where changes go; `None` makes the mount read-only.
    pub overlay: Option<Overlay>,
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

/// Nodes, and who has them open.
struct State {
    nodes: Nodes,
    handles: HashMap<Fh, Handle>,
    open: HashMap<Ino, OpenNode>,
    /// Files whose bytes changed otherwise than by writing: what a kernel has in memory of them is wrong.
    stale: HashSet<Ino>,
    next_fh: u64,
}

/// An open file as one program has it.
struct Handle {
    ino: Ino,
    access: Access,
    /// Its content, if it was a ghost when it was first read through this handle.
    stream: Option<Arc<Stream>>,
}

/// A node that is open.
#[derive(Default)]
struct OpenNode {
    handles: usize,
    writers: usize,
    /// Writes that are going on.
    writing: usize,
    /// Whether it is a ghost whose text is in the overlay still.
    has_text: bool,
    /// Its file in the overlay.
    upper: Option<Arc<File>>,
    /// Its blob, once it was read.
    blob: Option<Arc<crate::outside::BlobData>>,
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
        let Parts { nodes, overlay, engine, blobs, gate, events, epoch, clock } = parts;
        let (handles, open, stale, attributes) = Default::default();
        Mount {
            state: RwLock::new(State { nodes, handles, open, stale, next_fh: 1 }),
            overlay: overlay.map(Mutex::new),
            engine,
            blobs,
            gate,
            events,
            journal: Journal::new(&epoch),
            attributes,
            clock,
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn overlay(&self) -> Result<std::sync::MutexGuard<'_, Overlay>, Fault> {
        let overlay = self.overlay.as_ref().ok_or(Fault::ReadOnly)?;
        Ok(overlay.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn check_writable(&self) -> Result<(), Fault> {
        if self.is_read_only() { Err(Fault::ReadOnly) } else { Ok(()) }
    }

    /// The time of day.
    pub fn now(&self) -> Time {
        (self.clock)()
    }

    /// Records a change and makes it.
    fn commit(&self, state: &mut State, change: &Change) -> Result<(), Fault> {
        self.told(self.overlay()?.record(change))?;
        state.nodes.apply(change).map_err(|misfit| {
            self.events.happened(Event::Overlay { why: misfit.to_string() });
            Fault::Io
        })
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
        self.overlay.is_none()
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
        state.nodes.attr(ino)
    }

    /// What `stat` shows.
    pub fn attr(&self, ino: Ino) -> Result<Attr, Fault> {
        self.state().nodes.attr(ino)
    }

    /// Sets attributes, and the size.
    pub fn set_attr(&self, ino: Ino, set: &SetAttr) -> Result<Attr, Fault> {
        if let Some(bytes) = set.bytes {
            self.resize(ino, bytes)?;
        }
        let mut state = self.state_mut();
        self.check_writable()?;
        if let Some(change) = state.nodes.set(ino, set, self.now())? {
            self.commit(&mut state, &change)?;
            self.keep_time(&state, ino)?;
            self.note(&state, ino);
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
        self.note_path(&state.nodes.path(ino));
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

#[cfg(test)]
pub(crate) mod tests;
