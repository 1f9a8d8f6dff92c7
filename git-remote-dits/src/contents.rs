//! Bringing contents to where a remote keeps them, for the gate.
//!
//! A `dits://` remote has them at the same server, over the same connection. What `dits::` stands in front of keeps
//! only Git's objects: where contents go is told by settings, and looked up when a push brings some, so that one
//! that brings none needs no settings and no server.

use crate::failure::Failure;
use anyhow::Result;
use dits_remote::meter::UPLOADING;
use dits_remote::{Direction, LockPeer, Meter, Peer, Settings, endpoint, upload};
use dits_repo::discover::{Exclude, Found, new_pointers};
use dits_repo::settings::FORCE_PROGRESS;
use dits_repo::{Git, Repository};
use dits_store::ChunkRead;
use dits_sync::Tally;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// What the helper works with.
#[derive(Debug, Clone)]
pub struct Context {
    /// Git here.
    pub git: Git,
    /// What the program brought along.
    pub settings: Settings,
    /// Whether standard error is a terminal.
    pub terminal: bool,
    /// The remote's name, or its address where it has none.
    pub remote: String,
    /// Its address, as Git knows it.
    pub url: String,
}

impl Context {
    /// Says whom we trust from now on, if this is the first time.
    pub fn greet(&self, notice: Option<String>) -> Result<()> {
        if let Some(notice) = notice {
            writeln!(std::io::stderr().lock(), "git-dits: {notice}")?;
        }
        Ok(())
    }

    /// Pointers that `tips` bring beyond what `has` reaches.
    pub fn new_pointers(&self, tips: &[String], has: Vec<String>) -> Result<Vec<Found>> {
        Ok(new_pointers(&self.git, tips, &Exclude::Oids(has))?)
    }

    /// Sends the contents of `found` to `peer`.
    pub fn send(&self, peer: &mut Peer, found: &[Found]) -> Result<()> {
        if found.is_empty() {
            return Ok(());
        }
        let repository = Repository::find(Path::new("."))?;
        peer.use_filter(&repository);
        let store: Arc<dyn ChunkRead> = Arc::new(repository.store()?);
        let forced = || repository.setting_bool(FORCE_PROGRESS).unwrap_or(false);
        let meter = Meter::of(&self.settings.progress, self.terminal || forced());
        let files = found.len() as u64;
        let mut observe =
            |tally: Tally| meter.show_files(UPLOADING, files, tally.chunk_bytes, tally.needed_bytes);
        upload::upload(peer, &store, found, false, &mut observe)?;
        Ok(())
    }

    /// Sends what `tips` bring to where settings say, over `connected` if that goes there.
    pub fn upload_elsewhere(
        &self,
        tips: &[String],
        has: Vec<String>,
        connected: &mut Option<LockPeer>,
    ) -> Result<()> {
        let found = self.new_pointers(tips, has)?;
        if found.is_empty() {
            return Ok(());
        }
        if let Some(LockPeer::Server(remote)) = connected.take_if(|peer| matches!(peer, LockPeer::Server(_)))
        {
            let mut peer = Peer::Server(remote);
            let sent = self.send(&mut peer, &found);
            if let Peer::Server(remote) = peer {
                *connected = Some(LockPeer::Server(remote));
            }
            return sent;
        }
        let repository = Repository::find(Path::new("."))?;
        let endpoint = endpoint::of(&repository, &self.remote, &self.url, Direction::Push)?;
        let location = endpoint.address.ok_or_else(|| {
            Failure::new(
                format!("no server is known for the content of remote '{}'", self.remote),
                "name it for everybody: 'git config -f .ditsconfig dits.url dits://HOST/TEAM/PROJECT'\n\
                 or for this clone: 'git config dits.url dits://HOST/TEAM/PROJECT'",
            )
        })?;
        let mut peer = Peer::connect(&self.git, location, &self.settings)?;
        self.greet(peer.first_use_notice())?;
        self.send(&mut peer, &found)?;
        peer.close();
        Ok(())
    }
}
