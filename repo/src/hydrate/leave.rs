//! Leaving ghosts: pointers that Git has just written stay, and the next `git status` reads none of them.
//!
//! Git writes its index in the same second as the files, and so has to distrust their entries ("racy"): each
//! status would read them through our filter. So these files get an older mtime and their entries the stat data
//! that goes with it, as hydrated files do. Nothing else of a file changes, and one that is no longer the pointer
//! is left alone: the text is compared *after* the time was set, so a change before is seen by us, and one after
//! by Git. A failure is harmless, Git then reads the pointers once.

use super::Job;
use super::place::Placed;
use super::plan::{self, Due, Stamp};
use super::settle::settle;
use crate::index::{Stat, hydrated_mtime};
use crate::{RepoError, Repository};
use dits_format::Pointer;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::time::SystemTime;

/// Settles the pointers of `jobs` that still stand where Git wrote them. `critical` is held while Git's index is
/// locked.
///
/// # Errors
/// When Git's index cannot be patched.
pub fn leave(repository: &Repository, jobs: Vec<Job>, critical: &Mutex<()>) -> Result<(), RepoError> {
    let mut due = plan::still_due(repository.worktree()?, jobs);
    if due.is_empty() {
        return Ok(());
    }
    plan::set_modes(repository, &mut due)?;
    let mtime = hydrated_mtime(&repository.index, SystemTime::now())?;
    let _guard = critical.lock();
    settle(repository, || due.iter().filter_map(|file| age(file, mtime)).collect()).1
}

/// Gives the file its time. `None` when it is no longer the pointer that was looked at.
fn age(file: &Due, mtime: SystemTime) -> Option<Placed> {
    if Stamp::of(&file.full) != Some(Stamp::from_metadata(&file.meta)) {
        return None;
    }
    let open = File::open(&file.full).ok()?;
    if file.meta.permissions().mode() & 0o777 != file.mode {
        // A file system without modes keeps no time from us.
        let _ = open.set_permissions(Permissions::from_mode(file.mode));
    }
    open.set_modified(mtime).ok()?;
    let now = fs::symlink_metadata(&file.full).ok()?;
    let blob = file.pointer.as_ref().map_or_else(Vec::new, Pointer::encode);
    let same = now.is_file() && fs::read(&file.full).ok()? == blob;
    same.then(|| Placed { path: file.path.clone(), blob, stat: Stat::from_metadata(&now) })
}
