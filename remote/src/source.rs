//! Chunks for hydration, from whichever remote has them.
//!
//! The `dits://` remotes of the repository are tried in turn, `origin` first, until nothing is absent. It
//! connects when first asked and not before: a checkout whose content is all here touches no network.

use crate::{Remote, RemoteError, Settings};
use dits_format::Oid;
use dits_repo::{ChunkSource, FetchProgress, Git, RepoError};
use dits_store::PackStore;
use dits_sync::{Address, Tally};
use std::error::Error;

/// The remotes of a repository as a source of chunks.
#[derive(Debug)]
pub struct RemoteSource {
    git: Git,
    store: PackStore,
    settings: Settings,
}

/// No remote to fetch from.
#[derive(Debug, thiserror::Error)]
#[error("no remote with a dits:// address to fetch content from")]
pub struct NoRemote;

impl RemoteSource {
    /// Fetches into `store`, from the remotes that `git` lists.
    pub fn new(git: &Git, store: &PackStore, settings: &Settings) -> RemoteSource {
        RemoteSource { git: git.clone(), store: store.clone(), settings: settings.clone() }
    }
}

/// Addresses of the `dits://` remotes, `origin` first, then by name. `url.*.insteadOf` is applied.
pub fn addresses(git: &Git) -> Result<Vec<Address>, RepoError> {
    let out = git.run(&["remote", "-v"])?;
    let out = String::from_utf8_lossy(&out).into_owned();
    let fetch = |line: &str| {
        let (name, rest) = line.split_once('\t')?;
        let (url, kind) = rest.split_once(' ')?;
        kind.starts_with("(fetch)").then(|| (name != "origin", name.to_owned(), url.to_owned()))
    };
    let mut remotes: Vec<_> = out.lines().filter_map(fetch).collect();
    remotes.sort();
    Ok(remotes.iter().filter_map(|(_, _, url)| Address::parse(url).ok()).collect())
}

impl ChunkSource for RemoteSource {
    fn fetch(
        &mut self,
        oids: &[Oid],
        observe: &mut (dyn FnMut(FetchProgress) + Send),
    ) -> Result<Vec<Oid>, Box<dyn Error + Send + Sync>> {
        let addresses = addresses(&self.git)?;
        if addresses.is_empty() {
            return Err(NoRemote.into());
        }
        let (mut absent, mut last) = (oids.to_vec(), None);
        for address in addresses {
            match self.fetch_from(address, &absent, observe) {
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
}

impl RemoteSource {
    fn fetch_from(
        &self,
        address: Address,
        oids: &[Oid],
        observe: &mut (dyn FnMut(FetchProgress) + Send),
    ) -> Result<Vec<Oid>, RemoteError> {
        let mut remote = Remote::connect(&self.git, address, &self.settings)?;
        let absent = remote.pull(&self.store, oids, &mut |tally: Tally| {
            let Tally { chunks, chunk_bytes: bytes, needed_bytes: bytes_total, .. } = tally;
            observe(FetchProgress { chunks, bytes, bytes_total });
        })?;
        remote.close();
        Ok(absent)
    }
}
