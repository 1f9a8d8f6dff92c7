//! Ending mounts: ours, and those that a process left behind when it was killed.
//!
//! A mount outlives the process that served it; everything in it then fails with "Transport endpoint is not connected". That is on
//! purpose: with an empty folder in its place Git would believe that every file was removed. The next mount takes it away.

use super::attach::KIND;
use rustix::mount::UnmountFlags;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a mount may take to show that somebody serves it. One that does not answer is taken for alive.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// Dead mounts on top of each other that are taken away.
const LAYERS_MAX: usize = 16;

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

/// One of our mounts, as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Where it is mounted.
    pub(super) dir: PathBuf,
    /// Its device, `MAJOR:MINOR`.
    pub(super) device: String,
}

/// Our mounts in the text of `mountinfo`, those that cover others last.
fn ours(mountinfo: &[u8]) -> Vec<Listed> {
    let line = |line: &[u8]| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let end = fields.iter().position(|field| *field == b"-")?;
        let is_ours = fields.get(end + 1).is_some_and(|kind| *kind == KIND.as_bytes());
        let dir = unescaped(fields.get(4)?);
        let device = String::from_utf8(fields.get(2)?.to_vec()).ok()?;
        is_ours.then(|| Listed { dir: OsString::from_vec(dir).into(), device })
    };
    mountinfo.split(|byte| *byte == b'\n').filter_map(line).collect()
}

/// A path as it was before the kernel wrote some bytes as `\` and three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let [first, after @ ..] = rest {
        let number = rest
            .get(1..4)
            .filter(|_| *first == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        out.push(number.unwrap_or(*first));
        rest = if number.is_some() { &rest[4..] } else { after };
    }
    out
}

/// The topmost of our mounts at `dir`, a path without links.
pub(super) fn at(dir: &Path) -> io::Result<Option<Listed>> {
    let mounts = ours(&std::fs::read("/proc/self/mountinfo")?);
    Ok(mounts.into_iter().rev().find(|listed| listed.dir == dir))
}

/// `dir` as an absolute path without links, even when a dead mount is there.
pub fn place(dir: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(dir)?;
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => {
            let place = parent.canonicalize()?.join(name);
            if at(&place)?.is_some() { Ok(place) } else { place.canonicalize() }
        }
        _ => absolute.canonicalize(),
    }
}

/// Takes mounts away from `dir` that nobody serves any more; says how many. One that is alive stays.
///
/// # Errors
/// When a dead mount could not be taken away.
pub fn detach_dead(dir: &Path, helper: &Path) -> Result<usize, UnmountError> {
    let failed = |error: io::Error| UnmountError::Failed { dir: dir.to_owned(), why: error.to_string() };
    let dir = place(dir).map_err(failed)?;
    for count in 0..LAYERS_MAX {
        if at(&dir).map_err(failed)?.is_none() || !is_dead(&dir) {
            return Ok(count);
        }
        unmount(&dir, Unmount::Detach, helper)?;
    }
    Ok(LAYERS_MAX)
}

/// Whether a mount has lost its process. Asked from a thread of its own, as a mount that is stuck does not answer.
fn is_dead(dir: &Path) -> bool {
    let (tell, told) = mpsc::channel();
    let dir = dir.to_owned();
    let asked = std::thread::Builder::new().name("dits-dead".into()).spawn(move || {
        // Attributes are known to the kernel; how much room there is it has to ask.
        let state = rustix::fs::statvfs(&dir).err();
        let _nobody_waits = tell.send(state == Some(rustix::io::Errno::NOTCONN));
    });
    asked.is_ok() && told.recv_timeout(ANSWER_DEADLINE).unwrap_or(false)
}

/// Ends the topmost mount at `dir`, a path from [`place`]; with the helper if we may not do it ourselves.
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
    fn our_mounts_are_found_among_others() {
        let text = b"36 35 98:0 / /mnt1 rw,noatime master:1 - ext3 /dev/root rw\n\
            40 36 0:52 / /home/a\\040b\\134c rw,nosuid shared:7 master:1 - fuse.git-dits git-dits rw,user_id=0\n\
            41 36 0:53 / /home/other rw - fuse.sshfs git-dits rw\n\
            42 36 0:54 / /home/d rw - fuse.git-dits x ro\n";
        let listed = |dir: &str, device: &str| Listed { dir: dir.into(), device: device.into() };
        assert_eq!(ours(text), [listed("/home/a b\\c", "0:52"), listed("/home/d", "0:54")]);
    }

    #[test]
    fn a_folder_that_is_no_mount_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(detach_dead(dir.path(), Path::new("fusermount3")).unwrap(), 0);
        let error = unmount(dir.path(), Unmount::Unused, Path::new("fusermount3")).unwrap_err();
        assert!(matches!(error, UnmountError::NotMounted { .. }), "{error}");
    }
}
