//! Whoever holds the contents of a remote: a server or a folder.
//!
//! Both answer the same questions with the same promises, so that nobody who asks needs to know which it is.

use crate::folder::FolderPeer;
use crate::{Here, Remote, RemoteError, Settings};
use dits_format::Oid;
use dits_repo::Repository;
use dits_store::{ChunkRead, ChunkWrite};
use dits_sync::client::{Observer, Pull, Report};
use dits_sync::push::PushItem;
use dits_sync::{Location, Tally};
use std::sync::Arc;

/// The other end, ready to be asked.
#[derive(Debug)]
pub enum Peer {
    /// A server, connected.
    Server(Box<Remote>),
    /// A folder, found.
    Folder(Box<FolderPeer>),
}

/// Does the same with either.
macro_rules! either {
    ($peer:expr, $one:ident => $call:expr) => {
        match $peer {
            Peer::Server($one) => $call,
            Peer::Folder($one) => $call,
        }
    };
}

impl Peer {
    /// Goes to `location` from `here`, whose Git is asked for credentials.
    pub fn connect<'a>(
        here: impl Into<Here<'a>>,
        location: Location,
        settings: &Settings,
    ) -> Result<Peer, RemoteError> {
        Ok(match location {
            Location::Server(address) => Peer::Server(Box::new(Remote::connect(here, address, settings)?)),
            Location::Folder(path) => Peer::Folder(Box::new(FolderPeer::find(&path, settings)?)),
        })
    }

    /// What the program brought along.
    pub fn settings(&self) -> &Settings {
        either!(self, peer => peer.settings())
    }

    /// What to tell the user when a server was seen for the first time.
    pub fn first_use_notice(&self) -> Option<String> {
        match self {
            Peer::Server(remote) => remote.first_use_notice(),
            Peer::Folder(_) => None,
        }
    }

    /// As [`Remote::use_filter`]; a folder needs none.
    pub fn use_filter(&mut self, repository: &Repository) {
        if let Peer::Server(remote) = self {
            remote.use_filter(repository);
        }
    }

    /// As [`Remote::push`].
    pub fn push(
        &mut self,
        store: &Arc<dyn ChunkRead>,
        items: &[PushItem],
        observe: Observer<'_>,
    ) -> Result<Report, RemoteError> {
        either!(self, peer => peer.push(store, items, observe))
    }

    /// As [`Remote::pull`].
    pub fn pull(
        &mut self,
        store: &(impl ChunkWrite + Clone + 'static),
        pull: &Pull,
        observe: Observer<'_>,
    ) -> Result<Vec<Oid>, RemoteError> {
        either!(self, peer => peer.pull(store, pull, observe))
    }

    /// As [`Remote::weigh`].
    pub fn weigh(
        &mut self,
        here: &Arc<dyn ChunkRead>,
        oids: &[Oid],
    ) -> Result<(Tally, Vec<Oid>), RemoteError> {
        either!(self, peer => peer.weigh(here, oids))
    }

    /// As [`Remote::proves`].
    pub fn proves(&mut self, oids: &[Oid]) -> Result<Vec<bool>, RemoteError> {
        either!(self, peer => peer.proves(oids))
    }

    /// As [`Remote::weigh_push`].
    pub fn weigh_push(
        &mut self,
        store: &Arc<dyn ChunkRead>,
        items: &[PushItem],
    ) -> Result<Tally, RemoteError> {
        either!(self, peer => peer.weigh_push(store, items))
    }

    /// Ends the connection, if there is one.
    pub fn close(self) {
        if let Peer::Server(remote) = self {
            remote.close();
        }
    }
}
