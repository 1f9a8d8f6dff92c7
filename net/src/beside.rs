//! Replacing a small private file so that a reader sees the old text or the new one, whole.
//!
//! The new text is written to a file beside it, synced and renamed over it, under an exclusive lock on `<path>.lock`,
//! which stays on disk, empty. The file is readable by its owner only.

use std::ffi::OsString;
pub(crate) use std::fs::File;
use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two tries for the lock.
const LOCK_RETRY: Duration = Duration::from_millis(5);

/// Writes the whole file anew. The caller holds the lock, so the temporary name is ours.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let temporary = beside(path, ".tmp");
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    rename(&temporary, path)?;
    // Only Unix can open a folder to sync the name itself.
    if cfg!(unix) { File::open(folder(path))?.sync_all() } else { Ok(()) }
}

/// The folder that a file is in.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The exclusive lock of a file, held until what is returned is dropped.
///
/// # Errors
/// `TimedOut` when another process holds it for longer than `patience`.
pub(crate) fn lock(path: &Path, patience: Duration) -> io::Result<File> {
    let path = beside(path, ".lock");
    let file = private(OpenOptions::new().write(true).create(true).truncate(false)).open(path)?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if started.elapsed() >= patience => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "another process holds the lock"));
            }
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(LOCK_RETRY),
        }
    }
}

/// The path with `suffix` added to its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the text was synced just before, its folder is synced just after"
)]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}
