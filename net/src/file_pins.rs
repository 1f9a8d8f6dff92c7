//! Pins in a file: the edge of `pin`.
//!
//! What: [`FilePins`] reads the text of pins from a path and adds to it. Why a lock: two first connections at
//! the same moment each read, append and write; without it the later one would drop the other's line.
//!
//! Always holds: a reader sees the old text or the new one, whole, because the new text is written to a file
//! beside it, synced and renamed over it; read-modify-write happens under an exclusive lock on `<path>.lock`,
//! which stays on disk, empty. The file is readable by its owner only.
//!
//! Fails with `io::Error` whose text names the file: `InvalidData` for a damaged line, `AlreadyExists` for a
//! host with another pin, `TimedOut` when another process holds the lock for longer than [`LOCK_DEADLINE`].

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::pin::{Fingerprint, KnownHosts, PinError, Pins};

/// How long to wait for another process that is recording a pin.
pub const LOCK_DEADLINE: Duration = Duration::from_secs(10);
/// Time between two tries for the lock.
const LOCK_RETRY: Duration = Duration::from_millis(5);

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
        let folder = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(folder)?;
        let _lock = lock(&self.beside(".lock"))?;
        let mut known = self.read()?;
        if known.insert(host, fingerprint).map_err(as_io)? {
            self.replace(folder, known.text())?;
        }
        Ok(())
    }

    /// Writes the whole file anew. The caller holds the lock, so the temporary name is ours.
    fn replace(&self, folder: &Path, text: &str) -> io::Result<()> {
        let temporary = self.beside(".tmp");
        match fs::remove_file(&temporary) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        drop(file);
        rename(&temporary, &self.path)?;
        // Only Unix can open a folder to sync the name itself.
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }

    /// The path with `suffix` added to its name.
    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(suffix);
        name.into()
    }

    fn named(&self, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("'{}': {error}", self.path.display()))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the text was synced just before, its folder is synced just after"
)]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// The exclusive lock, held until the returned file is dropped.
fn lock(path: &Path) -> io::Result<File> {
    let file = private(OpenOptions::new().write(true).create(true).truncate(false)).open(path)?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if started.elapsed() >= LOCK_DEADLINE => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "another process holds the lock"));
            }
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(LOCK_RETRY),
        }
    }
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

fn as_io(error: PinError) -> io::Error {
    let kind = match error {
        PinError::BadLine { .. } => io::ErrorKind::InvalidData,
        PinError::BadHost(_) => io::ErrorKind::InvalidInput,
        PinError::AlreadyPinned { .. } => io::ErrorKind::AlreadyExists,
    };
    io::Error::new(kind, error)
}
