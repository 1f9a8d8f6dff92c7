//! Every version of every file in some commits.
//!
//! Each pair of path and blob counts once, in how many commits it may be ([`trees`](super::trees) lists no tree twice).
//! With `fixup` only those count that attributes give to git-dits and that are no pointers ([`fixup`](super::fixup)).

use super::trees::{self, Pair};
use super::{Version, fixup};
use crate::threshold::Threshold;
use crate::{Git, RepoError, Repository, catfile};
use dits_format::pointer::Parsed;
use std::collections::{HashMap, HashSet};

/// What was found.
#[derive(Debug, Default)]
pub struct Examined {
    /// Each pair of path and blob once, in no promised order.
    pub versions: Vec<Version>,
    /// Commits looked at.
    pub commits: u64,
    /// Versions whose blob is not here.
    pub missing: u64,
}

/// Examines the commits that `revisions` of `git rev-list` name. `keep` says which paths count;
/// with `only_wrong`, only versions do that should be pointers by the attributes of their commit and are not.
///
/// # Errors
/// [`RepoError::Git`] for a revision that there is not, and when trees are missing (a clone without trees).
pub fn examine(
    repository: &Repository,
    revisions: &[String],
    keep: &dyn Fn(&[u8]) -> bool,
    only_wrong: bool,
) -> Result<Examined, RepoError> {
    let git = &repository.git.with_env("GIT_NO_LAZY_FETCH", "1");
    let pairs = trees::pairs(git, repository.hash, revisions)?;
    let mut examined = Examined { commits: pairs.len() as u64, ..Examined::default() };
    let mut found = if only_wrong { fixup::managed(git, repository.hash, pairs)? } else { all(git, &pairs)? };
    found.retain(|(path, _)| keep(path));
    let absent = absent(repository, git, revisions)?;
    let before = found.len();
    found.retain(|(_, id)| !absent.contains(id));
    let ids: HashSet<&str> = found.iter().map(|(_, id)| &id[..]).collect();
    let bytes = sizes(git, &ids)?;
    let pointers = catfile::pointers(git, ids.iter().copied())?;
    let version = |(path, id): &(Vec<u8>, String)| {
        let bytes = *bytes.get(id)?;
        let pointer = match pointers.get(id) {
            Some(Parsed::Pointer(pointer)) => Some(pointer.size),
            _ => (bytes == 0).then_some(0),
        };
        Some(Version { path: path.clone(), id: id.clone(), bytes, pointer })
    };
    examined.versions = found.iter().filter_map(version).collect();
    examined.missing = (before - examined.versions.len()) as u64;
    if only_wrong {
        let threshold = Threshold::of(repository)?;
        examined.versions.retain(|version| version.pointer.is_none() && !threshold.keeps_raw(version.bytes));
    }
    Ok(examined)
}

/// All versions, as they were added.
fn all(git: &Git, pairs: &[Pair]) -> Result<HashSet<(Vec<u8>, String)>, RepoError> {
    let mut found = HashSet::new();
    trees::diff(git, pairs, &[], &mut |added| {
        if added.is_file() {
            found.insert((added.path.to_vec(), added.id.to_owned()));
        }
    })?;
    Ok(found)
}

/// Objects that a partial clone lacks. Older versions of Git fetch what is asked for, so they are not asked.
fn absent(repository: &Repository, git: &Git, revisions: &[String]) -> Result<HashSet<String>, RepoError> {
    let remotes = repository.remotes()?;
    let mut partial = repository.config("extensions.partialclone")?.is_some();
    for (name, _) in remotes {
        partial |= repository.config(&format!("remote.{name}.promisor"))?.as_deref() == Some("true");
    }
    if !partial || revisions.is_empty() {
        return Ok(HashSet::new());
    }
    let tips = revisions.iter().filter(|revision| !revision.starts_with('^'));
    let input: String = tips.map(|tip| format!("{tip}\n")).collect();
    let args = ["rev-list", "--objects", "--missing=print", "--stdin"];
    let out = git.run_with_input(&args, input.as_bytes())?;
    let lines = out.split(|b| *b == b'\n').filter_map(|line| line.strip_prefix(b"?"));
    Ok(lines.map(|id| String::from_utf8_lossy(id).into_owned()).collect())
}

/// The sizes of the blobs that are here.
fn sizes(git: &Git, ids: &HashSet<&str>) -> Result<HashMap<String, u64>, RepoError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let input: String = ids.iter().flat_map(|id| [id, "\n"]).collect();
    let out = git.run_with_input(&["cat-file", "--batch-check", "--buffer"], input.as_bytes())?;
    let size = |line: &str| {
        let (id, bytes) = line.split_once(" blob ")?;
        Some((id.to_owned(), bytes.parse().ok()?))
    };
    Ok(String::from_utf8_lossy(&out).lines().filter_map(size).collect())
}
