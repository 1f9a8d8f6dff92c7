//! Which contents can be had elsewhere for sure, and where.
//!
//! The answer of a server is worth something only for contents that it has *proved*: a copy here may be dropped
//! for it. A server that cannot be asked has proved nothing.

use crate::{Direction, EndpointError, Peer, RemoteError, Settings, endpoint};
use dits_format::Oid;
use dits_repo::Repository;
use dits_sync::Location;
use std::collections::HashSet;

/// A place where content may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The remote's name, or the key that tells the address.
    pub name: String,
    /// Where its content is.
    pub address: Location,
}

/// The remotes that have content somewhere, `origin` first, and what `dits.url` adds to them.
pub fn places(repository: &Repository) -> Result<Vec<Place>, EndpointError> {
    let mut places = Vec::new();
    for endpoint in endpoint::all(repository, Direction::Fetch)? {
        places.extend(endpoint.address.map(|address| Place { name: endpoint.remote, address }));
    }
    for address in endpoint::fetch_locations(repository)? {
        if places.iter().all(|place| place.address != address) {
            places.push(Place { name: "dits.url".to_owned(), address });
        }
    }
    Ok(places)
}

/// Which of `oids` the server at `place` has proved, in their order.
pub fn ask(
    repository: &Repository,
    settings: &Settings,
    place: &Place,
    oids: &[Oid],
) -> Result<Vec<bool>, RemoteError> {
    let mut remote = Peer::connect(repository, place.address.clone(), settings)?;
    let proved = remote.proves(oids)?;
    remote.close();
    Ok(proved)
}

/// What all remotes together have proved.
#[derive(Debug, Default)]
pub struct Proofs {
    /// Contents that some remote has proved.
    pub proved: HashSet<Oid>,
    /// Places that could not be asked, and why.
    pub failed: Vec<(Place, RemoteError)>,
}

/// Asks one remote after the other until each of `oids` is proved by one.
pub fn anywhere(repository: &Repository, settings: &Settings, oids: &[Oid]) -> Result<Proofs, EndpointError> {
    let mut proofs = Proofs::default();
    let mut open: Vec<Oid> = oids.to_vec();
    for place in places(repository)? {
        if open.is_empty() {
            break;
        }
        match ask(repository, settings, &place, &open) {
            Ok(answers) => {
                proofs
                    .proved
                    .extend(open.iter().zip(answers).filter_map(|(oid, proved)| proved.then_some(*oid)));
                open.retain(|oid| !proofs.proved.contains(oid));
            }
            Err(error) => proofs.failed.push((place, error)),
        }
    }
    Ok(proofs)
}
