//! Asking one remote after the other: repositories and folders of this machine first, then the places where the repository's
//! remotes have their content, `origin` first.
//!
//! What one remote has given is not asked of the next. One that is silent or lost is asked again on a new connection, as long as that
//! brings something; one that sends what is not right gives nothing more, and the next one is asked.

use super::land::Landing;
use super::server::{Dialler, Link, Server};
use super::{Ended, RangeError};
use crate::source::NoRemote;
use crate::{EndpointError, RemoteError, endpoint, login};
use dits_format::{Manifest, Oid};
use dits_repo::{Repository, storage};
use dits_store::{Folder, PackStore};
use dits_sync::client::{Client, Parts, Ranged};
use dits_sync::direct::{Broken, converse};
use dits_sync::machine::SILENCE_MAX;
use dits_sync::message::Reason;
use dits_sync::pull::Giver;
use dits_sync::range::{RANGES_MAX, RangeItem, Ranger};
use dits_sync::{Location, SyncError};
use serde_json::json;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of a content that are asked for in one item: its nodes are in memory meanwhile.
pub const ITEM_BYTES_MAX: u64 = 256 << 20;
/// Silence of a server after which one looks whether it can still be reached.
const SILENCE_FIRST: Duration = Duration::from_secs(4);
/// Tries with one server that bring nothing.
const TRIES_MAX: u32 = 2;
/// When nobody has something, which remotes there are is asked again after this long.
const LISTED_FOR: Duration = Duration::from_secs(10);

/// What is wanted of a content.
pub struct Wanted {
    pub oid: Oid,
    /// In order, not empty, none beyond the content.
    pub ranges: Vec<Range<u64>>,
    /// Its manifest, if that and all nodes to these bytes are here.
    pub manifest: Option<Manifest>,
}

/// See the file head.
pub struct Remotes {
    dialler: Arc<Dialler>,
    listed: Mutex<Option<(Instant, Arc<[Place]>)>>,
}

/// Where content may be.
#[derive(Clone)]
enum Place {
    /// A store of this machine: of a repository that is a remote, or in a folder of contents.
    Store(String, PackStore),
    Server(Arc<Server>),
    /// One that cannot be looked at.
    Lost(RangeError),
}

impl Remotes {
    pub fn new(dialler: Dialler) -> Remotes {
        Remotes { dialler: Arc::new(dialler), listed: Mutex::default() }
    }

    /// Whether all servers that are known can be reached, as far as was tried.
    pub fn is_online(&self) -> bool {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let places = listed.iter().flat_map(|(_, places)| places.iter());
        let mut servers = places.filter_map(|place| match place {
            Place::Server(server) => Some(server.is_down()),
            _ => None,
        });
        !servers.next().is_some_and(|down| down && servers.all(|down| down))
    }

    /// Gives what is wanted to `land`, from whoever has it.
    pub fn fetch(&self, wanted: &Wanted, land: &mut Landing<'_>) -> Result<Ended, RangeError> {
        let (listed, places) = self.places(None)?;
        let first = self.ask(&places, wanted, land);
        if !matches!(first, Err(RangeError::Absent | RangeError::Failed(_))) || listed.elapsed() < LISTED_FOR
        {
            return first;
        }
        // Perhaps a remote was added, or a setting changed.
        let (_, places) = self.places(Some(listed))?;
        self.ask(&places, wanted, land)
    }

    fn ask(&self, places: &[Place], wanted: &Wanted, land: &mut Landing<'_>) -> Result<Ended, RangeError> {
        let mut failed = None;
        for place in places {
            let asked = match place {
                Place::Store(name, store) => self.ask_store(name, store, wanted, land),
                Place::Server(server) => self.ask_server(server, wanted, land),
                Place::Lost(error) => Err(error.clone()),
            };
            match asked {
                Ok(ended) => return Ok(ended),
                Err(RangeError::Stopped) => return land.why_stopped(),
                Err(error) => {
                    failed = Some(failed.map_or(error.clone(), |failed: RangeError| failed.and(error)))
                }
            }
        }
        Err(failed.unwrap_or_else(|| RangeError::Failed(NoRemote.to_string())))
    }

    /// What is still wanted, in items.
    fn items(&self, wanted: &Wanted, land: &Landing<'_>) -> Vec<RangeItem> {
        let mut items = Vec::new();
        for range in &wanted.ranges {
            let mut start = range.start.max(land.done());
            while start < range.end && items.len() < RANGES_MAX {
                let end = range.end.min(start + ITEM_BYTES_MAX);
                items.push(RangeItem {
                    oid: wanted.oid,
                    range: start..end,
                    manifest: wanted.manifest.clone(),
                });
                start = end;
            }
        }
        items
    }

    fn ask_store(
        &self,
        name: &str,
        store: &PackStore,
        wanted: &Wanted,
        land: &mut Landing<'_>,
    ) -> Result<Ended, RangeError> {
        loop {
            let items = self.items(wanted, land);
            if items.is_empty() {
                return Ok(Ended::Done);
            }
            let mut ranger = Ranger::new(&mut *land, items);
            let mut giver = Giver::new(Arc::new(store.clone()));
            let ended = converse(&mut ranger, &mut giver, &mut |_| {});
            let is_absent = !ranger.absent().is_empty();
            match ended {
                Ok(()) if is_absent => return Err(RangeError::Absent),
                Ok(()) => {}
                Err(Broken::Near(error) | Broken::Far(error)) => {
                    return self.failed(name, wanted, error.into());
                }
            }
        }
    }

    fn failed(&self, name: &str, wanted: &Wanted, error: RemoteError) -> Result<Ended, RangeError> {
        match (&error, &wanted.manifest) {
            (RemoteError::Sync(SyncError::Stopped), _) => Err(RangeError::Stopped),
            // It has the same content by another manifest.
            (RemoteError::Sync(SyncError::WrongChunk { .. } | SyncError::Protocol(_)), Some(_)) => {
                Ok(Ended::OtherCuts)
            }
            _ => Err(RangeError::of_remote(name, &error)),
        }
    }

    fn ask_server(
        &self,
        server: &Arc<Server>,
        wanted: &Wanted,
        land: &mut Landing<'_>,
    ) -> Result<Ended, RangeError> {
        let (mut tries, mut silence_max) = (0, SILENCE_FIRST);
        loop {
            let items = self.items(wanted, land);
            if items.is_empty() {
                return Ok(Ended::Done);
            }
            let link = server.link(&self.dialler, land.want().is_over)?;
            let before = land.done();
            let parts = Parts { items, priority: land.want().urgency.priority(), silence_max };
            let error = match self.run(server, &link, &parts, land) {
                Ok(ranged) if ranged.absent.is_empty() => continue,
                Ok(_) => return Err(RangeError::Absent),
                Err(error) => error,
            };
            if !crate::retry::may_pass(&error) {
                if is_about_rights(&error) {
                    server.refuse(RangeError::of_remote(&server.name(), &error));
                }
                return self.failed(&server.name(), wanted, error);
            }
            // Whether it is the server or the way: a new connection tells.
            server.lose(&link);
            tries = if land.done() > before { 1 } else { tries + 1 };
            silence_max = SILENCE_MAX;
            if tries >= TRIES_MAX {
                return self.failed(&server.name(), wanted, error);
            }
        }
    }

    fn run(
        &self,
        server: &Server,
        link: &Link,
        parts: &Parts,
        land: &mut Landing<'_>,
    ) -> Result<Ranged, RemoteError> {
        let told = link.told.as_deref();
        let over = land.want().is_over;
        // A try with another token asks for the same: nothing came before.
        let mut run = |client: &Client, token: &str| client.range(token, land, parts.clone(), over);
        let Dialler { git, settings, .. } = &*self.dialler;
        let ranged = login::authorized(git, &link.client, server.address(), settings, told, &mut run)?;
        settings.trace.event(
            "range",
            json!({
                "remote": server.name(),
                "ranges": parts.items.len(),
                "chunks": ranged.report.tally.chunks,
                "chunk_bytes": ranged.report.tally.chunk_bytes,
                "stored_bytes": ranged.report.tally.stored_bytes,
                "sent_bytes": ranged.report.wire.0,
                "received_bytes": ranged.report.wire.1,
            }),
        );
        Ok(ranged)
    }

    /// Where content may be, and since when that is known; anew, if it is still known from `stale`.
    fn places(&self, stale: Option<Instant>) -> Result<(Instant, Arc<[Place]>), RangeError> {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, places)) = &*listed
            && stale != Some(*since)
        {
            return Ok((*since, places.clone()));
        }
        let old = listed.as_ref().map(|(_, places)| places.clone());
        let places = self.list(old.as_deref().unwrap_or_default());
        let places = places.map_err(|error| RangeError::Failed(error.to_string()))?;
        let new = (Instant::now(), Arc::from(places));
        *listed = Some(new.clone());
        Ok(new)
    }

    fn list(&self, old: &[Place]) -> Result<Vec<Place>, EndpointError> {
        // Its settings are read once for a value of it.
        let mut fresh = Repository::of(&self.dialler.git)?;
        fresh.worktree.clone_from(&self.dialler.worktree);
        let mut places = Vec::new();
        for remote in endpoint::all(&fresh, endpoint::Direction::Fetch)? {
            let Some(other) = storage::local_remote(&fresh.git, endpoint::inner(&remote.git_url)) else {
                continue;
            };
            if let Ok(Some(store)) = other.store_to_read() {
                places.push(Place::Store(remote.git_url, store));
            }
        }
        for location in endpoint::fetch_locations(&fresh)? {
            let name = location.to_string();
            places.push(match location {
                Location::Folder(path) => match Folder::find(&path).and_then(|folder| folder.look()) {
                    Ok(store) => Place::Store(name, store),
                    Err(error) => Place::Lost(RangeError::of_remote(&name, &error.into())),
                },
                Location::Server(address) => {
                    let same = old.iter().find_map(|place| match place {
                        Place::Server(server) if *server.address() == address => Some(server.clone()),
                        _ => None,
                    });
                    Place::Server(same.unwrap_or_else(|| Arc::new(Server::new(address))))
                }
            });
        }
        Ok(places)
    }
}

impl Drop for Remotes {
    /// The threads in the background end.
    fn drop(&mut self) {
        let listed = self.listed.get_mut().unwrap_or_else(PoisonError::into_inner);
        for place in listed.iter().flat_map(|(_, places)| places.iter()) {
            if let Place::Server(server) = place {
                server.end();
            }
        }
    }
}

/// Whether a server will say no to the next question, too.
fn is_about_rights(error: &RemoteError) -> bool {
    use Reason::{Forbidden, NotFound, TooMany, Unauthorized};
    match error {
        RemoteError::NoToken(_) | RemoteError::TokenRefused(_) | RemoteError::UnsafeToken => true,
        RemoteError::Sync(SyncError::Refused { reason, .. }) => {
            [Unauthorized, Forbidden, NotFound, TooMany].contains(reason)
        }
        _ => false,
    }
}
