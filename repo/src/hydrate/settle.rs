//! Making Git's index agree with hydrated files.
//!
//! The stat bytes of each entry are patched in place under Git's own lock, so no extension is lost and Git
//! never reads the files again. Two cases need more:
//! - a split index can hold an entry without its name; then Git puts the index into one piece for the patch;
//! - after `git stash pop` the entry belongs to another content and has size 0, which would make every later
//!   status read the file; it gets the size of its own pointer's content instead (rule R13).

use super::write::Placed;
use crate::index::{self, Change, IndexError, OtherContent, Outcome, PointerSize, blob_id};
use crate::{RepoError, Repository, catfile};
use dits_format::pointer::Parsed;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long another process may hold Git's index lock before we leave the entries as they are.
const LOCK_WAIT: Duration = Duration::from_secs(2);

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
        let zero = outcome.other_content.iter().filter(|other| other.size_is_zero).collect::<Vec<_>>();
        let sizes = if zero.is_empty() { BTreeMap::new() } else { own_sizes(repository, &zero) };
        let sized = !sizes.is_empty() && !index::set_sizes(bytes, repository.hash, &sizes)?.is_empty();
        Ok(!outcome.patched.is_empty() || sized)
    });
    let result = match updated {
        Ok(_) if outcome.has_split_link && !outcome.not_found.is_empty() => settle_split(repository, &files),
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

/// The content sizes of the pointers that the index itself has for these paths.
fn own_sizes(repository: &Repository, others: &[&OtherContent]) -> BTreeMap<Vec<u8>, PointerSize> {
    let hex = |oid: &[u8]| oid.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let ids: Vec<String> = others.iter().map(|other| hex(&other.entry_oid)).collect();
    // Without these sizes status is slower, not wrong.
    let pointers = catfile::pointers(&repository.git, ids.iter().map(String::as_str)).unwrap_or_default();
    let size = |(other, id): (&&OtherContent, &String)| match pointers.get(id)? {
        Parsed::Pointer(pointer) => {
            let size = PointerSize { oid: other.entry_oid.clone(), hydrated_size: pointer.size };
            Some((other.path.clone(), size))
        }
        _ => None,
    };
    others.iter().zip(&ids).filter_map(size).collect()
}

/// Patches entries of a split index that have no name of their own there: Git writes the index in one piece,
/// which reads no content, and splits it again afterwards.
fn settle_split(repository: &Repository, files: &[Placed]) -> Result<(), RepoError> {
    let git = &repository.git;
    git.run(&["-c", "core.splitIndex=false", "update-index", "--no-split-index"])?;
    let patched = index::update(&repository.index, LOCK_WAIT, |bytes| {
        Ok(!index::patch(bytes, repository.hash, &changes(repository, files))?.patched.is_empty())
    });
    // Whatever became of the patch, the user's index is split.
    git.run(&["update-index", "--split-index"])?;
    Ok(patched.map(drop)?)
}
