//! Locks, for the gate.
//!
//! A server of ours has the last word when refs move ([`Early`] only spares the upload of what it will refuse). Where Git's objects go elsewhere
//! nobody looks again ([`Elsewhere`]): an update that is refused here goes nowhere, whatever flags Git was given.
//!
//! With `dits.unlockOnPush`, or where a mount took them by itself, the pusher's own locks on what has landed go. The push is done by then, so what fails is only told.

use crate::contents::Context;
use anyhow::{Result, ensure};
use dits_lock::{Branch, Lock};
use dits_remote::lock_changes::{self, RefUpdate};
use dits_remote::lock_check::Hit;
use dits_remote::lock_gate::{self, Verify};
use dits_remote::locks::LockError;
use dits_remote::{Direction, Endpoint, LockPeer, LockPlace, Remote, endpoint, lock_release};
use dits_repo::Repository;
use dits_sync::Address;
use std::io::Write;
use std::path::Path;

/// A push that brings fewer bytes of content is left to the server to refuse: to ask first costs a round trip, which is about as long as
/// a fast line takes for so much.
const EARLY_BYTES: u64 = 1 << 20;

/// Locks where contents and Git's objects are at one server of ours.
#[derive(Debug, Default)]
pub struct Early {
    ours: Vec<Hit>,
}

impl Early {
    /// Looks before an upload of `bytes`.
    ///
    /// # Errors
    /// When the server will refuse the push.
    pub fn check(
        &mut self,
        context: &Context,
        remote: &mut Remote,
        address: &Address,
        push: (&[RefUpdate], &[String]),
        bytes: u64,
    ) -> Result<()> {
        let repository = Repository::find(Path::new("."))?;
        let server = name_of(address);
        let unlocks = lock_release::may_any_go(&repository, &server)?;
        let early = || {
            Ok::<_, anyhow::Error>(lock_gate::setting(&repository, &[&address.to_string()])? != Verify::Skip)
        };
        if !unlocks && (bytes < EARLY_BYTES || !early()?) {
            return Ok(());
        }
        let changes = lock_changes::changes(&context.git, push.0, push.1)?;
        // A server that cannot tell may still take the push.
        let Ok(verdict) = lock_gate::look_at(remote, &changes) else { return Ok(()) };
        if verdict.refusal().is_some() {
            // Of the rest the server itself speaks.
            let refused =
                lock_gate::told(dits_remote::lock_check::Verdict { elsewhere: Vec::new(), ..verdict });
            return tell(&refused.words, true);
        }
        self.ours = lock_release::going(&repository, &server, verdict.ours)?;
        Ok(())
    }

    /// Lets go what has landed in `refs`.
    pub fn landed(&self, remote: &mut Remote, address: &Address, refs: &[String]) -> Result<()> {
        let server = name_of(address);
        let release = |branch: &Branch, ids: &[dits_lock::LockId]| -> Result<Vec<Lock>, LockError> {
            let mut gone = Ok(Vec::new());
            remote.locks(&lock_release::question(branch, ids), &mut |answer| {
                gone = lock_release::gone(answer);
                true
            })?;
            let gone = gone?;
            lock_release::forget(&Repository::find(Path::new("."))?, &server, &gone)?;
            Ok(gone)
        };
        let_go(&self.ours, refs, release)
    }
}

/// Locks where Git's objects go to somebody else.
#[derive(Debug, Default)]
pub struct Elsewhere {
    ours: Vec<Hit>,
    place: Option<LockPlace>,
    /// Who was asked, for contents too.
    pub peer: Option<LockPeer>,
}

impl Elsewhere {
    /// Looks whether somebody else has locked what `updates` change.
    ///
    /// # Errors
    /// When the push must not go on.
    pub fn check(&mut self, context: &Context, updates: &[RefUpdate], has: &[String]) -> Result<()> {
        let repository = Repository::find(Path::new("."))?;
        let (remote, url) = (context.remote.clone(), context.url.clone());
        // Without content to be sent it matters to nobody that its place is no good.
        let endpoint = endpoint::of(&repository, &remote, &url, Direction::Push).unwrap_or(Endpoint {
            remote,
            git_url: url,
            address: None,
        });
        let checked = lock_gate::check(&repository, &endpoint, updates, has, true, &context.settings)?;
        tell(&checked.words, checked.refused)?;
        (self.place, self.peer) = checked.asked.unzip();
        if let Some(place) = &self.place {
            self.ours = lock_release::going(&repository, &place.name(), checked.ours)?;
        }
        Ok(())
    }

    /// Lets go what has landed in `refs`.
    pub fn landed(&mut self, refs: &[String]) -> Result<()> {
        let (Some(place), Some(peer)) = (&self.place, &mut self.peer) else { return Ok(()) };
        let release = |branch: &Branch, ids: &[dits_lock::LockId]| {
            lock_release::release(&Repository::find(Path::new("."))?, place, peer, branch, ids)
        };
        let_go(&self.ours, refs, release)
    }

    /// Notes what is to go, where nobody tells us whether the push lands.
    pub fn note(&self, context: &Context, updates: &[RefUpdate]) -> Result<()> {
        let Some(place) = self.place.as_ref().filter(|_| !self.ours.is_empty()) else { return Ok(()) };
        let repository = Repository::find(Path::new("."))?;
        Ok(lock_release::note(&repository, &context.remote, place, updates, &self.ours)?)
    }

    /// Ends the connection.
    pub fn close(self) {
        if let Some(peer) = self.peer {
            peer.close();
        }
    }
}

fn tell(words: &[String], refused: bool) -> Result<()> {
    let mut stderr = std::io::stderr().lock();
    words.iter().try_for_each(|line| writeln!(stderr, "{line}"))?;
    ensure!(!refused, "nothing was pushed");
    Ok(())
}

/// Name of a server in what the clone knows about locks.
fn name_of(address: &Address) -> String {
    format!("{}/{}", address.authority(), address.repository)
}

fn let_go(
    ours: &[Hit],
    refs: &[String],
    mut release: impl FnMut(&Branch, &[dits_lock::LockId]) -> Result<Vec<Lock>, LockError>,
) -> Result<()> {
    if ours.is_empty() {
        return Ok(());
    }
    let reason = lock_release::reason(&Repository::find(Path::new("."))?)?;
    let mut stderr = std::io::stderr().lock();
    for name in refs {
        let ids = lock_release::of_branch(ours, name);
        let Some(branch) = Branch::parse(name).ok().filter(|_| !ids.is_empty()) else { continue };
        match release(&branch, &ids) {
            Ok(gone) => {
                for lock in gone {
                    let path = lock.path.as_str().replace(char::is_control, "?");
                    writeln!(stderr, "Unlocked {path} ({reason})")?;
                }
            }
            Err(error) => writeln!(stderr, "warning: locks of what was pushed are still held: {error}")?,
        }
    }
    Ok(())
}
