//! Collecting the changes: from Git for everything that is not ours, from [`managed`] for what is.
//!
//! `git diff-files` would start the clean filter for files as young as the index, so managed files are
//! taken out of it by their attribute. What it calls modified by stat data alone is asked of
//! `git hash-object`, which applies the filters of those (other) files. Renames are found only where the
//! content is equal: any two pointers look alike.

use super::managed;
use crate::context::Context;
use anyhow::{Context as _, Result};
use dits_format::pointer::Parsed;
use dits_repo::index::HashKind;
use dits_repo::{Git, catfile};
use std::collections::HashMap;
use std::fmt;

/// Digits of ids in rows.
const DIGITS: usize = 7;

/// What a row says of one side of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// `Git`, `DITS` or `File`.
    pub kind: &'static str,
    /// Start of an id, or a word.
    pub name: String,
}

impl Side {
    /// A side; ids are cut.
    pub fn new(kind: &'static str, name: &str) -> Side {
        let is_id = name.len() >= 40;
        Side { kind, name: if is_id { name[..DIGITS].to_owned() } else { name.to_owned() } }
    }

    /// A blob: a pointer is shown by its oid.
    pub fn blob(id: &str, blob: Option<&Parsed>) -> Side {
        match blob {
            Some(Parsed::Pointer(pointer)) => Side::new("DITS", &pointer.oid.to_string()),
            _ => Side::new("Git", id),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.name)
    }
}

/// One changed file.
#[derive(Debug)]
pub struct Change {
    /// Git's letter.
    pub status: char,
    /// Path from the top.
    pub path: Vec<u8>,
    /// Its path before.
    pub renamed_from: Option<Vec<u8>>,
    /// What was; for an added file, what is.
    pub before: Side,
    /// What is; nothing for an added file.
    pub after: Option<Side>,
}

impl Change {
    /// Whether a pointer is on one of its sides.
    pub fn is_managed(&self) -> bool {
        [Some(&self.before), self.after.as_ref()].into_iter().flatten().any(|side| side.kind == "DITS")
    }
}

/// All that `status` shows of files.
#[derive(Debug, Default)]
pub struct Scan {
    /// Index against `HEAD`.
    pub staged: Vec<Change>,
    /// Working tree against index.
    pub unstaged: Vec<Change>,
    /// Pointer files in the working tree, with their oids.
    pub ghosts: Vec<(Vec<u8>, String)>,
}

/// Looks at everything.
pub fn scan(context: &Context) -> Result<Scan> {
    let git = context.repository.git.with_env("GIT_OPTIONAL_LOCKS", "0");
    let staged = staged(&git, context.repository.hash)?;
    let mut unstaged = ordinary(&git)?;
    let mut ghosts = Vec::new();
    managed::scan(context, &git, &mut unstaged, &mut ghosts)?;
    unstaged.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Scan { staged, unstaged, ghosts })
}

/// A line of Git's raw diff format.
struct Raw {
    modes: (String, String),
    old: String,
    new: String,
    status: char,
    path: Vec<u8>,
    renamed_to: Option<Vec<u8>>,
}

fn parse_raw(out: &[u8]) -> Option<Vec<Raw>> {
    let mut changes = Vec::new();
    let mut fields = out.split(|b| *b == 0).filter(|field| !field.is_empty());
    while let Some(header) = fields.next() {
        let header = std::str::from_utf8(header.strip_prefix(b":")?).ok()?;
        let words: Vec<&str> = header.split(' ').collect();
        let &[old_mode, new_mode, old, new, status] = &words[..] else { return None };
        let status = status.chars().next()?;
        let path = fields.next()?.to_vec();
        let renamed_to = if ['R', 'C'].contains(&status) { Some(fields.next()?.to_vec()) } else { None };
        let modes = (old_mode.to_owned(), new_mode.to_owned());
        changes.push(Raw { modes, old: old.to_owned(), new: new.to_owned(), status, path, renamed_to });
    }
    Some(changes)
}

fn staged(git: &Git, hash: HashKind) -> Result<Vec<Change>> {
    let head = git.commit("HEAD")?;
    // Before the first commit: against the empty tree, which every Git knows.
    let empty = || hash.hash(&[b"tree 0\0"]).iter().map(|byte| format!("{byte:02x}")).collect();
    let head: String = head.unwrap_or_else(empty);
    let out = git.run(&["diff-index", "--cached", "--raw", "-z", "--find-renames=100%", &head])?;
    let raw = parse_raw(&out).context("git diff-index printed something unexpected")?;
    let ids = raw.iter().flat_map(|raw| [&raw.old[..], &raw.new[..]]).filter(|id| !is_zero(id));
    let blobs = catfile::pointers(git, ids)?;
    Ok(raw.into_iter().map(|raw| staged_change(raw, &blobs)).collect())
}

fn staged_change(raw: Raw, blobs: &HashMap<String, Parsed>) -> Change {
    let Raw { old, new, status, path, renamed_to, .. } = raw;
    let side = |id: &str| Side::blob(id, blobs.get(id));
    let (before, after) = match status {
        'U' => (Side::new("Git", "unmerged"), None),
        'A' => (side(&new), None),
        'D' => (side(&old), Some(Side::new("File", "deleted"))),
        _ => (side(&old), Some(side(&new))),
    };
    match renamed_to {
        Some(to) => Change { status, path: to, renamed_from: Some(path), before, after },
        None => Change { status, path, renamed_from: None, before, after },
    }
}

fn is_zero(id: &str) -> bool {
    id.bytes().all(|digit| digit == b'0')
}

/// Changed files of the working tree that are not managed.
fn ordinary(git: &Git) -> Result<Vec<Change>> {
    let out = git.run(&["diff-files", "--raw", "-z", "--", ".", ":(exclude,attr:filter=dits)"])?;
    let raw = parse_raw(&out).context("git diff-files printed something unexpected")?;
    // Conflicts are shown with what is staged.
    let raw: Vec<Raw> = raw.into_iter().filter(|raw| raw.status != 'U').collect();
    let now = file_ids(git, &raw);
    let change = |raw: Raw| {
        let now = now.get(&raw.path);
        let same = now == Some(&raw.old) && raw.modes.0 == raw.modes.1;
        let after = match (raw.status, now) {
            ('D', _) => "deleted",
            (_, Some(id)) => id,
            _ => "modified",
        };
        let (before, after) = (Side::new("Git", &raw.old), Some(Side::new("File", after)));
        (!same).then_some(Change { status: raw.status, path: raw.path, renamed_from: None, before, after })
    };
    Ok(raw.into_iter().filter_map(change).collect())
}

/// What Git would store for the files that look modified.
fn file_ids(git: &Git, raw: &[Raw]) -> HashMap<Vec<u8>, String> {
    let is_file = |raw: &&Raw| raw.status == 'M' && raw.modes.1.starts_with("100");
    // One path a line; names that Git would take for quoted ones are left as modified.
    let plain = |raw: &&Raw| !raw.path.contains(&b'\n') && !raw.path.starts_with(b"\"");
    let paths: Vec<&Vec<u8>> = raw.iter().filter(is_file).filter(plain).map(|raw| &raw.path).collect();
    if paths.is_empty() {
        return HashMap::new();
    }
    let input: Vec<u8> = paths.iter().flat_map(|path| [&path[..], b"\n"].concat()).collect();
    // A file that vanishes meanwhile makes it fail; then all of them are shown as modified.
    let out = git.run_with_input(&["hash-object", "--stdin-paths"], &input).unwrap_or_default();
    let ids = String::from_utf8_lossy(&out).into_owned();
    paths.into_iter().cloned().zip(ids.lines().map(str::to_owned)).collect()
}
