//! Nodes by number: those of the base side by side, as their numbers are, later ones in a map.
//!
//! Numbers begin at 1. One that is gone leaves an empty place.

use super::Node;
use crate::attr::Ino;
use std::collections::HashMap;

/// All nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    base: Vec<Option<Node>>,
    later: HashMap<Ino, Node>,
}

impl Table {
    /// Adds the next node of the base.
    pub(super) fn push(&mut self, node: Node) -> Ino {
        self.base.push(Some(node));
        Ino(self.base.len() as u64)
    }

    /// Nothing more will be [pushed](Table::push).
    pub(super) fn end_base(&mut self) {
        self.base.shrink_to_fit();
    }

    fn place(ino: Ino) -> usize {
        usize::try_from(ino.0).unwrap_or(usize::MAX).wrapping_sub(1)
    }

    pub(super) fn get(&self, ino: &Ino) -> Option<&Node> {
        match self.base.get(Table::place(*ino)) {
            Some(node) => node.as_ref(),
            None => self.later.get(ino),
        }
    }

    pub(super) fn get_mut(&mut self, ino: &Ino) -> Option<&mut Node> {
        match self.base.get_mut(Table::place(*ino)) {
            Some(node) => node.as_mut(),
            None => self.later.get_mut(ino),
        }
    }

    /// Adds a node with a number that the base does not have.
    pub(super) fn insert(&mut self, ino: Ino, node: Node) {
        self.later.insert(ino, node);
    }

    pub(super) fn remove(&mut self, ino: &Ino) {
        match self.base.get_mut(Table::place(*ino)) {
            Some(node) => *node = None,
            None => drop(self.later.remove(ino)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Ino, &Node)> {
        let base = (1..).map(Ino).zip(&self.base);
        let base = base.filter_map(|(ino, node)| node.as_ref().map(|node| (ino, node)));
        base.chain(self.later.iter().map(|(ino, node)| (*ino, node)))
    }
}
