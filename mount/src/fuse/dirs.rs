//! Open folders, and where in them each reader is.
//!
//! The place behind an entry is its node's number, and entries are told in the order of these numbers. So a place means the same
//! to every handle and for ever, whatever is made or removed meanwhile, and the kernel may keep what it was told. Each
//! entry that stays is told once, whatever changes while a folder is read.

use crate::attr::{DirEntry, Ino, Kind, ROOT, Time};
use crate::{Fault, Mount};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places behind `.` and `..`; those behind entries begin above, as no entry is the root.
const BEHIND_SELF: u64 = 1;
const BEHIND_PARENT: u64 = 2;

/// Folders that are open.
#[derive(Debug, Default)]
pub(super) struct Dirs(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    last: u64,
    listings: HashMap<u64, Arc<Mutex<Listing>>>,
}

/// What one reader was shown.
#[derive(Debug)]
struct Listing {
    folder: Ino,
    /// When the folder had changed last when it was listed.
    as_of: Option<Time>,
    /// Sorted by number.
    entries: Vec<DirEntry>,
}

/// An entry, and the place behind it.
pub(super) struct Told<'a> {
    pub(super) ino: Ino,
    pub(super) place: u64,
    pub(super) kind: Kind,
    pub(super) name: &'a [u8],
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Dirs {
    /// A new handle of a folder.
    pub(super) fn open(&self, folder: Ino) -> u64 {
        let mut open = lock(&self.0);
        open.last += 1;
        let handle = open.last;
        let listing = Listing { folder, as_of: None, entries: Vec::new() };
        open.listings.insert(handle, Arc::new(Mutex::new(listing)));
        handle
    }

    /// Closes a handle.
    pub(super) fn close(&self, handle: u64) {
        lock(&self.0).listings.remove(&handle);
    }

    /// Tells the entries behind `place`, until `tell` says that it is full.
    pub(super) fn read(
        &self,
        mount: &Mount,
        handle: u64,
        place: u64,
        mut tell: impl FnMut(&Told<'_>) -> bool,
    ) -> Result<(), Fault> {
        let listing = lock(&self.0).listings.get(&handle).cloned().ok_or(Fault::BadHandle)?;
        let mut listing = lock(&listing);
        let folder = listing.folder;
        let full = place < BEHIND_SELF
            && tell(&Told { ino: folder, place: BEHIND_SELF, kind: Kind::Directory, name: b"." });
        let full = full
            || place < BEHIND_PARENT && {
                let ino = mount.lookup(folder, b"..").map_or(ROOT, |attr| attr.ino);
                tell(&Told { ino, place: BEHIND_PARENT, kind: Kind::Directory, name: b".." })
            };
        if full {
            return Ok(());
        }
        listing.look_again(mount, place == 0)?;
        let first = listing.entries.partition_point(|entry| place_behind(entry.ino) <= place);
        for entry in &listing.entries[first..] {
            let place = place_behind(entry.ino);
            if tell(&Told { ino: entry.ino, place, kind: entry.kind, name: &entry.name }) {
                break;
            }
        }
        Ok(())
    }
}

fn place_behind(ino: Ino) -> u64 {
    ino.0 + BEHIND_PARENT
}

impl Listing {
    /// Lists the folder when it has changed, or `anyway`.
    fn look_again(&mut self, mount: &Mount, anyway: bool) -> Result<(), Fault> {
        let changed = mount.with_nodes(|nodes| nodes.get(self.folder).map(|node| node.meta.ctime));
        let Ok(changed) = changed else {
            // Who reads a folder that was removed finds nothing.
            self.entries.clear();
            return Ok(());
        };
        if anyway || self.as_of != Some(changed) {
            self.entries = mount.read_dir(self.folder, None, usize::MAX)?;
            self.entries.sort_unstable_by_key(|entry| entry.ino);
            self.as_of = Some(changed);
        }
        Ok(())
    }
}
