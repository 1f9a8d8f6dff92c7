//! Which change an operation would make, and when it may not.
//!
//! The rules are those of POSIX for `mkdir`, `unlink`, `rmdir`, `rename`.

use super::{Body, Change, Made, Nodes};
use crate::Fault;
use crate::attr::{Ino, Meta, NAME_BYTES_MAX, ROOT, Replace, SetAttr, Time};

impl Nodes {
    /// A new node in `parent`.
    pub fn make(&self, parent: Ino, name: &[u8], made: Made, meta: Meta) -> Result<(Ino, Change), Fault> {
        check_name(name)?;
        let folder = self.get(parent)?;
        if self.folder(parent)?.contains_key(name) {
            return Err(Fault::Exists);
        }
        if !folder.is_linked {
            return Err(Fault::NotFound);
        }
        let ino = Ino(self.next);
        Ok((ino, Change::Make { ino, parent, name: name.into(), made, meta }))
    }

    /// The name of a file or link goes.
    pub fn unlink_name(&self, parent: Ino, name: &[u8], now: Time) -> Result<(Ino, Change), Fault> {
        let ino = self.child(parent, name)?;
        match &self.get(ino)?.body {
            Body::Directory(_) => Err(Fault::IsDirectory),
            _ => Ok((ino, self.removal(parent, name, now)?)),
        }
    }

    /// An empty folder goes.
    pub fn remove_folder(&self, parent: Ino, name: &[u8], now: Time) -> Result<(Ino, Change), Fault> {
        let ino = self.child(parent, name)?;
        if !self.folder(ino)?.is_empty() {
            return Err(Fault::NotEmpty);
        }
        Ok((ino, self.removal(parent, name, now)?))
    }

    fn removal(&self, parent: Ino, name: &[u8], now: Time) -> Result<Change, Fault> {
        let meta = Meta { mtime: now, ctime: now, ..self.get(parent)?.meta };
        Ok(Change::Remove { parent, name: name.into(), meta })
    }

    /// A node gets another place. `None` when it is there already.
    pub fn rename(
        &self,
        (from, name): (Ino, &[u8]),
        (to, new_name): (Ino, &[u8]),
        replace: Replace,
        now: Time,
    ) -> Result<Option<Change>, Fault> {
        check_name(new_name)?;
        let ino = self.child(from, name)?;
        if !self.get(to)?.is_linked {
            return Err(Fault::NotFound);
        }
        let there = self.folder(to)?.get(new_name).copied();
        let is_folder = |ino| self.get(ino).map(|node| matches!(node.body, Body::Directory(_)));
        match (there, replace) {
            (Some(_), Replace::No) => return Err(Fault::Exists),
            (None, Replace::Exchange) => return Err(Fault::NotFound),
            _ if is_folder(ino)? && self.is_below(to, ino) => return Err(Fault::Invalid),
            (Some(other), _) if other == ino => return Ok(None),
            (Some(other), Replace::Exchange) => {
                if is_folder(other)? && self.is_below(from, other) {
                    return Err(Fault::Invalid);
                }
            }
            (Some(other), Replace::Yes) if self.is_below(from, other) => return Err(Fault::NotEmpty),
            (Some(other), Replace::Yes) => match (is_folder(ino)?, is_folder(other)?) {
                (true, false) => return Err(Fault::NotDirectory),
                (false, true) => return Err(Fault::IsDirectory),
                (true, true) if !self.folder(other)?.is_empty() => return Err(Fault::NotEmpty),
                _ => {}
            },
            (None, _) => {}
        }
        let (name, new_name, exchange) = (name.into(), new_name.into(), replace == Replace::Exchange);
        Ok(Some(Change::Move { from, name, to, new_name, exchange, time: now }))
    }

    /// Whether `ino` is `folder` or anywhere below it.
    pub(super) fn is_below(&self, mut ino: Ino, folder: Ino) -> bool {
        while ino != folder {
            match self.nodes.get(&ino) {
                Some(node) if ino != ROOT => ino = node.parent,
                _ => return false,
            }
        }
        true
    }

    /// Attributes are set, the size apart. `None` when none is.
    pub fn set(&self, ino: Ino, set: &SetAttr, now: Time) -> Result<Option<Change>, Fault> {
        let mut meta = self.get(ino)?.meta;
        if set.mode.is_none() && set.uid.is_none() && set.gid.is_none() && set.mtime.is_none() {
            return Ok(None);
        }
        meta.mode = set.mode.map_or(meta.mode, |mode| mode & 0o7777);
        meta.uid = set.uid.unwrap_or(meta.uid);
        meta.gid = set.gid.unwrap_or(meta.gid);
        meta.mtime = set.mtime.unwrap_or(meta.mtime);
        meta.ctime = now;
        Ok(Some(Change::Meta { ino, meta }))
    }

    /// A file gets another number.
    pub fn renew(&self, ino: Ino) -> Change {
        Change::Renew { ino, new: Ino(self.next) }
    }
}

/// Whether a folder may have an entry of this name.
fn check_name(name: &[u8]) -> Result<(), Fault> {
    match name {
        b"" | b"." | b".." => Err(Fault::Exists),
        _ if name.len() > NAME_BYTES_MAX => Err(Fault::NameTooLong),
        _ if name.contains(&b'/') || name.contains(&0) => Err(Fault::Invalid),
        _ => Ok(()),
    }
}
