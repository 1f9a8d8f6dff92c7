//! Files that Git has whole where the attributes want a pointer: somebody committed them without our filter.
//!
//! They are checked out as they are. But Git wrote them in the same second as its index, so it distrusts their entries
//! and asks our filter what they would be now: a pointer, so each would be shown as modified in a working tree that
//! nobody has touched. So they get an older mtime, and their entries the stat data that goes with it, as hydrated files
//! do. A file is hashed after its time was set and looked at again after that: what changes meanwhile is left to Git.

use super::plan::full_path;
use crate::index::{self, Change, Stat, hydrated_mtime};
use crate::{RepoError, Repository};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

/// How long another process may hold Git's index lock.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// A file that was checked out whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Path from the top of the working tree.
    pub path: Vec<u8>,
    /// Its blob, in hex.
    pub blob: String,
    /// Its size.
    pub bytes: u64,
    /// The commit or tree it comes from, where Git said so, in hex.
    pub commit: Option<String>,
}

/// Makes Git's index agree with those of `files` that hold just what Git wrote. `critical` is held while Git's index
/// is locked.
///
/// # Errors
/// When Git's index cannot be patched; its entries are as they were then.
pub fn settle(repository: &Repository, files: &[Whole], critical: &Mutex<()>) -> Result<(), RepoError> {
    let worktree = repository.worktree()?;
    let mtime = hydrated_mtime(&repository.index, SystemTime::now())?;
    // Git would take such a name apart.
    let plain = |file: &&Whole| !file.path.contains(&b'\n') && !file.path.starts_with(b"\"");
    let aged = |file| age(worktree, file, mtime).map(|stat| (file, stat));
    let aged: Vec<(&Whole, Stat)> = files.iter().filter(plain).filter_map(aged).collect();
    if aged.is_empty() {
        return Ok(());
    }
    let paths: Vec<&[u8]> = aged.iter().map(|(file, _)| &file.path[..]).collect();
    let input = [&paths.join(&b'\n')[..], b"\n"].concat();
    let ids = repository.git.run_with_input(&["hash-object", "--no-filters", "--stdin-paths"], &input)?;
    let ids = String::from_utf8_lossy(&ids).into_owned();
    let mut changes = BTreeMap::new();
    for ((file, stat), id) in aged.into_iter().zip(ids.lines()) {
        if id == file.blob
            && let Some(expected_oid) = from_hex(id)
            && look(worktree, file) == Some(stat)
        {
            changes.insert(file.path.clone(), Change::Hydrated { expected_oid, stat });
        }
    }
    let _guard = critical.lock();
    index::update(&repository.index, LOCK_WAIT, |bytes| {
        Ok(!index::patch(bytes, repository.hash, &changes)?.patched.is_empty())
    })?;
    Ok(())
}

/// Gives the file its time.
fn age(worktree: &Path, file: &Whole, mtime: SystemTime) -> Option<Stat> {
    look(worktree, file)?;
    File::open(full_path(worktree, &file.path)).and_then(|open| open.set_modified(mtime)).ok()?;
    look(worktree, file)
}

fn look(worktree: &Path, file: &Whole) -> Option<Stat> {
    let meta = fs::symlink_metadata(full_path(worktree, &file.path)).ok()?;
    (meta.is_file() && meta.len() == file.bytes).then(|| Stat::from_metadata(&meta))
}

fn from_hex(id: &str) -> Option<Vec<u8>> {
    let byte = |at: usize| u8::from_str_radix(id.get(at..at + 2)?, 16).ok();
    (0..id.len()).step_by(2).map(byte).collect()
}
