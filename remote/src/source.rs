//! Chunks for hydration, from whichever remote has them.
//!
//! Remotes that are folders of this machine are looked into first. Then the places where the repository's remotes
//! have their content ([`endpoint`]) are tried in turn, `origin` first, until nothing is absent.
//! It connects when first asked and not before: a checkout whose content is all here touches no network.

use crate::{Peer, RemoteError, Settings, endpoint};
use dits_format::Oid;
use dits_repo::{ChunkSource, FetchProgress, Repository, copy, storage};
use dits_store::{ChunkRead, Follow, PackStore};
use dits_sync::client::Pull;
use dits_sync::message::priority;
use dits_sync::pull::PullItem;
use dits_sync::{Location, Tally};
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

/// The remotes of a repository as a source of chunks.
#[derive(Debug)]
pub struct RemoteSource<'a> {
    repository: &'a Repository,
    store: PackStore,
    settings: Settings,
    only: Option<Vec<Location>>,
    /// Whether a remote is a folder with a chunk store.
    has_local: bool,
    /// Similar contents, by those that are wanted.
    bases: HashMap<Oid, Oid>,
    /// Who reads contents as they come.
    follower: Option<Arc<dyn Follow>>,
    /// See [`priority`].
    priority: u8,
}

/// No remote to fetch from.
#[derive(Debug, thiserror::Error)]
#[error("no remote with a dits:// address to fetch content from")]
pub struct NoRemote;

impl<'a> RemoteSource<'a> {
    /// Fetches into `store`, from the remotes of `repository`.
    pub fn new(repository: &'a Repository, store: &PackStore, settings: &Settings) -> RemoteSource<'a> {
        RemoteSource {
            repository,
            store: store.clone(),
            settings: settings.clone(),
            only: None,
            has_local: false,
            bases: HashMap::new(),
            follower: None,
            priority: priority::NORMAL,
        }
    }

    /// The same, from these addresses and no others.
    pub fn only(self, addresses: Vec<Location>) -> RemoteSource<'a> {
        RemoteSource { only: Some(addresses), ..self }
    }

    /// The same for something that nobody waits for.
    pub fn in_background(self) -> RemoteSource<'a> {
        RemoteSource { priority: priority::BACKGROUND, ..self }
    }
}

impl ChunkSource for RemoteSource<'_> {
    fn suggest(&mut self, bases: HashMap<Oid, Oid>) {
        self.bases = bases;
    }

    fn follow(&mut self, follower: Arc<dyn Follow>) {
        self.follower = Some(follower);
    }

    fn fetch(
        &mut self,
        oids: &[Oid],
        observe: &mut (dyn FnMut(FetchProgress) + Send),
    ) -> Result<Vec<Oid>, Box<dyn Error + Send + Sync>> {
        self.store.hold(oids);
        let mut absent = oids.to_vec();
        if self.only.is_none() {
            absent = self.fetch_locally(absent, observe)?;
            if absent.is_empty() {
                return Ok(absent);
            }
        }
        let addresses = match &self.only {
            Some(addresses) => addresses.clone(),
            None => endpoint::fetch_locations(self.repository)?,
        };
        if addresses.is_empty() && self.has_local {
            // Folders that were asked are remotes, too.
            return Ok(absent);
        }
        each(addresses, &absent, &mut |address, absent| self.fetch_from(address, absent, observe))
    }
}

/// What a fetch would move.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weight {
    /// Chunks that are not here.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Contents that no remote has.
    pub absent: Vec<Oid>,
}

/// What fetching `oids` from `addresses` would move, beyond the chunks that are in `here`. Moves and stores nothing.
///
/// # Errors
/// As [`ChunkSource::fetch`].
pub fn weigh(
    repository: &Repository,
    settings: &Settings,
    addresses: Vec<Location>,
    here: &Arc<dyn ChunkRead>,
    oids: &[Oid],
) -> Result<Weight, Box<dyn Error + Send + Sync>> {
    let mut weight = Weight::default();
    weight.absent = each(addresses, oids, &mut |address, absent| {
        let mut remote = Peer::connect(&repository.git, address, settings)?;
        let (tally, absent) = remote.weigh(here, absent)?;
        remote.close();
        weight.chunks += tally.chunks_needed;
        weight.bytes += tally.needed_bytes;
        Ok(absent)
    })?;
    Ok(weight)
}

/// Asks one address for contents. Returns those that are not there.
type AskOne<'a> = dyn FnMut(Location, &[Oid]) -> Result<Vec<Oid>, RemoteError> + 'a;

/// Asks one address after the other for what is still absent. Returns what nobody has.
fn each(
    addresses: Vec<Location>,
    oids: &[Oid],
    ask: &mut AskOne<'_>,
) -> Result<Vec<Oid>, Box<dyn Error + Send + Sync>> {
    if addresses.is_empty() {
        return Err(NoRemote.into());
    }
    let (mut absent, mut last) = (oids.to_vec(), None);
    for address in addresses {
        match ask(address, &absent) {
            Ok(still) => absent = still,
            Err(error) => last = Some(error),
        }
        if absent.is_empty() {
            return Ok(absent);
        }
    }
    // One that answered outweighs one that did not, only if nothing is left to be had.
    last.map_or(Ok(absent), |error| Err(error.into()))
}

impl RemoteSource<'_> {
    /// Takes what remotes have that are folders of this machine; returns the rest.
    fn fetch_locally(
        &mut self,
        mut absent: Vec<Oid>,
        observe: &mut (dyn FnMut(FetchProgress) + Send),
    ) -> Result<Vec<Oid>, Box<dyn Error + Send + Sync>> {
        for remote in endpoint::all(self.repository, endpoint::Direction::Fetch)? {
            let Some(other) = storage::local_remote(&self.repository.git, endpoint::inner(&remote.git_url))
            else {
                continue;
            };
            if let Ok(Some(store)) = other.store_to_read() {
                self.has_local = true;
                absent = copy::contents(&store, &self.store, &absent, observe)?;
            }
            if absent.is_empty() {
                break;
            }
        }
        Ok(absent)
    }

    fn fetch_from(
        &self,
        address: Location,
        oids: &[Oid],
        observe: &mut (dyn FnMut(FetchProgress) + Send),
    ) -> Result<Vec<Oid>, RemoteError> {
        let mut remote = Peer::connect(&self.repository.git, address, &self.settings)?;
        let (store, item) = (self.store.for_fetched(), |oid: &Oid| PullItem {
            oid: *oid,
            base: self.bases.get(oid).copied(),
        });
        let pull = Pull {
            items: oids.iter().map(item).collect(),
            cold: self.store.chunks_known() + store.chunks_known() == 0,
            priority: self.priority,
            follower: self.follower.clone(),
        };
        let absent = remote.pull(&store, &pull, &mut |tally: Tally| {
            let Tally { chunks, chunk_bytes: bytes, needed_bytes: bytes_total, .. } = tally;
            observe(FetchProgress { contents: oids.len() as u64, chunks, bytes, bytes_total });
        })?;
        remote.close();
        Ok(absent)
    }
}
