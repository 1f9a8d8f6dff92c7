//! Changes of files of which the kernel must hear more than the answer.
//!
//! It does not know when a file becomes a ghost, or no ghost, by what it did.

use super::served::Served;
use super::{answer, convert};
use crate::Fault;
use crate::attr::{Attr, Fh, Ino, Kind, Replace, SetAttr};
use fuser::{ReplyEmpty, ReplyWrite};

impl Served {
    /// Writes where the kernel says; at the end when it says so of a file whose size it has not heard of yet.
    pub(super) fn write(
        &self,
        (ino, fh): (Ino, Fh),
        offset: u64,
        bytes: &[u8],
        (appends, keeps_set_id): (bool, bool),
        reply: ReplyWrite,
    ) {
        let write = || {
            if !keeps_set_id {
                self.drop_set_id(ino)?;
            }
            let at = if appends { self.mount.attr(ino)?.bytes } else { offset };
            Ok((at, self.mount.write(fh, at, bytes)?))
        };
        match write() {
            Ok((at, written)) => {
                reply.written(written);
                if at != offset {
                    self.forget_bytes(ino);
                }
            }
            Err(fault) => reply.error(convert::errno(fault)),
        }
    }

    /// Takes away the bits by which who runs a file becomes its owner.
    fn drop_set_id(&self, ino: Ino) -> Result<(), Fault> {
        let mode = self.mount.with_nodes(|nodes| nodes.get(ino).map(|node| node.meta.mode))?;
        let left = convert::without_set_id(mode);
        if left != mode {
            self.mount.set_attr(ino, &SetAttr { mode: Some(left), ..SetAttr::default() })?;
        }
        Ok(())
    }

    /// Sets attributes; a file that gets another owner or size loses those bits, which the kernel leaves to us.
    pub(super) fn set_attr(&self, ino: Ino, mut set: SetAttr, is_root: bool) -> Result<Attr, Fault> {
        let is_owner = set.uid.is_some() || set.gid.is_some();
        if set.mode.is_none() && (is_owner || set.bytes.is_some() && !is_root) {
            let attr = self.mount.attr(ino)?;
            if attr.kind == Kind::File {
                let left = convert::without_set_id(attr.meta.mode);
                set.mode = (left != attr.meta.mode).then_some(left);
            }
        }
        self.mount.set_attr(ino, &set)
    }

    /// Moves a node. A file that is a pointer becomes a ghost where it is moved to, which changes its size.
    pub(super) fn rename(
        &self,
        (from, name): (Ino, &[u8]),
        (to, new_name): (Ino, &[u8]),
        replace: Replace,
        reply: ReplyEmpty,
    ) {
        let sizes = |attr: Result<Attr, Fault>| attr.ok().map(|attr| (attr.ino, attr.bytes));
        let before = [sizes(self.mount.lookup(from, name)), sizes(self.mount.lookup(to, new_name))];
        let result = self.mount.rename((from, name), (to, new_name), replace);
        // Before the answer, as whoever hears it may read at once. A move locks no pages, so the kernel does not wait for it.
        for (ino, bytes) in before.into_iter().flatten().filter(|_| result.is_ok()) {
            if self.mount.attr(ino).is_ok_and(|attr| attr.bytes != bytes) {
                self.forget_bytes(ino);
            }
        }
        answer::done(reply, result);
    }
}
