//! Writing what `git add` would have written for files whose content is stored.
//!
//! Three runs for any number of files: `git fast-import` takes the pointer blobs, `git update-index` the
//! entries, and the stat patch makes these agree with the files, so that Git reads none of them again. The
//! patch comes last and looks at every file once more: an entry without stat data only costs Git a look,
//! one with stat data of a file that has changed would hide that for good.

use super::ingest::{Ingested, is_same};
use crate::hydrate::place::Placed;
use crate::hydrate::plan::full_path;
use crate::hydrate::settle;
use crate::index::{Stat, blob_id};
use crate::{RepoError, Repository};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;

/// A file that the index has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Path from the top of the working tree.
    pub path: Vec<u8>,
    /// The index had something else before.
    pub changed: bool,
}

/// Records `files`. `critical` is held while Git's index is locked by us.
///
/// # Errors
/// When Git refuses, for example since somebody else holds the lock of its index. Nothing is recorded then.
pub fn record(
    repository: &Repository,
    files: &[Ingested],
    critical: &Mutex<()>,
) -> Result<Vec<Recorded>, RepoError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let file_mode = repository.config("core.filemode")?.as_deref() != Some("false");
    let (mut blobs, mut entries) = (BTreeMap::new(), Vec::new());
    let mut recorded = Vec::with_capacity(files.len());
    for Ingested { candidate, blob, meta } in files {
        let id = hex(&blob_id(repository.hash, blob));
        let mode = match &candidate.old {
            Some(old) if !file_mode => old.mode,
            _ if file_mode && meta.mode() & 0o100 != 0 => 0o100_755,
            _ => 0o100_644,
        };
        let changed = candidate.old.as_ref().is_none_or(|old| old.id != id || old.mode != mode);
        if changed {
            entries.extend_from_slice(format!("{mode:o} {id} 0\t").as_bytes());
            entries.extend_from_slice(&[&candidate.path[..], b"\0"].concat());
            blobs.insert(id, blob);
        }
        recorded.push(Recorded { path: candidate.path.clone(), changed });
    }
    if !entries.is_empty() {
        let stream: Vec<Vec<u8>> = blobs
            .values()
            .map(|blob| [format!("blob\ndata {}\n", blob.len()).as_bytes(), blob, b"\n"].concat())
            .collect();
        repository.git.run_with_input(&["fast-import", "--quiet"], &stream.concat())?;
        repository.git.run_with_input(&["update-index", "-z", "--index-info"], &entries)?;
    }
    let _guard = critical.lock();
    // What is not settled is looked at by the `git add` that follows.
    let _ = settle::settle(repository, || unchanged(repository, files));
    Ok(recorded)
}

fn unchanged(repository: &Repository, files: &[Ingested]) -> Vec<Placed> {
    let Some(worktree) = repository.worktree.as_deref() else { return Vec::new() };
    let placed = |file: &Ingested| {
        let now = fs::symlink_metadata(full_path(worktree, &file.candidate.path)).ok()?;
        let (path, blob) = (file.candidate.path.clone(), file.blob.clone());
        is_same(&now, &file.meta).then(|| Placed { path, blob, stat: Stat::from_metadata(&now) })
    };
    files.iter().filter_map(placed).collect()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
