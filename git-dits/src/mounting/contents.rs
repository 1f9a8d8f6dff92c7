//! Contents for a mount: the chunks of this repository, and of its remotes.
//!
//! Joins [`Ranges`] to what the filesystem core asks for, and gives each failure the name that it has there. The rules are
//! `dits_remote`'s.

use super::prefetch::{self, Item};
use super::whole::WholeFiles;
use anyhow::Result;
use bytes::Bytes;
use dits_format::{ChunkId, Oid};
use dits_mount::outside::{ContentFault, Contents, Piece, Priority, Sink, Want};
use dits_remote::ranges::{self, RangeError, Ranges, Setup, Tell, Urgency};
use dits_remote::{RemoteSource, Settings};
use dits_repo::settings::Setting;
use dits_repo::{FetchProgress, Git, Repository};
use dits_store::PackStore;
use dits_sync::range::Part;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

/// Largest size of the whole files of a mount, in bytes; 0: none.
pub const WHOLE_SIZE: Setting<u64> = Setting::new("dits.mount.wholesize", 0);
/// File that remembers what servers said.
pub const CLAIMS: &str = "manifests";
/// Folder of whole files.
const WHOLE: &str = "whole";

/// See the file head.
#[derive(Debug)]
pub struct StoreContents {
    git: Git,
    settings: Settings,
    store: PackStore,
    ranges: Ranges,
    whole: WholeFiles,
}

impl StoreContents {
    /// The contents of a repository; `repository` is found from a Git folder, not from a working tree. What is remembered of them is
    /// in the folder `state`, which is there. `tell` hears of trouble with remotes and the store; each has its words.
    pub fn open(
        repository: Repository,
        settings: &Settings,
        state: &Path,
        tell: Tell,
    ) -> Result<StoreContents> {
        let store = repository.store()?;
        let whole = WholeFiles::new(state.join(WHOLE), repository.setting_number(WHOLE_SIZE)?);
        let (git, settings, claims) = (repository.git.clone(), settings.clone(), state.join(CLAIMS));
        let setup = Setup { repository, store: store.clone(), settings: settings.clone(), claims, tell };
        Ok(StoreContents { git, settings, store, ranges: Ranges::new(setup), whole })
    }

    /// Brings whole contents here, behind what somebody waits for; gives those that could not be had.
    pub fn bring(
        &self,
        items: &[Item],
        observe: &mut (dyn FnMut(FetchProgress) + Send),
    ) -> Result<Vec<Item>> {
        // Its settings are read once for a value of it.
        let mut repository = Repository::of(&self.git)?;
        repository.worktree = None;
        let source = RemoteSource::new(&repository, &self.store, &self.settings);
        prefetch::bring(&self.store, &mut source.in_background(), items, observe)
    }

    /// For who asks for more than the core does.
    pub fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// Makes a content that is whole here a file of its own.
    pub fn make_whole(&self, oid: &Oid) -> Result<()> {
        self.whole.make(&self.store, oid)
    }
}

fn piece(Part { id, start, skip, bytes }: Part) -> Piece {
    Piece { start, skip, bytes, id }
}

fn fault(error: RangeError) -> ContentFault {
    match error {
        RangeError::Offline(why) => ContentFault::Offline(why),
        RangeError::Absent => ContentFault::Absent,
        RangeError::Damaged(why) => ContentFault::Damaged(why),
        RangeError::Failed(why) => ContentFault::Failed(why),
        RangeError::Stopped => ContentFault::Cancelled,
    }
}

impl Contents for StoreContents {
    fn pieces(&self, oid: &Oid, range: Range<u64>) -> Result<Option<Vec<Piece>>, ContentFault> {
        let parts = self.ranges.parts(oid, range).map_err(fault)?;
        Ok(parts.map(|parts| parts.into_iter().map(piece).collect()))
    }

    fn local(&self, id: &ChunkId) -> Result<Option<Bytes>, ContentFault> {
        self.ranges.local(id).map_err(fault)
    }

    fn has(&self, id: &ChunkId) -> bool {
        self.ranges.has(id)
    }

    fn fetch(
        &self,
        oid: &Oid,
        range: Range<u64>,
        want: &Want,
        sink: &mut Sink<'_>,
    ) -> Result<(), ContentFault> {
        let urgency = match want.priority() {
            Priority::Blocking => Urgency::Blocking,
            Priority::Playhead | Priority::Ahead => Urgency::Soon,
            Priority::Background => Urgency::Background,
        };
        let want = ranges::Want { urgency, is_over: &|| want.is_over() };
        self.ranges.fetch(oid, range, want, &mut |part, bytes| sink(piece(part), bytes)).map_err(fault)
    }

    fn whole(&self, oid: &Oid) -> Option<File> {
        self.whole.find(oid)
    }
}
