//! Making a change.
//!
//! Whatever a log holds, the nodes stay a tree: a change that would make something else is a [`Misfit`].

use super::{Body, Change, Made, Misfit, Node, Nodes, Source, Sparse};
use crate::attr::{Ino, Meta, ROOT, Time};
use std::collections::BTreeMap;

impl Nodes {
    /// Makes a change.
    ///
    /// # Errors
    /// [`Misfit`] when it is none that could have been planned for these nodes; then nothing has changed.
    pub fn apply(&mut self, change: &Change) -> Result<(), Misfit> {
        match change {
            Change::Make { ino, parent, name, made, meta } => self.make_node(*ino, *parent, name, made, meta),
            Change::Remove { parent, name, meta } => {
                let ino = self.entry(*parent, name)?;
                self.detach(ino);
                self.unlink(ino, meta.ctime);
                self.touch(*parent, meta.ctime);
                Ok(())
            }
            Change::Move { from, name, to, new_name, exchange, time } => {
                self.move_node((*from, name), (*to, new_name), *exchange, *time)
            }
            Change::Meta { ino, meta } => {
                self.changed(*ino)?.meta = *meta;
                Ok(())
            }
            Change::Source { ino, source, meta } => {
                *self.source(*ino)? = source.clone();
                self.changed(*ino)?.meta = *meta;
                Ok(())
            }
            Change::Resize { ino, bytes } => {
                let sparse = self.sparse(*ino)?;
                (sparse.kept, sparse.bytes) = (sparse.kept.min(*bytes), *bytes);
                sparse.written.cut(sparse.kept);
                Ok(())
            }
            Change::Wrote { ino, start, end } => {
                let sparse = self.sparse(*ino)?;
                sparse.written.add(*start..sparse.kept.min(*end));
                sparse.bytes = sparse.bytes.max(*end);
                Ok(())
            }
            Change::Renew { ino, new } => self.renew_node(*ino, *new),
            Change::Base { print, next } => {
                if *print != self.base_print || *next < self.next {
                    return Err(Misfit("it was made for another one"));
                }
                self.next = *next;
                Ok(())
            }
            Change::Gone { first, count } => self.take_away(*first, *count),
            Change::Place { ino, parent, name, made, meta } => {
                self.place(*ino, (*parent, name), made.as_ref(), *meta)
            }
        }
    }

    fn is_new(&self, ino: Ino) -> bool {
        ino.0 >= self.next && ino.0 < u64::MAX
    }

    fn make_node(
        &mut self,
        ino: Ino,
        parent: Ino,
        name: &[u8],
        made: &Made,
        meta: &Meta,
    ) -> Result<(), Misfit> {
        if !self.is_new(ino) {
            return Err(Misfit("a number is used twice"));
        }
        if self.entries(parent)?.contains_key(name) {
            return Err(Misfit("a name is taken"));
        }
        self.nodes.insert(ino, node_of(made, *meta));
        self.next = ino.0 + 1;
        self.attach(ino, parent, name);
        self.touch(parent, meta.ctime);
        Ok(())
    }

    fn move_node(
        &mut self,
        (from, name): (Ino, &[u8]),
        (to, new_name): (Ino, &[u8]),
        exchange: bool,
        time: Time,
    ) -> Result<(), Misfit> {
        let ino = self.entry(from, name)?;
        let other = self.entries(to)?.get(new_name).copied();
        if other == Some(ino) || (exchange && other.is_none()) {
            return Err(Misfit("a node moves to nowhere"));
        }
        let swapped = other.filter(|_| exchange);
        if self.is_below(to, ino) || swapped.is_some_and(|other| self.is_below(from, other)) {
            return Err(Misfit("a folder moves into itself"));
        }
        self.detach(ino);
        if let Some(other) = other {
            self.detach(other);
            match exchange {
                true => self.attach(other, from, name),
                false => self.unlink(other, time),
            }
        }
        self.attach(ino, to, new_name);
        for moved in [Some(ino), swapped].into_iter().flatten() {
            self.changed(moved)?.meta.ctime = time;
        }
        self.touch(from, time);
        self.touch(to, time);
        Ok(())
    }

    fn renew_node(&mut self, ino: Ino, new: Ino) -> Result<(), Misfit> {
        let node = self.nodes.get(&ino).ok_or(Misfit("a node is not there"))?;
        if !node.is_linked || !self.is_new(new) {
            return Err(Misfit("a number is used twice"));
        }
        if matches!(node.body, Body::Directory(_)) {
            return Err(Misfit("a folder gets another number"));
        }
        let node = node.clone();
        let (parent, name) = (node.parent, node.name.clone());
        self.detach(ino);
        self.unlink(ino, node.meta.ctime);
        self.nodes.insert(new, Node { is_base: false, ..node });
        self.next = new.0 + 1;
        self.attach(new, parent, &name);
        Ok(())
    }

    fn take_away(&mut self, first: Ino, count: u64) -> Result<(), Misfit> {
        let end = first.0.checked_add(count).filter(|end| *end <= self.base_end && first > ROOT);
        for ino in first.0..end.ok_or(Misfit("more is gone than there was"))? {
            self.detach(Ino(ino));
            self.nodes.remove(&Ino(ino));
        }
        Ok(())
    }

    fn place(
        &mut self,
        ino: Ino,
        (parent, name): (Ino, &[u8]),
        made: Option<&Made>,
        meta: Meta,
    ) -> Result<(), Misfit> {
        self.entries(parent)?;
        if ino != ROOT && self.is_below(parent, ino) {
            return Err(Misfit("a folder is in itself"));
        }
        match (self.nodes.get_mut(&ino).map(|node| &mut node.body), made) {
            (Some(_), None) => {}
            (Some(Body::File(old)), Some(Made::File(source))) => *old = source.clone(),
            (None, Some(made)) if (self.base_end..self.next).contains(&ino.0) => {
                self.nodes.insert(ino, node_of(made, meta));
            }
            _ => return Err(Misfit("a node is something else")),
        }
        self.changed(ino)?.meta = meta;
        if ino == ROOT {
            return Ok(());
        }
        self.detach(ino);
        if let Some(other) = self.entries(parent)?.get(name).copied() {
            self.detach(other);
        }
        self.attach(ino, parent, name);
        Ok(())
    }

    /// A node that is not as in the base from now on.
    fn changed(&mut self, ino: Ino) -> Result<&mut Node, Misfit> {
        let node = self.nodes.get_mut(&ino).ok_or(Misfit("a node is not there"))?;
        node.is_base = false;
        Ok(node)
    }

    fn source(&mut self, ino: Ino) -> Result<&mut Source, Misfit> {
        match &mut self.changed(ino)?.body {
            Body::File(source) => Ok(source),
            _ => Err(Misfit("a folder gets bytes")),
        }
    }

    fn sparse(&mut self, ino: Ino) -> Result<&mut Sparse, Misfit> {
        match self.source(ino)? {
            Source::Sparse(sparse) => Ok(sparse),
            _ => Err(Misfit("a file without holes gets bytes")),
        }
    }

    fn entry(&mut self, parent: Ino, name: &[u8]) -> Result<Ino, Misfit> {
        self.entries(parent)?.get(name).copied().ok_or(Misfit("a name is not there"))
    }

    fn entries(&mut self, folder: Ino) -> Result<&mut BTreeMap<Box<[u8]>, Ino>, Misfit> {
        match self.nodes.get_mut(&folder).map(|node| &mut node.body) {
            Some(Body::Directory(entries)) => Ok(entries),
            Some(_) => Err(Misfit("a file has entries")),
            None => Err(Misfit("a folder is not there")),
        }
    }

    fn touch(&mut self, folder: Ino, time: Time) {
        if let Ok(node) = self.changed(folder) {
            (node.meta.mtime, node.meta.ctime) = (time, time);
        }
    }

    fn unlink(&mut self, ino: Ino, time: Time) {
        if let Ok(node) = self.changed(ino) {
            node.is_linked = false;
            node.meta.ctime = time;
        }
    }

    /// Takes a node out of its folder, if it is in it.
    fn detach(&mut self, ino: Ino) {
        let Some(node) = self.nodes.get(&ino) else { return };
        let is_folder = matches!(node.body, Body::Directory(_));
        let (parent, name) = (node.parent, node.name.clone());
        let Some(folder) = self.nodes.get_mut(&parent) else { return };
        let Body::Directory(entries) = &mut folder.body else { return };
        if entries.get(&name) == Some(&ino) {
            entries.remove(&name);
            folder.folders -= u32::from(is_folder);
        }
    }

    /// Puts a node into a folder that has no such name.
    pub(super) fn attach(&mut self, ino: Ino, parent: Ino, name: &[u8]) {
        let Some(node) = self.nodes.get_mut(&ino) else { return };
        (node.parent, node.name, node.is_linked) = (parent, name.into(), true);
        let is_folder = matches!(node.body, Body::Directory(_));
        if let Some(Node { body: Body::Directory(entries), folders, .. }) = self.nodes.get_mut(&parent) {
            entries.insert(name.into(), ino);
            *folders += u32::from(is_folder);
        }
    }
}

/// A node in no folder yet.
fn node_of(made: &Made, meta: Meta) -> Node {
    let body = match made.clone() {
        Made::Directory => Body::Directory(BTreeMap::new()),
        Made::File(source) => Body::File(source),
        Made::Symlink(target) => Body::Symlink(target),
    };
    Node { parent: ROOT, name: Box::default(), is_linked: true, is_base: false, folders: 0, body, meta }
}
