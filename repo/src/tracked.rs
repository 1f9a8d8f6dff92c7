//! The files of this repository that git-dits manages.
//!
//! Git's own matcher decides (`:(attr:filter=dits)`), so macros, precedence and negation in attribute files
//! are what Git makes of them.

use crate::{Git, RepoError, catfile};
use dits_format::Pointer;
use dits_format::pointer::Parsed;

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

/// Managed files of the index below `pathspecs` (all when empty) whose blob is a pointer.
pub fn in_index(git: &Git, pathspecs: &[String]) -> Result<Vec<Tracked>, RepoError> {
    let mut args = vec!["ls-files", "--stage", "-z", "--full-name", "--", ":(attr:filter=dits)"];
    // Pathspecs of one command are alternatives, so ours narrows each of the user's.
    let narrowed: Vec<String> = pathspecs.iter().map(|spec| narrow(spec)).collect();
    if !narrowed.is_empty() {
        args.pop();
        args.extend(narrowed.iter().map(String::as_str));
    }
    let out = git.run(&args)?;
    let entry = |line: &[u8]| {
        let (meta, path) = split_tab(line)?;
        let mut words = meta.split(' ');
        let (mode, id, stage) = (words.next()?, words.next()?, words.next()?);
        Some((mode.starts_with("100"), id.to_owned(), stage.parse().ok()?, path))
    };
    read(git, &out, entry, "ls-files")
}

/// Files of a commit or tree whose blob is a pointer, by whatever attributes.
pub fn in_tree(git: &Git, tree: &str) -> Result<Vec<Tracked>, RepoError> {
    let out = git.run(&["ls-tree", "-r", "-z", "--full-tree", "--end-of-options", tree])?;
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

fn split_tab(line: &[u8]) -> Option<(&str, Vec<u8>)> {
    let tab = line.iter().position(|b| *b == b'\t')?;
    Some((std::str::from_utf8(&line[..tab]).ok()?, line[tab + 1..].to_vec()))
}

/// `:(attr:filter=dits)spec`, keeping magic that the user's own pathspec has.
fn narrow(spec: &str) -> String {
    match spec.strip_prefix(":(") {
        Some(rest) => format!(":(attr:filter=dits,{rest}"),
        None => format!(":(attr:filter=dits){spec}"),
    }
}
