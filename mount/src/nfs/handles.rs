//! Files that NFS reads and writes, kept open between its requests.
//!
//! A file is open once for reading and once for writing at most, and closed when nobody asked for [`IDLE`] or when more than
//! [`OPEN_MAX`] are. Closing is what ends a stream's read-ahead, and what programs that wait for "no writer left" see.

use crate::attr::{Access, Fh, Ino};
use crate::{Fault, Mount};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A file that nobody asked for is closed after this.
pub const IDLE: Duration = Duration::from_secs(2);
/// Files that are open at a time; the one that was asked for longest ago makes room.
const OPEN_MAX: usize = 512;

/// What a file is open for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Use {
    /// Reading.
    Read,
    /// Writing.
    Write,
}

/// The open files.
#[derive(Debug)]
pub struct Handles {
    mount: Arc<Mount>,
    open: Mutex<HashMap<(Ino, Use), Held>>,
}

#[derive(Debug)]
struct Held {
    fh: Arc<Owned>,
    asked: Instant,
}

/// A handle that is released when nobody uses it any more.
#[derive(Debug)]
pub struct Owned {
    mount: Arc<Mount>,
    fh: Fh,
}

impl Owned {
    /// The handle.
    pub fn fh(&self) -> Fh {
        self.fh
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Only a handle that is not open could fail, and this one is.
        let _ = self.mount.release(self.fh);
    }
}

impl Handles {
    /// None yet.
    pub fn new(mount: Arc<Mount>) -> Handles {
        Handles { mount, open: Mutex::default() }
    }

    /// Opens a file, unless it is open. May wait for the network when it is to be written.
    pub fn get(&self, ino: Ino, what: Use) -> Result<Arc<Owned>, Fault> {
        if let Some(held) = self.lock().get_mut(&(ino, what)) {
            held.asked = Instant::now();
            return Ok(held.fh.clone());
        }
        let write = what == Use::Write;
        let access = Access { read: !write, write, ..Access::default() };
        let opened = self.mount.open(ino, access)?;
        Ok(self.keep(ino, what, opened.fh))
    }

    /// Keeps a handle that was opened elsewhere. Another one of the same file that came earlier is used instead.
    pub fn keep(&self, ino: Ino, what: Use, fh: Fh) -> Arc<Owned> {
        let owned = Arc::new(Owned { mount: self.mount.clone(), fh });
        let mut evicted = None;
        let mut open = self.lock();
        if open.len() >= OPEN_MAX {
            let oldest = open.iter().min_by_key(|(_, held)| held.asked).map(|(key, _)| *key);
            evicted = oldest.and_then(|key| open.remove(&key));
        }
        let held = Held { fh: owned, asked: Instant::now() };
        let fh = open.entry((ino, what)).or_insert(held).fh.clone();
        drop(open);
        // Releasing may write to the disk: not with the lock held.
        drop(evicted);
        fh
    }

    /// Closes a file, as far as nobody uses it just now.
    pub fn close(&self, ino: Ino) {
        let closed: Vec<_> = {
            let mut open = self.lock();
            [Use::Read, Use::Write].iter().filter_map(|what| open.remove(&(ino, *what))).collect()
        };
        drop(closed);
    }

    /// Closes what nobody asked for in [`IDLE`].
    pub fn close_idle(&self) {
        self.close_unless(|held| held.asked.elapsed() < IDLE);
    }

    /// Closes everything, as far as nobody uses it just now.
    pub fn close_all(&self) {
        self.close_unless(|_| false);
    }

    fn close_unless(&self, stays: impl Fn(&Held) -> bool) {
        // Releasing may write to the disk: not with the lock held.
        let closed: Vec<Held> =
            self.lock().extract_if(|_, held| !stays(held)).map(|(_, held)| held).collect();
        drop(closed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(Ino, Use), Held>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
