//! True sizes for entries of Git's index that have none.
//!
//! A command that takes entries from a commit without writing their files (`reset --mixed`, `restore --staged`,
//! `apply --cached`, the end of `stash pop`) leaves them without stat data. Git then compares contents: each `git status` reads the
//! whole file again, as long as it differs. Once an entry has the size of its own pointer's content, Git
//! sees a file of another size without reading it, and a file of that size it still reads ([`set_sizes`]).
//!
//! What must hold: a file that may be a ghost of its entry keeps the entry as it is, since its size is that
//! of the pointer. This only saves time, so nobody waits for a lock, and what fails is left to the next run.

use super::plan::full_path;
use super::settle::in_one_piece;
use crate::index::{self, IndexError, PointerSize, blob_id, set_sizes};
use crate::{RepoError, Repository, catfile};
use dits_format::pointer::Parsed;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Entries without size, by path, each with the name of its blob and the size of its file.
type Candidates = BTreeMap<Vec<u8>, (Vec<u8>, u64)>;

/// Gives sizes to the entries that lack them. Says whether anything was changed.
///
/// # Errors
/// When somebody holds the lock, or the index cannot be read: all is as it was.
pub fn settle(repository: &Repository) -> Result<bool, RepoError> {
    let worktree = repository.worktree()?;
    // Most of the time there is nothing to do, and that is seen without the lock.
    let bytes = match fs::read(&repository.index) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        read => read.map_err(RepoError::io("read", &repository.index))?,
    };
    let (found, nameless) = candidates(&bytes, repository, worktree)?;
    let update = |bytes: &mut Vec<u8>| {
        let (found, _) = candidates(bytes, repository, worktree)?;
        let sizes = sizes(repository, found);
        Ok(!sizes.is_empty() && !set_sizes(bytes, repository.hash, &sizes)?.is_empty())
    };
    if nameless {
        return in_one_piece(repository, update);
    }
    if sizes(repository, found).is_empty() {
        return Ok(false);
    }
    Ok(index::update(&repository.index, Duration::ZERO, update)?)
}

/// Entries without size that have a file; and whether there are some whose name a split index does not tell.
fn candidates(
    bytes: &[u8],
    repository: &Repository,
    worktree: &Path,
) -> Result<(Candidates, bool), IndexError> {
    let empty = blob_id(repository.hash, b"");
    let mut found = Candidates::new();
    let mut nameless = false;
    index::walk(bytes, repository.hash, |entry| {
        if entry.stage != 0
            || entry.size != 0
            || !entry.is_regular()
            || entry.skip_worktree
            || entry.oid == empty
        {
            return Ok(());
        }
        if entry.path.is_empty() {
            nameless = true;
        } else if let Ok(meta) = fs::symlink_metadata(full_path(worktree, entry.path))
            && meta.is_file()
        {
            found.insert(entry.path.to_owned(), (entry.oid.to_vec(), meta.len()));
        }
        Ok(())
    })?;
    Ok((found, nameless))
}

/// The sizes of those candidates that are pointers, and whose files are no ghosts.
fn sizes(repository: &Repository, found: Candidates) -> BTreeMap<Vec<u8>, PointerSize> {
    let hex = |oid: &[u8]| oid.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let ids: Vec<String> = found.values().map(|(oid, _)| hex(oid)).collect();
    // Without these sizes status is slower, not wrong.
    let pointers = catfile::pointers(&repository.git, ids.iter().map(String::as_str)).unwrap_or_default();
    let mut sizes = BTreeMap::new();
    for ((path, (oid, len)), id) in found.into_iter().zip(&ids) {
        if let Some(Parsed::Pointer(pointer)) = pointers.get(id)
            && pointer.encode().len() as u64 != len
        {
            sizes.insert(path, PointerSize { oid, hydrated_size: pointer.size });
        }
    }
    sizes
}
