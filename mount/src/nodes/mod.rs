//! All files and folders as they are now, and the rules for changing them. Pure.
//!
//! [`Nodes`] begins as the [base](crate::base) and is changed by nothing but [`Change`]s. It is asked for the change that an operation would make
//! ([`plan`]), whoever keeps it makes that durable and then [applies](Nodes::apply) it. So replaying all changes over
//! the same base gives the same nodes with the same numbers.
//!
//! Always holds: every node but the root is in exactly one folder under one name, or in none after its removal, when it lives until
//! [`Nodes::forget`]; numbers are not used twice.
//!
//! Memory: about 250 bytes a node beside its name.

mod change;
mod plan;

pub use change::{Body, Change, Made, Source};

use crate::Fault;
use crate::attr::{Attr, Ino, Kind, Meta, ROOT, Time};
use crate::base::{BaseEntry, BaseKind, BaseMeta};
use std::collections::{BTreeMap, HashMap};

/// Blocks that `disk_bytes` is counted in.
const BLOCK_BYTES: u64 = 512;

/// A file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The folder it is in; its last one after it was removed.
    pub parent: Ino,
    /// Its name there.
    pub name: Box<[u8]>,
    /// Whether it is still there.
    pub is_linked: bool,
    /// What it is.
    pub body: Body,
    /// Owner, mode, times.
    pub meta: Meta,
}

/// All nodes of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes {
    nodes: HashMap<Ino, Node>,
    next: u64,
}

/// A change that does not fit the nodes: the log belongs to another base, or is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log of changes does not fit the tree it began with: {0}")]
pub struct Misfit(pub &'static str);

impl Nodes {
    /// The nodes of a base, whose entries come sorted by path. The same entries give the same numbers.
    pub fn new(base: impl IntoIterator<Item = BaseEntry>, meta: &BaseMeta) -> Nodes {
        let folder = |parent, name| Node {
            parent,
            name,
            is_linked: true,
            body: Body::Directory(BTreeMap::new()),
            meta: base_meta(meta, 0o777),
        };
        let mut nodes =
            Nodes { nodes: HashMap::from([(ROOT, folder(ROOT, Box::default()))]), next: ROOT.0 + 1 };
        // The folders down to the last entry: neighbours share them.
        let mut way: Vec<(Box<[u8]>, Ino)> = Vec::new();
        for entry in base {
            let mut names = entry.path.split(|byte| *byte == b'/');
            let name = names.next_back().unwrap_or_default();
            let mut depth = 0;
            for part in names {
                if way.get(depth).is_none_or(|(there, _)| **there != *part) {
                    way.truncate(depth);
                    let parent = way.last().map_or(ROOT, |(_, ino)| *ino);
                    let ino = nodes.insert(folder(parent, part.into()));
                    way.push((part.into(), ino));
                }
                depth += 1;
            }
            way.truncate(depth);
            let parent = way.last().map_or(ROOT, |(_, ino)| *ino);
            let (body, mode) = body_of(entry.what);
            let meta = base_meta(meta, mode);
            let is_folder = matches!(body, Body::Directory(_));
            let ino = nodes.insert(Node { parent, name: name.into(), is_linked: true, body, meta });
            if is_folder {
                way.push((name.into(), ino));
            }
        }
        nodes
    }

    fn insert(&mut self, node: Node) -> Ino {
        let ino = Ino(self.next);
        self.next += 1;
        if let Some(Body::Directory(entries)) = self.nodes.get_mut(&node.parent).map(|node| &mut node.body) {
            entries.insert(node.name.clone(), ino);
        }
        self.nodes.insert(ino, node);
        ino
    }

    /// A node.
    pub fn get(&self, ino: Ino) -> Result<&Node, Fault> {
        self.nodes.get(&ino).ok_or(Fault::NotFound)
    }

    /// The entries of a folder, by name.
    pub fn folder(&self, ino: Ino) -> Result<&BTreeMap<Box<[u8]>, Ino>, Fault> {
        match &self.get(ino)?.body {
            Body::Directory(entries) => Ok(entries),
            _ => Err(Fault::NotDirectory),
        }
    }

    /// The node with this name in a folder.
    pub fn child(&self, parent: Ino, name: &[u8]) -> Result<Ino, Fault> {
        self.folder(parent)?.get(name).copied().ok_or(Fault::NotFound)
    }

    /// The node at a path from the top.
    pub fn find(&self, path: &[u8]) -> Result<Ino, Fault> {
        let mut parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        parts.try_fold(ROOT, |ino, name| self.child(ino, name))
    }

    /// Path of a node from the top, without `/` at either end.
    pub fn path(&self, ino: Ino) -> Vec<u8> {
        let (mut parts, mut at) = (Vec::new(), ino);
        while at != ROOT {
            let Some(node) = self.nodes.get(&at) else { break };
            parts.push(&node.name[..]);
            at = node.parent;
        }
        parts.reverse();
        parts.join(&b'/')
    }

    /// All nodes, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Ino, &Node)> {
        self.nodes.iter().map(|(ino, node)| (*ino, node))
    }

    /// What `stat` shows of a node.
    pub fn attr(&self, ino: Ino) -> Result<Attr, Fault> {
        let node = self.get(ino)?;
        let (kind, bytes, disk_bytes, links) = match &node.body {
            Body::Directory(entries) => {
                let is_folder =
                    |ino: &&Ino| matches!(self.nodes.get(ino), Some(Node { body: Body::Directory(_), .. }));
                (Kind::Directory, 0, 0, 2 + entries.values().filter(is_folder).count() as u32)
            }
            Body::Symlink(target) => (Kind::Symlink, target.len() as u64, 0, 1),
            Body::File(source) => {
                let on_disk =
                    if source.is_upper() { source.bytes().next_multiple_of(BLOCK_BYTES) } else { 0 };
                (Kind::File, source.bytes(), on_disk, u32::from(node.is_linked))
            }
        };
        Ok(Attr { ino, kind, bytes, disk_bytes, links, meta: node.meta })
    }

    /// Sets size and times of a file whose bytes are in the overlay: nothing that the log needs to know, as that file itself says so.
    pub fn note_written(&mut self, ino: Ino, bytes: u64, time: Time) {
        if let Some(Node { body: Body::File(Source::Upper { bytes: size }), meta, .. }) =
            self.nodes.get_mut(&ino)
        {
            *size = bytes;
            (meta.mtime, meta.ctime) = (time, time);
        }
    }

    /// Ends the life of a removed node that nobody has open any more.
    pub fn forget(&mut self, ino: Ino) {
        if self.nodes.get(&ino).is_some_and(|node| !node.is_linked) {
            self.nodes.remove(&ino);
        }
    }

    /// Removed nodes that still live.
    pub fn removed(&self) -> Vec<Ino> {
        self.iter().filter(|(_, node)| !node.is_linked).map(|(ino, _)| ino).collect()
    }
}

fn base_meta(base: &BaseMeta, mode: u16) -> Meta {
    Meta { mode: mode & !base.umask, uid: base.uid, gid: base.gid, mtime: base.mtime, ctime: base.mtime }
}

/// Body and mode before the umask.
fn body_of(what: BaseKind) -> (Body, u16) {
    let mode = |executable| if executable { 0o777 } else { 0o666 };
    match what {
        BaseKind::Blob { id, bytes, executable } => {
            (Body::File(Source::Blob { id, bytes }), mode(executable))
        }
        BaseKind::Ghost { oid, bytes, executable } => {
            (Body::File(Source::Ghost { oid: oid.0, bytes }), mode(executable))
        }
        BaseKind::Symlink { target } => (Body::Symlink(target), 0o777),
        BaseKind::Submodule => (Body::Directory(BTreeMap::new()), 0o777),
    }
}

#[cfg(test)]
mod tests;
