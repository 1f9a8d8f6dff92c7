//! Making Git's index agree with hydrated files.
//!
//! The stat bytes of each entry are patched in place under Git's own lock, so no extension is lost and Git
//! never reads the files again. A split index can hold an entry without its name; then Git puts the index into
//! one piece for the patch. Entries that belong to another content are left alone here; see [`super::sizes`].

use super::place::Placed;
use crate::index::{self, Change, IndexError, Outcome, blob_id};
use crate::{RepoError, Repository};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long another process may hold Git's index lock before we leave the entries as they are.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(2);

/// Puts files in place with `place` and patches their index entries, all under Git's index lock: if another
/// process holds it, nothing is touched and the pointers stay, which is a clean state.
///
/// Returns what `place` returned, also when patching failed after it.
///
/// # Errors
/// Inside the result: [`IndexError::Locked`] when somebody holds the lock; a damaged index; failing `git`.
pub fn settle(
    repository: &Repository,
    place: impl FnOnce() -> Vec<Placed>,
) -> (Vec<Placed>, Result<(), RepoError>) {
    let mut place = Some(place);
    let mut files = Vec::new();
    let mut outcome = Outcome::default();
    let updated = index::update(&repository.index, LOCK_WAIT, |bytes| {
        files = place.take().map_or_else(Vec::new, |place| place());
        outcome = index::patch(bytes, repository.hash, &changes(repository, &files))?;
        Ok(!outcome.patched.is_empty())
    });
    let result = match updated {
        Ok(_) if outcome.has_split_link && !outcome.not_found.is_empty() => {
            let changes = changes(repository, &files);
            let patch =
                |bytes: &mut Vec<u8>| Ok(!index::patch(bytes, repository.hash, &changes)?.patched.is_empty());
            in_one_piece(repository, patch).map(drop)
        }
        Ok(_) => Ok(()),
        // No index knows these files, as after `checkout-index` in a fresh repository.
        Err(IndexError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    };
    if result.is_ok()
        && let Some(place) = place
    {
        files = place();
    }
    (files, result)
}

fn changes(repository: &Repository, files: &[Placed]) -> BTreeMap<Vec<u8>, Change> {
    let change = |file: &Placed| {
        let expected_oid = blob_id(repository.hash, &file.blob);
        (file.path.clone(), Change::Hydrated { expected_oid, stat: file.stat })
    };
    files.iter().map(change).collect()
}

/// Changes a split index, in which entries can stand without their names: Git writes it in one piece, which reads
/// no content, and splits it again afterwards. Says whether `change` did anything.
pub(crate) fn in_one_piece(
    repository: &Repository,
    change: impl FnOnce(&mut Vec<u8>) -> Result<bool, IndexError>,
) -> Result<bool, RepoError> {
    let git = &repository.git;
    git.run(&["-c", "core.splitIndex=false", "update-index", "--no-split-index"])?;
    let changed = index::update(&repository.index, LOCK_WAIT, change);
    // Whatever became of the change, the user's index is split.
    git.run(&["update-index", "--split-index"])?;
    Ok(changed?)
}
