//! Calls of a client beyond whole contents: parts of them, the server's filter, and locks.
//!
//! Each opens a stream of its own, with the priority that fits.

use super::{Client, Report};
use crate::filter::Filter;
use crate::filter_fetch::FilterFetcher;
use crate::locks::{Asker, Listener};
use crate::machine::SyncError;
use crate::message::{Hello, Purpose, priority};
use crate::range::{RangeItem, Ranger};
use dits_format::{Manifest, Oid};
use dits_lock::Ask;
use dits_store::ChunkWrite;

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
    /// Fetches the chunks that cover parts of contents into `store`, bound to nothing. What arrived before an error
    /// is kept.
    pub fn range(
        &self,
        token: &str,
        store: &(impl ChunkWrite + Clone + 'static),
        items: Vec<RangeItem>,
        priority: u8,
    ) -> Result<Ranged, SyncError> {
        let mut ranger = Ranger::new(store, items)?;
        let hello = Hello { priority, ..self.hello(token, Purpose::Pull) };
        let result = self.run(hello, &mut ranger, &mut |_| {});
        let (manifests, absent) = (ranger.manifests().to_vec(), ranger.absent().to_vec());
        ranger.keep()?;
        Ok(Ranged { report: result?, manifests, absent })
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
