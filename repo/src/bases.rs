//! What wanted contents are probably edits of: what the same paths held in commits that were checked out before.
//!
//! Only a hint, so that a server can send the difference: whoever uses it looks whether the content is whole here. So
//! nothing fails here either; what cannot be found out is left out. Costs a few runs of `git`, whatever the number of
//! paths up to [`PATHS_MAX`], and fetches nothing.

use crate::{Git, Repository, catfile};
use dits_format::Oid;
use dits_format::pointer::Parsed;
use std::collections::HashMap;

/// Paths that are looked up.
const PATHS_MAX: usize = 10_000;

/// For those of `wanted` (path and content) that had another content in one of `commits` (names of commits), that one:
/// wanted content and base.
pub fn of(repository: &Repository, commits: &[&str], wanted: &[(Vec<u8>, Oid)]) -> HashMap<Oid, Oid> {
    let git = repository.git.with_env("GIT_NO_LAZY_FETCH", "1");
    let commits: Vec<String> = commits.iter().filter_map(|name| git.commit(name).ok()?).collect();
    let wanted: Vec<&(Vec<u8>, Oid)> =
        wanted.iter().filter(|(path, _)| !path.contains(&b'\n')).take(PATHS_MAX).collect();
    let mut bases = HashMap::new();
    for commit in commits {
        for (oid, base) in in_commit(&git, &commit, &wanted).unwrap_or_default() {
            bases.entry(oid).or_insert(base);
        }
    }
    bases
}

fn in_commit(git: &Git, commit: &str, wanted: &[&(Vec<u8>, Oid)]) -> Option<Vec<(Oid, Oid)>> {
    let line = |(path, _): &&(Vec<u8>, Oid)| [commit.as_bytes(), b":", path, b"\n"].concat();
    let names: Vec<u8> = wanted.iter().flat_map(line).collect();
    let check = ["cat-file", "--batch-check=%(objectname)", "--buffer"];
    let out = git.run_with_input(&check, &names).ok()?;
    let out = String::from_utf8_lossy(&out).into_owned();
    // One line for each, in order; of what is not there the name and `missing`.
    let ids: Vec<&str> = out.lines().collect();
    let is_id = |id: &&&str| id.bytes().all(|digit| digit.is_ascii_hexdigit());
    let pointers = catfile::pointers(git, ids.iter().filter(is_id).copied()).ok()?;
    let pair = |(id, (_, oid)): (&&str, &&(Vec<u8>, Oid))| match pointers.get(*id) {
        Some(Parsed::Pointer(pointer)) if pointer.oid != *oid => Some((*oid, pointer.oid)),
        _ => None,
    };
    Some(ids.iter().zip(wanted).filter_map(pair).collect())
}
