//! Ghosting: a file becomes its pointer again, to give its room back. The way back of [`hydrate`](crate::hydrate).
//!
//! The caller has made sure that the content can be had elsewhere; here it is made sure that the file *is* that
//! content. It is hashed, whatever its stat data say, and put aside by *exchanging* it for the pointer, so that
//! what lay there at that moment can be looked at once more and put back if it changed in between. All
//! exchanges and the patch of Git's index happen under Git's index lock; if another process holds it, nothing is
//! touched. A process killed in between leaves the pointer and an index that calls it modified, until `ghost` or
//! `hydrate` is run again; the content is then still in the store or at the remote.

use crate::hydrate::place::{Placed, look, swap};
use crate::hydrate::plan::{Due, Stamp, full_path, is_real};
use crate::hydrate::settle::settle;
use crate::hydrate::temporary::Workspace;
use crate::index::{Stat, hydrated_mtime};
use crate::{RepoError, Repository};
use dits_format::pointer::{Parsed, parse};
use dits_format::{Oid, Pointer};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::ops::Deref;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

const BUFFER_BYTES: usize = 1 << 20;
/// A file as young as this may have changed twice within one tick of the file system's clock.
const YOUNG: Duration = Duration::from_secs(1);

/// What stands at the path of a pointer of the index.
#[derive(Debug)]
pub enum Found {
    /// A file that has the size of the content.
    File(Box<Unread>),
    /// The pointer itself: a ghost already.
    Ghost,
    /// Nothing, or nothing that is a file of Git's: there is no room to be had.
    Absent,
    /// Something else than the content of the pointer.
    Modified,
}

/// A file that may hold the content of its pointer.
#[derive(Debug)]
pub struct Unread {
    file: Due,
    pointer: Pointer,
}

/// A file that was read, and holds the content of its pointer.
#[derive(Debug)]
pub struct Candidate(Unread);

impl Deref for Candidate {
    type Target = Unread;

    fn deref(&self) -> &Unread {
        &self.0
    }
}

/// What became of the candidates.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Ghosts now.
    pub ghosts: Vec<Vec<u8>>,
    /// Left as they are, as they changed while we worked.
    pub modified: Vec<Vec<u8>>,
    /// Left as they are, and why.
    pub failed: Vec<(Vec<u8>, RepoError)>,
    /// Why Git's index does not agree; if there are no ghosts, why nothing was done.
    pub unsettled: Option<RepoError>,
}

/// Looks at the file at `path`, for which Git has `pointer`.
///
/// # Errors
/// When the file cannot be read.
pub fn look_at(worktree: &Path, path: &[u8], pointer: &Pointer) -> Result<Found, RepoError> {
    let full = full_path(worktree, path);
    let parent = full.parent().unwrap_or(worktree);
    let Ok(meta) = fs::symlink_metadata(&full) else { return Ok(Found::Absent) };
    if !meta.is_file() || !is_real(worktree, parent, &mut HashMap::new()) {
        return Ok(Found::Absent);
    }
    if meta.len() == pointer.encode().len() as u64 {
        let text = fs::read(&full).map_err(RepoError::io("read", &full))?;
        if parse(&text) == Parsed::Pointer(pointer.clone()) {
            return Ok(Found::Ghost);
        }
    }
    if meta.len() != pointer.size {
        return Ok(Found::Modified);
    }
    let mode = meta.permissions().mode() & 0o777;
    let file = Due { path: path.to_vec(), full, pointer: Some(pointer.clone()), meta, mode };
    Ok(Found::File(Box::new(Unread { file, pointer: pointer.clone() })))
}

impl Unread {
    /// Path from the top of the working tree.
    pub fn path(&self) -> &[u8] {
        &self.file.path
    }

    /// The pointer that Git has for it.
    pub fn pointer(&self) -> &Pointer {
        &self.pointer
    }

    /// Hashes the file. `None` when it is something else than the content. `observe` is told of the bytes read.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(self, observe: &mut dyn FnMut(u64)) -> Result<Option<Candidate>, RepoError> {
        let full = &self.file.full;
        let same = oid(full, observe)? == self.pointer.oid && is_same(&self.file.meta, &look(full)?);
        Ok(same.then_some(Candidate(self)))
    }
}

/// BLAKE3 of a file, read in pieces.
fn oid(path: &Path, observe: &mut dyn FnMut(u64)) -> Result<Oid, RepoError> {
    let mut file = File::open(path).map_err(RepoError::io("read", path))?;
    let (mut hasher, mut buffer) = (blake3::Hasher::new(), vec![0; BUFFER_BYTES]);
    loop {
        let len = file.read(&mut buffer).map_err(RepoError::io("read", path))?;
        if len == 0 {
            return Ok(Oid(*hasher.finalize().as_bytes()));
        }
        hasher.update(&buffer[..len]);
        observe(len as u64);
    }
}

/// A pointer on its way: a temporary file, which is removed at the end unless it holds what must not be lost.
struct Ready {
    candidate: Candidate,
    temporary: PathBuf,
    disposable: bool,
}

impl Drop for Ready {
    fn drop(&mut self) {
        if self.disposable {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Puts the pointers in place of the files. `critical` is held while Git's index is locked.
///
/// # Errors
/// Only when nothing could be done at all.
pub fn replace(
    repository: &Repository,
    candidates: Vec<Candidate>,
    critical: &Mutex<()>,
) -> Result<Outcome, RepoError> {
    let mut outcome = Outcome::default();
    let mut workspace = Workspace::open(repository)?;
    let mtime = hydrated_mtime(&repository.index, SystemTime::now())?;
    let mut pointers = Vec::new();
    for candidate in candidates {
        let temporary = workspace.name(&candidate.file);
        match write_pointer(&candidate, &temporary, mtime) {
            Ok(()) => pointers.push(Ready { candidate, temporary, disposable: true }),
            Err(error) => outcome.failed.push((candidate.path().to_vec(), error)),
        }
    }
    let _guard = critical.lock();
    let mut place = |ready: &mut Ready| {
        let path = ready.candidate.file.path.clone();
        match ready.exchange(mtime) {
            Ok(Some(placed)) => return Some(placed),
            Ok(None) => outcome.modified.push(path),
            Err(error) => outcome.failed.push((path, error)),
        }
        None
    };
    let (placed, settled) = settle(repository, || pointers.iter_mut().filter_map(&mut place).collect());
    outcome.ghosts = placed.into_iter().map(|file| file.path).collect();
    outcome.unsettled = settled.err();
    Ok(outcome)
}

fn write_pointer(candidate: &Candidate, to: &Path, mtime: SystemTime) -> Result<(), RepoError> {
    let mode = candidate.file.mode;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let mut file = file.map_err(RepoError::io("create", to))?;
    let filled = file
        .write_all(&candidate.pointer.encode())
        .and_then(|()| file.set_permissions(Permissions::from_mode(mode)))
        .and_then(|()| file.set_modified(mtime));
    filled.map_err(RepoError::io("write", to))
}

impl Ready {
    /// Exchanges the file for its pointer. `None` when it is not what was hashed: it is in its place then.
    fn exchange(&mut self, mtime: SystemTime) -> Result<Option<Placed>, RepoError> {
        let target = self.candidate.file.full.clone();
        let (meta, now) = (&self.candidate.file.meta, look(&target)?);
        if !is_same(meta, &now) || Stamp::from_metadata(meta) != Stamp::from_metadata(&now) {
            return Ok(None);
        }
        match swap(&self.temporary, &target) {
            Err(Errno::XDEV) => self.move_beside(&target, mtime)?,
            result => result.map_err(not_exchanged(&target))?,
        }
        self.disposable = false;
        if !self.is_still_content().unwrap_or(false) {
            self.put_back(&target)?;
            return Ok(None);
        }
        self.disposable = true;
        let stat = Stat::from_metadata(&look(&target)?);
        let (path, blob) = (self.candidate.file.path.clone(), self.candidate.pointer.encode());
        Ok(Some(Placed { path, blob, stat }))
    }

    /// Whether what was put aside is what was hashed. Only those who have it open can still change it.
    fn is_still_content(&self) -> Result<bool, RepoError> {
        let aside = look(&self.temporary)?;
        let young = aside.modified().is_ok_and(|time| time.elapsed().unwrap_or_default() < YOUNG);
        Ok(is_same(&self.candidate.file.meta, &aside)
            && (!young || oid(&self.temporary, &mut |_| {})? == self.candidate.pointer.oid))
    }

    fn put_back(&mut self, target: &Path) -> Result<(), RepoError> {
        if swap(&self.temporary, target).is_ok() {
            self.disposable = true;
            return Ok(());
        }
        #[expect(clippy::disallowed_methods, reason = "Git does not sync working tree files either")]
        fs::rename(&self.temporary, target).map_err(RepoError::io("put back", target))
    }

    /// A folder that is a mount of the same file system has the same device, and yet no rename reaches into it.
    fn move_beside(&mut self, target: &Path, mtime: SystemTime) -> Result<(), RepoError> {
        let beside = target.with_file_name(self.temporary.file_name().unwrap_or_default());
        write_pointer(&self.candidate, &beside, mtime)?;
        let _ = fs::remove_file(std::mem::replace(&mut self.temporary, beside));
        swap(&self.temporary, target).map_err(not_exchanged(target))
    }
}

fn not_exchanged(target: &Path) -> impl FnOnce(Errno) -> RepoError {
    let failed = RepoError::io("exchange for its pointer", target);
    |errno| failed(errno.into())
}

/// Same file, same content as far as its stat data tell. The ctime is left out: our exchange changes it.
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    let key = |meta: &Metadata| (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
    other.is_file() && key(one) == key(other)
}
