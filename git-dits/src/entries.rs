//! Files that Git's attributes give to us, and what Git really stores for them.
//!
//! `tracked` of `dits-repo` lists the pointers. Here are also those that should be pointers and are not:
//! content that was added before its pattern was tracked, or without git-dits, and damaged pointers. Content below
//! the threshold of the repository is raw by right.
//! A blob that is not here (partial clone) counts as unknown and is left alone.

use anyhow::{Context, Result};
use dits_format::pointer::Parsed;
use dits_repo::threshold::Threshold;
use dits_repo::{Git, Repository, attributes, catfile, tracked};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A regular file of the index or of a commit.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Name of its blob.
    pub id: String,
    /// Merge stage; 0 outside of conflicts.
    pub stage: u8,
    /// Path from the top of the working tree.
    pub path: Vec<u8>,
}

/// Managed files of the index that match a pathspec; all when it is empty.
pub fn in_index(git: &Git, pathspec: &str) -> Result<Vec<Entry>> {
    let pathspecs = if pathspec.is_empty() { vec![] } else { vec![pathspec.to_owned()] };
    of_stages(&tracked::staged(git, &pathspecs, false)?)
}

/// Regular files of what `git ls-files --stage -z` printed.
pub fn of_stages(out: &[u8]) -> Result<Vec<Entry>> {
    parse(out, |words| Some((words.first()?, words.get(1)?, words.get(2)?.parse().ok()?)))
}

/// Managed files of a commit, by its own attributes: those that an index of this commit would have. (Git can be
/// asked about a commit directly only from 2.40 on.)
pub fn in_commit(git: &Git, commit: &str) -> Result<Vec<Entry>> {
    let dir = tempfile::tempdir().context("cannot make a temporary folder")?;
    let index = dir.path().join("index").into_os_string().into_string();
    let git = git.with_env("GIT_INDEX_FILE", &index.ok().context("the temporary folder has an odd name")?);
    git.run(&["read-tree", commit])?;
    let out = git.run(&["ls-files", "--stage", "-z", "--full-name"])?;
    let mut entries = parse(&out, |words| Some((words.first()?, words.get(1)?, 0)))?;
    let paths: Vec<&[u8]> = entries.iter().map(|entry| &entry.path[..]).collect();
    let managed = attributes::managed(&git, &paths, true)?;
    entries.retain(|entry| managed.contains(&entry.path[..]));
    Ok(entries)
}

/// `<words> TAB <path> NUL`; `pick` finds mode, id and stage in the words.
fn parse(
    out: &[u8],
    pick: impl for<'a> Fn(&[&'a str]) -> Option<(&'a str, &'a str, u8)>,
) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for line in out.split(|b| *b == 0).filter(|line| !line.is_empty()) {
        let tab = line.iter().position(|b| *b == b'\t').context("git printed an entry without a path")?;
        let words: Vec<&str> = std::str::from_utf8(&line[..tab])?.split(' ').collect();
        let (mode, id, stage) = pick(&words).context("git printed an entry without an id")?;
        // Symbolic links and submodules pass through no filter.
        if mode.starts_with("100") {
            entries.push(Entry { id: id.to_owned(), stage, path: line[tab + 1..].to_vec() });
        }
    }
    Ok(entries)
}

/// What the blobs of `entries` are. The empty blob is the pointer of the empty content.
pub fn read(git: &Git, entries: &[Entry]) -> Result<HashMap<String, Parsed>> {
    Ok(catfile::pointers(git, entries.iter().map(|entry| &entry.id[..]))?)
}

/// The attribute files of the working tree, tracked or not, sorted.
pub fn attribute_files(git: &Git) -> Result<Vec<PathBuf>> {
    let ask =
        ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ":(glob)**/.gitattributes"];
    let out = git.run(&ask)?;
    let names = out.split(|b| *b == 0).filter(|name| !name.is_empty());
    let mut files: Vec<PathBuf> = names.map(|name| OsString::from_vec(name.to_vec()).into()).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// Entries whose blob is here, is ordinary content, and is too large for that.
pub fn raw<'a>(
    repository: &Repository,
    entries: &'a [Entry],
    blobs: &HashMap<String, Parsed>,
) -> Result<Vec<&'a Entry>> {
    let mut raw: Vec<&Entry> = entries.iter().filter(|entry| !blobs.contains_key(&entry.id)).collect();
    if raw.is_empty() {
        return Ok(raw);
    }
    let threshold = Threshold::of(repository)?;
    let git = repository.git.with_env("GIT_NO_LAZY_FETCH", "1");
    let ids: String = raw.iter().map(|entry| format!("{}\n", entry.id)).collect();
    let out = git.run_with_input(&["cat-file", "--batch-check", "--buffer"], ids.as_bytes())?;
    let out = String::from_utf8_lossy(&out).into_owned();
    let too_large: HashSet<&str> = out
        .lines()
        .filter_map(|line| line.split_once(" blob "))
        .filter(|(_, bytes)| bytes.parse().is_ok_and(|bytes| !threshold.keeps_raw(bytes)))
        .map(|(id, _)| id)
        .collect();
    raw.retain(|entry| too_large.contains(&entry.id[..]));
    Ok(raw)
}
