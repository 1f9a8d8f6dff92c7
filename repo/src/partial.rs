//! Pointers that a partial clone has left at its remote.
//!
//! A clone with `--filter=blob:none` has the trees of all commits and the blobs of those checked out. Git fetches a
//! missing blob when it reads it, each in a connection of its own; here those of one commit are fetched at once,
//! in the way in which Git itself does that. Which of them are pointers nobody can know before; the caller names
//! the managed ones, which are small.

use crate::{Git, RepoError};
use std::collections::HashSet;

/// The remote that has what is not here, if this is a partial clone.
pub fn promisor(git: &Git) -> Result<Option<String>, RepoError> {
    let out =
        git.line(&["config", "--type=bool", "--get-regexp", r"^remote\..*\.promisor$"])?.unwrap_or_default();
    let name = |line: &str| {
        Some(line.strip_suffix(" true")?.strip_prefix("remote.")?.strip_suffix(".promisor")?.to_owned())
    };
    match out.lines().find_map(name) {
        // As Git before 2.24 said it.
        None => git.line(&["config", "--get", "extensions.partialclone"]),
        found => Ok(found),
    }
}

/// Fetches those of `ids` (hex) from `remote` that `tree` names and that are not here.
///
/// # Errors
/// When the remote does not give them.
pub fn bring(git: &Git, remote: &str, tree: &str, ids: &[&str]) -> Result<(), RepoError> {
    // This prints what is missing, marked, and fetches nothing.
    let out = git.run(&["rev-list", "--objects", "--no-walk", "--missing=print", tree])?;
    let out = String::from_utf8_lossy(&out).into_owned();
    let missing: HashSet<&str> = out.lines().filter_map(|line| line.strip_prefix('?')).collect();
    let wanted: Vec<&str> = ids.iter().copied().filter(|id| missing.contains(id)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let fetch = [
        "-c",
        "fetch.negotiationAlgorithm=noop",
        "fetch",
        remote,
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        "--recurse-submodules=no",
        "--filter=blob:none",
        "--stdin",
    ];
    git.run_with_input(&fetch, (wanted.join("\n") + "\n").as_bytes()).map(drop)
}
