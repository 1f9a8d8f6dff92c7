//! What the mount needs of the world: contents, Git's blobs, leave to write, and somebody to tell.
//!
//! These traits keep stores, the network and Git out of this package; who makes a mount hands them in. All calls may run at the
//! same time and may block, except [`Events::happened`].

use crate::Fault;
use bytes::Bytes;
use dits_format::{ChunkId, Oid};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// What [`Blobs`] know a blob by: Git's name of it in bytes, 20 or 32; more where its bytes are converted for a working tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlobId(pub Box<[u8]>);

/// A chunk and where it lies in its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Offset of its first byte in the content.
    pub start: u64,
    /// Offset of the first byte of the chunk that is used: not 0 where a content begins within a chunk.
    pub skip: u32,
    /// Bytes of the content that it gives.
    pub bytes: u32,
    /// The chunk.
    pub id: ChunkId,
}

impl Piece {
    /// Where it lies in its content.
    pub fn range(&self) -> Range<u64> {
        self.start..self.start + u64::from(self.bytes)
    }
}

/// How much a fetch matters. Later ones wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Somebody waits in a read.
    Blocking,
    /// Around the place that is being played.
    Playhead,
    /// Ahead of who reads in order.
    Ahead,
    /// Asked for in advance.
    Background,
}

impl Priority {
    /// The most urgent first.
    pub const ALL: [Priority; 4] =
        [Priority::Blocking, Priority::Playhead, Priority::Ahead, Priority::Background];
}

/// How much a fetch is wanted. Changes while it runs.
#[derive(Debug)]
pub struct Want {
    priority: AtomicU8,
    over: AtomicBool,
}

impl Want {
    /// Wanted this much.
    pub fn new(priority: Priority) -> Want {
        Want { priority: AtomicU8::new(priority as u8), over: AtomicBool::new(false) }
    }

    /// How much it matters now.
    pub fn priority(&self) -> Priority {
        Priority::ALL[usize::from(self.priority.load(Ordering::Relaxed))]
    }

    /// Somebody came who needs it at least this much.
    pub fn raise(&self, priority: Priority) {
        self.priority.fetch_min(priority as u8, Ordering::Relaxed);
    }

    /// Nobody wants it any more: it is to end soon.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether nobody wants it any more.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Why a content cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentFault {
    /// No remote at all can be reached; another time it may work.
    #[error("no remote can be reached: {0}")]
    Offline(String),
    /// Every remote answered, and none has it.
    #[error("no remote has it")]
    Absent,
    /// What is here, or what came, is not what it should be.
    #[error("{0}")]
    Damaged(String),
    /// The local store, or something else, failed.
    #[error("{0}")]
    Failed(String),
    /// Nobody wants it any more.
    #[error("cancelled")]
    Cancelled,
}

/// Takes chunks as they come: which piece, and all bytes of its chunk. Ends the fetch when it says no.
pub type Sink<'a> = dyn FnMut(Piece, Bytes) -> bool + Send + 'a;

/// Contents and their chunks. Every chunk that comes out was checked against its id, and holds no more memory than its bytes.
pub trait Contents: Send + Sync {
    /// The pieces that cover `range` of a content, in order; `None` when not all of them can be told without the network.
    fn pieces(&self, oid: &Oid, range: Range<u64>) -> Result<Option<Vec<Piece>>, ContentFault>;

    /// A chunk that is on this machine.
    fn local(&self, id: &ChunkId) -> Result<Option<Bytes>, ContentFault>;

    /// Whether a chunk is on this machine, without reading it.
    fn has(&self, id: &ChunkId) -> bool;

    /// Fetches the chunks that cover `range` of a content from wherever they are, in order and without a gap, and keeps them
    /// on this machine if it can. What comes before something that is absent or damaged is given out before the error. Ends
    /// within a bounded time when nothing comes, and soon when `want` is over.
    fn fetch(
        &self,
        oid: &Oid,
        range: Range<u64>,
        want: &Want,
        sink: &mut Sink<'_>,
    ) -> Result<(), ContentFault>;

    /// The whole content as a file of this machine, if there is one.
    fn whole(&self, oid: &Oid) -> Option<File>;
}

/// A blob of Git.
#[derive(Debug)]
pub enum BlobData {
    /// In memory: a small one.
    Memory(Bytes),
    /// In a file.
    File(File),
}

/// Git's blobs, as they are in a working tree.
pub trait Blobs: Send + Sync {
    /// A blob, with the conversions that Git makes for `path`.
    fn read(&self, id: &BlobId, path: &[u8]) -> Result<BlobData, ContentFault>;
}

/// Who may write.
///
/// Asked only of files with the attribute `lockable`: before one that is there is opened for writing or cut, moved, or replaced
/// by a move. Not when files are removed or made, which is all that Git does when it checks out: what comes of that is checked where
/// it is pushed to.
pub trait Gate: Send + Sync {
    /// Whether the file at `path` may be changed now. May ask a server.
    ///
    /// # Errors
    /// [`Fault::Denied`] when not; why is told through [`Events`].
    fn may_write(&self, path: &[u8]) -> Result<(), Fault>;
}

/// What somebody should hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Bytes of a content could not be read.
    Unreadable {
        /// The file.
        path: Vec<u8>,
        /// The content.
        oid: Oid,
        /// Why.
        why: ContentFault,
    },
    /// A file may not be written.
    Refused {
        /// The file.
        path: Vec<u8>,
        /// Why, for people.
        why: String,
    },
    /// The overlay could not be written.
    Overlay {
        /// What went wrong.
        why: String,
    },
    /// What the user should hear about locks, for people.
    News {
        /// What happened.
        what: String,
    },
    /// Remotes can be reached again.
    Online,
}

/// Somebody to tell.
pub trait Events: Send + Sync {
    /// Takes note; must not block, and must not call the mount.
    fn happened(&self, event: Event);
}
