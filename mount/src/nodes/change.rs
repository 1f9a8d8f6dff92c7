//! What may happen to nodes, and what a file's bytes come from.
//!
//! These values are what the log of the overlay holds: adding a variant at the end keeps old logs readable, anything else does not
//! (the encoding numbers variants and fields by their place).

use super::{Misfit, Node, Nodes};
use crate::attr::{Ino, Meta};
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
}

impl Source {
    /// Size of the file.
    pub fn bytes(&self) -> u64 {
        match self {
            Source::Blob { bytes, .. } | Source::Ghost { bytes, .. } | Source::Upper { bytes } => *bytes,
        }
    }

    /// Whether the overlay has a file for it.
    pub fn is_upper(&self) -> bool {
        matches!(self, Source::Upper { .. })
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
        time: crate::attr::Time,
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
}

impl Nodes {
    /// Makes a change.
    ///
    /// # Errors
    /// [`Misfit`] when it is none that [`plan`](super::plan) could have made for these nodes; then nothing has changed.
    pub fn apply(&mut self, change: &Change) -> Result<(), Misfit> {
        match change {
            Change::Make { ino, parent, name, made, meta } => {
                if ino.0 < self.next || self.nodes.contains_key(ino) {
                    return Err(Misfit("a number is used twice"));
                }
                if self.entries(*parent)?.contains_key(name) {
                    return Err(Misfit("a name is taken"));
                }
                let body = match made.clone() {
                    Made::Directory => Body::Directory(BTreeMap::new()),
                    Made::File(source) => Body::File(source),
                    Made::Symlink(target) => Body::Symlink(target),
                };
                self.next = ino.0;
                self.insert(Node { parent: *parent, name: name.clone(), is_linked: true, body, meta: *meta });
                self.touch(*parent, meta.ctime);
            }
            Change::Remove { parent, name, meta } => {
                let ino = self.entries(*parent)?.remove(name).ok_or(Misfit("a removed name is not there"))?;
                self.unlink(ino, meta.ctime);
                self.touch(*parent, meta.ctime);
            }
            Change::Move { from, name, to, new_name, exchange, time } => {
                self.entries(*to)?;
                let ino = self.entries(*from)?.remove(name).ok_or(Misfit("a moved name is not there"))?;
                let earlier = self.entries(*to)?.insert(new_name.clone(), ino);
                self.place(ino, *to, new_name);
                match earlier {
                    Some(other) if *exchange => {
                        self.entries(*from)?.insert(name.clone(), other);
                        self.place(other, *from, name);
                    }
                    Some(other) if other != ino => self.unlink(other, *time),
                    _ => {}
                }
                for folder in [*from, *to] {
                    self.touch(folder, *time);
                }
                if let Some(node) = self.nodes.get_mut(&ino) {
                    node.meta.ctime = *time;
                }
            }
            Change::Meta { ino, meta } => self.node(*ino)?.meta = *meta,
            Change::Source { ino, source, meta } => {
                let node = self.node(*ino)?;
                let Body::File(old) = &mut node.body else { return Err(Misfit("a folder gets bytes")) };
                *old = source.clone();
                node.meta = *meta;
            }
        }
        Ok(())
    }

    fn node(&mut self, ino: Ino) -> Result<&mut Node, Misfit> {
        self.nodes.get_mut(&ino).ok_or(Misfit("a node is not there"))
    }

    fn entries(&mut self, folder: Ino) -> Result<&mut BTreeMap<Box<[u8]>, Ino>, Misfit> {
        match &mut self.node(folder)?.body {
            Body::Directory(entries) => Ok(entries),
            _ => Err(Misfit("a file has entries")),
        }
    }

    fn touch(&mut self, folder: Ino, time: crate::attr::Time) {
        if let Some(node) = self.nodes.get_mut(&folder) {
            (node.meta.mtime, node.meta.ctime) = (time, time);
        }
    }

    fn unlink(&mut self, ino: Ino, time: crate::attr::Time) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.is_linked = false;
            node.meta.ctime = time;
        }
    }

    fn place(&mut self, ino: Ino, parent: Ino, name: &[u8]) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            (node.parent, node.name) = (parent, name.into());
        }
    }
}
