//! What the system knows of mounts: its table of them, and who uses one.
//!
//! Nothing here looks into a mounted folder: one whose process is gone answers with errors, and one that hangs not at all.

use crate::report::Failure;
use anyhow::{Context as _, Result};
use dits_mount::fuse::{self, Unmount, UnmountError};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Kind of our mounts in the table.
const KIND: &str = "fuse.git-dits";
/// Processes that are named.
const USERS_MAX: usize = 10;

/// Kind of the filesystem that is mounted at `dir`; of several the one that programs see.
fn mounted(dir: &Path) -> Result<Option<String>> {
    const TABLE: &str = "/proc/self/mountinfo";
    let table = fs::read(TABLE).with_context(|| format!("cannot read '{TABLE}'"))?;
    Ok(find(&table, dir))
}

fn find(table: &[u8], dir: &Path) -> Option<String> {
    let kind = |line: &[u8]| {
        let mut words = line.split(|byte| *byte == b' ');
        let is_there = words.nth(4).is_some_and(|point| unescape(point) == dir);
        let kind = words.skip_while(|word| *word != b"-").nth(1)?;
        is_there.then(|| String::from_utf8_lossy(kind).into_owned())
    };
    table.split(|byte| *byte == b'\n').rev().find_map(kind)
}

/// Blanks and backslashes of the table are octal.
fn unescape(text: &[u8]) -> PathBuf {
    let (mut out, mut rest) = (Vec::new(), text);
    while let [first, after @ ..] = rest {
        let code = after.get(..3).filter(|_| *first == b'\\');
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 8).ok());
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(std::ffi::OsString::from_vec(out))
}

/// Kind of the filesystem that is mounted at `dir`, as far as the system tells.
pub fn kind(dir: &Path) -> Option<String> {
    mounted(dir).ok().flatten()
}

/// Whether a mount of ours is at `dir`, served or not.
pub fn is_there(dir: &Path) -> bool {
    mounted(dir).is_ok_and(|kind| kind.is_some_and(|kind| kind == KIND))
}

/// Takes away what a killed process left at `dir`. Whoever calls holds the lock of the mount, so none of it is alive.
pub fn clear(dir: &Path) -> Result<()> {
    while let Some(kind) = mounted(dir)? {
        if kind != KIND {
            let text = format!("something else is mounted at '{}' ({kind})", dir.display());
            return Err(Failure::fatal(text, format!("'umount {}' first", dir.display())).into());
        }
        unmount(dir, Unmount::Detach).context("cannot take away what a killed process left")?;
    }
    Ok(())
}

/// Ends the mount at `dir`.
pub fn unmount(dir: &Path, how: Unmount) -> Result<(), UnmountError> {
    fuse::unmount(dir, how, &fuse::Options::default().helper)
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
    fn the_last_mount_at_a_folder_is_found_though_its_name_has_blanks() {
        let table = b"22 1 8:1 / / rw - ext4 /dev/sda rw\n\
            40 22 0:40 / /a\\040b rw,nosuid shared:7 - tmpfs none rw\n\
            41 22 0:41 / /a\\040b rw,nosuid shared:7 master:2 - fuse.git-dits git-dits rw\n";
        let kind = |dir: &str| find(table, Path::new(dir));
        assert_eq!(kind("/a b"), Some(KIND.to_owned()));
        assert_eq!(kind("/a"), None);
        assert_eq!(kind("/"), Some("ext4".to_owned()));
    }

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
