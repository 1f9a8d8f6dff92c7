//! The tree of a commit that a mount begins with.
//!
//! Whoever makes the mount lists it, sorted by path as Git does; [`Nodes`](crate::nodes::Nodes) makes folders of it. It never changes: what
//! Git checks out later comes through the filesystem like every other change.

use crate::outside::BlobId;
use dits_format::Oid;

/// One path of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseEntry {
    /// Path from the top, with `/`.
    pub path: Vec<u8>,
    /// What is there.
    pub what: BaseKind,
}

impl BaseEntry {
    /// Adds to a hash what the numbers of nodes depend on. Sizes do not count: they are another in other settings of Git.
    pub(crate) fn hash(&self, into: &mut blake3::Hasher) {
        let is_folder = matches!(self.what, BaseKind::Submodule);
        into.update(&(self.path.len() as u64).to_le_bytes())
            .update(&self.path)
            .update(&[u8::from(is_folder)]);
    }
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseKind {
    /// A file that is in Git, as it is in a working tree.
    Blob {
        /// Git's name of it.
        id: BlobId,
        /// Bytes it has in a working tree.
        bytes: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A file whose pointer is in Git.
    Ghost {
        /// The content.
        oid: Oid,
        /// Its bytes.
        bytes: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symbolic link.
    Symlink {
        /// What it points at.
        target: Box<[u8]>,
    },
    /// A submodule: an empty folder.
    Submodule,
}

/// What all nodes of the base have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseMeta {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bits that new files do not get.
    pub umask: u16,
    /// Time of the last change, at least 2 s ago, as Git looks again at what is as young as its index.
    pub mtime: crate::attr::Time,
}
