//! Ending mounts.
//!
//! A mount outlives the process that served it; everything in it then fails with "Transport endpoint is not connected". That is on
//! purpose: with an empty folder in its place Git would believe that every file was removed. Whoever serves it again takes it away.

use rustix::mount::UnmountFlags;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How a mount ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmount {
    /// Only when nobody uses it.
    Unused,
    /// Its name goes at once; who has files open goes on with them.
    Detach,
}

/// Why a mount did not end.
#[derive(Debug, thiserror::Error)]
pub enum UnmountError {
    /// Files are open in it, or it is somebody's current folder.
    #[error("'{}' is in use", dir.display())]
    Busy {
        /// Where it is mounted.
        dir: PathBuf,
    },
    /// There is none.
    #[error("'{}' is not mounted", dir.display())]
    NotMounted {
        /// Where one should be.
        dir: PathBuf,
    },
    /// Anything else.
    #[error("cannot unmount '{}': {why}", dir.display())]
    Failed {
        /// Where it is mounted.
        dir: PathBuf,
        /// What was said.
        why: String,
    },
}

/// Ends the topmost mount at `dir`, an absolute path without links; with the helper if we may not do it ourselves.
pub fn unmount(dir: &Path, how: Unmount, helper: &Path) -> Result<(), UnmountError> {
    let flags = match how {
        Unmount::Unused => UnmountFlags::NOFOLLOW,
        Unmount::Detach => UnmountFlags::NOFOLLOW | UnmountFlags::DETACH,
    };
    match rustix::mount::unmount(dir, flags) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::BUSY) => Err(UnmountError::Busy { dir: dir.to_owned() }),
        Err(rustix::io::Errno::INVAL) => Err(UnmountError::NotMounted { dir: dir.to_owned() }),
        Err(rustix::io::Errno::PERM) => ask_helper(dir, how, helper),
        Err(other) => Err(UnmountError::Failed { dir: dir.to_owned(), why: other.to_string() }),
    }
}

fn ask_helper(dir: &Path, how: Unmount, helper: &Path) -> Result<(), UnmountError> {
    let failed = |why: String| UnmountError::Failed { dir: dir.to_owned(), why };
    let how: &[&str] = if how == Unmount::Detach { &["-u", "-z"] } else { &["-u"] };
    let mut command = Command::new(helper);
    command.args(how).arg("--").arg(dir).env("LC_ALL", "C").stdin(Stdio::null());
    let output = command.output().map_err(|error| failed(format!("{}: {error}", helper.display())))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(())
    } else if said.contains("busy") {
        Err(UnmountError::Busy { dir: dir.to_owned() })
    } else if said.contains("not found in") || said.contains("not mounted") {
        Err(UnmountError::NotMounted { dir: dir.to_owned() })
    } else {
        Err(failed(said.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_no_mount_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let error = unmount(dir.path(), Unmount::Unused, Path::new("fusermount3")).unwrap_err();
        assert!(matches!(error, UnmountError::NotMounted { .. }), "{error}");
    }
}
