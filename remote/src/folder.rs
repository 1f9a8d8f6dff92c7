//! A folder as the other end: the machines of push and pull against its store, in this process.
//!
//! Both ends check what they would check over a wire: every chunk is hashed as it comes, every manifest walked again
//! before it is bound. No server proves claims here, so who pushes does it at once: whether a manifest rebuilds a content
//! is true everywhere or nowhere, and our own store has proved it when the content was added, or is read for it. So
//! what was pushed is proved when the push ends. A push that was cut before that leaves claims, which the next one
//! settles. Damage in the folder is the folder's: it is never taken for our own.

use crate::{RemoteError, Settings};
use dits_format::{Binding, Oid, Proof};
use dits_store::{ChunkRead, ChunkWrite, Folder, PackStore, StoreError, content, take_away};
use dits_sync::ask::Asker;
use dits_sync::client::{Observer, Pull, Report};
use dits_sync::direct::{Broken, converse};
use dits_sync::machine::Machine;
use dits_sync::message::Reason;
use dits_sync::pull::{Giver, Puller};
use dits_sync::push::{PushItem, Pusher, Taker};
use dits_sync::weigh::Weigher;
use dits_sync::weigh_push::PushWeigher;
use dits_sync::{Location, SyncError, Tally};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder with contents, found.
#[derive(Debug)]
pub struct FolderPeer {
    path: PathBuf,
    folder: Folder,
    settings: Settings,
}

impl FolderPeer {
    /// Finds the folder at `path`.
    pub fn find(path: &Path, settings: &Settings) -> Result<FolderPeer, RemoteError> {
        Ok(FolderPeer { path: path.to_owned(), folder: Folder::find(path)?, settings: settings.clone() })
    }

    /// What the program brought along.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends `items` from `store`. Afterwards all of them are proved there.
    pub fn push(
        &mut self,
        store: &Arc<dyn ChunkRead>,
        items: &[PushItem],
        observe: Observer<'_>,
    ) -> Result<Report, RemoteError> {
        let there = self.folder.open()?;
        let mut pusher = Pusher::new(store.clone(), items.to_vec());
        let mut taker = Taker::new(&there).map_err(SyncError::from)?;
        let damaged = there.clone();
        taker.set_mender(Arc::new(move |id| take_away(&damaged, id)));
        if let Err(broken) = converse(&mut pusher, &mut taker, observe) {
            // What came is kept for the next try; that the push failed matters more than that this did.
            let _ = taker.salvage();
            return Err(self.broken(broken, Some(&there)).into());
        }
        settle(&**store, &there, &taker.claimed())?;
        let report = Report { tally: pusher.tally(), ..Report::default() };
        self.trace("push", report.tally);
        Ok(report)
    }

    /// Fetches `oids` into `store`; returns those that are not in the folder.
    pub fn pull(
        &mut self,
        store: &(impl ChunkWrite + Clone + 'static),
        pull: &Pull,
        observe: Observer<'_>,
    ) -> Result<Vec<Oid>, RemoteError> {
        let mut giver = self.giver()?;
        let mut puller = Puller::new(store, pull.items.clone(), pull.cold).map_err(SyncError::from)?;
        pull.follower.iter().for_each(|follower| puller.follow(follower.clone()));
        if let Err(broken) = converse(&mut puller, &mut giver, observe) {
            puller.salvage().map_err(SyncError::from)?;
            return Err(self.broken(broken, None).into());
        }
        self.trace("pull", puller.tally());
        Ok(puller.absent().to_vec())
    }

    /// As [`Remote::weigh`](crate::Remote::weigh).
    pub fn weigh(
        &mut self,
        here: &Arc<dyn ChunkRead>,
        oids: &[Oid],
    ) -> Result<(Tally, Vec<Oid>), RemoteError> {
        let mut weigher = Weigher::new(here.clone(), oids.to_vec());
        self.ask(&mut weigher)?;
        Ok((weigher.tally(), weigher.absent().to_vec()))
    }

    /// As [`Remote::proves`](crate::Remote::proves).
    pub fn proves(&mut self, oids: &[Oid]) -> Result<Vec<bool>, RemoteError> {
        let mut asker = Asker::new(oids.to_vec());
        self.ask(&mut asker)?;
        Ok(asker.answers().to_vec())
    }

    /// As [`Remote::weigh_push`](crate::Remote::weigh_push).
    pub fn weigh_push(
        &mut self,
        store: &Arc<dyn ChunkRead>,
        items: &[PushItem],
    ) -> Result<Tally, RemoteError> {
        let mut weigher = PushWeigher::new(store.clone(), items.to_vec());
        self.ask(&mut weigher)?;
        Ok(weigher.tally())
    }

    fn giver(&self) -> Result<Giver, RemoteError> {
        Ok(Giver::new(Arc::new(self.folder.look()?)))
    }

    fn ask(&self, machine: &mut impl Machine) -> Result<(), RemoteError> {
        let mut giver = self.giver()?;
        converse(machine, &mut giver, &mut |_| {}).map_err(|broken| self.broken(broken, None).into())
    }

    /// What a conversation ended with, in the words of a peer that is elsewhere. Known damage goes, so that the next
    /// push brings that chunk again.
    fn broken(&self, broken: Broken, there: Option<&PackStore>) -> SyncError {
        let error = match broken {
            Broken::Near(error) => return error,
            Broken::Far(error) => error,
        };
        let SyncError::Store(failed) = &error else { return error };
        let (mut reason, at) = (Reason::Internal, Location::Folder(self.path.clone()));
        let text = match failed {
            StoreError::Corrupt { id, .. } if there.is_some_and(|there| take_away(there, *id).is_ok()) => {
                format!("'{at}': {failed}\nhint: it was removed: push again")
            }
            full if full.is_disk_full() => {
                reason = Reason::DiskFull;
                format!("{full}\nhint: free some space in the folder and try again")
            }
            StoreError::Io { .. } => failed.to_string(),
            _ => {
                let path = self.path.display();
                format!("'{at}': {failed}\nhint: look at it with 'git dits fsck --store {path}'")
            }
        };
        SyncError::Refused { reason, text, challenges: Vec::new() }
    }

    fn trace(&self, event: &str, tally: Tally) {
        self.settings.trace.event(
            event,
            json!({
                "remote": Location::Folder(self.path.clone()).to_string(),
                "contents": tally.contents,
                "content_bytes": tally.content_bytes,
                "contents_had": tally.contents_had,
                "chunks": tally.chunks,
                "chunk_bytes": tally.chunk_bytes,
                "stored_bytes": tally.stored_bytes,
                // Nothing is on a wire.
                "sent_bytes": 0,
                "received_bytes": 0,
            }),
        );
    }
}

/// Proves what is only claimed in `there`, from our own store, which has all that it just gave.
fn settle(here: &dyn ChunkRead, there: &PackStore, claimed: &[Binding]) -> Result<(), RemoteError> {
    if claimed.is_empty() {
        return Ok(());
    }
    let mut batch = there.batch().map_err(SyncError::from)?;
    let mut wrong = None;
    for binding in claimed {
        let proof = match is_true(here, binding) {
            Ok(true) => Proof::Proved,
            Ok(false) => {
                wrong = Some(binding.oid);
                Proof::Refuted
            }
            Err(error) => return Err(SyncError::from(error).into()),
        };
        batch.bind(Binding { proof, ..*binding });
    }
    batch.commit().map_err(SyncError::from)?;
    match wrong {
        Some(oid) => Err(SyncError::Store(StoreError::Mismatch { oid }).into()),
        None => Ok(()),
    }
}

/// Whether a manifest rebuilds its content.
fn is_true(here: &dyn ChunkRead, binding: &Binding) -> Result<bool, StoreError> {
    let same = |known: &Binding| known.manifest == binding.manifest && known.proof == Proof::Proved;
    if here.bindings(&binding.oid)?.iter().any(same) {
        return Ok(true);
    }
    let manifest = content::manifest(here, &binding.manifest)?;
    match content::rebuild(here, &manifest, &mut |_| Ok::<(), StoreError>(())) {
        Ok(()) => Ok(manifest.oid == binding.oid),
        Err(StoreError::Mismatch { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
