//! Changes an index file under Git's own lock; the only part of this module that touches the disk.
//!
//! Git's protocol: whoever creates `<index>.lock` (it must not exist) may write the next index into it and
//! rename it over the old one. Readers need no lock and see the old or the new file, never half of one. A
//! link in place of the index is followed first, as Git does, so that the link survives.
//!
//! What must always hold:
//! - the lock file is gone when [`update`] returns, whatever happened in between;
//! - the new index has the mode of the old one, as `core.sharedRepository` may have widened it;
//! - the new index has the *modification time* of the old one. Git distrusts entries whose file is not older
//!   than the index ("racy": changed within the same second). Git looks at those files before it writes
//!   a younger index; we do not, so a younger index would hide such changes for good. The price:
//!   a hydrated file must be older than the index, or Git reads it again. [`hydrated_mtime`] is such a time.
//!
//! Nothing is synced, just as Git does not sync its index: after a power cut it can be built again.
//! The parent Git waits for us, so callers give a short wait (2 seconds). A process killed by a signal between
//! lock and rename leaves the lock behind, like Git itself; the time in between is a few milliseconds.
//!
//! Source of the format: Git's `Documentation/gitformat-index`; of the protocol: `lockfile.h`.

use std::fs::{self, File, FileTimes, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::IndexError;

/// How often a held lock is tried again.
const RETRY: Duration = Duration::from_millis(20);
/// Distance of a hydrated file from the index: more than the whole seconds that Git compares.
const BACK: Duration = Duration::from_secs(2);

/// Reads the index, lets `f` change it, and puts the result in its place if `f` says that it changed.
/// Gives back what `f` said.
///
/// # Errors
/// [`IndexError::Locked`] if the lock could not be had within `wait`; else what `f` or the system gave (also
/// if there is no index). The index is then unchanged and the lock removed.
pub fn update(
    index_path: &Path,
    wait: Duration,
    f: impl FnOnce(&mut Vec<u8>) -> Result<bool, IndexError>,
) -> Result<bool, IndexError> {
    let index_path = resolve(index_path)?;
    let mode = metadata(&index_path)?.permissions().mode() & 0o777;
    let lock = Lock::acquire(&index_path, mode, wait)?;
    let (mut bytes, meta) = read(&index_path)?;
    if !f(&mut bytes)? {
        return Ok(false);
    }
    lock.write(&bytes, &meta)?;
    lock.commit(&index_path)?;
    Ok(true)
}

/// The modification time to give to a hydrated file: 2 seconds before `now` and before the index, so that
/// Git trusts the entry and does not read the file again.
///
/// # Errors
/// If the index cannot be looked at.
pub fn hydrated_mtime(index_path: &Path, now: SystemTime) -> Result<SystemTime, IndexError> {
    let index_time = metadata(index_path)?.modified().map_err(io_error("stat", index_path))?;
    let latest = now.min(index_time);
    Ok(latest.checked_sub(BACK).unwrap_or(latest))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> IndexError {
    let path = path.to_owned();
    move |source| IndexError::Io { action, path, source }
}

fn metadata(path: &Path) -> Result<Metadata, IndexError> {
    fs::metadata(path).map_err(io_error("stat", path))
}

fn resolve(path: &Path) -> Result<PathBuf, IndexError> {
    if path.is_symlink() {
        return fs::canonicalize(path).map_err(io_error("resolve", path));
    }
    Ok(path.to_owned())
}

fn read(path: &Path) -> Result<(Vec<u8>, Metadata), IndexError> {
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(io_error("open", path))?;
    let meta = file.metadata().map_err(io_error("stat", path))?;
    file.read_to_end(&mut bytes).map_err(io_error("read", path))?;
    Ok((bytes, meta))
}

/// A lock file that we created; removed on drop unless it became the index.
struct Lock {
    path: PathBuf,
    file: File,
    committed: bool,
}

impl Lock {
    fn acquire(index_path: &Path, mode: u32, wait: Duration) -> Result<Self, IndexError> {
        let mut path = index_path.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let start = Instant::now();
        loop {
            match OpenOptions::new().write(true).create_new(true).mode(mode).open(&path) {
                Ok(file) => return Ok(Self { path, file, committed: false }),
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(io_error("create", &path)(error));
                }
                Err(_) => {}
            }
            let left = wait.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(IndexError::Locked { path });
            }
            std::thread::park_timeout(RETRY.min(left));
        }
    }

    /// Fills the lock file and gives it mode and modification time of the old index.
    fn write(&self, bytes: &[u8], old: &Metadata) -> Result<(), IndexError> {
        let modified = old.modified().map_err(io_error("stat", &self.path))?;
        (&self.file)
            .write_all(bytes)
            .and_then(|()| self.file.set_permissions(Permissions::from_mode(old.permissions().mode())))
            .and_then(|()| self.file.set_times(FileTimes::new().set_modified(modified)))
            .map_err(io_error("write", &self.path))
    }

    #[expect(clippy::disallowed_methods, reason = "git does not sync its index either: it can be rebuilt")]
    fn commit(mut self, index_path: &Path) -> Result<(), IndexError> {
        fs::rename(&self.path, index_path).map_err(io_error("write new index file to", index_path))?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if !self.committed {
            // If this fails too there is nothing left to do; Git will name the file to the user.
            let _ = fs::remove_file(&self.path);
        }
    }
}
