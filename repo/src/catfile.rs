//! Reading many small blobs with two runs of `git cat-file`.
//!
//! First the sizes of all, then the bytes of those that are small enough to be a pointer: a repository full
//! of large ordinary blobs costs only their sizes. Objects that are missing (partial clones) are left out
//! and never fetched for this.

use crate::{Git, RepoError};
use dits_format::limits::POINTER_BYTES_MAX;
use dits_format::pointer::{Parsed, parse};
use std::collections::{BTreeSet, HashMap};

/// Reads all `ids` (hex) that are blobs small enough to be pointers, and says what they are. Ordinary
/// content is left out.
pub fn pointers<'a>(
    git: &Git,
    ids: impl IntoIterator<Item = &'a str>,
) -> Result<HashMap<String, Parsed>, RepoError> {
    let mut found = HashMap::new();
    each_small(git, ids, &mut |id, content| {
        let parsed = parse(content);
        if parsed != Parsed::Content {
            found.insert(id.to_owned(), parsed);
        }
    })?;
    Ok(found)
}

/// Shows all `ids` (hex) that are blobs small enough to be pointers.
pub fn each_small<'a>(
    git: &Git,
    ids: impl IntoIterator<Item = &'a str>,
    each: &mut dyn FnMut(&str, &[u8]),
) -> Result<(), RepoError> {
    let ids: BTreeSet<&str> = ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(());
    }
    // A blob that Git would first have to fetch from a promisor is large, or its pointer was fetched.
    let git = git.with_env("GIT_NO_LAZY_FETCH", "1");
    let list = |ids: &mut dyn Iterator<Item = &str>| ids.flat_map(|id| [id, "\n"]).collect::<String>();
    let check = ["cat-file", "--batch-check", "--buffer"];
    let sizes = match git.run_with_input(&check, list(&mut ids.iter().copied()).as_bytes()) {
        // Git 2.39 ends at the first object that it would have to fetch. What is here can be listed.
        Err(RepoError::Git { stderr, .. }) if stderr.contains("promisor remote") => {
            git.run(&[&check[..], &["--batch-all-objects", "--unordered"]].concat())?
        }
        sizes => sizes?,
    };
    let sizes = String::from_utf8_lossy(&sizes).into_owned();
    let mut small = sizes.lines().filter_map(small_blob).filter(|id| ids.contains(id)).peekable();
    if small.peek().is_none() {
        return Ok(());
    }
    let out = git.run_with_input(&["cat-file", "--batch", "--buffer"], list(&mut small).as_bytes())?;
    parse_batch(&out, each).ok_or(RepoError::Output("cat-file --batch"))
}

/// The id of `<id> blob <size>` when the size can be a pointer's.
fn small_blob(line: &str) -> Option<&str> {
    let mut words = line.split(' ');
    let (id, kind, size) = (words.next()?, words.next()?, words.next()?);
    let small = kind == "blob" && size.parse::<usize>().ok()? <= 4 * POINTER_BYTES_MAX;
    small.then_some(id)
}

fn parse_batch(mut out: &[u8], each: &mut dyn FnMut(&str, &[u8])) -> Option<()> {
    while !out.is_empty() {
        let end = out.iter().position(|b| *b == b'\n')?;
        let header = std::str::from_utf8(&out[..end]).ok()?;
        let size: usize = header.rsplit(' ').next()?.parse().ok()?;
        let content = out.get(end + 1..end + 1 + size)?;
        each(header.split(' ').next()?, content);
        out = out.get(end + 2 + size..)?;
    }
    Some(())
}
