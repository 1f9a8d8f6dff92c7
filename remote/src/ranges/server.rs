//! One server, connected when it is first needed and for as long as that holds.
//!
//! One thread in the background connects, whoever needs the connection waits for it. Where it fails, everybody is told so at once and
//! the thread tries again, with the pauses of [`crate::retry`], until it succeeds or nobody has a use for it. A server that
//! refuses us is left alone for [`REFUSED_FOR`]: asking helpers for a token at each read would be slow, and look like an attack.

use super::{RangeError, Tell, Told};
use crate::connect::{chance, dial, netrc_token};
use crate::retry::pause;
use crate::{Here, Settings};
use dits_repo::Git;
use dits_sync::Address;
use dits_sync::client::{CONNECT_MAX, Client};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long somebody waits for a connection. Later tries, for which nobody waits, may take longer.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// Between two looks whether somebody still waits.
const LOOK: Duration = Duration::from_millis(100);
/// A server that refused is not asked for this long.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// A connection, and the token that settings tell.
pub struct Link {
    pub client: Client,
    pub told: Option<String>,
}

/// See the file head.
pub struct Server {
    address: Address,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    link: Option<Arc<Link>>,
    /// The thread in the background is at work.
    dials: bool,
    down: Option<Down>,
    /// Nobody has a use for it any more.
    ends: bool,
}

/// Why it cannot be asked now.
struct Down {
    error: RangeError,
    /// Until when; with `None` until the thread in the background has succeeded.
    until: Option<Instant>,
}

/// What it takes to connect.
pub struct Dialler {
    pub git: Git,
    /// Where settings of the repository are looked for.
    pub worktree: Option<PathBuf>,
    pub settings: Settings,
    pub tell: Tell,
}

impl Server {
    pub fn new(address: Address) -> Server {
        Server { address, state: Mutex::default(), changed: Condvar::new() }
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// Whether it could not be reached when it was last tried.
    pub fn is_down(&self) -> bool {
        self.lock().down.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection. Waits for it, if nothing speaks against that.
    pub fn link(
        self: &Arc<Server>,
        dialler: &Arc<Dialler>,
        is_over: &(dyn Fn() -> bool + Sync),
    ) -> Result<Arc<Link>, RangeError> {
        let mut state = self.lock();
        loop {
            if let Some(link) = state.link.as_ref().filter(|link| link.client.is_open()) {
                return Ok(link.clone());
            }
            if let Some(Down { error, until }) = &state.down
                && until.is_none_or(|until| Instant::now() < until)
            {
                return Err(error.clone());
            }
            if is_over() {
                return Err(RangeError::Stopped);
            }
            if !state.dials {
                let (server, dialler) = (self.clone(), dialler.clone());
                let thread = std::thread::Builder::new().name("connect".into());
                let started = thread.spawn(move || server.connect(&dialler));
                started.map_err(|error| RangeError::Failed(format!("cannot start a thread: {error}")))?;
                (state.dials, state.down) = (true, None);
            }
            // Its deadline is that of the thread.
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The thread in the background.
    fn connect(&self, dialler: &Dialler) {
        let Dialler { git, settings, tell, .. } = dialler;
        for failed in 1.. {
            let within = if failed == 1 { WAIT_MAX } else { CONNECT_MAX };
            let dialled = dial(Here::from(git), &self.address, settings, within);
            let mut state = self.lock();
            match dialled {
                Ok((client, told)) => {
                    let told = told.or_else(|| netrc_token(settings, &self.address));
                    state.link = Some(Arc::new(Link { client, told }));
                    (state.down, state.dials) = (None, false);
                    drop(state);
                    self.changed.notify_all();
                    if failed > 1 {
                        tell(Told::Online { remote: self.name() });
                    }
                    return;
                }
                Err(error) => {
                    state.down =
                        Some(Down { error: RangeError::of_remote(&self.name(), &error), until: None });
                    self.changed.notify_all();
                    if failed == 1 {
                        tell(Told::Offline { remote: self.name(), why: error.to_string() });
                    }
                }
            }
            let wait = self.changed.wait_timeout_while(state, pause(failed, chance()), |state| !state.ends);
            if wait.unwrap_or_else(PoisonError::into_inner).0.ends {
                return;
            }
        }
    }

    /// The connection does not do what it should: the next one who needs it makes another.
    pub fn lose(&self, link: &Arc<Link>) {
        let mut state = self.lock();
        if state.link.as_ref().is_some_and(|ours| Arc::ptr_eq(ours, link)) {
            let lost = state.link.take();
            drop(state);
            // Closing it may take a moment.
            drop(lost);
        }
    }

    /// It said no to us, whatever we ask.
    pub fn refuse(&self, error: RangeError) {
        self.lock().down = Some(Down { error, until: Some(Instant::now() + REFUSED_FOR) });
    }

    /// Nobody has a use for it any more.
    pub fn end(&self) {
        self.lock().ends = true;
        self.changed.notify_all();
    }
}
