//! A mount for Linux, through the kernel's FUSE.
//!
//! - `attach`: a connection to the kernel, mounted at a folder; `detach`: ending mounts; `table`: which there are.
//! - `adapter`: each request of the kernel as an operation of [`Mount`]; `convert`, `answer`: its words; `served`: what that takes.
//! - `opening`, `passthrough`: which way the kernel reads a file; `changing`: what it must hear of.
//! - `dirs`: open folders; `pool`: threads for requests that may block; `counts`: how many came.
//! - `tune`: what is agreed with the kernel, and its read-ahead.
//!
//! Everything changes through the mount, so the kernel may keep names, attributes and bytes for as long as it likes; it knows
//! itself what a request it sends makes wrong. Bytes are written through: sizes and times are ours. Requests that are answered from memory
//! are answered by a few threads that never wait for a network; all others go to pools.
//!
//! The process that serves a mount must not read it: it would wait for itself.

mod adapter;
mod answer;
mod attach;
mod changing;
mod convert;
mod counts;
mod detach;
mod dirs;
mod opening;
mod passthrough;
mod pool;
mod served;
mod table;
mod tune;

pub use attach::ServeError;
pub use detach::{Unmount, UnmountError, unmount};
pub use table::{KIND, Mounted, mounted};

use crate::Mount;
use adapter::Adapter;
use attach::How;
use serde_json::{Value, json};
use served::Served;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Threads that answer from memory.
const LOOPS_MOST: usize = 4;
const LOOPS_LEAST: usize = 2;

/// How a mount is served.
#[derive(Debug, Clone)]
pub struct Options {
    /// Nothing can be written; the kernel says so itself.
    pub read_only: bool,
    /// Other users see the mount, too. For users that are not root, `/etc/fuse.conf` must allow it.
    pub allow_other: bool,
    /// The kernel's device.
    pub device: PathBuf,
    /// What mounts for those who may not.
    pub helper: PathBuf,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            read_only: false,
            allow_other: false,
            device: "/dev/fuse".into(),
            helper: "fusermount3".into(),
        }
    }
}

/// The connection to the kernel broke.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the connection to the kernel broke: {0}")]
pub struct Broken(String);

/// A mount that is served. Dropping it detaches the mount.
#[derive(Debug)]
pub struct Session {
    dir: PathBuf,
    helper: PathBuf,
    served: Arc<Served>,
    how: How,
    read_ahead: tune::ReadAhead,
    end: Arc<End>,
}

/// How a session ended, once it has.
#[derive(Debug, Default)]
struct End {
    result: Mutex<Option<Result<(), Broken>>>,
    told: Condvar,
}

/// Mounts `mount` at `dir` and serves it with threads of its own.
pub fn serve(mount: Arc<Mount>, dir: &Path, options: &Options) -> Result<Session, ServeError> {
    let directory = |source| ServeError::Directory { dir: dir.to_owned(), source };
    let dir = dir.canonicalize().map_err(directory)?;
    if !dir.is_dir() {
        return Err(directory(std::io::ErrorKind::NotADirectory.into()));
    }
    let (device, how) = attach::attach(&dir, options)?;
    start(mount, &dir, options, device, how).inspect_err(|_| {
        // The error that is told is the first one.
        let _second = unmount(&dir, Unmount::Detach, &options.helper);
    })
}

/// Serves a mount whose connection is `device`.
fn start(
    mount: Arc<Mount>,
    dir: &Path,
    options: &Options,
    device: std::os::fd::OwnedFd,
    how: How,
) -> Result<Session, ServeError> {
    let failed = |error: std::io::Error| ServeError::Failed { why: error.to_string() };
    let served = Served::new(mount);
    let acl = if options.allow_other { fuser::SessionACL::All } else { fuser::SessionACL::Owner };
    let mut config = fuser::Config::default();
    let cores = thread::available_parallelism().map_or(LOOPS_LEAST, usize::from);
    config.n_threads = Some(cores.clamp(LOOPS_LEAST, LOOPS_MOST));
    let session = fuser::Session::from_fd(Adapter(served.clone()), device, acl, config).map_err(failed)?;
    served.set_notifier(session.notifier());
    let end = Arc::new(End::default());
    let told = end.clone();
    let run = move || {
        let result = match session.run() {
            // The mount ended while a request was on its way.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => Ok(()),
            result => result.map_err(|error| Broken(error.to_string())),
        };
        *told.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        told.told.notify_all();
    };
    thread::Builder::new().name("dits-fuse".into()).spawn(run).map_err(failed)?;
    let read_ahead = tune::raise_read_ahead(dir);
    Ok(Session { dir: dir.to_owned(), helper: options.helper.clone(), served, how, read_ahead, end })
}

impl Session {
    /// Where it is mounted.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Waits until the mount has ended, by [`unmount`](Session::unmount) or anybody else.
    pub fn wait(&self) -> Result<(), Broken> {
        let result = self.end.result.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = self.end.told.wait_while(result, |result| result.is_none());
        ended.unwrap_or_else(PoisonError::into_inner).clone().unwrap_or(Ok(()))
    }

    /// Waits at most so long for the end; `None` when the mount still is there.
    pub fn wait_for(&self, deadline: Duration) -> Option<Result<(), Broken>> {
        let result = self.end.result.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = self.end.told.wait_timeout_while(result, deadline, |result| result.is_none());
        ended.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Ends the mount. Nothing happens when it has ended already.
    pub fn unmount(&self, how: Unmount) -> Result<(), UnmountError> {
        if self.wait_for(Duration::ZERO).is_some() {
            return Ok(());
        }
        unmount(&self.dir, how, &self.helper)
    }

    /// What was counted, and what the kernel lets us do.
    pub fn stats(&self) -> Value {
        json!({
            "requests": self.served.requests(),
            "mounted-by": match self.how { How::System => "mount", How::Helper => "fusermount3" },
            "read-ahead": self.read_ahead.to_string(),
            "passthrough": self.served.passthrough.state().to_string(),
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Nobody is left to tell; a mount that cannot be detached fails as one whose process was killed.
        let _told = self.unmount(Unmount::Detach);
    }
}
