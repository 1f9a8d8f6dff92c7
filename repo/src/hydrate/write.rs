//! Rebuilding contents into temporary files, and putting them in place.
//!
//! Temporary files are named by [`super::temporary`], which also removes what killed processes left. A content
//! that is needed at several paths is rebuilt for each: copying is no cheaper than reading its chunks again.

use super::plan::Due;
use super::temporary::Workspace;
use super::{Context, Outcome, Progress};
use crate::RepoError;
use crate::index::{Stat, hydrated_mtime};
use dits_format::{Binding, Pointer, Proof};
use dits_store::{ChunkWrite, StoreError, content};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const BUFFER_BYTES: usize = 1 << 20;

/// A rebuilt content that waits to be put in place. Removes its file when dropped before that.
#[derive(Debug)]
pub struct Written {
    due: Due,
    temporary: PathBuf,
    placed: bool,
}

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

impl Drop for Written {
    fn drop(&mut self) {
        if !self.placed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Rebuilds every file into a temporary one. They are there as long as the workspace is. Files of which a chunk
/// was not there after all come back.
pub fn write_all(
    context: &Context<'_>,
    workspace: &mut Workspace,
    ready: Vec<Due>,
    outcome: &mut Outcome,
    observe: &mut dyn FnMut(Progress),
) -> Result<(Vec<Written>, Vec<Due>), RepoError> {
    let mtime = hydrated_mtime(&context.repository.index, SystemTime::now());
    // Without an index there is nothing to be racy with.
    let mtime = mtime.unwrap_or_else(|_| SystemTime::now());
    let bytes_total = ready.iter().filter_map(|file| Some(file.pointer.as_ref()?.size)).sum();
    context.store.make_room(context.repository.worktree()?, bytes_total)?;
    let mut bytes = 0;
    let (mut written, mut torn) = (Vec::with_capacity(ready.len()), Vec::new());
    for due in ready {
        let temporary = workspace.name(&due);
        let again = due.clone();
        let mut count = |part: u64| {
            bytes += part;
            observe(Progress::Write { bytes, bytes_total });
        };
        match write_one(context, due, temporary, mtime, &mut count) {
            Ok(Some(file)) => written.push(file),
            Ok(None) | Err(RepoError::Store(StoreError::Missing { .. })) => torn.push(again),
            Err(error) => outcome.failed.push((again.path, error)),
        }
    }
    Ok((written, torn))
}

/// `None` when the content is not here.
fn write_one(
    context: &Context<'_>,
    due: Due,
    temporary: PathBuf,
    mtime: SystemTime,
    count: &mut dyn FnMut(u64),
) -> Result<Option<Written>, RepoError> {
    let (mode, pointer) = (due.mode, due.pointer.clone());
    let mut open = OpenOptions::new();
    let file = open.write(true).create(true).truncate(true).mode(0o600).open(&temporary);
    let file = file.map_err(RepoError::io("create", &temporary))?;
    let written = Written { due, temporary, placed: false };
    let path = written.temporary.clone();
    if let Some(pointer) = &pointer {
        let oid = pointer.oid;
        let Some(known) = content::find(context.store, &oid)? else { return Ok(None) };
        let mut out = Buffered { file: &file, buffer: Vec::new() };
        let rebuilt = content::rebuild::<RepoError>(context.store, &known.manifest, &mut |part| {
            count(part.len() as u64);
            out.write(part).map_err(RepoError::io("write", &path))
        });
        if let Err(RepoError::Store(StoreError::Mismatch { .. })) = &rebuilt {
            // Intact chunks of something else: never to be taken for this content again.
            refute(context, known.binding)?;
        }
        rebuilt?;
        out.flush().map_err(RepoError::io("write", &path))?;
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(mode))
        .map_err(RepoError::io("set the mode of", &path))?;
    file.set_modified(mtime).map_err(RepoError::io("set the time of", &path))?;
    Ok(Some(written))
}

fn refute(context: &Context<'_>, binding: Binding) -> Result<(), RepoError> {
    let mut batch = context.store.batch()?;
    batch.bind(Binding { proof: Proof::Refuted, ..binding });
    Ok(batch.commit().map(drop)?)
}

/// Gathers small chunks into large writes; large ones go straight through.
struct Buffered<'a> {
    file: &'a File,
    buffer: Vec<u8>,
}

impl Buffered<'_> {
    fn write(&mut self, part: &[u8]) -> std::io::Result<()> {
        if self.buffer.len() + part.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if part.len() >= BUFFER_BYTES / 2 {
            return self.file.write_all(part);
        }
        self.buffer.extend_from_slice(part);
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
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
    let mut before = look(&file.temporary)?;
    let mut renamed = fs::rename(&file.temporary, target);
    if renamed.as_ref().is_err_and(|error| error.kind() == ErrorKind::CrossesDevices) {
        file.temporary = copy_beside(target, &file.temporary).map_err(RepoError::io("write", target))?;
        before = look(&file.temporary)?;
        renamed = fs::rename(&file.temporary, target);
    }
    renamed.map_err(RepoError::io("write", target))?;
    file.placed = true;
    let now = look(target)?;
    // Somebody who replaced it at once has a modified file, and Git must see that.
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
