//! Opening and making files.
//!
//! A kernel that reads a file of this machine past the mount (*passthrough*) may not have the same node open in the common way: what is chosen
//! for the first handle stays until the last one is closed. An own file of the overlay may be written that way, too. A content that others
//! share may not: who wants to write it while it is read that way gets a node of his own ([`Fault::Stale`]: the kernel looks the name up
//! again), and the readers go on with what they opened, as if the file had been replaced.

use super::Mount;
use super::state::{Backing, State};
use crate::Fault;
use crate::attr::{Access, Attr, Creator, Fh, Ino, Meta};
use crate::nodes::{Body, Made, Source};
use dits_format::Oid;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An open file.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Its handle, to be [released](Mount::release).
    pub fh: Fh,
    /// Whether what a kernel has of it in memory is still right.
    pub keep_cache: bool,
    /// The file that the kernel reads, and writes if it was opened so, in place of asking: the same for all handles that are open
    /// together. Without one, no handle has one.
    pub backing: Option<Backing>,
}

impl Mount {
    /// Whether [`Opened::backing`] is of use to who asks. It is not at first.
    pub fn offer_backing(&self, yes: bool) {
        self.offers_backing.store(yes, Ordering::Relaxed);
    }

    /// Opens a file.
    pub fn open(&self, ino: Ino, access: Access) -> Result<Opened, Fault> {
        if access.write || access.truncate {
            self.ask_to_write(ino)?;
        }
        let has_text = self.state().open.get(&ino).is_some_and(|open| open.has_text);
        if access.truncate {
            self.in_turn(ino, || self.resize_in_turn(ino, 0))?;
        } else if access.write && has_text {
            self.in_turn(ino, || self.become_text(ino))?;
        }
        let content = self.content_file(ino, access);
        let mut state = self.state_mut();
        state.source(ino)?;
        self.pin(&mut state, ino)?;
        let opened = self.hand_out(&mut state, ino, access, content);
        self.unpin(&mut state, ino);
        opened
    }

    /// The file of a ghost's content, if a kernel could read that.
    fn content_file(&self, ino: Ino, access: Access) -> Option<(Oid, Backing)> {
        if access.write || !self.offers_backing.load(Ordering::Relaxed) {
            return None;
        }
        let oid = {
            let state = self.state();
            match state.source(ino) {
                Ok(Source::Ghost { oid, .. }) if state.is_closed(ino) => Oid(*oid),
                _ => return None,
            }
        };
        self.engine.contents().whole(&oid).map(|file| (oid, Arc::new(file)))
    }

    fn hand_out(
        &self,
        state: &mut State,
        ino: Ino,
        access: Access,
        content: Option<(Oid, Backing)>,
    ) -> Result<Opened, Fault> {
        let is_first = state.is_closed(ino);
        let open = state.open.get(&ino).ok_or(Fault::BadHandle)?;
        let backing = match state.source(ino)? {
            _ if !is_first => open.backing.clone(),
            _ if access.write || !self.offers_backing.load(Ordering::Relaxed) => None,
            Source::Upper { .. } => open.upper.clone(),
            Source::Ghost { oid, .. } => {
                content.filter(|(content, _)| content.0 == *oid).map(|(_, file)| file)
            }
            _ => None,
        };
        let is_own = |file| open.upper.as_ref().is_some_and(|upper| Arc::ptr_eq(upper, file));
        if access.write && backing.as_ref().is_some_and(|file| !is_own(file)) {
            return Err(Fault::Stale);
        }
        let fh = state.hand_out(ino, access);
        if let Some(open) = state.open.get_mut(&ino) {
            open.backing = backing.clone();
        }
        Ok(Opened { fh, keep_cache: !state.stale.remove(&ino), backing })
    }

    /// Makes a file and opens it; opens the one that is there, unless it must be `new`.
    pub fn create(
        &self,
        parent: Ino,
        name: &[u8],
        access: Access,
        by: Creator,
        new: bool,
    ) -> Result<(Attr, Opened), Fault> {
        let there = self.state().nodes.child(parent, name);
        match there {
            Ok(_) if new => return Err(Fault::Exists),
            Ok(ino) => {
                let opened = match self.open(ino, access) {
                    Err(Fault::Stale) => {
                        let renewed = self.state().nodes.child(parent, name)?;
                        self.open(renewed, access)?
                    }
                    other => other?,
                };
                let ino = self.state().handle(opened.fh)?.ino;
                return Ok((self.attr(ino)?, opened));
            }
            Err(Fault::NotFound) => {}
            Err(other) => return Err(other),
        }
        let mut state = self.state_mut();
        if !new && state.nodes.child(parent, name).is_ok() {
            // Somebody was faster.
            drop(state);
            return self.create(parent, name, access, by, new);
        }
        self.check_writable()?;
        let now = self.now();
        let meta = Meta { mode: by.mode, uid: by.uid, gid: by.gid, mtime: now, ctime: now };
        let made = Made::File(Source::Upper { bytes: 0 });
        let (ino, _) = state.nodes.make(parent, name, made.clone(), meta)?;
        let file = self.told(self.overlay()?.create(ino))?;
        let ino = self.make_in(&mut state, parent, name, made, by)?;
        let fh = state.hand_out(ino, access);
        if let Some(open) = state.open.get_mut(&ino) {
            open.upper = Some(Arc::new(file));
            open.is_late = true;
        }
        Ok((state.nodes.attr(ino)?, Opened { fh, keep_cache: false, backing: None }))
    }

    /// Whether a file may be written now. A content that a kernel reads past the mount may not: its file gets another number.
    pub(super) fn ask_to_write(&self, ino: Ino) -> Result<(), Fault> {
        self.check_writable()?;
        let path = {
            let state = self.state();
            state.source(ino)?;
            state.nodes.get(ino)?.is_linked.then(|| state.nodes.path(ino))
        };
        if let Some(path) = path {
            self.ask_gate(&path)?;
        }
        let mut state = self.state_mut();
        let is_shared = state.open.get(&ino).is_some_and(|open| open.backing.is_some());
        match &state.nodes.get(ino)?.body {
            Body::File(source) if is_shared && !source.is_upper() => {
                let is_linked = state.nodes.get(ino)?.is_linked;
                let change = state.nodes.renew(ino);
                if is_linked {
                    self.commit(&mut state, &change)?;
                }
                Err(Fault::Stale)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
