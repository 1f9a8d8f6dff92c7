//! The folder that is mounted on: its one spelling, and whether it will do.
//!
//! Folders are compared by their text, as one whose process was killed cannot be looked at any more
//! ("Transport endpoint is not connected"): its parents are resolved, and the last name is appended.

use crate::report::Failure;
use anyhow::{Context as _, Result};
use dits_repo::Repository;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// The spelling of `dir`, as seen from `cwd`: absolute, and without symbolic links as far as it exists.
pub fn resolve(cwd: &Path, dir: &Path) -> PathBuf {
    let path = lexical(&cwd.join(dir));
    let mut missing = Vec::new();
    for known in path.ancestors() {
        if let Ok(known) = known.canonicalize() {
            return missing.iter().rev().fold(known, |path, name| path.join(name));
        }
        missing.extend(known.file_name());
    }
    path
}

/// The path without `.` and `..`.
pub fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            part => out.push(part),
        }
    }
    out
}

/// Whether a new mount may be at `dir`: a folder that is empty or does not exist, outside of the repository.
pub fn check_new(repository: &Repository, dir: &Path) -> Result<()> {
    let shown = dir.display();
    if dir.starts_with(&repository.common_dir) || dir.starts_with(&repository.git_dir) {
        let hint = "name a folder outside of the repository";
        return Err(Failure::fatal(format!("'{shown}' is inside of Git's own folder"), hint).into());
    }
    let worktrees = repository.worktree.iter().cloned().chain(worktrees(repository)?);
    if let Some(top) = worktrees.into_iter().find(|top| dir.starts_with(top) && dir != *top) {
        let text = format!("'{shown}' is inside of the working tree '{}'", top.display());
        return Err(Failure::fatal(text, "name a folder beside it").into());
    }
    let failed = || format!("cannot read '{shown}'");
    match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => {
                let hint = "name a folder that is empty or does not exist yet";
                Err(Failure::fatal(format!("'{shown}' is not empty"), hint).into())
            }
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            let hint = "name a folder that is empty or does not exist yet";
            Err(Failure::fatal(format!("'{shown}' is not a folder"), hint).into())
        }
        Err(error) => Err(error).with_context(failed),
    }
}

/// Tops of all working trees.
fn worktrees(repository: &Repository) -> Result<Vec<PathBuf>> {
    use std::os::unix::ffi::OsStrExt;
    let out = repository.git.run(&["worktree", "list", "--porcelain", "-z"])?;
    let mut tops = Vec::new();
    for block in out.split(|byte| *byte == 0).collect::<Vec<_>>().split(|line| line.is_empty()) {
        if let Some(top) = block.first().and_then(|line| line.strip_prefix(b"worktree "))
            && !block.contains(&&b"bare"[..])
        {
            tops.push(PathBuf::from(std::ffi::OsStr::from_bytes(top)));
        }
    }
    Ok(tops)
}

/// Whether what lies at `dir`, which is not mounted, is what a mount covers: the `.git` of the linked worktree with this Git folder, and nothing
/// else. What is missing is made.
pub fn check_known(git_dir: &Path, dir: &Path) -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let failed = || format!("cannot prepare '{}'", dir.display());
    fs::create_dir_all(dir).with_context(failed)?;
    for entry in fs::read_dir(dir).with_context(failed)? {
        let name = entry.with_context(failed)?.file_name();
        if name != ".git" {
            let text = format!("'{}' holds '{}', which a mount would hide", dir.display(), name.display());
            return Err(Failure::fatal(text, "move it away first").into());
        }
    }
    let link = dir.join(".git");
    let text = match fs::read(&link) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return fs::write(&link, link_text(git_dir)).with_context(failed);
        }
        result => result.with_context(failed)?,
    };
    let named = text.strip_prefix(b"gitdir: ").unwrap_or_default().trim_ascii_end();
    let named = dir.join(std::ffi::OsStr::from_bytes(named));
    if named.canonicalize().ok() == git_dir.canonicalize().ok() {
        return Ok(());
    }
    let text = format!("'{}' names another repository than this", link.display());
    let hint = format!("if this repository was moved: 'git worktree repair {}'", dir.display());
    Err(Failure::fatal(text, hint).into())
}

/// What Git writes into `.git` of a linked worktree.
pub fn link_text(git_dir: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    [b"gitdir: ", git_dir.as_os_str().as_bytes(), b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_spelling_though_its_end_does_not_exist() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        fs::create_dir(top.join("real")).unwrap();
        std::os::unix::fs::symlink("real", top.join("link")).unwrap();
        let wanted = top.join("real/a/b");
        for spelled in ["link/a/b", "real/a/./b/", "link/../real/x/../a/b"] {
            assert_eq!(resolve(&top, Path::new(spelled)), wanted, "{spelled}");
        }
        assert_eq!(resolve(&top, &wanted), wanted);
    }

    #[test]
    fn what_a_mount_would_hide_is_no_place_for_one() {
        let top = tempfile::tempdir().unwrap();
        let (git_dir, dir) = (top.path().join("g"), top.path().join("d"));
        fs::create_dir(&git_dir).unwrap();
        check_known(&git_dir, &dir).unwrap();
        check_known(&git_dir, &dir).unwrap();
        fs::write(dir.join("note"), "mine").unwrap();
        assert!(check_known(&git_dir, &dir).unwrap_err().to_string().contains("'note'"));
        fs::remove_file(dir.join("note")).unwrap();
        let other = check_known(top.path(), &dir).unwrap_err();
        assert!(other.to_string().contains("another repository"), "{other}");
    }
}
