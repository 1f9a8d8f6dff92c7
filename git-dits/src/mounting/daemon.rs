//! The life of a process that serves a mount.
//!
//! It takes the lock of the mount, clears away what a killed one left, makes the filesystem ([`super::start`]), mounts it, answers at its socket, and
//! waits: for a signal, or for the end of the mount, whoever ended it (`git dits unmount`, `umount`). It never looks into its own mount,
//! which would wait for itself.
//!
//! Always holds: when it ends in order everything that was written is on the disk, the mount is gone from the tree, and `info.json` names no process. When it
//! is killed nothing that was acknowledged is lost, and the next one begins with clearing away.

use super::answers::Answers;
use super::desk::Desk;
use super::launch::Word;
use super::log::Log;
use super::state::{Held, State};
use super::{dir, start, system};
use crate::report::{self, Failure};
use anyhow::{Context as _, Result};
use dits_mount::fuse::{Session, Unmount};
use dits_remote::Settings;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

/// Why the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A signal.
    Signal(i32),
    /// The mount is gone from the tree, and nobody uses it.
    Unmounted,
    /// The connection to the kernel broke.
    Broken,
    /// It is gone from the tree; whoever still uses it hears of errors.
    Forced,
}

/// How the system gets at a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// As a filesystem of the kernel
    Fuse,
    /// As a server that the system's client of NFS mounts
    Nfs,
}

impl By {
    /// Its word on a command line.
    pub fn word(self) -> &'static str {
        match self {
            By::Fuse => "fuse",
            By::Nfs => "nfs",
        }
    }
}

/// How a mount is to be served.
#[derive(Debug)]
pub struct Options {
    /// For talking to remotes.
    pub settings: Settings,
    /// Whether nothing may be written.
    pub read_only: bool,
    /// How the system gets at it.
    pub by: By,
    /// File that is to hold what was read.
    pub trace: Option<PathBuf>,
    /// Whether what happens is told on standard error too.
    pub foreground: bool,
}

/// Serves a mount until it ends; `say` hears how the start goes.
pub fn serve(state: &State, options: &Options, say: &mut dyn FnMut(&Word)) -> Result<()> {
    let held = state.hold_soon()?.ok_or_else(|| already(state))?;
    let mut info = state.info()?;
    let dir = state.dir().with_context(|| format!("git does not know the folder of '{}'", state.name()))?;
    system::clear(&dir)?;
    dir::check_known(state.git_dir(), &dir)?;
    let echo = options.foreground.then_some(report::notice as fn(&str));
    let log = Arc::new(Log::open(state, now, echo)?);
    let (sender, receiver) = mpsc::channel();
    watch_signals(sender.clone())?;
    let mut stage = |text: &str| say(&Word::Stage { text: text.to_owned() });
    let started = start::start(state, &mut info, options, log.clone(), &mut stage)?;
    let session = match options.by {
        By::Fuse => Some(started.serve(&dir, options.read_only)?),
        By::Nfs => None,
    };
    info.nfs = match options.by {
        By::Fuse => None,
        By::Nfs => Some(started.serve_nfs()?),
    };
    let started = Arc::new(started);
    (info.pid, info.read_only) = (Some(std::process::id()), options.read_only);
    let live = Live { state, dir, started, log, held };
    // From here on the mount is in the tree.
    let served = live.serve(session, &info, (sender, receiver), say);
    if let Err(error) = &served {
        live.log.trouble(&report::text(error));
        if info.nfs.is_none() {
            let _ = system::unmount(&live.dir, Unmount::Detach);
        }
    }
    live.end(&mut info);
    served
}

/// A mount that is served.
struct Live<'a> {
    state: &'a State,
    dir: PathBuf,
    started: Arc<start::Started>,
    log: Arc<Log>,
    held: Held,
}

impl Live<'_> {
    fn serve(
        &self,
        session: Option<Arc<Session>>,
        info: &super::state::Info,
        (sender, receiver): (Sender<End>, Receiver<End>),
        say: &mut dyn FnMut(&Word),
    ) -> Result<()> {
        self.state.protect()?;
        self.state.write(info)?;
        let answers = Answers::new(self.started.clone(), self.log.clone(), &self.dir, sender.clone());
        let desk = Desk::open(self.state, Arc::new(move |ask, say| answers.answer(ask, say)));
        let desk = desk.context("cannot open the socket of the mount")?;
        let kernel = session.is_some();
        if let Some(session) = session {
            std::thread::Builder::new().name("session".into()).spawn(move || {
                let _ = sender.send(session.wait().map_or(End::Broken, |()| End::Unmounted));
            })?;
        }
        let how = match &info.nfs {
            None => format!("mounted at '{}'", self.dir.display()),
            Some(nfs) => format!("served with NFS, to be mounted: {}", nfs.command(&self.dir)),
        };
        self.log.say(&format!("{how} (process {})", std::process::id()));
        say(&Word::Ready);
        let end = receiver.recv().unwrap_or(End::Unmounted);
        if let End::Signal(signal) = end {
            self.log.say(&format!("signal {signal}: unmounting"));
            if kernel {
                self.leave();
            }
        }
        self.log.say("unmounted");
        drop(desk);
        Ok(())
    }

    /// Takes the mount out of the tree, though somebody may use it.
    fn leave(&self) {
        if system::unmount(&self.dir, Unmount::Unused).is_ok() {
            return;
        }
        let users = system::users(&self.dir).join(", ");
        self.log.say(&format!("still in use by {users}; they hear of errors from now on"));
        if let Err(error) = system::unmount(&self.dir, Unmount::Detach) {
            self.log.trouble(&report::text(&error.into()));
        }
    }

    /// Makes all that was written durable, and gives the lock back.
    fn end(self, info: &mut super::state::Info) {
        let synced = self.started.mount.sync_all().context("cannot write the overlay");
        (info.pid, info.nfs) = (None, None);
        for result in [synced, self.state.write(info), self.state.unprotect()] {
            if let Err(error) = result {
                self.log.trouble(&report::text(&error));
            }
        }
        self.log.flush();
        drop(self.held);
    }
}

/// Somebody serves it.
pub fn already(state: &State) -> Failure {
    let dir = state.dir().unwrap_or_default();
    Failure::fatal(
        format!("'{}' is mounted already", dir.display()),
        "'git dits mounts' shows how it is doing",
    )
}

fn watch_signals(sender: Sender<End>) -> Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("cannot handle signals")?;
    let watch = move || {
        for signal in signals.forever() {
            if sender.send(End::Signal(signal)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(watch).context("cannot start a thread")?;
    Ok(())
}

/// Seconds since 1970.
fn now() -> u64 {
    crate::context::now().unwrap_or_default()
}
