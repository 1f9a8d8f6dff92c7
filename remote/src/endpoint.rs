//! Where the content of a Git remote is.
//!
//! A remote with a `dits://` address has its content there. For any other (a Git host over https or ssh, a
//! folder; with `dits::` in front or not) it is told, in this order: `remote.<name>.ditsurl`, then `dits.url`; for pushes `remote.<name>.ditspushurl`
//! and `dits.pushurl` come before these. The keys that may be shared with everybody stand in `.ditsconfig` too.
//!
//! `.ditsconfig` is written by whoever may push. It may name a server, which gets what the user pushes anyway, and a
//! folder to *read* from: only one that was made for it is looked at, and what comes from there is checked like
//! all else. Where a *push* writes into a folder, the user's own configuration must name it: the folder could be
//! somebody's, laid out to have files written or swept away elsewhere.
//! Git's own `url.*.insteadOf` and `pushInsteadOf` are applied to the remote's address, not to these keys.

use crate::remotes;
use dits_repo::{RepoError, Repository};
use dits_sync::address::AddressError;
use dits_sync::{Address, Location};

/// Which way content goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the server.
    Fetch,
    /// To the server.
    Push,
}

/// A Git remote and where its content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name, or the URL of one without a name.
    pub remote: String,
    /// The address that Git uses.
    pub git_url: String,
    /// Where its content is, if anything says so.
    pub address: Option<Location>,
}

/// Why it is not known where content is.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// A key or remote holds something that is no address of a server.
    #[error("bad value of '{key}': {source}")]
    Address {
        /// The key, or the name of the remote.
        key: String,
        /// What is wrong.
        source: AddressError,
    },
    /// Only the repository names the folder that a push would write into.
    #[error(
        "'.ditsconfig' names the folder '{location}' for what is pushed, your own configuration does not"
    )]
    Untrusted {
        /// The key.
        key: String,
        /// The folder.
        location: Location,
    },
    /// Git or the repository failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

/// All remotes, `origin` first, then by name.
pub fn all(repository: &Repository, direction: Direction) -> Result<Vec<Endpoint>, EndpointError> {
    let remotes = remotes::all(repository, direction)?.into_iter();
    let mut remotes: Vec<_> = remotes.map(|(name, url)| (name != "origin", name, url)).collect();
    remotes.sort();
    // A remote may have several push URLs: content goes to one place.
    remotes.dedup_by(|next, first| next.1 == first.1);
    remotes.into_iter().map(|(_, name, url)| of(repository, &name, &url, direction)).collect()
}

/// The endpoint of the remote `name`, or of a URL given in place of a name; `None` when it is neither.
pub fn named(
    repository: &Repository,
    name: &str,
    direction: Direction,
) -> Result<Option<Endpoint>, EndpointError> {
    if let Some(known) = all(repository, direction)?.into_iter().find(|known| known.remote == name) {
        return Ok(Some(known));
    }
    if name.contains(':') || name.contains('/') {
        return of(repository, name, name, direction).map(Some);
    }
    Ok(None)
}

/// The places to fetch content from, without repetition. A setting without any remote counts as well.
pub fn fetch_locations(repository: &Repository) -> Result<Vec<Location>, EndpointError> {
    let mut addresses = Vec::new();
    for endpoint in all(repository, Direction::Fetch)? {
        addresses.extend(endpoint.address);
    }
    addresses.extend(told(repository, &["dits.url".to_owned()])?.map(|told| told.location));
    let mut seen = Vec::new();
    addresses.retain(|address| {
        let new = !seen.contains(address);
        seen.push(address.clone());
        new
    });
    Ok(addresses)
}

/// The endpoint of a remote whose address for Git is `url`.
pub fn of(
    repository: &Repository,
    name: &str,
    url: &str,
    direction: Direction,
) -> Result<Endpoint, EndpointError> {
    let own = |address: Option<Location>| Endpoint { remote: name.into(), git_url: url.into(), address };
    if inner(url).starts_with("dits://") {
        let address = Address::parse(inner(url));
        let address = address.map_err(|source| EndpointError::Address { key: name.into(), source })?;
        return Ok(own(Some(address.into())));
    }
    let fetch = [format!("remote.{name}.ditsurl"), "dits.url".to_owned()];
    let push = [format!("remote.{name}.ditspushurl"), "dits.pushurl".to_owned()];
    if direction == Direction::Fetch {
        return Ok(own(told(repository, &fetch)?.map(|told| told.location)));
    }
    match told(repository, &[push, fetch].concat())? {
        Some(Told { key, location: location @ Location::Folder(_), by_user: false }) => {
            Err(EndpointError::Untrusted { key, location })
        }
        told => Ok(own(told.map(|told| told.location))),
    }
}

/// An address without the `dits::` that makes Git call us for it.
pub fn inner(url: &str) -> &str {
    url.strip_prefix("dits::").unwrap_or(url)
}

/// What a setting says.
struct Told {
    key: String,
    location: Location,
    /// Whether it is in Git's own configuration.
    by_user: bool,
}

/// What the first of `keys` that is set says.
fn told(repository: &Repository, keys: &[String]) -> Result<Option<Told>, EndpointError> {
    for key in keys {
        if let Some(url) = repository.setting(key)? {
            let location = Location::parse(&url)
                .map_err(|source| EndpointError::Address { key: key.clone(), source })?;
            let by_user = repository.config(key)?.is_some();
            let location = if by_user { location } else { location.named_by_repository() };
            return Ok(Some(Told { key: key.clone(), location, by_user }));
        }
    }
    Ok(None)
}
