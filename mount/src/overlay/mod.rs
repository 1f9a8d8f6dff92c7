//! What was changed through a mount, on disk.
//!
//! ```text
//! DIR/log      every change of the nodes, in order (`log`)
//! DIR/log.new  a shorter log that is being written; nothing when it was not finished
//! DIR/upper/N  bytes of the file with number N (in hexadecimal)
//! ```
//!
//! The files say themselves how large they are and when they were written (of [`Sparse`](crate::nodes::Sparse) ones the log says how
//! large); the log says which of them belong to the tree. Always holds: a file of `upper` exists before the log names it, and goes after
//! the log does not name it any more. So a process that is killed leaves at most files that nobody names; they are taken away at the next
//! start. Bytes are written before the log says that they were. What was synced outlives a power cut; what was not may be gone after one,
//! and a file of `upper` that is gone is empty, or shows what it was made of.
//!
//! Nothing is taken away, or written, before all of the log could be read.
//!
//! One process at a time has an overlay open: who makes the mount holds a lock over it.

mod log;

pub use log::{LogError, decode};

use crate::attr::{Ino, Time};
use crate::nodes::{Body, Change, Misfit, Nodes, Source};
use crate::sys;
use log::{Log, NewLog};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A log below this size is not made shorter.
const COMPACT_BYTES_MIN: u64 = 1 << 20;
/// How much longer than its short form a log may get.
const COMPACT_RATIO: u64 = 4;

/// Why an overlay cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// A file of it could not be read or written.
    #[error("unable to {action} '{}'", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The log is damaged.
    #[error("the log of changes '{}' is damaged", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// How.
        #[source]
        source: LogError,
    },
    /// There are files and nothing that says which they are.
    #[error("the log of changes '{}' is gone, and the files that it named are not", path.display())]
    NoLog {
        /// The log.
        path: PathBuf,
    },
    /// The log is of another tree.
    #[error("the log of changes '{}' cannot be replayed", path.display())]
    Misfit {
        /// The log.
        path: PathBuf,
        /// Why.
        #[source]
        source: Misfit,
    },
}

/// The changes of a mount.
#[derive(Debug)]
pub struct Overlay {
    dir: PathBuf,
    log: Log,
    /// From which size on the log is made shorter.
    compact_at: u64,
    lost: Vec<Ino>,
}

/// What is to be synced for all changes so far to be durable.
#[derive(Debug)]
pub struct Unsynced {
    log: Arc<File>,
    upper: PathBuf,
}

impl Unsynced {
    /// Waits until it is on the disk.
    pub fn sync(self) -> io::Result<()> {
        self.log.sync_data()?;
        sys::sync_folder(&self.upper)
    }
}

impl Overlay {
    /// Opens the overlay in `dir`, or makes it, and applies what it holds to `nodes`, the base.
    pub fn open(dir: &Path, nodes: &mut Nodes) -> Result<Overlay, OverlayError> {
        let upper = dir.join("upper");
        fs::create_dir_all(&upper).map_err(io_error("create", &upper))?;
        let path = dir.join("log");
        let found = Log::read(&path)?;
        for change in &found.changes {
            nodes.apply(change).map_err(|source| OverlayError::Misfit { path: path.clone(), source })?;
        }
        let is_new = found.changes.is_empty();
        if is_new && fs::read_dir(&upper).map_err(io_error("read", &upper))?.next().is_some() {
            return Err(OverlayError::NoLog { path });
        }
        let mut log = found.open(&path)?;
        if is_new {
            let begin = log.append(&nodes.base_change()).and_then(|()| log.file().sync_all());
            begin.and_then(|()| sys::sync_folder(dir)).map_err(io_error("write", &path))?;
        }
        for ino in nodes.removed() {
            nodes.forget(ino);
        }
        let mut overlay =
            Overlay { dir: dir.to_owned(), log, compact_at: COMPACT_BYTES_MIN, lost: Vec::new() };
        overlay.measure(nodes)?;
        overlay.sweep(nodes)?;
        if overlay.is_long() {
            // Where there is no room for another log, this one does.
            let _ = overlay.compact(nodes);
        }
        Ok(overlay)
    }

    /// Takes sizes and times of written files from the files.
    fn measure(&mut self, nodes: &mut Nodes) -> Result<(), OverlayError> {
        let written = |(ino, node): (Ino, &crate::nodes::Node)| match &node.body {
            Body::File(Source::Upper { .. }) => Some((ino, None)),
            Body::File(Source::Sparse(sparse)) => Some((ino, Some(sparse.bytes))),
            _ => None,
        };
        let written: Vec<(Ino, Option<u64>)> = nodes.iter().filter_map(written).collect();
        for (ino, sparse_bytes) in written {
            let path = self.path(ino);
            let meta = match fs::metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.create(ino).map_err(io_error("create", &path))?;
                    nodes.note_lost(ino);
                    self.lost.push(ino);
                    fs::metadata(&path)
                }
                other => other,
            };
            let meta = meta.map_err(io_error("read", &path))?;
            if let Some(bytes) = sparse_bytes.filter(|bytes| *bytes != meta.len()) {
                let set =
                    |file: File| file.set_len(bytes).and_then(|()| set_written_at(&file, written_at(&meta)));
                self.file(ino).and_then(set).map_err(io_error("write", &path))?;
            }
            nodes.note_found(ino, meta.len(), written_at(&meta));
        }
        Ok(())
    }

    /// Takes files away that no node has.
    fn sweep(&self, nodes: &Nodes) -> Result<(), OverlayError> {
        let upper = self.upper();
        let error = || io_error("read", &upper);
        for entry in fs::read_dir(&upper).map_err(error())? {
            let entry = entry.map_err(error())?;
            let ino = entry.file_name().to_str().and_then(|name| u64::from_str_radix(name, 16).ok());
            let is_named = ino
                .and_then(|ino| nodes.get(Ino(ino)).ok())
                .is_some_and(|node| matches!(&node.body, Body::File(source) if source.is_upper()));
            if !is_named {
                let path = entry.path();
                fs::remove_file(&path).map_err(io_error("remove", &path))?;
            }
        }
        Ok(())
    }

    fn upper(&self) -> PathBuf {
        self.dir.join("upper")
    }

    fn path(&self, ino: Ino) -> PathBuf {
        self.upper().join(format!("{:x}", ino.0))
    }

    /// Adds a change. It outlives this process when this returns.
    pub fn record(&mut self, change: &Change) -> io::Result<()> {
        self.log.append(change)
    }

    /// Takes off the change that was added last. It must not have been answered for.
    pub fn take_back(&mut self) -> io::Result<()> {
        self.log.take_back()
    }

    /// Whether the log should be made shorter.
    pub fn is_long(&self) -> bool {
        self.log.bytes() > self.compact_at
    }

    /// Makes the log shorter: it tells how `nodes` are and no more how they came to be so.
    ///
    /// # Errors
    /// When that could not be written; then the log is as before, and is not [long](Overlay::is_long) for a while.
    pub fn compact(&mut self, nodes: &Nodes) -> io::Result<()> {
        let short = || {
            let mut new = NewLog::create(&self.dir.join("log.new"))?;
            nodes.snapshot(|change| new.add(change))?;
            sys::sync_folder(&self.upper())?;
            new.replace(&self.dir.join("log"))
        };
        let result = short().map(|log| self.log = log);
        self.compact_at = COMPACT_BYTES_MIN.max(self.log.bytes().saturating_mul(COMPACT_RATIO));
        result
    }

    /// Files whose bytes were not there when it was opened.
    pub fn lost(&self) -> &[Ino] {
        &self.lost
    }

    /// A new empty file for `ino`.
    pub fn create(&self, ino: Ino) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(self.path(ino))
    }

    /// The file of `ino`.
    pub fn file(&self, ino: Ino) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.path(ino))
    }

    /// Takes the file of `ino` away, if there is one.
    pub fn discard(&self, ino: Ino) -> io::Result<()> {
        match fs::remove_file(self.path(ino)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// All changes so far, and the names of written files. Their bytes are synced by who has them open.
    pub fn unsynced(&self) -> Unsynced {
        Unsynced { log: self.log.file(), upper: self.upper() }
    }

    /// Room on its disk.
    pub fn space(&self) -> io::Result<sys::Space> {
        sys::space(&self.dir)
    }
}

/// When a file was last written.
pub(crate) fn written_at(meta: &Metadata) -> Time {
    let nanoseconds = |length: Duration| i64::try_from(length.as_nanos()).unwrap_or(i64::MAX);
    let time = meta.modified().unwrap_or(UNIX_EPOCH);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => Time(nanoseconds(after)),
        Err(before) => Time(-nanoseconds(before.duration())),
    }
}

/// Gives a file the time that it is to say it was written at.
pub(crate) fn set_written_at(file: &File, Time(nanoseconds): Time) -> io::Result<()> {
    let time: Option<SystemTime> = match u64::try_from(nanoseconds) {
        Ok(after) => UNIX_EPOCH.checked_add(Duration::from_nanos(after)),
        Err(_) => UNIX_EPOCH.checked_sub(Duration::from_nanos(nanoseconds.unsigned_abs())),
    };
    file.set_modified(time.ok_or(io::ErrorKind::InvalidInput)?)
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OverlayError {
    let path = path.to_owned();
    move |source| OverlayError::Io { action, path, source }
}

#[cfg(test)]
mod tests;
