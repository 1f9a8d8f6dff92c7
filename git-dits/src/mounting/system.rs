//! What the system knows of mounts: its table of them, and who uses one.
//!
//! Nothing here looks into a mounted folder: one whose process is gone answers with errors, and one that hangs not at all.

use crate::report::Failure;
use anyhow::{Context as _, Result};
use dits_mount::fuse::{self, Unmount, UnmountError};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a mount that is in use is asked again to end.
const PATIENCE: Duration = Duration::from_millis(300);
/// Between two tries.
const LOOK: Duration = Duration::from_millis(20);
/// Processes that are named.
const USERS_MAX: usize = 10;

/// Kind of the filesystem that is mounted at `dir`.
fn mounted(dir: &Path) -> Result<Option<String>> {
    let mounted = fuse::mounted(dir).context("cannot read the table of mounts")?;
    Ok(mounted.map(|mounted| mounted.kind))
}

/// Kind of the filesystem that is mounted at `dir`, as far as the system tells.
pub fn kind(dir: &Path) -> Option<String> {
    mounted(dir).ok().flatten()
}

/// Whether a mount of ours is at `dir`, served or not.
pub fn is_there(dir: &Path) -> bool {
    mounted(dir).is_ok_and(|kind| kind.is_some_and(|kind| kind == fuse::KIND))
}

/// Takes away what a killed process left at `dir`. Whoever calls holds the lock of the mount, so none of it is alive.
pub fn clear(dir: &Path) -> Result<()> {
    while let Some(kind) = mounted(dir)? {
        if kind != fuse::KIND {
            let text = format!("something else is mounted at '{}' ({kind})", dir.display());
            return Err(Failure::fatal(text, format!("'umount {}' first", dir.display())).into());
        }
        unmount(dir, Unmount::Detach).context("cannot take away what a killed process left")?;
    }
    Ok(())
}

/// Ends the mount at `dir`. Who only looks into it for a moment is waited for.
pub fn unmount(dir: &Path, how: Unmount) -> Result<(), UnmountError> {
    let end = Instant::now() + PATIENCE;
    loop {
        match fuse::unmount(dir, how, &fuse::Options::default().helper) {
            Err(UnmountError::Busy { .. }) if how == Unmount::Unused && Instant::now() < end => {
                std::thread::park_timeout(LOOK);
            }
            done => return done,
        }
    }
}

/// Processes that have something in `dir` open, or are in it, as far as we may know: `NAME (PID)`.
pub fn users(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).collect();
    pids.retain(|pid| *pid != std::process::id() && uses(*pid, dir));
    pids.sort_unstable();
    pids.truncate(USERS_MAX);
    let name = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    pids.iter().map(|pid| format!("{} ({pid})", name(pid).trim_end())).collect()
}

fn uses(pid: u32, dir: &Path) -> bool {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let is_in = |link: PathBuf| fs::read_link(link).is_ok_and(|path| path.starts_with(dir));
    let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    ["cwd", "root", "exe"].into_iter().any(|name| is_in(process.join(name)))
        || open.map(|entry| entry.path()).any(is_in)
        || maps(&process, dir)
}

/// Whether a process has a file in `dir` in its memory.
fn maps(process: &Path, dir: &Path) -> bool {
    let maps = fs::read(process.join("maps")).unwrap_or_default();
    let inside = [dir.as_os_str().as_bytes(), b"/"].concat();
    maps.split(|byte| *byte == b'\n').any(|line| {
        let path = line.iter().position(|byte| *byte == b'/').map(|at| &line[at..]);
        path.is_some_and(|path| path.starts_with(&inside))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn who_is_in_a_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        assert!(users(&dir).is_empty());
        let mut child = Command::new("cat").current_dir(&dir).stdin(Stdio::piped()).spawn().unwrap();
        let users = users(&dir);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(users, [format!("cat ({})", child.id())]);
    }
}
