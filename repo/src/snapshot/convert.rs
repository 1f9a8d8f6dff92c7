//! Files as Git would write them into a working tree, where these are not the bytes of their blobs.
//!
//! `git checkout-index` writes them into a folder that stands for a working tree, so every conversion and filter of the user does
//! what it always does. They are made beside and get their place all at once and durably: a folder that is there is whole.
//! What Git could not convert (a filter failed) is not in it.

use super::Listed;
use super::attributes::{is_attributes, with_index};
use super::conversion::Handling;
use crate::{Git, RepoError};
use dits_store::durable;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The converted files.
pub(super) struct Made<'a> {
    dir: &'a Path,
    is_empty: bool,
}

/// Where the converted file of a path is.
pub fn place(dir: &Path, path: &[u8]) -> PathBuf {
    dir.join(OsStr::from_bytes(path))
}

/// Makes the folder `dir` with all converted files, unless it is there. Gives back the paths that Git could not convert.
pub(super) fn make(
    git: &Git,
    dir: &Path,
    listed: &[Listed],
    handling: &[Handling],
) -> Result<Vec<Vec<u8>>, RepoError> {
    if dir.exists() {
        return Ok(Vec::new());
    }
    let parent = dir.parent().unwrap_or(Path::new("."));
    let beside = tempfile::tempdir_in(parent).map_err(RepoError::io("create a folder in", parent))?;
    let tree = beside.path().join("tree");
    fs::create_dir(&tree).map_err(RepoError::io("create", &tree))?;
    let converted = || {
        let pairs = listed.iter().zip(handling).filter(|(_, handling)| **handling == Handling::Converted);
        pairs.map(|(entry, _)| entry)
    };
    if converted().next().is_some() {
        let entries = converted().chain(listed.iter().filter(|entry| is_attributes(entry)));
        check_out(&with_index(git, beside.path(), entries)?, &tree, converted())?;
    }
    let made = Made { dir: &tree, is_empty: false };
    let mut failed = Vec::new();
    for entry in converted() {
        if made.bytes(&entry.path)?.is_none() {
            failed.push(entry.path.clone());
        }
    }
    durable::rename(&tree, dir)?;
    Ok(failed)
}

fn check_out<'a>(git: &Git, tree: &Path, entries: impl Iterator<Item = &'a Listed>) -> Result<(), RepoError> {
    let paths = entries.map(|entry| &entry.path[..]).collect::<Vec<_>>().join(&0);
    let git = git.moved(tree).with_env("GIT_WORK_TREE", tree);
    let command = ["-c", "core.fsmonitor=false", "checkout-index", "--quiet", "-z", "--stdin"];
    match git.run_with_input(&command, &paths) {
        // A filter may fail for some; which is seen from what is there.
        Ok(_) | Err(RepoError::Git { code: Some(1 | 128), .. }) => {}
        Err(error) => return Err(error),
    }
    // One by one this takes minutes for many files.
    let sync = || rustix::fs::syncfs(File::open(tree)?).map_err(std::io::Error::from);
    sync().map_err(RepoError::io("sync", tree))
}

impl Made<'_> {
    /// The files in this folder.
    pub fn open(dir: &Path) -> Result<Made<'_>, RepoError> {
        let first = fs::read_dir(dir).map_err(RepoError::io("read", dir))?.next();
        Ok(Made { dir, is_empty: first.is_none() })
    }

    /// Bytes of the converted file of a path, if it has one.
    pub fn bytes(&self, path: &[u8]) -> Result<Option<u64>, RepoError> {
        if self.is_empty {
            return Ok(None);
        }
        let place = place(self.dir, path);
        match fs::symlink_metadata(&place) {
            Ok(meta) => Ok(meta.is_file().then_some(meta.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(None),
            Err(error) => Err(RepoError::io("look at", &place)(error)),
        }
    }
}
