//! What lies about in Git folders: worktrees, their indexes, and the state of unfinished operations.
//!
//! Git says of no command what it may still need, so every file of its state is read for names of objects: a
//! name too many keeps a content too many, which is harmless. Worktrees count as long as Git has their
//! folder under `worktrees/`, even if the working tree itself is gone: it may be on a disk that is not mounted.

use crate::RepoError;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// State of a sequence of commits under way.
const FOLDERS: [&str; 3] = ["rebase-merge", "rebase-apply", "sequencer"];
/// Names that need not be files, as in repositories that keep refs in tables.
const NAMES: [&str; 8] = [
    "MERGE_HEAD",
    "REBASE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "ORIG_HEAD",
    "AUTO_MERGE",
    "MERGE_AUTOSTASH",
    "BISECT_HEAD",
];
/// Larger files are patches of `am`: their names of objects are in the index and in its commits.
const STATE_BYTES_MAX: u64 = 1 << 20;
/// Shortest name of an object that Git writes.
const HEX_MIN: usize = 7;

/// The Git folders of all worktrees.
pub fn git_dirs(common_dir: &Path) -> Result<Vec<PathBuf>, RepoError> {
    let mut folders = vec![common_dir.to_owned()];
    folders
        .extend(list(&common_dir.join("worktrees"))?.into_iter().filter(|path| path.join("HEAD").exists()));
    Ok(folders)
}

/// The index of a worktree, and those that `git stash` has beside it for a moment.
pub fn indexes(folder: &Path) -> Result<Vec<PathBuf>, RepoError> {
    let mut found = list(folder)?;
    found.retain(|path| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        // One that is just being written cannot be read; its writer's filter has a lease.
        name == b"index" || (name.starts_with(b"index.stash.") && !name.ends_with(b".lock"))
    });
    Ok(found)
}

/// Whatever the state of this worktree might name an object with.
pub fn named(folder: &Path) -> Result<Vec<String>, RepoError> {
    let mut files: Vec<PathBuf> = list(folder)?.into_iter().filter(|path| is_state(path)).collect();
    for inner in FOLDERS {
        files.extend(list(&folder.join(inner))?);
    }
    let mut names: Vec<String> = NAMES.map(str::to_owned).to_vec();
    for file in files {
        let Ok(meta) = fs::metadata(&file) else { continue };
        if meta.is_file() && meta.len() <= STATE_BYTES_MAX {
            let text = fs::read(&file).map_err(RepoError::io("read", &file))?;
            names.extend(hex_words(&text));
        }
    }
    Ok(names)
}

/// `MERGE_HEAD` and its like.
fn is_state(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name != b"HEAD" && name.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_')
}

fn hex_words(text: &[u8]) -> impl Iterator<Item = String> {
    let words = text.split(|byte| !byte.is_ascii_hexdigit()).filter(|word| word.len() >= HEX_MIN);
    words.map(|word| String::from_utf8_lossy(word).into_owned())
}

/// What is in a folder; nothing where there is none.
fn list(folder: &Path) -> Result<Vec<PathBuf>, RepoError> {
    let failed = |error| RepoError::io("read", folder)(error);
    match fs::read_dir(folder) {
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            Ok(Vec::new())
        }
        entries => entries.map_err(failed)?.map(|entry| Ok(entry.map_err(failed)?.path())).collect(),
    }
}
