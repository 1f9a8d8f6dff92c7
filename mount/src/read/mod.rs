//! Bytes of contents for open files: from memory, from this machine, from a remote.
//!
//! An [`Engine`] is one for a mount, a [`Stream`] one for an open file. A read takes the chunks it needs from [`ram`], then from the
//! store of this machine; what is not there it wishes for in the [`queue`], where workers ([`fetch`]) take it from, and waits
//! ([`shared`]). How somebody reads ([`window`]) and what he reads ([`media`]) says what is wished for ahead of him.
//!
//! Always holds: every chunk that is given out was checked against its id by [`Contents`]. A read gives the right bytes, all of them, or
//! a fault. Memory is bounded by [`Options`] whatever the sizes of contents, beside what readers have asked for just now. Any number of
//! readers of a range that is being fetched share the one fetch. A fault concerns those who need what it is about; while no remote can be
//! reached ([`breaker`]), who needs one is told so at once.
//!
//! Units: bytes; times since the engine was made.

mod breaker;
mod faults;
mod fetch;
mod layout;
mod media;
mod parts;
mod queue;
mod ram;
mod shared;
mod stats;
mod stream;
mod trace;
mod window;

pub use stats::{Latency, ReadStats, Tally};
pub use stream::Stream;
pub use trace::{TRACE_BYTES_MAX, Trace, Traced};

use crate::outside::{Contents, Events};
use dits_format::Oid;
use shared::Shared;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What bounds an engine, and who hears of it.
pub struct Options {
    /// Memory for chunks.
    pub ram_bytes: u64,
    /// Bytes that fetches may bring at a time.
    pub flight_bytes: u64,
    /// Fetches at a time. Each has a thread, from when it is first needed.
    pub flights: usize,
    /// Who waits for bytes gives up when none came for this long.
    pub patience: Duration,
    /// While no remote can be reached, one fetch tries it after this long, later up to 30 times that.
    pub probe_after: Duration,
    /// Where is written down what was read.
    pub trace: Option<Trace>,
    /// Who hears that remotes can be reached again.
    pub events: Option<Arc<dyn Events>>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            ram_bytes: 256 << 20,
            flight_bytes: 48 << 20,
            flights: 6,
            patience: Duration::from_secs(30),
            probe_after: Duration::from_secs(1),
            trace: None,
            events: None,
        }
    }
}

/// Where the open files of a mount read contents. Ends its fetches and waits for its threads when it is dropped.
pub struct Engine {
    shared: Arc<Shared>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Reads from `contents`.
    pub fn new(contents: Arc<dyn Contents>, options: Options) -> Arc<Engine> {
        Arc::new(Engine { shared: Arc::new(Shared::new(contents, options)) })
    }

    /// What it reads from.
    pub fn contents(&self) -> &dyn Contents {
        &*self.shared.contents
    }

    /// A content of `bytes` bytes, for a file with this path. Nothing is fetched before it is read.
    pub fn open(self: &Arc<Engine>, oid: Oid, bytes: u64, path: &[u8]) -> Stream {
        Stream::new(self.clone(), oid, bytes, path)
    }

    /// How reading is doing.
    pub fn stats(&self) -> ReadStats {
        self.shared.counters.get(self.shared.ram.bytes())
    }

    /// Whether remotes could be reached when one was last needed.
    pub fn is_online(&self) -> bool {
        !self.shared.state().breaker.is_away()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.close();
    }
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
