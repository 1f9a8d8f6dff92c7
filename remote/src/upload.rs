//! Sending the contents of new pointers to a server: for the gate, for `git dits push` and for the `pre-push` hook.
//!
//! All or nothing is promised by the caller, who lets no ref move after an error. Content that is neither here nor at
//! the server is named with its path and the commit that brings it, all of it at once. Where the user allows it, the
//! rest is sent all the same, and what is missing is returned.

use crate::{Peer, RemoteError};
use dits_format::{ChunkId, Oid};
use dits_repo::discover::Found;
use dits_store::content::{self, Walk};
use dits_store::{ChunkRead, StoreError};
use dits_sync::client::{Observer, Report};
use dits_sync::push::PushItem;
use dits_sync::{SyncError, Tally};
use std::fmt;
use std::sync::Arc;

/// Digits of a commit in messages.
const COMMIT_DIGITS: usize = 12;
/// Files named in one message.
const NAMED_MAX: usize = 50;

/// Why contents could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Some are not, or not rightly, here, and not at the server.
    #[error("Git DITS upload failed:{0}")]
    Missing(Missing),
    /// The server or the way to it failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

/// A content that nobody can send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Where it should be.
    pub found: Found,
    /// It is here, and damaged.
    pub corrupt: bool,
}

/// Contents that nobody can send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing(pub Vec<Lost>);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Lost { found, corrupt } in self.0.iter().take(NAMED_MAX) {
            let word = if *corrupt { "corrupt" } else { "missing" };
            let path = String::from_utf8_lossy(&found.path).replace(char::is_control, "?");
            write!(f, "\n  ({word}) {path} ({})", found.pointer.oid)?;
            if let Some(commit) = &found.commit {
                write!(f, " in commit {commit:.COMMIT_DIGITS$}")?;
            }
        }
        if self.0.len() > NAMED_MAX {
            write!(f, "\n  … and {} more", self.0.len() - NAMED_MAX)?;
        }
        Ok(())
    }
}

/// What to send for `found`.
pub fn items(found: &[Found]) -> Vec<PushItem> {
    let item =
        |found: &Found| PushItem { oid: found.pointer.oid, size: found.pointer.size, base: found.base };
    found.iter().map(item).collect()
}

/// Sends the contents of `found` from `store`. With `incomplete`, also when some can be had nowhere; these are
/// returned.
///
/// # Errors
/// [`UploadError::Missing`] when a content can be had nowhere; then nothing is bound at the server.
pub fn upload(
    remote: &mut Peer,
    store: &Arc<dyn ChunkRead>,
    found: &[Found],
    incomplete: bool,
    observe: Observer<'_>,
) -> Result<(Report, Missing), UploadError> {
    let lost = match remote.push(store, &items(found), observe) {
        Ok(report) => return Ok((report, Missing::default())),
        Err(error) => why_lost(remote, store, found, error)?,
    };
    if !incomplete {
        return Err(UploadError::Missing(lost));
    }
    let can_be_sent = |file: &&Found| !lost.0.iter().any(|lost| lost.found.pointer.oid == file.pointer.oid);
    let rest: Vec<Found> = found.iter().filter(can_be_sent).cloned().collect();
    let report = remote.push(store, &items(&rest), observe)?;
    Ok((report, lost))
}

/// Names all that is lost, if that is why a push failed.
fn why_lost(
    remote: &mut Peer,
    store: &Arc<dyn ChunkRead>,
    found: &[Found],
    error: RemoteError,
) -> Result<Missing, UploadError> {
    let damaged = match &error {
        RemoteError::Sync(SyncError::MissingContent { .. }) => None,
        RemoteError::Sync(SyncError::Store(StoreError::Corrupt { id, .. })) => Some(*id),
        _ => return Err(error.into()),
    };
    let lost = lost(remote, &**store, found, damaged)?;
    // A race with a process that stored it just now, or damage elsewhere.
    if lost.0.is_empty() { Err(error.into()) } else { Ok(lost) }
}

/// What of `found` is neither here nor at the server.
pub fn lost(
    remote: &mut Peer,
    store: &dyn ChunkRead,
    found: &[Found],
    damaged: Option<ChunkId>,
) -> Result<Missing, RemoteError> {
    let mut not_here = Vec::new();
    for file in found {
        if let Some(corrupt) = fault(store, &file.pointer.oid, damaged).map_err(SyncError::from)? {
            not_here.push(Lost { found: file.clone(), corrupt });
        }
    }
    let oids: Vec<Oid> = not_here.iter().map(|lost| lost.found.pointer.oid).collect();
    let proved = if oids.is_empty() { Vec::new() } else { remote.proves(&oids)? };
    let lost = not_here.into_iter().zip(proved).filter(|(_, proved)| !proved).map(|(lost, _)| lost);
    let mut lost: Vec<Lost> = lost.collect();
    lost.sort_by(|one, other| one.found.path.cmp(&other.found.path));
    Ok(Missing(lost))
}

/// Whether a content is not here (`false`) or here and damaged (`true`); `None` when it can be sent.
fn fault(store: &dyn ChunkRead, oid: &Oid, damaged: Option<ChunkId>) -> Result<Option<bool>, StoreError> {
    let known = match content::find(store, oid) {
        Ok(Some(known)) => known,
        Ok(None) | Err(StoreError::Missing { .. }) => return Ok(Some(false)),
        Err(error @ StoreError::Io { .. }) => return Err(error),
        Err(_) => return Ok(Some(true)),
    };
    for stream in &known.manifest.streams {
        let mut walk = Walk::new(stream, 0);
        loop {
            match walk.next_chunk(store) {
                Ok(None) => break,
                Ok(Some(piece)) if Some(piece.entry.id) == damaged => return Ok(Some(true)),
                Ok(Some(piece)) if !store.has(&piece.entry.id)? => return Ok(Some(false)),
                Ok(Some(_)) => {}
                Err(StoreError::Missing { .. }) => return Ok(Some(false)),
                Err(error @ StoreError::Io { .. }) => return Err(error),
                Err(_) => return Ok(Some(true)),
            }
        }
    }
    Ok(None)
}

/// What a push of `found` would send, with nothing sent: asked of the server.
pub fn weigh(remote: &mut Peer, store: &Arc<dyn ChunkRead>, found: &[Found]) -> Result<Tally, UploadError> {
    match remote.weigh_push(store, &items(found)) {
        Ok(tally) => Ok(tally),
        Err(error) => Err(UploadError::Missing(why_lost(remote, store, found, error)?)),
    }
}
