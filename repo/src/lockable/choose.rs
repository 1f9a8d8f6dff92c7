//! Which files shall be read-only and which writable: attributes and own locks in, [`Chosen`] out.
//!
//! Git is asked once for any number of paths. `dits.setlockablereadonly`, or `GIT_DITS_SET_LOCKABLE_READONLY` in the
//! environment of a program, switches it all off: then nothing is chosen, except that [`all`] gives write bits back.

use super::{Access, Places, is_mentioned, places};
use crate::locks::LockCache;
use crate::settings::{LOCK_IGNORED_FILES, SET_LOCKABLE_READ_ONLY};
use crate::{RepoError, Repository, attributes, tracked};
use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

/// What files shall be, by their paths from the top. Other files are not our business.
#[derive(Debug, Clone, Default)]
pub struct Chosen {
    access: HashMap<Vec<u8>, Access>,
    umask: u32,
    /// Whether files that Git does not have may become read-only.
    pub(super) untracked: bool,
}

impl Chosen {
    /// What the file at `path` shall be.
    pub fn access(&self, path: &[u8]) -> Option<Access> {
        self.access.get(path).copied()
    }

    /// The mode of the file at `path`, which would have `mode` otherwise.
    pub fn mode(&self, path: &[u8], mode: u32) -> u32 {
        self.access(path).map_or(mode, |access| access.mode(mode, self.umask))
    }

    /// All of them, in no order.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = (&[u8], Access)> {
        self.access.iter().map(|(path, access)| (&path[..], *access))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.access.is_empty()
    }

    fn new(
        repository: &Repository,
        files: impl Iterator<Item = (Vec<u8>, Access)>,
    ) -> Result<Chosen, RepoError> {
        let access: HashMap<_, _> = files.collect();
        // Asked only where it counts: it takes a file.
        let umask =
            if access.values().any(|access| *access == Access::Writable) { umask(repository)? } else { 0 };
        Ok(Chosen { access, umask, untracked: false })
    }
}

/// Whether lockable files are made read-only here. Not in a mount: it refuses to open them, and says why.
///
/// # Errors
/// When the setting is neither true nor false.
pub fn is_on(repository: &Repository) -> Result<bool, RepoError> {
    Ok(!repository.is_mount() && is_wanted(repository)?)
}

/// Whether the user wants that lockable files cannot be written without a lock.
///
/// # Errors
/// As [`is_on`].
pub fn is_wanted(repository: &Repository) -> Result<bool, RepoError> {
    Ok(!repository.keeps_writable && repository.setting_bool(SET_LOCKABLE_READ_ONLY)?)
}

/// What `paths` shall be, as far as they are lockable; with `unmanaged`, those that git-dits manages are left out.
///
/// # Errors
/// When Git cannot be asked, or a setting has no meaning.
pub fn of_paths(repository: &Repository, paths: &[Vec<u8>], unmanaged: bool) -> Result<Chosen, RepoError> {
    if paths.is_empty() || !is_mentioned(repository)? || !is_on(repository)? {
        return Ok(Chosen::default());
    }
    let lockable = attributes::lockable(&repository.git, paths)?;
    by_locks(
        repository,
        lockable.into_iter().filter(|file| !unmanaged || !file.managed).map(|file| file.path),
    )
}

/// What all lockable files of Git's index shall be, and with `dits.lockignoredfiles` those that Git ignores too.
///
/// # Errors
/// As [`of_paths`].
pub fn all(repository: &Repository) -> Result<Chosen, RepoError> {
    if !is_mentioned(repository)? {
        return Ok(Chosen::default());
    }
    let listed = tracked::with_attribute(&repository.git, "lockable")?;
    let mut paths: Vec<Vec<u8>> = split(&listed).collect();
    let ignored = repository.setting_bool(LOCK_IGNORED_FILES)?;
    if ignored {
        let others =
            repository.git.run(&["ls-files", "-z", "--others", "--ignored", "--exclude-standard"])?;
        let others: Vec<Vec<u8>> = split(&others).collect();
        paths.extend(attributes::lockable(&repository.git, &others)?.into_iter().map(|file| file.path));
    }
    let mut chosen = if is_on(repository)? {
        by_locks(repository, paths.into_iter())?
    } else {
        Chosen::new(repository, paths.into_iter().map(|path| (path, Access::Writable)))?
    };
    chosen.untracked = ignored;
    Ok(chosen)
}

/// Those of `paths` that are lockable no more: they become writable.
///
/// # Errors
/// As [`of_paths`].
pub fn freed(repository: &Repository, paths: &[Vec<u8>]) -> Result<Chosen, RepoError> {
    let lockable = attributes::lockable(&repository.git, paths)?;
    let still: std::collections::HashSet<Vec<u8>> = lockable.into_iter().map(|file| file.path).collect();
    let free = paths.iter().filter(|path| !still.contains(*path));
    Chosen::new(repository, free.map(|path| (path.clone(), Access::Writable)))
}

pub(super) fn by_locks(
    repository: &Repository,
    lockable: impl Iterator<Item = Vec<u8>>,
) -> Result<Chosen, RepoError> {
    let cache = LockCache::load(repository)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let own = Places::of_locks(cache.own(), now);
    // What no lock can name would be read-only for ever.
    let can_be = |path: &Vec<u8>| places::key_of(path).is_some();
    let access = |path: Vec<u8>| {
        let access = Access::of(can_be(&path), own.covering(&path).is_some())?;
        Some((path, access))
    };
    Chosen::new(repository, lockable.filter_map(access))
}

fn split(names: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    names.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec)
}

/// What this process does not allow for new files. It can only be seen from a new file.
fn umask(repository: &Repository) -> Result<u32, RepoError> {
    let dir = &repository.git_dir;
    let mut builder = tempfile::Builder::new();
    let everybody = std::fs::Permissions::from_mode(0o666);
    let file = builder.prefix(".dits-umask-").permissions(everybody).tempfile_in(dir);
    let meta =
        file.and_then(|file| file.as_file().metadata()).map_err(RepoError::io("create a file in", dir))?;
    Ok(0o666 & !meta.permissions().mode())
}
