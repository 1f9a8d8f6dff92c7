//! A mount and what serving it takes: threads, open folders, counts, and a way to tell the kernel something.
//!
//! Shared by the threads that take requests and those that do the work.

use super::counts::Counts;
use super::dirs::Dirs;
use super::pool::Pool;
use super::{answer, convert};
use crate::Mount;
use crate::attr::{Creator, Fh, Ino, Replace};
use fuser::{INodeNo, Notifier, ReplyEmpty, ReplyWrite, Request};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Reads that wait for bytes at a time; also bounds the memory for what they read.
const READERS_MAX: usize = 128;
/// Writes, opens and other changes at a time.
const WORKERS_MAX: usize = 32;
/// The bit of a folder whose group all that is made in it gets.
const SET_GROUP: u16 = 0o2000;

/// A mount, and what serving it takes.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) mount: Arc<Mount>,
    /// The folder whose disk takes what is written.
    pub(super) disk: Option<PathBuf>,
    pub(super) dirs: Dirs,
    /// For requests that wait for bytes.
    pub(super) readers: Pool,
    /// For requests that change something.
    pub(super) workers: Pool,
    pub(super) counts: Counts,
    notifier: OnceLock<Notifier>,
}

impl Served {
    pub(super) fn new(mount: Arc<Mount>, disk: Option<PathBuf>) -> Arc<Served> {
        Arc::new(Served {
            mount,
            disk,
            dirs: Dirs::default(),
            readers: Pool::new("dits-read", READERS_MAX),
            workers: Pool::new("dits-work", WORKERS_MAX),
            counts: Counts::default(),
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

    /// Who makes something in `parent`; the kernel has taken the umask off already.
    pub(super) fn creator(&self, request: &Request, parent: INodeNo, mode: u32) -> Creator {
        let folder = self.mount.with_nodes(|nodes| nodes.get(convert::ino(parent)).map(|node| node.meta));
        let group = folder.ok().filter(|meta| meta.mode & SET_GROUP != 0).map(|meta| meta.gid);
        Creator { uid: request.uid(), gid: group.unwrap_or(request.gid()), mode: (mode & 0o7777) as u16 }
    }

    /// Tells the kernel that what it has of a file is wrong. Not to be called before the request that made it so was answered: the
    /// kernel would wait for that answer.
    fn forget_bytes(&self, ino: Ino) {
        if let Some(notifier) = self.notifier.get() {
            // An error means that it has nothing of it.
            let _nothing_there = notifier.inval_inode(INodeNo(ino.0), 0, 0);
        }
    }

    /// Moves a node. When that makes a ghost of it the kernel has its text still.
    pub(super) fn rename(&self, from: (Ino, &[u8]), to: (Ino, &[u8]), replace: Replace, reply: ReplyEmpty) {
        answer::done(reply, self.mount.rename(from, to, replace));
        if let Some(attr) = self.mount.lookup(to.0, to.1).ok().filter(|attr| self.mount.is_stale(attr.ino)) {
            self.forget_bytes(attr.ino);
        }
    }

    /// Writes where the kernel says; at the end when it says so of a file whose size it has not heard of yet.
    pub(super) fn write(
        &self,
        (ino, fh): (Ino, Fh),
        offset: u64,
        bytes: &[u8],
        appends: bool,
        reply: ReplyWrite,
    ) {
        let end = if appends { self.mount.attr(ino).map(|attr| attr.bytes) } else { Ok(offset) };
        match end.and_then(|at| self.mount.write(fh, at, bytes).map(|written| (at, written))) {
            Ok((at, written)) => {
                reply.written(written);
                if at != offset {
                    self.forget_bytes(ino);
                }
            }
            Err(fault) => reply.error(convert::errno(fault)),
        }
    }
}
