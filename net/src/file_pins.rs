//! Pins in a file: the edge of `pin`.
//!
//! What: [`FilePins`] reads the text of pins from a path and adds to it. Why a lock: two first connections at
//! the same moment each read, append and write; without it the later one would drop the other's line.
//!
//! Always holds: a reader sees the old text or the new one, whole, and read-modify-write happens under an exclusive
//! lock (see `beside`). The file is readable by its owner only.
//!
//! Fails with `io::Error` whose text names the file: `InvalidData` for a damaged line, `AlreadyExists` for a
//! host with another pin, `TimedOut` when another process holds the lock for longer than [`LOCK_DEADLINE`].

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::pin::{Fingerprint, KnownHosts, PinError, Pins};
use crate::beside::{folder, lock, replace};

/// How long to wait for another process that is recording a pin.
pub const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// Pins kept in a text file. The file need not exist: then there are no pins.
#[derive(Debug, Clone)]
pub struct FilePins {
    /// The file; its folder is created when the first pin is recorded.
    pub path: PathBuf,
}

impl Pins for FilePins {
    fn lookup(&self, host: &str) -> io::Result<Option<Fingerprint>> {
        self.read().map(|known| known.lookup(host)).map_err(|e| self.named(e))
    }

    fn record(&self, host: &str, fingerprint: Fingerprint) -> io::Result<()> {
        self.append(host, fingerprint).map_err(|e| self.named(e))
    }
}

impl FilePins {
    fn read(&self) -> io::Result<KnownHosts> {
        let text = match fs::read_to_string(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        KnownHosts::parse(&text).map_err(as_io)
    }

    fn append(&self, host: &str, fingerprint: Fingerprint) -> io::Result<()> {
        fs::create_dir_all(folder(&self.path))?;
        let _lock = lock(&self.path, LOCK_DEADLINE)?;
        let mut known = self.read()?;
        if known.insert(host, fingerprint).map_err(as_io)? {
            replace(&self.path, known.text())?;
        }
        Ok(())
    }

    fn named(&self, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("'{}': {error}", self.path.display()))
    }
}

fn as_io(error: PinError) -> io::Error {
    let kind = match error {
        PinError::BadLine { .. } => io::ErrorKind::InvalidData,
        PinError::BadHost(_) => io::ErrorKind::InvalidInput,
        PinError::AlreadyPinned { .. } => io::ErrorKind::AlreadyExists,
    };
    io::Error::new(kind, error)
}
