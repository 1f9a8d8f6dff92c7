//! The tree of a commit as a working tree would show it, without making one.
//!
//! Every path with its kind and the size that its file would have, in Git's order: [`of`]. Sizes come from one `git cat-file`, and
//! pointers and targets of links from another, whatever the number of files. What Git changes on the way into a working tree (line ends, `$Id$`,
//! encodings, filters that are not ours) has no size before it was made, so it is made, once, by Git itself, into a folder of the caller
//! ([`convert`]), and stays as it was then: like a working tree, which does not change either when settings do.
//!
//! Must always hold: the same commit and folder give the same answer. A path that could lead out of the tree, or to a
//! `.git`, is refused. Text that only was a pointer is shown as the text it is.
//!
//! 100,000 files of which 25,000 are pointers take about 0.5 s.

mod attributes;
mod conversion;
mod convert;

pub use convert::place as converted_file;

use crate::tracked::split_tab;
use crate::{Config, Git, RepoError, catfile, partial};
use dits_format::Oid;
use dits_format::limits::POINTER_BYTES_MAX;
use dits_format::pointer::{Parsed, parse};
use std::collections::HashMap;
use std::path::Path;

/// A tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its paths, in Git's order.
    pub entries: Vec<Entry>,
    /// When the commit was made, in seconds since 1970.
    pub time: i64,
    /// Paths that Git should have converted and could not; they are as Git has them.
    pub unconverted: Vec<Vec<u8>>,
}

/// One path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// From the top, with `/`.
    pub path: Vec<u8>,
    /// What is there.
    pub what: What,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A file.
    Blob {
        /// Git's name of it, in bytes. Of a converted file the path follows, as the same blob may become different files.
        id: Vec<u8>,
        /// Bytes it has in a working tree.
        bytes: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A managed file whose pointer is in Git.
    Ghost {
        /// The content.
        oid: Oid,
        /// Its bytes.
        bytes: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symbolic link.
    Symlink {
        /// What it points at.
        target: Vec<u8>,
    },
    /// A submodule.
    Submodule,
}

/// What Git says of a path.
struct Listed {
    mode: u32,
    id: String,
    path: Vec<u8>,
}

impl Listed {
    fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }
}

/// The tree of `commit`. Converted files are in the folder `converted`, which is made if it is not there, and then decides which
/// files are converted; `git` must not run in a working tree, whose attribute files would count.
///
/// # Errors
/// When Git cannot answer, objects are missing, or a path is none.
pub fn of(git: &Git, commit: &str, converted: &Path) -> Result<Snapshot, RepoError> {
    let config = Config::read(git)?.into_values();
    let mut listed = list(git, commit)?;
    if config.get("core.symlinks").is_some_and(|value| crate::settings::parse_bool(value) == Some(false)) {
        let links = listed.iter_mut().filter(|entry| entry.mode == 0o120_000);
        links.for_each(|entry| entry.mode = 0o100_644);
    }
    let blobs = || listed.iter().filter(|entry| entry.mode != 0o160_000).map(|entry| &entry.id[..]);
    if let Some(remote) = partial::promisor(git)? {
        partial::bring(git, &remote, commit, &blobs().collect::<Vec<_>>())?;
    }
    let parent = converted.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(RepoError::io("create", parent))?;
    let (sizes, handling) = std::thread::scope(|scope| {
        let sizes = scope.spawn(|| catfile::sizes(git, blobs()));
        let handling = attributes::handling(git, parent, &listed, &conversion::Rules::of(&config));
        (sizes.join().expect("sizes are asked for without a panic"), handling)
    });
    let (sizes, handling) = (sizes?, handling?);
    if let Some(gone) = listed.iter().find(|entry| entry.mode != 0o160_000 && !sizes.contains_key(&entry.id))
    {
        return Err(missing(gone));
    }
    let size_of = |entry: &Listed| sizes.get(&entry.id).copied().unwrap_or_default();
    let unconverted = convert::make(git, converted, &listed, &handling)?;
    let texts = texts(git, &listed, |entry, place| {
        entry.mode == 0o120_000
            || handling[place] == conversion::Handling::Managed && size_of(entry) <= POINTER_BYTES_MAX as u64
    })?;
    let converted = convert::Made::open(converted)?;
    let entry = |(place, entry): (usize, Listed)| {
        let managed = handling[place] == conversion::Handling::Managed;
        let what = match entry.mode {
            0o160_000 => What::Submodule,
            0o120_000 => {
                let target = texts.get(&entry.id).ok_or_else(|| missing(&entry))?;
                What::Symlink { target: target.clone() }
            }
            _ => file(&entry, size_of(&entry), managed.then(|| texts.get(&entry.id)).flatten(), &converted)?,
        };
        Ok(Entry { path: entry.path, what })
    };
    let time = git.line(&["log", "-1", "--no-show-signature", "--format=%ct", commit, "--"])?;
    let time = time.and_then(|time| time.parse().ok()).ok_or(RepoError::Output("log"))?;
    let entries = listed.into_iter().enumerate().map(entry).collect::<Result<_, RepoError>>()?;
    Ok(Snapshot { entries, time, unconverted })
}

fn file(
    entry: &Listed,
    bytes: u64,
    text: Option<&Vec<u8>>,
    converted: &convert::Made<'_>,
) -> Result<What, RepoError> {
    let executable = entry.mode & 0o111 != 0;
    if let Some(Parsed::Pointer(pointer)) = text.map(|text| parse(text)) {
        return Ok(What::Ghost { oid: pointer.oid, bytes: pointer.size, executable });
    }
    let mut id = catfile::id_bytes(&entry.id).ok_or(RepoError::Output("ls-tree"))?;
    let bytes = match converted.bytes(&entry.path)? {
        Some(bytes) => {
            id.extend_from_slice(&entry.path);
            bytes
        }
        None => bytes,
    };
    Ok(What::Blob { id, bytes, executable })
}

fn missing(entry: &Listed) -> RepoError {
    RepoError::MissingObject { path: String::from_utf8_lossy(&entry.path).into_owned(), id: entry.id.clone() }
}

/// The bytes of those blobs that are `wanted`, by their ids.
fn texts(
    git: &Git,
    listed: &[Listed],
    wanted: impl Fn(&Listed, usize) -> bool,
) -> Result<HashMap<String, Vec<u8>>, RepoError> {
    let wanted = listed.iter().enumerate().filter(|(place, entry)| wanted(entry, *place));
    let mut texts = HashMap::new();
    catfile::each(git, wanted.map(|(_, entry)| &entry.id[..]), &mut |id, content| {
        texts.insert(id.to_owned(), content.to_vec());
    })?;
    Ok(texts)
}

fn list(git: &Git, commit: &str) -> Result<Vec<Listed>, RepoError> {
    let out = git.run(&["ls-tree", "-r", "-z", "--full-tree", "--end-of-options", commit])?;
    let lines = out.split(|byte| *byte == 0).filter(|line| !line.is_empty());
    let listed = lines.map(|line| {
        let (meta, path) = split_tab(line)?;
        let mut words = meta.split(' ');
        let mode = u32::from_str_radix(words.next()?, 8).ok()?;
        Some(Listed { mode, id: words.nth(1)?.to_owned(), path })
    });
    let listed: Vec<Listed> = listed.collect::<Option<_>>().ok_or(RepoError::Output("ls-tree"))?;
    match listed.iter().find(|entry| !is_path(&entry.path)) {
        Some(bad) => Err(RepoError::InvalidPath(String::from_utf8_lossy(&bad.path).into_owned())),
        None => Ok(listed),
    }
}

/// Whether Git would have this path in an index.
fn is_path(path: &[u8]) -> bool {
    let is_name =
        |name: &[u8]| ![&b""[..], b".", b".."].contains(&name) && !name.eq_ignore_ascii_case(b".git");
    path.split(|byte| *byte == b'/').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::is_path;

    #[test]
    fn paths_stay_inside_the_tree_and_out_of_git() {
        for good in [&b"a"[..], b"a/b", b".gitignore", b"a/.git.d", b"..a", b"a\xff"] {
            assert!(is_path(good), "{good:?}");
        }
        for bad in
            [&b""[..], b"/a", b"a//b", b"a/", b"..", b"a/../b", b"./a", b".git", b".GIT/x", b"a/.git/config"]
        {
            assert!(!is_path(bad), "{bad:?}");
        }
    }
}
