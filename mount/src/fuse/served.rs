//! A mount and what serving it takes: threads, open folders, counts, and a way to tell the kernel something.
//!
//! Shared by the threads that take requests and those that do the work.

use super::counts::Counts;
use super::dirs::Dirs;
use super::passthrough::Passthrough;
use super::pool::Pool;
use crate::Mount;
use crate::attr::Ino;
use fuser::{INodeNo, Notifier};
use std::sync::{Arc, OnceLock};

/// Reads that wait for bytes at a time; also bounds the memory for what they read.
const READERS_MAX: usize = 128;
/// Writes, opens and other changes at a time.
const WORKERS_MAX: usize = 32;

/// A mount, and what serving it takes.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) mount: Arc<Mount>,
    pub(super) dirs: Dirs,
    /// For requests that wait for bytes.
    pub(super) readers: Pool,
    /// For requests that change something.
    pub(super) workers: Pool,
    pub(super) counts: Counts,
    pub(super) passthrough: Passthrough,
    notifier: OnceLock<Notifier>,
}

impl Served {
    pub(super) fn new(mount: Arc<Mount>) -> Arc<Served> {
        Arc::new(Served {
            mount,
            dirs: Dirs::default(),
            readers: Pool::new("dits-read", READERS_MAX),
            workers: Pool::new("dits-work", WORKERS_MAX),
            counts: Counts::default(),
            passthrough: Passthrough::default(),
            notifier: OnceLock::new(),
        })
    }

    pub(super) fn set_notifier(&self, notifier: Notifier) {
        let _set_once = self.notifier.set(notifier);
    }

    /// Requests so far, by kind.
    pub(super) fn requests(&self) -> serde_json::Map<String, serde_json::Value> {
        self.counts.seen().map(|(name, count)| (name.to_owned(), count.into())).collect()
    }

    /// Tells the kernel that what it has of a file is wrong. Not to be called while a read or write of it is not answered by who calls: the
    /// kernel would wait for that answer.
    pub(super) fn forget_bytes(&self, ino: Ino) {
        if let Some(notifier) = self.notifier.get() {
            // An error means that it has nothing of it.
            let _nothing_there = notifier.inval_inode(INodeNo(ino.0), 0, 0);
        }
    }
}
