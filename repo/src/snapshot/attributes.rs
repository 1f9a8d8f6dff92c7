//! The attributes of all files of a tree that is nowhere checked out.
//!
//! `git check-attr --source=<tree>` does it from Git 2.40 on. An older Git reads attribute files from an index as well, and needs
//! nothing else in it: a temporary one with these files alone serves every version, and costs 0.1 s for 100,000 paths.

use super::Listed;
use super::conversion::{Handling, NAMES, Rules};
use crate::{Git, RepoError};
use std::collections::HashMap;
use std::path::Path;

/// What becomes of each of `listed`; `temporary` is a folder for the index.
pub(super) fn handling(
    git: &Git,
    temporary: &Path,
    listed: &[Listed],
    rules: &Rules,
) -> Result<Vec<Handling>, RepoError> {
    let folder = tempfile::tempdir_in(temporary).map_err(RepoError::io("create a folder in", temporary))?;
    let git = with_index(git, folder.path(), listed.iter().filter(|entry| is_attributes(entry)))?;
    let paths = listed.iter().filter(|entry| entry.is_file()).map(|entry| &entry.path[..]);
    let input = paths.collect::<Vec<_>>().join(&0);
    let out = match input.is_empty() {
        true => Vec::new(),
        false => git.run_with_input(&["check-attr", "--cached", "--stdin", "-z", "-a"], &input)?,
    };
    let found = parse(&out, rules).ok_or(RepoError::Output("check-attr"))?;
    let default = rules.handling(&[]);
    let of = |entry: &Listed| match entry.is_file() {
        true => found.get(&entry.path[..]).copied().unwrap_or(default),
        false => Handling::AsIs,
    };
    Ok(listed.iter().map(of).collect())
}

/// Whether this is an attribute file.
pub(super) fn is_attributes(entry: &Listed) -> bool {
    entry.is_file() && entry.path.rsplit(|byte| *byte == b'/').next() == Some(b".gitattributes")
}

/// The same Git with an index in `folder` that has nothing but `entries`.
pub(super) fn with_index<'a>(
    git: &Git,
    folder: &Path,
    entries: impl Iterator<Item = &'a Listed>,
) -> Result<Git, RepoError> {
    let git = git.with_env("GIT_INDEX_FILE", folder.join("index"));
    let line =
        |entry: &Listed| [format!("{:o} {}\t", entry.mode, entry.id).as_bytes(), &entry.path, b"\0"].concat();
    let lines = entries.flat_map(line).collect::<Vec<u8>>();
    if !lines.is_empty() {
        // A split index would keep its entries elsewhere.
        git.run_with_input(&["-c", "core.splitIndex=false", "update-index", "-z", "--index-info"], &lines)?;
    }
    Ok(git)
}

/// `<path> NUL <attribute> NUL <value> NUL`, all of a path together.
fn parse<'a>(out: &'a [u8], rules: &Rules) -> Option<HashMap<&'a [u8], Handling>> {
    let fields: Vec<&[u8]> = out.split(|byte| *byte == 0).collect();
    let (answers, rest) = fields.as_chunks::<3>();
    if *rest != [&b""[..]] {
        return None;
    }
    let ours = |name: &[u8]| NAMES.iter().any(|known| known.as_bytes() == name);
    let mut found = HashMap::new();
    for of_path in answers.chunk_by(|one, other| one[0] == other[0]) {
        let attributes: Vec<_> =
            of_path.iter().filter(|[_, name, _]| ours(name)).map(|[_, n, v]| (*n, *v)).collect();
        found.insert(of_path[0][0], rules.handling(&attributes));
    }
    Some(found)
}
