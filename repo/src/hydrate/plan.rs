//! Which pointers are still due, and bringing their content here.
//!
//! Due is a regular file that holds exactly the pointer's bytes, reached through no symbolic link. Where Git
//! gave no sign that it writes into the working tree (`am`, `apply`, but also `textconv`), the file must
//! also have changed since we answered: its [`Stamp`] tells. A file that Git itself wrote from content that we
//! gave it (`checkout-index`) is due in the same way, if it holds exactly that.

use super::Job;
use super::parts::in_parts;
use crate::lockable::{self, Scope};
use crate::{ChunkSource, FetchProgress, RepoError, Repository, bases};
use dits_format::pointer::PROBE_BYTES;
use dits_format::{Oid, Pointer};
use dits_store::{PackStore, StoreError, content};
use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where HEAD was before.
const BEFORE: &str = "HEAD@{1}";

/// Identity of a file as it is now: any write by Git makes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    ctime: (i64, i64),
}

impl Stamp {
    /// Of the file at `path`; `None` when there is none.
    pub fn of(path: &Path) -> Option<Stamp> {
        fs::symlink_metadata(path).ok().as_ref().map(Stamp::from_metadata)
    }

    /// Of a file that was looked at.
    pub fn from_metadata(meta: &Metadata) -> Stamp {
        Stamp { inode: meta.ino(), ctime: (meta.ctime(), meta.ctime_nsec()) }
    }
}

/// A pointer file that is to be replaced, as it was when looked at.
#[derive(Debug, Clone)]
pub struct Due {
    /// Path from the top of the working tree.
    pub path: Vec<u8>,
    /// The same, ready to be opened.
    pub full: PathBuf,
    /// Its pointer; `None` for the empty content.
    pub pointer: Option<Pointer>,
    /// Its metadata, to notice a change.
    pub meta: Metadata,
    /// The mode that it shall have.
    pub mode: u32,
}

/// Path of a repository path in the working tree.
pub fn full_path(worktree: &Path, path: &[u8]) -> PathBuf {
    worktree.join(std::ffi::OsStr::from_bytes(path))
}

/// Keeps the jobs whose pointer still stands there.
pub fn still_due(worktree: &Path, jobs: Vec<Job>) -> Vec<Due> {
    let mut seen = HashSet::new();
    // A path that Git wrote twice holds the later pointer.
    let mut latest: Vec<Job> = jobs.into_iter().rev().filter(|job| seen.insert(job.path.clone())).collect();
    latest.reverse();
    in_parts(latest, |part| {
        let mut dirs = HashMap::new();
        part.into_iter().filter_map(|job| look(worktree, job, &mut dirs)).collect()
    })
}

fn look(worktree: &Path, job: Job, dirs: &mut HashMap<PathBuf, bool>) -> Option<Due> {
    let full = full_path(worktree, &job.path);
    let meta = fs::symlink_metadata(&full).ok()?;
    let text = job.pointer.as_ref().map_or_else(Vec::new, Pointer::encode);
    let len = match &job.pointer {
        Some(pointer) if job.given => pointer.size,
        _ => text.len() as u64,
    };
    let unchanged = matches!(job.before, Some(before) if before == Stamp::of(&full));
    if !meta.is_file() || meta.len() != len || unchanged || !is_real(worktree, full.parent()?, dirs) {
        return None;
    }
    let as_left = match &job.pointer {
        Some(pointer) if job.given => Oid::of(&fs::read(&full).ok()?) == pointer.oid,
        _ => holds(&full, &text).ok()?,
    };
    let mode = meta.permissions().mode() & 0o777;
    as_left.then_some(Due { path: job.path, full, pointer: job.pointer, meta, mode })
}

/// Whether the file is `text` and no more. A text of this length is one read.
fn holds(path: &Path, text: &[u8]) -> std::io::Result<bool> {
    let mut found = [0; PROBE_BYTES];
    let len = File::open(path)?.read(&mut found)?;
    Ok(found[..len] == *text)
}

/// Makes lockable files read-only or writable, as the locks of this user say, in what is about to be written.
pub fn set_modes(repository: &Repository, due: &mut [Due]) -> Result<(), RepoError> {
    let paths: Vec<Vec<u8>> = due.iter().map(|file| file.path.clone()).collect();
    let chosen = lockable::chosen(repository, Scope::Paths(&paths))?;
    for file in due {
        file.mode = chosen.mode(&file.path, file.mode);
    }
    Ok(())
}

/// Whether no folder from the top of the working tree down to `dir` is a symbolic link.
pub(crate) fn is_real(worktree: &Path, dir: &Path, dirs: &mut HashMap<PathBuf, bool>) -> bool {
    if dir == worktree {
        return true;
    }
    if let Some(known) = dirs.get(dir) {
        return *known;
    }
    let real = fs::symlink_metadata(dir).is_ok_and(|meta| meta.is_dir())
        && dir.parent().is_some_and(|parent| is_real(worktree, parent, dirs));
    dirs.insert(dir.to_owned(), real);
    real
}

/// The files in groups of at least `group_bytes`, in order; the paths of a content are in one, so that it can be shared by them.
pub fn groups(due: Vec<Due>, group_bytes: u64) -> Vec<Vec<Due>> {
    let (mut groups, mut bytes, mut of): (Vec<Vec<Due>>, u64, HashMap<Oid, usize>) = Default::default();
    for file in due {
        let size = file.pointer.as_ref().map_or(0, |pointer| pointer.size);
        let known = file.pointer.as_ref().and_then(|pointer| of.get(&pointer.oid)).copied();
        if let Some(group) = known {
            groups[group].push(file);
            continue;
        }
        if groups.is_empty() || bytes >= group_bytes {
            groups.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        let at = groups.len() - 1;
        of.extend(file.pointer.as_ref().map(|pointer| (pointer.oid, at)));
        groups[at].push(file);
    }
    groups
}

/// Brings contents here, until that fails once.
pub struct Fetcher<'a> {
    /// Where they are wanted.
    pub repository: &'a Repository,
    /// Where they go.
    pub store: &'a PackStore,
    /// Where they come from, if anywhere.
    pub source: Option<&'a mut (dyn ChunkSource + Send)>,
    /// Why nothing more can be fetched.
    pub error: Option<RepoError>,
}

/// Files whose content is here, and those whose content nobody has.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Whose content is here.
    pub ready: Vec<Due>,
    /// Path and content of the others.
    pub missing: Vec<(Vec<u8>, Oid)>,
}

impl Fetcher<'_> {
    /// Fetches what is missing, all at once.
    pub fn fetch(
        &mut self,
        due: Vec<Due>,
        observe: &mut (dyn FnMut(FetchProgress) + Send),
    ) -> Result<Fetched, RepoError> {
        let mut whole: HashMap<Oid, bool> = HashMap::new();
        let mut oids: Vec<Oid> = due.iter().filter_map(|file| Some(file.pointer.as_ref()?.oid)).collect();
        // As they lie in the store: neighbours share frames.
        oids.sort_by_cached_key(|oid| self.store.whereabouts(oid));
        for oid in oids {
            if let Entry::Vacant(unknown) = whole.entry(oid) {
                unknown.insert(is_whole(self.store, &oid)?);
            }
        }
        let wanted: Vec<Oid> = whole.iter().filter(|(_, whole)| !**whole).map(|(oid, _)| *oid).collect();
        if !wanted.is_empty() {
            let absent = self.bring(&wanted, &due, &whole, observe);
            self.store.refresh()?;
            for oid in wanted {
                // What came is looked at when it is written; what may have come, if a fetch broke, here.
                let is_here = match &absent {
                    Some(absent) => !absent.contains(&oid),
                    None => is_whole(self.store, &oid)?,
                };
                whole.insert(oid, is_here);
            }
        }
        let mut fetched = Fetched::default();
        for file in due {
            match &file.pointer {
                Some(pointer) if !whole[&pointer.oid] => fetched.missing.push((file.path, pointer.oid)),
                _ => fetched.ready.push(file),
            }
        }
        Ok(fetched)
    }

    /// Fetches; what the source does not have, or `None` when it could not be asked for all.
    fn bring(
        &mut self,
        wanted: &[Oid],
        due: &[Due],
        whole: &HashMap<Oid, bool>,
        observe: &mut (dyn FnMut(FetchProgress) + Send),
    ) -> Option<HashSet<Oid>> {
        let (Some(source), None) = (&mut self.source, &self.error) else { return None };
        source.suggest(bases_of(self.repository, due, whole));
        match source.fetch(wanted, observe) {
            Ok(absent) => Some(absent.into_iter().collect()),
            Err(error) => {
                self.error = Some(RepoError::Fetch(error));
                None
            }
        }
    }
}

/// What the files that are not whole here held before: after a checkout or a pull in the commit where we came from, else
/// in this one. A new clone has come from nowhere.
fn bases_of(repository: &Repository, due: &[Due], whole: &HashMap<Oid, bool>) -> HashMap<Oid, Oid> {
    if !matches!(repository.git.commit(BEFORE), Ok(Some(_))) {
        return HashMap::new();
    }
    let wanted = |file: &Due| {
        let oid = file.pointer.as_ref()?.oid;
        (!whole[&oid]).then(|| (file.path.clone(), oid))
    };
    bases::of(repository, &[BEFORE, "HEAD"], &due.iter().filter_map(wanted).collect::<Vec<_>>())
}

/// A content that is damaged here is one to be fetched again.
fn is_whole(store: &PackStore, oid: &Oid) -> Result<bool, RepoError> {
    match content::is_whole(store, oid) {
        Ok(whole) => Ok(whole),
        Err(error @ StoreError::Io { .. }) => Err(error.into()),
        Err(_) => Ok(false),
    }
}
