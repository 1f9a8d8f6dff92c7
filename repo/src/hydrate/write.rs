//! Rebuilding contents into temporary files, and putting them in place.
//!
//! Temporary files are named by [`super::temporary`], which also removes what killed processes left. They are written
//! by several threads ([`super::lanes`]); a content that is needed at several paths is rebuilt for each, unless the
//! file system shares blocks ([`super::copies`]): copying is no cheaper than reading its chunks again.

use super::draft::Written;
use super::lanes::{self, Task};
use super::plan::Due;
use super::temporary::Workspace;
use super::{Context, Outcome, Progress, copies};
use crate::RepoError;
use crate::index::{Stat, hydrated_mtime};
use dits_format::Pointer;
use dits_store::StoreError;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

const LOCK: &str = "no holder of the lock panics";

/// A file that has its content.
#[derive(Debug)]
pub struct Placed {
    /// Path from the top of the working tree.
    pub path: Vec<u8>,
    /// What Git has for it: the pointer, or nothing for the empty content.
    pub blob: Vec<u8>,
    /// What Git shall find in its index.
    pub stat: Stat,
}

/// Rebuilds every file into a temporary one. They are there as long as the workspace is. Files of which a chunk
/// was not there after all come back.
pub fn write_all(
    context: &Context<'_>,
    workspace: &mut Workspace,
    ready: Vec<Due>,
    outcome: &mut Outcome,
    observe: &mut (dyn FnMut(Progress) + Send),
) -> Result<(Vec<Written>, Vec<Due>), RepoError> {
    let mtime = hydrated_mtime(&context.repository.index, SystemTime::now());
    // Without an index there is nothing to be racy with.
    let mtime = mtime.unwrap_or_else(|_| SystemTime::now());
    let bytes_total = ready.iter().filter_map(|file| Some(file.pointer.as_ref()?.size)).sum();
    context.store.make_room(context.repository.worktree()?, bytes_total)?;
    let progress = Mutex::new((0, observe));
    let count = |part: u64| {
        let (bytes, observe) = &mut *progress.lock().expect(LOCK);
        *bytes += part;
        observe(Progress::Write { bytes: *bytes, bytes_total });
    };
    let name = |(number, due)| Task { number, temporary: workspace.name(&due), due };
    let tasks: Vec<Task> = ready.iter().cloned().enumerate().map(name).collect();
    let (firsts, copies) = copies::apart(tasks);
    let mut done = lanes::write(context.store, firsts, mtime, &count);
    let rest = copies::clone_all(&mut done, copies, mtime, &count);
    done.extend(lanes::write(context.store, rest, mtime, &count));
    done.sort_unstable_by_key(|(number, _)| *number);
    let (mut written, mut torn) = (Vec::with_capacity(ready.len()), Vec::new());
    for ((_, done), due) in done.into_iter().zip(ready) {
        match done {
            Ok(Some(file)) => written.push(file),
            Ok(None) | Err(RepoError::Store(StoreError::Missing { .. })) => torn.push(due),
            Err(error) => outcome.failed.push((due.path, error)),
        }
    }
    Ok((written, torn))
}

/// Renames all files over their pointers, unless those changed meanwhile.
pub fn place_all(written: Vec<Written>, outcome: &mut Outcome) -> Vec<Placed> {
    let mut placed = Vec::with_capacity(written.len());
    for mut file in written {
        match place(&mut file) {
            Ok(Some(stat)) => {
                let due = &file.due;
                let blob = due.pointer.as_ref().map_or_else(Vec::new, Pointer::encode);
                placed.push(Placed { path: due.path.clone(), blob, stat });
            }
            Ok(None) => {}
            Err(error) => outcome.failed.push((file.due.path.clone(), error)),
        }
    }
    placed
}

/// `None` when the path is no longer the pointer we looked at.
#[expect(
    clippy::disallowed_methods,
    reason = "Git does not sync working tree files either; chunks are safe in the store"
)]
fn place(file: &mut Written) -> Result<Option<Stat>, RepoError> {
    let target = &file.due.full;
    let same = |a: &fs::Metadata, b: &fs::Metadata| {
        let key = |m: &fs::Metadata| (m.ino(), m.len(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
        key(a) == key(b)
    };
    if !fs::symlink_metadata(target).is_ok_and(|now| same(&now, &file.due.meta)) {
        return Ok(None);
    }
    let mut renamed = fs::rename(&file.temporary, target);
    if renamed.as_ref().is_err_and(|error| error.kind() == ErrorKind::CrossesDevices) {
        file.temporary = copy_beside(target, &file.temporary).map_err(RepoError::io("write", target))?;
        file.meta = look(&file.temporary)?;
        renamed = fs::rename(&file.temporary, target);
    }
    renamed.map_err(RepoError::io("write", target))?;
    file.placed = true;
    let now = look(target)?;
    // Somebody who replaced it at once has a modified file, and Git must see that.
    let before = &file.meta;
    let ours = (now.ino(), now.len(), now.mtime()) == (before.ino(), before.len(), before.mtime());
    Ok(ours.then(|| Stat::from_metadata(&now)))
}

/// Moves a temporary file to beside its target. A folder that is a mount of the same file system has the same
/// device, and yet no rename reaches into it.
fn copy_beside(target: &Path, from: &Path) -> std::io::Result<PathBuf> {
    let to = target.with_file_name(from.file_name().unwrap_or_default());
    let set_time = || File::open(&to)?.set_modified(fs::metadata(from)?.modified()?);
    let done = fs::copy(from, &to).and_then(|_| set_time());
    let _ = fs::remove_file(if done.is_ok() { from } else { &to });
    done.map(|()| to)
}

/// What lies at `path`, a link itself and not what it leads to.
pub(crate) fn look(path: &Path) -> Result<fs::Metadata, RepoError> {
    fs::symlink_metadata(path).map_err(RepoError::io("look at", path))
}
