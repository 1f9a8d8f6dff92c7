//! All files and folders as they are now, and the rules for changing them. Pure.
//!
//! [`Nodes`] begins as the [base](crate::base) and is changed by nothing but [`Change`]s. It is asked for the change that an operation would make
//! ([`plan`]), whoever keeps it makes that durable and then [applies](Nodes::apply) it. So replaying all changes over
//! the same base gives the same nodes with the same numbers.
//!
//! Always holds: every node but the root is in exactly one folder under one name, or in none after its removal, when it lives until
//! [`Nodes::forget`]; numbers are not used twice.
//!
//! Memory: about 250 bytes a node with a name of 20 bytes (measured, `examples/nodes.rs`): 250 MB and a second for a million.

mod apply;
mod change;
mod plan;
mod ranges;
mod snapshot;
mod table;

pub use change::{Below, Body, Change, Made, Source, Sparse};
pub use ranges::Ranges;

use crate::Fault;
use crate::attr::{Attr, Ino, Kind, Meta, ROOT, Time};
use crate::base::{BaseEntry, BaseKind, BaseMeta};
use std::collections::BTreeMap;
use table::Table;

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
    /// Whether it is as it was in the base.
    is_base: bool,
    /// Folders in it.
    folders: u32,
    /// What it is.
    pub body: Body,
    /// Owner, mode, times.
    pub meta: Meta,
}

/// All nodes of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes {
    nodes: Table,
    /// The next number that a node may have.
    next: u64,
    /// Behind the last number of the base.
    base_end: u64,
    base_print: [u8; 16],
}

/// A change that does not fit the nodes: the log belongs to another base, or is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log of changes does not fit the tree it began with: {0}")]
pub struct Misfit(pub &'static str);

impl Nodes {
    /// The nodes of a base, whose entries come sorted by path. The same entries give the same numbers.
    pub fn new(base: impl IntoIterator<Item = BaseEntry>, meta: &BaseMeta) -> Nodes {
        let folder = || base_node(Body::Directory(BTreeMap::new()), base_meta(meta, 0o777));
        let mut nodes =
            Nodes { nodes: Table::default(), next: ROOT.0 + 1, base_end: 0, base_print: Default::default() };
        nodes.nodes.push(folder());
        let mut print = blake3::Hasher::new();
        // The folders down to the last entry: neighbours share them.
        let mut way: Vec<(Box<[u8]>, Ino)> = Vec::new();
        for entry in base {
            entry.hash(&mut print);
            let mut names = entry.path.split(|byte| *byte == b'/');
            let name = names.next_back().unwrap_or_default();
            let mut depth = 0;
            for part in names {
                if way.get(depth).is_none_or(|(there, _)| **there != *part) {
                    way.truncate(depth);
                    let parent = way.last().map_or(ROOT, |(_, ino)| *ino);
                    let ino = nodes.insert(parent, part, folder());
                    way.push((part.into(), ino));
                }
                depth += 1;
            }
            way.truncate(depth);
            let parent = way.last().map_or(ROOT, |(_, ino)| *ino);
            let (body, mode) = body_of(entry.what);
            let is_folder = matches!(body, Body::Directory(_));
            let ino = nodes.insert(parent, name, base_node(body, base_meta(meta, mode)));
            if is_folder {
                way.push((name.into(), ino));
            }
        }
        nodes.nodes.end_base();
        nodes.base_end = nodes.next;
        nodes.base_print.copy_from_slice(&print.finalize().as_bytes()[..16]);
        nodes
    }

    /// A number that another base has not.
    pub fn base_print(&self) -> [u8; 16] {
        self.base_print
    }

    fn insert(&mut self, parent: Ino, name: &[u8], node: Node) -> Ino {
        let ino = self.nodes.push(node);
        self.next = ino.0 + 1;
        self.attach(ino, parent, name);
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
        self.nodes.iter()
    }

    /// What `stat` shows of a node.
    ///
    /// A ghost takes as much of the disk as its content would: programs take a file without blocks for one without content
    /// (`tar --sparse` does, and would keep zeros of it).
    pub fn attr(&self, ino: Ino) -> Result<Attr, Fault> {
        let node = self.get(ino)?;
        let (kind, bytes, disk_bytes, links) = match &node.body {
            Body::Directory(_) => (Kind::Directory, 0, 0, if node.is_linked { 2 + node.folders } else { 0 }),
            Body::Symlink(target) => (Kind::Symlink, target.len() as u64, 0, u32::from(node.is_linked)),
            Body::File(source) => {
                let on_disk = source.bytes().next_multiple_of(BLOCK_BYTES);
                (Kind::File, source.bytes(), on_disk, u32::from(node.is_linked))
            }
        };
        Ok(Attr { ino, kind, bytes, disk_bytes, links, meta: node.meta })
    }

    /// Sets the size of a file that was written, and its times: nothing that the log needs to know, as the file of the overlay itself
    /// says so, and other records do of the size of a [`Sparse`].
    pub fn note_written(&mut self, ino: Ino, bytes: u64, time: Time) {
        if let Some(Node { body: Body::File(source), meta, .. }) = self.nodes.get_mut(&ino) {
            if let Source::Upper { bytes: size } = source {
                *size = bytes;
            }
            (meta.mtime, meta.ctime) = (time, time);
        }
    }

    /// Takes over what the file of the overlay says after a restart.
    pub fn note_found(&mut self, ino: Ino, bytes: u64, time: Time) {
        let Ok(Node { meta, .. }) = self.get(ino) else { return };
        let ctime = if meta.mtime == time { meta.ctime } else { meta.ctime.max(time) };
        self.note_written(ino, bytes, time);
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.meta.ctime = ctime;
        }
    }

    /// Forgets what was written in a file with holes, since it is not there.
    pub fn note_lost(&mut self, ino: Ino) {
        if let Some(Node { body: Body::File(Source::Sparse(sparse)), .. }) = self.nodes.get_mut(&ino) {
            sparse.written = Ranges::default();
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

/// A node of the base in no folder yet.
fn base_node(body: Body, meta: Meta) -> Node {
    Node { parent: ROOT, name: Box::default(), is_linked: true, is_base: true, folders: 0, body, meta }
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
