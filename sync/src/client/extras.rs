//! Calls of a client beyond whole contents: parts of them, the server's filter, and locks.
//!
//! Each opens a stream of its own, with the priority that fits.

use super::{Client, Report};
use crate::filter::Filter;
use crate::filter_fetch::FilterFetcher;
use crate::locks::{Asker, Listener};
use crate::machine::{SILENCE_MAX, SyncError};
use crate::message::{Hello, Purpose, priority};
use crate::range::{Land, RangeItem, Ranger};
use dits_format::{Manifest, Oid};
use dits_lock::Ask;
use std::time::Duration;
use tokio::time::sleep;

/// Between two looks whether somebody still wants what comes.
const OVER_LOOK: Duration = Duration::from_millis(50);

/// Parts of contents that are wanted.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Which, at most [`RANGES_MAX`](crate::range::RANGES_MAX).
    pub items: Vec<RangeItem>,
    /// See [`priority`].
    pub priority: u8,
    /// How long the server may be silent.
    pub silence_max: Duration,
}

impl Parts {
    /// With the patience of a command.
    pub fn new(items: Vec<RangeItem>, priority: u8) -> Parts {
        Parts { items, priority, silence_max: SILENCE_MAX }
    }
}

/// Parts of contents that came.
#[derive(Debug, Clone)]
pub struct Ranged {
    /// What moved.
    pub report: Report,
    /// Manifests that came along: those of their contents, as the server says.
    pub manifests: Vec<(Oid, Manifest)>,
    /// Contents that the server does not have.
    pub absent: Vec<Oid>,
}

impl Client {
    /// Fetches the chunks that cover parts of contents. What comes goes to `land` on this thread, also before an error.
    /// Ends with [`SyncError::Stopped`] soon after `is_over`.
    pub fn range(
        &self,
        token: &str,
        land: &mut impl Land,
        wanted: Parts,
        is_over: &(dyn Fn() -> bool + Sync),
    ) -> Result<Ranged, SyncError> {
        let mut ranger = Ranger::new(land, wanted.items).impatient(wanted.silence_max);
        let hello = Hello { priority: wanted.priority, ..self.hello(token, Purpose::Pull) };
        let report = self.run_until(hello, &mut ranger, &mut |_| {}, over(is_over))?;
        Ok(Ranged { report, manifests: ranger.manifests().to_vec(), absent: ranger.absent().to_vec() })
    }

    /// Fetches the server's filter, if it has another one than that of `epoch`, of at most `most` bytes. It takes the
    /// rights of a writer.
    pub fn filter(&self, token: &str, epoch: u64, most: u32) -> Result<Option<Filter>, SyncError> {
        let mut fetcher = FilterFetcher::new(epoch, most);
        let hello = Hello { priority: priority::BACKGROUND, ..self.hello(token, Purpose::Push) };
        self.run(hello, &mut fetcher, &mut |_| {})?;
        Ok(fetcher.into_filter())
    }

    /// Asks about locks; `hear` gets each answer, and ends a watch when it says no.
    pub fn locks(&self, token: &str, ask: &Ask, hear: Listener<'_>) -> Result<(), SyncError> {
        let hello = Hello { priority: priority::URGENT, ..self.hello(token, Purpose::Locks) };
        self.run(hello, &mut Asker::new(ask, hear)?, &mut |_| {}).map(drop)
    }
}

/// Returns soon after `is_over`.
async fn over(is_over: &(dyn Fn() -> bool + Sync)) -> SyncError {
    while !is_over() {
        sleep(OVER_LOOK).await;
    }
    SyncError::Stopped
}
