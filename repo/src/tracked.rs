//! The files of this repository that git-dits manages.
//!
//! Git's own matcher decides (`:(attr:filter=dits)`), so macros, precedence and negation in attribute files
//! are what Git makes of them.

use crate::{Git, RepoError, catfile};
use dits_format::Pointer;
use dits_format::pointer::Parsed;
use std::collections::HashSet;

/// Variables that change what pathspecs mean.
pub(crate) const PATHSPEC_MODES: [&str; 4] =
    ["GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS"];

/// A managed file of the index or of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// Path from the top of the working tree.
    pub path: Vec<u8>,
    /// The pointer Git has for it.
    pub pointer: Pointer,
    /// Merge stage; 0 outside of conflicts.
    pub stage: u8,
}

/// Managed files of the index that match one of `pathspecs` (all when empty) and whose blob is a pointer.
///
/// # Errors
/// [`RepoError::Git`] when a pathspec matches nothing, with Git's own words.
pub fn in_index(git: &Git, pathspecs: &[String]) -> Result<Vec<Tracked>, RepoError> {
    let out = staged(git, pathspecs, true)?;
    let entry = |line: &[u8]| {
        let (meta, path) = split_tab(line)?;
        let mut words = meta.split(' ');
        let (mode, id, stage) = (words.next()?, words.next()?, words.next()?);
        Some((mode.starts_with("100"), id.to_owned(), stage.parse().ok()?, path))
    };
    read(git, &out, entry, "ls-files")
}

/// Entries of the index, as `ls-files --stage -z` prints them, that are managed and match one of `pathspecs`. With
/// `must_match`, a pathspec that matches nothing is an error.
///
/// Git 2.39 finds nothing for a pathspec with both an attribute and a path below a folder, so the two
/// questions are asked apart.
pub fn staged(git: &Git, pathspecs: &[String], must_match: bool) -> Result<Vec<u8>, RepoError> {
    const LIST: [&str; 4] = ["ls-files", "--stage", "-z", "--full-name"];
    let managed = ours(git).run(&[&LIST[..], &["--", ":(top,attr:filter=dits)"]].concat())?;
    if pathspecs.is_empty() {
        return Ok(managed);
    }
    let mut args = LIST.to_vec();
    if must_match {
        args.push("--error-unmatch");
    }
    args.push("--");
    args.extend(pathspecs.iter().map(String::as_str));
    let matching = git.run(&args).map_err(unmatched)?;
    let managed: HashSet<&[u8]> = managed.split(|b| *b == 0).collect();
    let both = matching.split(|b| *b == 0).filter(|line| !line.is_empty() && managed.contains(line));
    Ok(both.flat_map(|line| [line, b"\0"]).flatten().copied().collect())
}

/// Paths of the index, each ended by a NUL, for which this attribute is set.
pub fn with_attribute(git: &Git, name: &str) -> Result<Vec<u8>, RepoError> {
    ours(git).run(&["ls-files", "-z", "--full-name", "--", &format!(":(top,attr:{name})")])
}

/// Git that takes our pathspecs as we mean them, whatever the user's own shall mean (`git --literal-pathspecs dits …`).
fn ours(git: &Git) -> Git {
    PATHSPEC_MODES.into_iter().fold(git.clone(), |git, name| git.with_env(name, "0"))
}

/// Only what Git says about the pathspec, where that is why it failed.
fn unmatched(error: RepoError) -> RepoError {
    let RepoError::Git { stderr, .. } = &error else { return error };
    let line = stderr.lines().find(|line| line.contains("did not match any file"));
    let line = line.map(|line| line.strip_prefix("error: ").unwrap_or(line).to_owned());
    line.map_or(error, RepoError::Unmatched)
}

/// Files of a commit or tree whose blob is a pointer, by whatever attributes.
pub fn in_tree(git: &Git, tree: &str) -> Result<Vec<Tracked>, RepoError> {
    listed(git, git.run(&["ls-tree", "-r", "-z", "--full-tree", "--end-of-options", tree])?)
}

/// The same, at or below `paths`, which are seen from where `git` runs.
pub fn in_tree_below(git: &Git, tree: &str, paths: &[String]) -> Result<Vec<Tracked>, RepoError> {
    let mut args = vec!["ls-tree", "-r", "-z", "--full-name", "--end-of-options", tree, "--"];
    args.extend(paths.iter().map(String::as_str));
    listed(git, git.run(&args)?)
}

/// Files of the commit that is checked out; none before the first.
pub fn in_head(git: &Git) -> Result<Vec<Tracked>, RepoError> {
    match git.commit("HEAD")? {
        Some(head) => in_tree(git, &head),
        None => Ok(Vec::new()),
    }
}

/// Paths of the index that a sparse checkout leaves out of the working tree.
pub fn sparse(git: &Git) -> Result<HashSet<Vec<u8>>, RepoError> {
    let out = git.run(&["ls-files", "-t", "-z"])?;
    Ok(out.split(|b| *b == 0).filter_map(|line| Some(line.strip_prefix(b"S ")?.to_vec())).collect())
}

fn listed(git: &Git, out: Vec<u8>) -> Result<Vec<Tracked>, RepoError> {
    let entry = |line: &[u8]| {
        let (meta, path) = split_tab(line)?;
        let mut words = meta.split(' ');
        let (mode, _, id) = (words.next()?, words.next()?, words.next()?);
        Some((mode.starts_with("100"), id.to_owned(), 0, path))
    };
    read(git, &out, entry, "ls-tree")
}

type Entry = (bool, String, u8, Vec<u8>);

fn read(
    git: &Git,
    out: &[u8],
    entry: impl Fn(&[u8]) -> Option<Entry>,
    command: &'static str,
) -> Result<Vec<Tracked>, RepoError> {
    let lines = out.split(|b| *b == 0).filter(|line| !line.is_empty());
    let entries: Option<Vec<Entry>> = lines.map(entry).collect();
    let entries = entries.ok_or(RepoError::Output(command))?;
    let blobs = catfile::pointers(git, entries.iter().filter(|entry| entry.0).map(|entry| &entry.1[..]))?;
    let tracked = |(_, id, stage, path): Entry| match blobs.get(&id)? {
        Parsed::Pointer(pointer) => Some(Tracked { path, pointer: pointer.clone(), stage }),
        _ => None,
    };
    Ok(entries.into_iter().filter_map(tracked).collect())
}

/// The words before the tab of a line of `ls-files` or `ls-tree`, and the path after it.
pub(crate) fn split_tab(line: &[u8]) -> Option<(&str, Vec<u8>)> {
    let tab = line.iter().position(|b| *b == b'\t')?;
    Some((std::str::from_utf8(&line[..tab]).ok()?, line[tab + 1..].to_vec()))
}
