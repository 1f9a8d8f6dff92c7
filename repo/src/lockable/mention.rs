//! Whether anything mentions `lockable`: the look that spares everybody else a question to Git.
//!
//! Read are the attribute files that Git would read: that of the Git folder, `core.attributesFile`, and those of the working
//! tree that the index names. When that cannot be known (a file that is not there, a split index), the answer is
//! yes, and Git is asked. An attribute file in Git's default place for a user or a system is not read, so a rule that
//! stands only there is found by nobody; `lockable` belongs into the repository.

use crate::hydrate::plan::full_path;
use crate::{RepoError, Repository, index};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const NAME: &[u8] = b".gitattributes";
const WORD: &[u8] = b"lockable";
/// Bytes of an attribute file; Git itself ignores larger ones.
const BYTES_MAX: u64 = 100 << 20;

/// Whether some attribute file may make files lockable.
///
/// # Errors
/// When Git's index or configuration cannot be read.
pub fn is_mentioned(repository: &Repository) -> Result<bool, RepoError> {
    let worktree = repository.worktree()?;
    if holds(&worktree.join(".gitattributes"), false)
        || holds(&repository.common_dir.join("info").join("attributes"), false)
    {
        return Ok(true);
    }
    let (files, is_split) = in_index(repository)?;
    if is_split || files.iter().any(|path| holds(&full_path(worktree, path), true)) {
        return Ok(true);
    }
    let named = repository.config("core.attributesfile")?.filter(|file| !file.is_empty());
    // A home folder is Git's to find.
    Ok(named.is_some_and(|file| file.starts_with('~') || holds(&PathBuf::from(file), false)))
}

/// The attribute files below folders, and whether there may be more that only Git can name.
fn in_index(repository: &Repository) -> Result<(Vec<Vec<u8>>, bool), RepoError> {
    let bytes = match fs::read(&repository.index) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Vec::new(), false)),
        read => read.map_err(RepoError::io("read", &repository.index))?,
    };
    let mut files = Vec::new();
    let summary = index::walk(&bytes, repository.hash, |entry| {
        if entry.path.strip_suffix(NAME).is_some_and(|folder| folder.ends_with(b"/")) {
            files.push(entry.path.to_vec());
        }
        Ok(())
    })?;
    Ok((files, summary.has_split_link))
}

/// Whether the file has the word. `when_absent`: what counts where there is no file.
fn holds(file: &Path, when_absent: bool) -> bool {
    match fs::metadata(file) {
        Ok(meta) if meta.is_file() && meta.len() <= BYTES_MAX => match fs::read(file) {
            Ok(text) => text.windows(WORD.len()).any(|part| part == WORD),
            Err(_) => true,
        },
        Ok(_) => false,
        Err(_) => when_absent,
    }
}
