//! Bytes of contents for somebody who reads here and there: from this machine, or from whichever remote has them.
//!
//! [`Ranges`] lives as long as its reader does and may be used from any number of threads. What is on this machine is found
//! without the network ([`Ranges::parts`], [`Ranges::local`]); [`Ranges::fetch`] gives the rest, chunk by chunk as it comes, and
//! keeps it in the store behind the reader's back ([`keep`]). Connections are made when first needed and kept ([`server`]).
//!
//! Always holds: each chunk that is given was compared with its id, its id stands in a node whose bytes were compared with *its* id,
//! and so on up to the manifest. That the manifest is the one of the oid is proved for what the store has proved, and else is
//! what a server said: only who has seen the whole content can tell. What was said is remembered in a file ([`claims`]), never as a
//! binding of the store: that would be a promise that all of the content is here.
//!
//! Fails with [`RangeError`], which tells "no remote can be reached" from "no remote has it" from "wrong bytes". Each wait ends; while
//! it is known that a remote cannot be reached nobody waits for it, and one thread looks whether it can be again.
//!
//! Memory: what waits to be kept ([`keep::PENDING_BYTES_MAX`]), nodes ([`known::TREE_BYTES_MAX`]), and for each fetch a few messages and
//! the nodes of one item ([`land::NODE_BYTES_MAX`]), whatever the contents weigh.

mod claims;
mod error;
mod keep;
mod known;
mod land;
mod remotes;
mod server;

pub use error::RangeError;
pub use keep::Counts;

use crate::Settings;
use bytes::Bytes;
use claims::Claims;
use dits_format::{ChunkId, Oid};
use dits_repo::Repository;
use dits_store::{ChunkRead, PackStore, StoreError, take_away};
use dits_sync::message::priority;
use dits_sync::range::Part;
use keep::Keeper;
use known::Known;
use land::Landing;
use remotes::{Remotes, Wanted};
use server::Dialler;
use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two looks at what other processes brought into the store.
const REFRESH_EVERY: Duration = Duration::from_secs(2);

/// How much a fetch matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody waits in a read.
    Blocking,
    /// It will be read soon.
    Soon,
    /// Asked for in advance, and all of it to be kept: it waits for the disk.
    Background,
}

/// How a fetch is wanted.
#[derive(Clone, Copy)]
pub struct Want<'a> {
    /// How much.
    pub urgency: Urgency,
    /// Whether nobody wants it any more: then it ends soon with [`RangeError::Stopped`].
    pub is_over: &'a (dyn Fn() -> bool + Sync),
}

/// What somebody should hear of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Told {
    /// A remote cannot be reached.
    #[error("cannot reach '{remote}': {why}")]
    Offline {
        /// Which.
        remote: String,
        /// Why.
        why: String,
    },
    /// It can be reached again.
    #[error("'{remote}' can be reached again")]
    Online {
        /// Which.
        remote: String,
    },
    /// What comes cannot be kept on this machine, for the time being.
    #[error("what is fetched is not kept: {why}")]
    NotKept {
        /// Why.
        why: String,
    },
}

/// Hears of it. Called from any thread; must not block.
pub type Tell = Arc<dyn Fn(Told) + Send + Sync>;

/// Takes a chunk, all its bytes, and which part of the content it is; ends the fetch when it says no.
pub type Hear<'a> = dyn FnMut(Part, Bytes) -> bool + Send + 'a;

/// What a reader brings along.
pub struct Setup {
    /// The repository; one without a working tree is fine.
    pub repository: Repository,
    /// Its store.
    pub store: PackStore,
    /// From the environment.
    pub settings: Settings,
    /// File in which is noted what servers say.
    pub claims: PathBuf,
    /// Who hears of trouble.
    pub tell: Tell,
}

/// Contents, read here and there.
pub struct Ranges {
    store: PackStore,
    known: Known,
    keeper: Arc<Keeper>,
    remotes: Remotes,
    /// Contents that the cache was told of.
    held: Mutex<HashSet<Oid>>,
    refreshed: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for Ranges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ranges").finish_non_exhaustive()
    }
}

/// How one try to fetch ended.
enum Ended {
    Done,
    /// A chunk that was here is not: the content from there on is to be fetched without relying on it.
    Gone(ChunkId),
    /// The remote cuts the content otherwise than what is known here.
    OtherCuts,
}

impl Ranges {
    /// Connects to nobody yet. Nobody will be asked for a token.
    pub fn new(setup: Setup) -> Ranges {
        let Setup { repository, store, settings, claims, tell } = setup;
        let settings = Settings { interactive: false, terminal: false, ..settings };
        let to = store.clone();
        let open = move || dits_store::ChunkWrite::batch(&to.for_fetched());
        let keeper = Arc::new(Keeper::new(Box::new(open), tell.clone()));
        let known = Known::new(store.clone(), keeper.clone(), Claims::open(claims));
        let remotes =
            Remotes::new(Dialler { git: repository.git, worktree: repository.worktree, settings, tell });
        Ranges { store, known, keeper, remotes, held: Mutex::default(), refreshed: Mutex::default() }
    }

    /// The chunks that cover `range` of a content, in order, as far as that is known here; `None` when it is not.
    pub fn parts(&self, oid: &Oid, range: Range<u64>) -> Result<Option<Vec<Part>>, RangeError> {
        Ok(self.known.parts(oid, range)?.map(|(_, parts)| parts))
    }

    /// A chunk that is on this machine. One that is damaged is taken away, and is not.
    pub fn local(&self, id: &ChunkId) -> Result<Option<Bytes>, RangeError> {
        if let Some((_, bytes)) = self.keeper.pending(id) {
            return Ok(Some(bytes));
        }
        // `read` looks at the folders again when it finds nothing, which would cost each miss hundreds of calls.
        if !self.store.has(id)? {
            return Ok(None);
        }
        match self.store.read_bytes(id) {
            Ok(found) => Ok(found.map(|(_, bytes)| bytes)),
            Err(StoreError::Corrupt { .. }) => {
                // Where that fails it is fetched again each time.
                let _ = take_away(&self.store.own(), *id);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a chunk is on this machine.
    pub fn has(&self, id: &ChunkId) -> bool {
        self.keeper.has(id) || self.store.has(id).unwrap_or(false)
    }

    /// Gives the chunks that cover `range` of a content, in order, from wherever they are. Those that came from a remote are kept.
    /// `hear` gets parts that follow each other without gap or overlap; the first may begin before the range, the last end behind it.
    pub fn fetch(
        &self,
        oid: &Oid,
        range: Range<u64>,
        want: Want<'_>,
        hear: &mut Hear<'_>,
    ) -> Result<(), RangeError> {
        self.prepare(oid);
        let mut hear = |part: Part, bytes: Bytes| hear(part, bytes);
        let mut land = Landing::new(self, want, range.start, &mut hear);
        let (mut gone, mut relies) = (HashSet::new(), true);
        loop {
            let left = land.done()..range.end;
            if left.is_empty() {
                return Ok(());
            }
            match self.fetch_once(oid, left, relies.then_some(&gone), &mut land)? {
                Ended::Done => return Ok(()),
                Ended::Gone(id) => drop(gone.insert(id)),
                Ended::OtherCuts => relies = false,
            }
        }
    }

    /// With what is here, but for what is `gone`; without any of it when that is `None`.
    fn fetch_once(
        &self,
        oid: &Oid,
        range: Range<u64>,
        gone: Option<&HashSet<ChunkId>>,
        land: &mut Landing<'_>,
    ) -> Result<Ended, RangeError> {
        let mut wanted = Wanted { oid: *oid, ranges: vec![range.clone()], manifest: None };
        let known = match gone {
            Some(gone) => self.known.parts(oid, range.clone())?.map(|known| (gone, known)),
            None => None,
        };
        let Some((gone, (manifest, parts))) = known else {
            land.rely_on(VecDeque::new());
            return self.remotes.fetch(&wanted, land);
        };
        let (mut here, mut ranges) = (VecDeque::new(), Vec::<Range<u64>>::new());
        for part in parts {
            let end = (part.start + u64::from(part.bytes)).min(range.end);
            if !gone.contains(&part.id) && self.has(&part.id) {
                here.push_back(part);
                continue;
            }
            match ranges.last_mut().filter(|last| last.end == part.start) {
                Some(last) => last.end = end,
                None => ranges.push(part.start.max(range.start)..end),
            }
        }
        land.rely_on(here);
        let first = ranges.first().map_or(range.end, |missing| missing.start);
        if !land.give_until(first)? {
            return land.why_stopped();
        }
        if !ranges.is_empty() {
            (wanted.ranges, wanted.manifest) = (ranges, Some((*manifest).clone()));
            match self.remotes.fetch(&wanted, land)? {
                Ended::Done if land.give_until(range.end)? => {}
                Ended::Done => return land.why_stopped(),
                other => return Ok(other),
            }
        }
        Ok(Ended::Done)
    }

    /// Keeps the cache from evicting it, and learns now and then what other processes brought.
    fn prepare(&self, oid: &Oid) {
        if self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(*oid) {
            self.store.hold(&[*oid]);
        }
        let mut refreshed = self.refreshed.lock().unwrap_or_else(PoisonError::into_inner);
        if refreshed.is_none_or(|at| at.elapsed() >= REFRESH_EVERY) {
            *refreshed = Some(Instant::now());
            drop(refreshed);
            // What cannot be read now is told by whoever needs it.
            let _ = self.store.refresh();
        }
    }

    /// Returns when all that came so far is kept, or will not be.
    pub fn flush(&self) {
        self.keeper.flush();
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        self.keeper.counts()
    }

    /// Whether some remote could be reached when one was last needed.
    pub fn is_online(&self) -> bool {
        self.remotes.is_online()
    }
}

impl Urgency {
    fn priority(self) -> u8 {
        match self {
            Urgency::Blocking => priority::URGENT,
            Urgency::Soon => priority::NORMAL,
            Urgency::Background => priority::BACKGROUND,
        }
    }
}
