//! What was changed through a mount, on disk.
//!
//! ```text
//! DIR/log      every change of the nodes, in order (`log`)
//! DIR/upper/N  bytes of the file with number N (in hexadecimal)
//! ```
//!
//! The files say themselves how large they are and when they were written; the log says which of them belong to the tree.
//! Always holds: a file of `upper` exists before the log names it, and goes after the log does not name it any more. So a process that is
//! killed leaves at most files that nobody names; they are taken away at the next start. What [`Overlay::sync`] returned for
//! outlives a power cut.
//!
//! One process at a time has an overlay open: who makes the mount holds a lock over it.

mod log;

pub use log::LogError;

use crate::attr::{Ino, Time};
use crate::nodes::{Body, Change, Misfit, Node, Nodes, Source};
use log::Log;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

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
    upper: PathBuf,
    log: Log,
}

impl Overlay {
    /// Opens the overlay in `dir`, or makes it, and applies what it holds to `nodes`, the base.
    pub fn open(dir: &Path, nodes: &mut Nodes) -> Result<Overlay, OverlayError> {
        let upper = dir.join("upper");
        fs::create_dir_all(&upper).map_err(io_error("create", &upper))?;
        let path = dir.join("log");
        let (log, changes) = Log::open(&path)?;
        for change in &changes {
            nodes.apply(change).map_err(|source| OverlayError::Misfit { path: path.clone(), source })?;
        }
        let overlay = Overlay { upper, log };
        for ino in nodes.removed() {
            nodes.forget(ino);
        }
        overlay.measure(nodes)?;
        overlay.sweep(nodes)?;
        Ok(overlay)
    }

    /// Takes sizes and times of written files from the files.
    fn measure(&self, nodes: &mut Nodes) -> Result<(), OverlayError> {
        let is_upper = |node: &Node| matches!(&node.body, Body::File(Source::Upper { .. }));
        let written: Vec<Ino> = nodes.iter().filter(|(_, node)| is_upper(node)).map(|(ino, _)| ino).collect();
        for ino in written {
            let path = self.path(ino);
            let meta = fs::metadata(&path).map_err(io_error("read", &path))?;
            let time = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let time = time.map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX));
            nodes.note_written(ino, meta.len(), Time(time));
        }
        Ok(())
    }

    /// Takes files away that no node has.
    fn sweep(&self, nodes: &Nodes) -> Result<(), OverlayError> {
        let error = || io_error("read", &self.upper);
        for entry in fs::read_dir(&self.upper).map_err(error())? {
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

    fn path(&self, ino: Ino) -> PathBuf {
        self.upper.join(format!("{:x}", ino.0))
    }

    /// Adds a change. It outlives this process when this returns.
    pub fn record(&mut self, change: &Change) -> io::Result<()> {
        self.log.append(change)
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

    /// Makes all changes durable, and the names of written files. Their bytes are synced by their handles.
    pub fn sync(&self) -> io::Result<()> {
        self.log.sync()?;
        File::open(&self.upper)?.sync_all()
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OverlayError {
    let path = path.to_owned();
    move |source| OverlayError::Io { action, path, source }
}
