//! Changing the write bits of files that are there, in one step with Git's index.
//!
//! A change of mode moves a file's ctime, and Git would read the file again at the next status. So all of it happens under Git's
//! index lock, while signals wait: each entry whose ctime was just that of its file gets the new one, and nothing else of
//! an entry changes. So whatever Git could tell of a file before it can tell afterwards; a file that seemed
//! modified still does. If somebody else holds the lock for 2 s, no file is touched.
//!
//! A process killed (-9) in between leaves files with the right mode that Git reads once more, and others that the next
//! [`refresh`](super::refresh) sees to, once Git's lock file is taken away. Memory: some hundred bytes a file.

use super::{Access, Chosen};
use crate::hydrate::plan::{full_path, is_real};
use crate::hydrate::settle::{LOCK_WAIT, in_one_piece};
use crate::index::{self, IndexError, Recorded};
use crate::{RepoError, Repository};
use rustix::fs::{Mode, OFlags};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Mutex;

/// What became of the files.
#[derive(Debug, Default)]
pub struct Flipped {
    /// Files that have another mode now.
    pub changed: Vec<(Vec<u8>, Access)>,
    /// Writable files that should not be, but hold something else than Git's index: left as they are.
    pub modified: Vec<Vec<u8>>,
    /// Files whose mode could not be changed, and why.
    pub failed: Vec<(Vec<u8>, RepoError)>,
}

/// A file with the wrong mode.
#[derive(Debug)]
struct Wrong {
    path: Vec<u8>,
    full: PathBuf,
    meta: Metadata,
    access: Access,
    /// Its entry in Git's index, where that has its present ctime.
    entry: Option<usize>,
}

/// What is wrong, and what is left alone.
#[derive(Debug, Default)]
struct Plan {
    wrong: Vec<Wrong>,
    modified: Vec<Vec<u8>>,
    /// Some entries of a split index are not where we look.
    hidden: bool,
}

/// Files with the wrong mode, and modified ones, without changing anything.
///
/// # Errors
/// When Git's index cannot be read.
pub fn survey(repository: &Repository, chosen: &Chosen) -> Result<Flipped, RepoError> {
    let Plan { wrong, modified, .. } = plan(repository, chosen, &read(repository)?)?;
    let changed = wrong.into_iter().map(|file| (file.path, file.access)).collect();
    Ok(Flipped { changed, modified, failed: Vec::new() })
}

/// Gives files the modes that are chosen for them.
///
/// # Errors
/// When Git's index is locked by somebody else or cannot be read: nothing was changed. When its entries could not be
/// written: Git reads the changed files once more.
pub fn flip(repository: &Repository, chosen: &Chosen, critical: &Mutex<()>) -> Result<Flipped, RepoError> {
    // Most of the time there is nothing to do, and that is seen without the lock.
    let seen =
        if chosen.is_empty() { Plan::default() } else { plan(repository, chosen, &read(repository)?)? };
    let mut done = Flipped { modified: seen.modified, ..Flipped::default() };
    if seen.wrong.is_empty() && !seen.hidden {
        return Ok(done);
    }
    let _guard = critical.lock();
    let mut change = |bytes: &mut Vec<u8>| {
        let Plan { wrong, modified, .. } = plan(repository, chosen, bytes)?;
        done.modified = modified;
        let ctimes = change_all(wrong, chosen, &mut done);
        index::set_ctimes(bytes, repository.hash, &ctimes)?;
        Ok(!ctimes.is_empty())
    };
    if seen.hidden {
        in_one_piece(repository, change)?;
    } else if repository.index.exists() {
        index::update(&repository.index, LOCK_WAIT, change)?;
    } else {
        change(&mut Vec::new())?;
    }
    Ok(done)
}

/// Git's index; nothing where there is none.
fn read(repository: &Repository) -> Result<Vec<u8>, RepoError> {
    match fs::read(&repository.index) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(RepoError::io("read", &repository.index)),
    }
}

/// Compares what is there with what is chosen.
fn plan(repository: &Repository, chosen: &Chosen, bytes: &[u8]) -> Result<Plan, IndexError> {
    let Some(worktree) = repository.worktree.as_deref() else { return Ok(Plan::default()) };
    let (entries, is_split) = match bytes {
        [] => (Vec::new(), false),
        _ => index::recorded(bytes, repository.hash, |path| chosen.access(path).is_some())?,
    };
    let mut dirs = HashMap::new();
    let mut plan = Plan::default();
    let mut look = |path: &[u8], access: Access, entry: Option<&Recorded>| {
        let full = full_path(worktree, path);
        let Ok(meta) = fs::symlink_metadata(&full) else { return };
        let real = |dirs: &mut HashMap<_, _>| full.parent().is_some_and(|dir| is_real(worktree, dir, dirs));
        if !meta.is_file() || access.is_in(meta.mode()) || !real(&mut dirs) {
            return;
        }
        let differs = match entry {
            Some(entry) => entry.stage != 0 || entry.differs(&meta),
            None => !chosen.untracked,
        };
        if access == Access::ReadOnly && differs {
            return plan.modified.push(path.to_vec());
        }
        let entry = entry.filter(|entry| entry.stage == 0 && entry.is_current(&meta)).map(|entry| entry.at);
        plan.wrong.push(Wrong { path: path.to_vec(), full, meta, access, entry });
    };
    let mut seen = HashSet::new();
    for entry in &entries {
        if seen.insert(&entry.path[..])
            && let Some(access) = chosen.access(&entry.path)
        {
            look(&entry.path, access, Some(entry));
        }
    }
    let is_hidden = is_split && seen.len() < chosen.paths().len();
    for (path, access) in chosen.paths().filter(|(path, _)| !is_hidden && !seen.contains(path)) {
        // What Git does not have is nobody's to take away, unless it was asked for.
        if access == Access::Writable || chosen.untracked {
            look(path, access, None);
        }
    }
    plan.hidden = is_hidden;
    Ok(plan)
}

/// Changes all modes; gives the new ctimes, with the entries that shall have them.
fn change_all(wrong: Vec<Wrong>, chosen: &Chosen, done: &mut Flipped) -> Vec<(usize, Metadata)> {
    let mut ctimes = Vec::new();
    for file in wrong {
        match change_mode(&file, chosen) {
            Ok(now) => {
                ctimes.extend(file.entry.zip(now));
                done.changed.push((file.path, file.access));
            }
            Err(error) => {
                let error = RepoError::io("change the mode of", &file.full)(error);
                done.failed.push((file.path, error));
            }
        }
    }
    ctimes
}

/// What the file is afterwards; `None` when somebody changed it meanwhile.
fn change_mode(file: &Wrong, chosen: &Chosen) -> io::Result<Option<Metadata>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = File::from(rustix::fs::open(&file.full, flags, Mode::empty())?);
    let before = open.metadata()?;
    if before.ino() != file.meta.ino() || !before.is_file() {
        return Ok(None);
    }
    let wanted = chosen.mode(&file.path, before.mode() & 0o7777);
    open.set_permissions(Permissions::from_mode(wanted))?;
    let now = open.metadata()?;
    if !file.access.is_in(now.mode()) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "this file system keeps no write permission"));
    }
    let key = |meta: &Metadata| (meta.len(), meta.mtime(), meta.mtime_nsec());
    Ok((key(&now) == key(&file.meta)).then_some(now))
}
