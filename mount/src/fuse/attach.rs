//! Getting a connection to the kernel that is mounted at a folder.
//!
//! Whoever may mount does so with mount(2). Everybody else has `fusermount3`, which is installed with the rights to do that for them:
//! it opens the device, mounts, and hands the device over a socket. What can be missing on the way (the device, leave to open it,
//! leave to mount, the helper) are different errors, as each has another remedy; see [`ServeError::hint`].

use super::Options;
use super::table::KIND;
use rustix::fs::{AtFlags, CWD};
use rustix::mount::MountFlags;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const NAME: &str = "git-dits";
/// How long the helper may take.
const HELPER_DEADLINE: Duration = Duration::from_secs(20);
/// Bytes of the helper's words that are kept.
const WORDS_BYTES_MAX: u64 = 4096;

/// Why a folder cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The folder is none, or cannot be looked at.
    #[error("'{}' cannot be mounted on", dir.display())]
    Directory {
        /// It.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no device.
    #[error("'{}' is not there", device.display())]
    NoDevice {
        /// It.
        device: PathBuf,
    },
    /// The device may not be opened.
    #[error("'{}' may not be opened", device.display())]
    DeviceDenied {
        /// It.
        device: PathBuf,
    },
    /// Only root may mount, and the helper is not there.
    #[error("'{}' is not installed", helper.display())]
    NoHelper {
        /// It.
        helper: PathBuf,
    },
    /// The system lets nobody here mount.
    #[error("this system does not allow mounting: {why}")]
    Refused {
        /// What it said.
        why: String,
    },
    /// The system does not let users show a mount to others.
    #[error("users may not show a mount to others here")]
    AllowOther,
    /// Anything else.
    #[error("cannot mount: {why}")]
    Failed {
        /// What was said.
        why: String,
    },
}

impl ServeError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            ServeError::Directory { .. } | ServeError::Failed { .. } => return None,
            ServeError::NoDevice { .. } => {
                "load the driver with 'modprobe fuse'; a container needs '--device /dev/fuse'".to_owned()
            }
            ServeError::DeviceDenied { device } => {
                format!("allow it with 'chmod 0666 {}' as root", device.display())
            }
            ServeError::NoHelper { .. } => "install it with 'apt install fuse3'".to_owned(),
            ServeError::Refused { .. } => {
                "a container needs '--device /dev/fuse --cap-add SYS_ADMIN'".to_owned()
            }
            ServeError::AllowOther => "add the line 'user_allow_other' to /etc/fuse.conf".to_owned(),
        })
    }
}

/// How the mount was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// With mount(2).
    System,
    /// By the helper.
    Helper,
}

/// Mounts at `dir`, a path without links.
pub(super) fn attach(dir: &Path, options: &Options) -> Result<(OwnedFd, How), ServeError> {
    let opened = OpenOptions::new().read(true).write(true).open(&options.device);
    let device = match opened {
        Ok(device) => match mount(&device, dir, options) {
            Ok(()) => return Ok((device.into(), How::System)),
            Err(error) => error,
        },
        Err(error) => match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::NOENT | rustix::io::Errno::NXIO | rustix::io::Errno::NODEV) => {
                return Err(ServeError::NoDevice { device: options.device.clone() });
            }
            _ if error.kind() == ErrorKind::PermissionDenied => error,
            _ => return Err(ServeError::Failed { why: error.to_string() }),
        },
    };
    // `device` is why we could not do it ourselves.
    if device.kind() != ErrorKind::PermissionDenied {
        return Err(ServeError::Failed { why: device.to_string() });
    }
    match ask_helper(dir, options) {
        Ok(device) => Ok((device, How::Helper)),
        Err(HelperFault::Missing) if rustix::process::geteuid().is_root() => {
            Err(ServeError::Refused { why: device.to_string() })
        }
        Err(HelperFault::Missing) => Err(ServeError::NoHelper { helper: options.helper.clone() }),
        Err(HelperFault::Said(words)) => Err(meaning(&words, options)),
    }
}

/// Mounts with the rights we have.
fn mount(device: &File, dir: &Path, options: &Options) -> io::Result<()> {
    let mode = rustix::fs::statat(CWD, dir, AtFlags::empty())?.st_mode;
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let fd = device.as_raw_fd();
    let mut data = format!("fd={fd},rootmode={mode:o},user_id={uid},group_id={gid},default_permissions");
    if options.allow_other {
        data += ",allow_other";
    }
    let mut flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOATIME;
    flags.set(MountFlags::RDONLY, options.read_only);
    Ok(rustix::mount::mount(NAME, dir, KIND, flags, CString::new(data)?.as_c_str())?)
}

enum HelperFault {
    Missing,
    Said(String),
}

impl From<io::Error> for HelperFault {
    fn from(error: io::Error) -> HelperFault {
        HelperFault::Said(error.to_string())
    }
}

/// Has the helper mount, and takes the device from it.
fn ask_helper(dir: &Path, options: &Options) -> Result<OwnedFd, HelperFault> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut words = format!("fsname={NAME},subtype={NAME},default_permissions,nodev,nosuid,noatime");
    if options.read_only {
        words += ",ro";
    }
    if options.allow_other {
        words += ",allow_other";
    }
    let mut command = Command::new(&options.helper);
    command.args(["-o", &words, "--"]).arg(dir).env("LC_ALL", "C").env("_FUSE_COMMFD", "0");
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::piped());
    let started = command.spawn();
    // The command holds the helper's end, too; nobody would notice that it ended.
    drop(command);
    let mut child = match started {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(HelperFault::Missing),
        Err(error) => return Err(error.into()),
    };
    ours.set_read_timeout(Some(HELPER_DEADLINE))?;
    let received = receive(&ours);
    if received.is_err() {
        // Has ended already, unless the deadline passed.
        let _already_ended = child.kill();
    }
    let mut said = String::new();
    if let Some(errors) = child.stderr.take() {
        errors.take(WORDS_BYTES_MAX).read_to_string(&mut said)?;
    }
    child.wait()?;
    match received? {
        Some(device) => Ok(device),
        None => Err(HelperFault::Said(said.trim().to_owned())),
    }
}

/// The file that comes over a socket; `None` when it is closed instead.
fn receive(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let files = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    Ok(files)
}

/// What the helper's words mean.
fn meaning(words: &str, options: &Options) -> ServeError {
    let device = || options.device.clone();
    let words = words.strip_prefix("fusermount3: ").unwrap_or(words);
    if words.contains("user_allow_other") {
        ServeError::AllowOther
    } else if words.contains("fuse device not found") {
        ServeError::NoDevice { device: device() }
    } else if words.contains("failed to open") && words.contains("Permission denied") {
        ServeError::DeviceDenied { device: device() }
    } else if words.contains("mount failed: Operation not permitted") {
        ServeError::Refused { why: words.to_owned() }
    } else {
        ServeError::Failed { why: words.to_owned() }
    }
}
