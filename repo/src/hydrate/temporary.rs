//! Where files are on their way into the working tree, and what is left of them by killed processes.
//!
//! They lie in this worktree's Git folder under names `.dits-<number>-<n>.tmp`; a file on another file system,
//! where a rename from there cannot reach, lies beside its target. The number is that of a lock file which
//! the process holds while it lives. Before anything is written in a folder, temporary files there whose lock
//! nobody holds are removed. Locks, not process numbers: those are used again, and a dead process that
//! nobody waited for still has one.

use super::plan::Due;
use crate::{RepoError, Repository};
use dits_store::Modes;
use dits_store::durable::{self, TempFile};
use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const LOCK_SUFFIX: &str = ".lock";

/// The right to write temporary files. Others remove them once this is gone.
#[derive(Debug)]
pub struct Workspace {
    dir: PathBuf,
    device: u64,
    lock: TempFile,
    swept: HashSet<PathBuf>,
    files: usize,
}

impl Workspace {
    /// Makes the folder if there is none, and sweeps it.
    pub fn open(repository: &Repository) -> Result<Workspace, RepoError> {
        let dir = repository.tmp_dir();
        durable::create_shared_dir(&dir, repository.modes()?)?;
        sweep(&dir, &dir);
        for path in list(&dir).filter(|path| path.to_string_lossy().ends_with(LOCK_SUFFIX)) {
            if is_free(&path) {
                let _ = fs::remove_file(path);
            }
        }
        let device = fs::metadata(&dir).map_err(RepoError::io("look at", &dir))?.dev();
        let lock = TempFile::create(&dir, LOCK_SUFFIX, Modes::default())?;
        Ok(Workspace { dir, device, lock, swept: HashSet::new(), files: 0 })
    }

    /// A name for the temporary file that will become `due`.
    pub fn name(&mut self, due: &Due) -> PathBuf {
        let dir = match due.full.parent() {
            Some(parent) if due.meta.dev() != self.device => {
                if self.swept.insert(parent.to_owned()) {
                    sweep(parent, &self.dir);
                }
                parent
            }
            _ => &self.dir,
        };
        self.files += 1;
        dir.join(format!(".dits-{:032x}-{}.tmp", self.lock.number(), self.files))
    }
}

/// Removes the temporary files in `dir` whose lock in `locks` nobody holds.
fn sweep(dir: &Path, locks: &Path) {
    for path in list(dir) {
        if lock_of(&path, locks).is_some_and(|lock| is_free(&lock)) {
            let _ = fs::remove_file(path);
        }
    }
}

/// The lock file in `locks` that the writer of a temporary file holds while it lives.
fn lock_of(path: &Path, locks: &Path) -> Option<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str())?;
    let number = name.strip_prefix(".dits-").filter(|name| name.ends_with(".tmp"))?;
    let number = number.split('-').next().filter(|number| number.len() == 32)?;
    Some(locks.join(format!("{number}{LOCK_SUFFIX}")))
}

/// What killed processes left in the folder of `repository`, lock files too.
pub fn leftovers(repository: &Repository) -> Vec<PathBuf> {
    let dir = repository.tmp_dir();
    let is_lock = |path: &Path| path.to_string_lossy().ends_with(LOCK_SUFFIX);
    let lock = |path: &PathBuf| if is_lock(path) { Some(path.clone()) } else { lock_of(path, &dir) };
    list(&dir).filter(|path| lock(path).is_some_and(|lock| is_free(&lock))).collect()
}

/// Whether nobody holds the lock file at `path`.
fn is_free(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => file.try_lock().is_ok(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn list(dir: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}
