//! What may happen to nodes, and what a file's bytes come from.
//!
//! These values are what the log of the overlay holds: adding a variant at the end keeps old logs readable, anything else does not
//! (the encoding numbers variants and fields by their place).

use super::Ranges;
use crate::attr::{Ino, Meta, Time};
use crate::outside::BlobId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A folder: its entries by name.
    Directory(BTreeMap<Box<[u8]>, Ino>),
    /// A file: what its bytes come from.
    File(Source),
    /// A symbolic link: its target.
    Symlink(Box<[u8]>),
}

/// What the bytes of a file come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A blob of Git.
    Blob {
        /// Git's name of it.
        id: BlobId,
        /// Its bytes.
        bytes: u64,
    },
    /// A content, fetched as it is read.
    Ghost {
        /// BLAKE3 of the content.
        oid: [u8; 32],
        /// Its bytes.
        bytes: u64,
    },
    /// A file of the overlay, named by the number of the node.
    Upper {
        /// Its bytes; after a restart the file itself says.
        bytes: u64,
    },
    /// A file of the overlay with holes through which a blob or a content shows.
    Sparse(Box<Sparse>),
}

/// A file of which parts were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sparse {
    /// What it was.
    pub below: Below,
    /// So many bytes from the start show what it was, where nothing was written; what is behind them are zeros.
    pub kept: u64,
    /// Its size.
    pub bytes: u64,
    /// What was written within `kept`. [`Change::Wrote`] tells of it.
    #[serde(skip)]
    pub written: Ranges,
}

/// What shows through the holes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Below {
    /// A blob of Git.
    Blob {
        /// Git's name of it.
        id: BlobId,
        /// Its bytes.
        bytes: u64,
    },
    /// A content.
    Ghost {
        /// BLAKE3 of the content.
        oid: [u8; 32],
        /// Its bytes.
        bytes: u64,
    },
}

impl Source {
    /// Size of the file.
    pub fn bytes(&self) -> u64 {
        match self {
            Source::Blob { bytes, .. } | Source::Ghost { bytes, .. } | Source::Upper { bytes } => *bytes,
            Source::Sparse(sparse) => sparse.bytes,
        }
    }

    /// Whether the overlay has a file for it.
    pub fn is_upper(&self) -> bool {
        matches!(self, Source::Upper { .. } | Source::Sparse(_))
    }

    /// The same file for who writes in it: with nothing written yet.
    pub fn for_writing(&self) -> Source {
        let below = match self.clone() {
            Source::Blob { id, bytes } if bytes > 0 => Below::Blob { id, bytes },
            Source::Ghost { oid, bytes } if bytes > 0 => Below::Ghost { oid, bytes },
            Source::Blob { bytes, .. } | Source::Ghost { bytes, .. } => return Source::Upper { bytes },
            upper => return upper,
        };
        let bytes = self.bytes();
        Source::Sparse(Box::new(Sparse { below, kept: bytes, bytes, written: Ranges::default() }))
    }
}

impl Sparse {
    /// Whether nothing of what it was shows any more.
    pub fn is_covered(&self) -> bool {
        self.written.cover(0..self.kept)
    }

    /// Whether writing this range would change nothing that a restart has to know of.
    pub fn knows(&self, start: u64, end: u64) -> bool {
        end <= self.bytes && self.written.cover(start..end.min(self.kept))
    }
}

/// What a new node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Made {
    /// An empty folder.
    Directory,
    /// A file.
    File(Source),
    /// A symbolic link to this.
    Symlink(Box<[u8]>),
}

/// A change of the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A new node.
    Make {
        /// Its number, which no node had before.
        ino: Ino,
        /// The folder it is in.
        parent: Ino,
        /// Its name.
        name: Box<[u8]>,
        /// What it is.
        made: Made,
        /// Owner, mode, times.
        meta: Meta,
    },
    /// A name goes; its node lives on while it is open.
    Remove {
        /// The folder.
        parent: Ino,
        /// The name.
        name: Box<[u8]>,
        /// New times of the folder.
        meta: Meta,
    },
    /// A node gets another place; what was there is removed, or takes the old place.
    Move {
        /// The folder it is in.
        from: Ino,
        /// Its name there.
        name: Box<[u8]>,
        /// The folder it is to be in.
        to: Ino,
        /// Its name there.
        new_name: Box<[u8]>,
        /// Whether both change places.
        exchange: bool,
        /// New times of both folders.
        time: Time,
    },
    /// Owner, mode or times.
    Meta {
        /// The node.
        ino: Ino,
        /// All of them.
        meta: Meta,
    },
    /// What a file's bytes come from.
    Source {
        /// The file.
        ino: Ino,
        /// From where.
        source: Source,
        /// Its times now.
        meta: Meta,
    },
    /// Another size of a [`Sparse`] file.
    Resize {
        /// The file.
        ino: Ino,
        /// Its size; what is cut off never shows again.
        bytes: u64,
    },
    /// Bytes of a [`Sparse`] file were written.
    Wrote {
        /// The file.
        ino: Ino,
        /// The first one.
        start: u64,
        /// The one behind the last.
        end: u64,
    },
    /// A file gets another number, and the old one is removed: who reads the old bytes past the mount goes on with them.
    Renew {
        /// The old number.
        ino: Ino,
        /// The new one, which no node had before.
        new: Ino,
    },
    /// Which base the changes are for. The first of a log.
    Base {
        /// What [`Nodes::base_print`](super::Nodes::base_print) says of it.
        print: [u8; 16],
        /// The next number that a node may have.
        next: u64,
    },
    /// Nodes of the base that are no more.
    Gone {
        /// The first.
        first: Ino,
        /// How many.
        count: u64,
    },
    /// How a node is, whatever it was: a short cut for all changes so far. Its folder is in its own place already.
    Place {
        /// The node.
        ino: Ino,
        /// The folder it is in.
        parent: Ino,
        /// Its name there.
        name: Box<[u8]>,
        /// What it is; `None` when it is what it was in the base.
        made: Option<Made>,
        /// Owner, mode, times.
        meta: Meta,
    },
}

impl Change {
    /// The node whose attributes or bytes change, if that is all.
    pub fn subject(&self) -> Option<Ino> {
        match self {
            Change::Meta { ino, .. }
            | Change::Source { ino, .. }
            | Change::Resize { ino, .. }
            | Change::Wrote { ino, .. } => Some(*ino),
            _ => None,
        }
    }
}
