//! Pushes that run, so that one whose client has vanished makes way for the next one.
//!
//! A client that was killed, or whose network is gone, is found out by QUIC after half a minute only. Until then its push
//! holds what arrived in a batch that nobody else sees; the same client, started again, would be asked for all of it once
//! more. So a new push looks at those of the same repository first: one that shows no sign of life for [`SILENT_MAX`] is ended,
//! and its chunks are kept before the new one asks. An honest client on a bad line that is met in such a moment finds its
//! connection lost, connects anew and goes on where it was.
//!
//! Always holds: nobody waits longer than [`SILENT_MAX`] and [`KEEP_MAX`]; pushes that move, or whose server side is at
//! work, are left alone and hardly waited for.

use dits_sync::driver::Pulse;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A push without a sign of life for so long makes way.
pub(crate) const SILENT_MAX: Duration = Duration::from_secs(3);
/// How long a push waits for the one before to keep its chunks.
pub(crate) const KEEP_MAX: Duration = Duration::from_secs(30);

/// The pushes of a server.
#[derive(Debug, Default)]
pub(crate) struct Pushes {
    running: Mutex<BTreeMap<u64, Running>>,
    next: AtomicU64,
}

#[derive(Debug, Clone)]
struct Running {
    repository: String,
    pulse: Pulse,
    /// Ends when the push has.
    over: watch::Receiver<()>,
}

/// A push that runs, until it is dropped.
#[derive(Debug)]
pub(crate) struct Entered<'a> {
    pushes: &'a Pushes,
    number: u64,
    _over: watch::Sender<()>,
}

impl Pushes {
    /// A push to `repository` begins; those that have vanished end before.
    pub async fn enter(&self, repository: &str, pulse: Pulse) -> Entered<'_> {
        let mut looks = JoinSet::new();
        self.others(repository).into_iter().for_each(|other| drop(looks.spawn(other.make_way())));
        while looks.join_next().await.is_some() {}
        let (over, watched) = watch::channel(());
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let running = Running { repository: repository.to_owned(), pulse, over: watched };
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(number, running);
        Entered { pushes: self, number, _over: over }
    }

    fn others(&self, repository: &str) -> Vec<Running> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.values().filter(|push| push.repository == repository).cloned().collect()
    }
}

impl Running {
    /// Ends, if it has vanished; returns when that is done, or when it has not.
    async fn make_way(mut self) {
        let silent = tokio::select! {
            silent = self.pulse.is_silent_for(SILENT_MAX) => silent,
            // It never says anything, so this is its end.
            _ = self.over.changed() => false,
        };
        if silent {
            self.pulse.end();
            let _ = timeout(KEEP_MAX, self.over.changed()).await;
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.pushes.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}
