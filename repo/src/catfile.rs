//! Reading many small blobs: loose ones as files, the others with two runs of `git cat-file`.
//!
//! Git is asked first for the sizes of all, then for the bytes of those that are small enough to be a pointer: a
//! repository full of large ordinary blobs costs only their sizes. Objects that are missing (partial clones) are left out
//! and never fetched for this.

use crate::loose::{Found, Loose};
use crate::{Git, RepoError};
use dits_format::limits::POINTER_BYTES_MAX;
use dits_format::pointer::{Parsed, parse};
use std::collections::{BTreeSet, HashMap};

const SIZES: [&str; 3] = ["cat-file", "--batch-check", "--buffer"];

/// Bytes of a blob that is looked at.
const SMALL_BYTES_MAX: usize = 4 * POINTER_BYTES_MAX;
/// From so many ids on it pays to look for loose ones: to find their folder costs a run of Git as well.
const LOOSE_FROM: usize = 100;

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
    let mut ids: BTreeSet<&str> = ids.into_iter().collect();
    if ids.len() >= LOOSE_FROM
        && let Some(mut loose) = Loose::new(git, SMALL_BYTES_MAX)
    {
        ids.retain(|id| match loose.find(id) {
            Found::Small(content) => {
                each(id, content);
                false
            }
            Found::Other => false,
            Found::Unknown => true,
        });
    }
    if ids.is_empty() {
        return Ok(());
    }
    // A blob that Git would first have to fetch from a promisor is large, or its pointer was fetched.
    let git = git.with_env("GIT_NO_LAZY_FETCH", "1");
    let sizes = match git.run_with_input(&SIZES, list(ids.iter().copied()).as_bytes()) {
        // Git 2.39 ends at the first object that it would have to fetch. What is here can be listed.
        Err(RepoError::Git { stderr, .. }) if stderr.contains("promisor remote") => {
            git.run(&[&SIZES[..], &["--batch-all-objects", "--unordered"]].concat())?
        }
        sizes => sizes?,
    };
    let sizes = String::from_utf8_lossy(&sizes).into_owned();
    let mut small = sizes.lines().filter_map(small_blob).filter(|id| ids.contains(id)).peekable();
    if small.peek().is_none() {
        return Ok(());
    }
    self::each(&git, small, each)
}

/// Sizes of all `ids` (hex) that are here.
pub fn sizes<'a>(
    git: &Git,
    ids: impl IntoIterator<Item = &'a str>,
) -> Result<HashMap<String, u64>, RepoError> {
    let ids: BTreeSet<&str> = ids.into_iter().collect();
    let out = git.run_with_input(&SIZES, list(ids).as_bytes())?;
    let size = |line: &str| match line.split(' ').collect::<Vec<_>>()[..] {
        [_, "missing"] => None,
        [id, _, size] => size.parse().ok().map(|size| Ok((id.to_owned(), size))),
        _ => Some(Err(RepoError::Output("cat-file --batch-check"))),
    };
    String::from_utf8_lossy(&out).lines().filter_map(size).collect()
}

/// Shows the bytes of all `ids` (hex), which are here.
pub fn each<'a>(
    git: &Git,
    ids: impl IntoIterator<Item = &'a str>,
    each: &mut dyn FnMut(&str, &[u8]),
) -> Result<(), RepoError> {
    let ids: BTreeSet<&str> = ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(());
    }
    let out = git.run_with_input(&["cat-file", "--batch", "--buffer"], list(ids).as_bytes())?;
    parse_batch(&out, each).ok_or(RepoError::Output("cat-file --batch"))
}

fn list<'a>(ids: impl IntoIterator<Item = &'a str>) -> String {
    ids.into_iter().flat_map(|id| [id, "\n"]).collect()
}

/// The bytes that hex digits stand for.
pub(crate) fn id_bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()).collect()
}

/// The id of `<id> blob <size>` when the size can be a pointer's.
fn small_blob(line: &str) -> Option<&str> {
    let mut words = line.split(' ');
    let (id, kind, size) = (words.next()?, words.next()?, words.next()?);
    let small = kind == "blob" && size.parse::<usize>().ok()? <= SMALL_BYTES_MAX;
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
