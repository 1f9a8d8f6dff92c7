//! The fewest changes that make of the base what is there now.
//!
//! A node is told as it is, whatever happened to it, its folder always before it. Removed nodes that somebody still has open are left out: they
//! would not outlive a restart.

use super::{Body, Change, Made, Node, Nodes, Source};
use crate::attr::{Ino, ROOT};

impl Nodes {
    /// Tells the changes, in order.
    ///
    /// # Errors
    /// What `tell` says; nothing more is told then.
    pub fn snapshot<E>(&self, mut tell: impl FnMut(&Change) -> Result<(), E>) -> Result<(), E> {
        tell(&self.base_change())?;
        let is_gone = |ino: &u64| self.nodes.get(&Ino(*ino)).is_none_or(|node| !node.is_linked);
        let mut at = ROOT.0;
        while let Some(first) = (at..self.base_end).find(is_gone) {
            at = (first..self.base_end).find(|ino| !is_gone(ino)).unwrap_or(self.base_end);
            tell(&Change::Gone { first: Ino(first), count: at - first })?;
        }
        let mut folders = vec![ROOT];
        self.place_of(ROOT, &mut tell)?;
        while let Some(folder) = folders.pop() {
            let Ok(entries) = self.folder(folder) else { continue };
            for ino in entries.values() {
                self.place_of(*ino, &mut tell)?;
                if self.folder(*ino).is_ok() {
                    folders.push(*ino);
                }
            }
        }
        Ok(())
    }

    /// Which base this is, for the begin of a log.
    pub fn base_change(&self) -> Change {
        Change::Base { print: self.base_print, next: self.next }
    }

    fn place_of<E>(&self, ino: Ino, tell: &mut impl FnMut(&Change) -> Result<(), E>) -> Result<(), E> {
        let Some(node) = self.nodes.get(&ino).filter(|node| !node.is_base) else { return Ok(()) };
        let Node { parent, name, body, meta, .. } = node;
        let made = match body {
            Body::File(source) => Some(Made::File(source.clone())),
            Body::Directory(_) => (ino.0 >= self.base_end).then_some(Made::Directory),
            Body::Symlink(target) => (ino.0 >= self.base_end).then(|| Made::Symlink(target.clone())),
        };
        tell(&Change::Place { ino, parent: *parent, name: name.clone(), made, meta: *meta })?;
        if let Body::File(Source::Sparse(sparse)) = body {
            for range in sparse.written.iter() {
                tell(&Change::Wrote { ino, start: range.start, end: range.end })?;
            }
        }
        Ok(())
    }
}
