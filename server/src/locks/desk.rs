//! Where the hooks of pushes ask about locks: the tables belong to the process that serves, and hooks are processes of their own.
//!
//! A socket in a private folder, made at each start: its path must be short, and only the server's own user may come in. Each push gets
//! a random key that its hook must name, so a hook speaks for its own push. What a push has reserved lives as long as its
//! [`LivePush`], which whoever pumps its bytes holds; when the push is over [`LivePush::end`] settles it.
//!
//! Always holds: a push that nobody holds any more reserves nothing. One that could not be settled is tried again after the next push to
//! its repository, and at the next start.

use super::pending::{Left, Pending};
use super::reserve::Reservation;
use super::settle::{Place, settle};
use super::{LocksError, talk};
use crate::door::now;
use crate::session::Shared;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Name of the socket.
const SOCKET: &str = "s";
/// How long nobody is let in after that has failed.
const PAUSE: Duration = Duration::from_millis(100);
/// Seconds that a push which may still be under way is looked after, when its server was killed.
const LEFT_SECONDS_MAX: u64 = 24 * 3600;

/// The desk of a server.
#[derive(Debug)]
pub(crate) struct Desk {
    folder: TempDir,
    listener: UnixListener,
    live: Mutex<HashMap<String, Arc<Live>>>,
    left: Mutex<Vec<Left>>,
}

/// A push under way.
#[derive(Debug)]
pub(super) struct Live {
    key: String,
    pub repository: String,
    pub folder: PathBuf,
    pub who: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_over: bool,
    reservation: Option<Reservation>,
    /// What its hook has said yes to, and whether that is written down.
    agreed: Option<(Pending, bool)>,
}

/// Whoever holds this pumps a push.
#[derive(Debug)]
pub(crate) struct LivePush {
    desk: Arc<Desk>,
    live: Arc<Live>,
}

impl Desk {
    /// Opens it, in a runtime.
    pub fn open() -> io::Result<Arc<Desk>> {
        // By itself it is for our eyes only.
        let folder = tempfile::Builder::new().prefix("dits-").tempdir()?;
        let listener = UnixListener::bind(folder.path().join(SOCKET))?;
        Ok(Arc::new(Desk { folder, listener, live: Mutex::default(), left: Mutex::default() }))
    }

    /// The socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    /// A push begins.
    pub fn begin(self: &Arc<Desk>, repository: &str, folder: &Path, who: &str) -> io::Result<LivePush> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let key = format!("{:032x}", u128::from_le_bytes(random));
        let live = Live {
            key: key.clone(),
            repository: repository.into(),
            folder: folder.into(),
            who: who.into(),
            state: Mutex::default(),
        };
        let live = Arc::new(live);
        lock(&self.live).insert(key, live.clone());
        Ok(LivePush { desk: self.clone(), live })
    }

    /// The push of a key.
    pub(super) fn find(&self, key: &str) -> Option<Arc<Live>> {
        lock(&self.live).get(key).cloned()
    }

    fn take_left(&self, repository: &str) -> Vec<Left> {
        let mut left = lock(&self.left);
        let (of_it, others) = left.drain(..).partition(|left| left.repository == repository);
        *left = others;
        of_it
    }
}

impl Live {
    /// Keeps what it has reserved, as long as it is not over.
    pub fn reserve(&self, reservation: Reservation) {
        let mut state = lock(&self.state);
        if !state.is_over {
            state.reservation = Some(reservation);
        }
    }

    /// Changes what it has reserved.
    pub fn with_reservation(&self, change: impl FnOnce(&Reservation)) {
        lock(&self.state).reservation.as_ref().map(change);
    }

    /// Its hook says yes, once this is kept: durably if it touches locks.
    pub fn agree(&self, shared: &Shared, pending: Pending, touches: bool) -> Result<(), LocksError> {
        let mut state = lock(&self.state);
        if touches {
            shared.locks.note(&self.repository, &self.key, &pending)?;
        }
        state.agreed = Some((pending, touches));
        Ok(())
    }

    /// Its hook says no.
    pub fn refuse(&self) {
        lock(&self.state).reservation = None;
    }
}

impl LivePush {
    /// By what its hook names it.
    pub fn key(&self) -> &str {
        &self.live.key
    }

    /// Git has ended: does to the locks what the push does. What cannot be done is told, and done later.
    pub async fn end(self, shared: &Shared) {
        let agreed = lock(&self.live.state).agreed.take();
        let mut left = self.desk.take_left(&self.live.repository);
        if let Some((pending, is_noted)) = agreed {
            let (repository, key) = (self.live.repository.clone(), self.live.key.clone());
            let this = Left { repository, key, pending };
            match settle_one(shared, &this, true).await {
                Ok(_) if !is_noted => {}
                Ok(_) => told(
                    shared,
                    tokio::task::block_in_place(|| shared.locks.forget(&this.repository, &this.key)),
                ),
                Err(error) => {
                    left.push(this);
                    told(shared, Err(error));
                }
            }
        }
        retry(shared, left).await;
    }
}

impl Drop for LivePush {
    fn drop(&mut self) {
        lock(&self.desk.live).remove(&self.live.key);
        let mut state = lock(&self.live.state);
        state.is_over = true;
        state.reservation = None;
        if let Some((pending, true)) = state.agreed.take() {
            let (repository, key) = (self.live.repository.clone(), self.live.key.clone());
            lock(&self.desk.left).push(Left { repository, key, pending });
        }
    }
}

/// Answers hooks, until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut talks = JoinSet::new();
    loop {
        tokio::select! {
            accepted = shared.desk.listener.accept() => match accepted {
                Ok((stream, _)) => drop(talks.spawn(talk::serve(shared.clone(), stream))),
                Err(error) => {
                    (shared.tell)(&format!("cannot let in a hook: {error}"));
                    sleep(PAUSE).await;
                }
            },
            Some(_) = talks.join_next() => {}
        }
    }
}

/// Settles the pushes that were under way when the server was killed.
pub(crate) async fn recover(shared: &Shared) {
    match tokio::task::block_in_place(|| shared.locks.noted()) {
        Ok(left) => retry(shared, left).await,
        Err(error) => told(shared, Err(error)),
    }
}

/// Tries to settle pushes whose end nobody has seen.
async fn retry(shared: &Shared, left: Vec<Left>) {
    for left in left {
        let is_old = left.pending.at.saturating_add(LEFT_SECONDS_MAX) < now();
        match settle_one(shared, &left, is_old).await {
            Ok(true) => {
                told(
                    shared,
                    tokio::task::block_in_place(|| shared.locks.forget(&left.repository, &left.key)),
                );
            }
            Ok(false) => lock(&shared.desk.left).push(left),
            Err(error) => {
                lock(&shared.desk.left).push(left);
                told(shared, Err(error));
            }
        }
    }
}

async fn settle_one(shared: &Shared, left: &Left, is_over: bool) -> Result<bool, LocksError> {
    let folder = shared.git.layout().repository(&left.repository);
    // A path that is none any more has no branches either.
    let Ok(folder) = folder else { return Ok(true) };
    let place =
        Place { locks: &shared.locks, git: &shared.git, repository: &left.repository, folder: &folder };
    settle(place, &left.pending, is_over).await
}

fn told(shared: &Shared, result: Result<(), LocksError>) {
    if let Err(error) = result {
        (shared.tell)(&format!("cannot settle the locks of a push: {error}"));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each is changed in one step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
