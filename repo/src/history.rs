//! The pointers of history: all versions of all files, not those of one commit.
//!
//! `rev-list --objects` names every blob once, with a path it has in the newest commit that has it, and the newest
//! come first. Which attributes held then does not matter: a pointer counts wherever it stands. Objects that
//! are missing (partial clones) are left out and never fetched for this.

use crate::tracked::Tracked;
use crate::{Git, RepoError, catfile};
use dits_format::pointer::Parsed;
use std::collections::HashSet;

/// The pointers in commits that `revisions` of `git rev-list` name, the newest first.
///
/// # Errors
/// [`RepoError::Git`] for a revision that there is not.
pub fn pointers(git: &Git, revisions: &[&str]) -> Result<Vec<Tracked>, RepoError> {
    const LIST: [&str; 3] = ["rev-list", "--objects", "--exclude-promisor-objects"];
    let git = &git.with_env("GIT_NO_LAZY_FETCH", "1");
    let out = git.run(&[&LIST[..], revisions].concat())?;
    // `<id> <path> LF`; Git gives the path as it is, so one with a line feed in it is not told whole.
    let object = |line: &[u8]| {
        let space = line.iter().position(|b| *b == b' ')?;
        let (id, path) = (std::str::from_utf8(&line[..space]).ok()?, &line[space + 1..]);
        (!path.is_empty()).then(|| (id.to_owned(), path.to_vec()))
    };
    let objects: Vec<(String, Vec<u8>)> = out.split(|b| *b == b'\n').filter_map(object).collect();
    let blobs = catfile::pointers(git, objects.iter().map(|(id, _)| &id[..]))?;
    let tracked = |(id, path): (String, Vec<u8>)| match blobs.get(&id)? {
        Parsed::Pointer(pointer) => Some(Tracked { path, pointer: pointer.clone(), stage: 0 }),
        _ => None,
    };
    Ok(objects.into_iter().filter_map(tracked).collect())
}

/// The files that are pointers in `new` and stand otherwise, or not at all, in `old`; both name a tree.
pub fn changed(git: &Git, old: &str, new: &str) -> Result<Vec<Tracked>, RepoError> {
    let before: HashSet<(Vec<u8>, Vec<u8>)> = crate::tracked::in_tree(git, old)?
        .into_iter()
        .map(|file| (file.path, file.pointer.encode()))
        .collect();
    let mut files = crate::tracked::in_tree(git, new)?;
    files.retain(|file| !before.contains(&(file.path.clone(), file.pointer.encode())));
    Ok(files)
}
