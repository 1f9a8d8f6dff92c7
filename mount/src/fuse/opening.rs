//! Opening, making and closing files, and which way the kernel reads them then.
//!
//! A file of this machine with the same bytes is read past us if the kernel does that ([`super::passthrough`]); else it asks, and keeps
//! what it was told.

use super::passthrough::Use;
use super::served::Served;
use super::{answer, convert};
use crate::Fault;
use crate::attr::{Access, Creator, Fh, Ino};
use crate::ops::Opened;
use fuser::{BackingId, FileHandle, FopenFlags, INodeNo, ReplyCreate, ReplyOpen, Request};
use std::io;
use std::sync::Arc;

/// The bit of a folder whose group all that is made in it gets.
const SET_GROUP: u16 = 0o2000;

impl Served {
    /// Takes over whether the kernel can read files past us.
    pub(super) fn offer_passthrough(&self, yes: bool) {
        if yes {
            self.passthrough.offer();
            self.mount.offer_backing(true);
        }
    }

    /// Who makes something in `parent`; the kernel has taken the umask off already.
    pub(super) fn creator(&self, request: &Request, parent: INodeNo, mode: u32) -> Creator {
        let folder = self.mount.with_nodes(|nodes| nodes.get(convert::ino(parent)).map(|node| node.meta));
        let group = folder.ok().filter(|meta| meta.mode & SET_GROUP != 0).map(|meta| meta.gid);
        let gid = group.unwrap_or(request.gid());
        Creator { uid: request.uid(), gid, mode: convert::mode(mode) }
    }

    pub(super) fn open(&self, ino: Ino, access: Access, reply: ReplyOpen) {
        let opened = match self.mount.open(ino, access) {
            Ok(opened) => opened,
            Err(fault) => return reply.error(answer::of_node(fault)),
        };
        let fh = FileHandle(opened.fh.0);
        match self.past_us(ino, &opened, |file| reply.open_backing(file)) {
            Some(id) => reply.opened_passthrough(fh, flags(&opened, access, true), &id),
            None => reply.opened(fh, flags(&opened, access, false)),
        }
    }

    pub(super) fn create(
        &self,
        (parent, name): (Ino, &[u8]),
        access: Access,
        by: Creator,
        is_new: bool,
        reply: ReplyCreate,
    ) {
        let (attr, opened) = match self.mount.create(parent, name, access, by, is_new) {
            Ok(created) => created,
            Err(fault) => return reply.error(convert::errno(fault)),
        };
        let (fh, ttl) = (FileHandle(opened.fh.0), &answer::FOR_EVER);
        let past_us = self.past_us(attr.ino, &opened, |file| reply.open_backing(file));
        let (attr, flags) = (convert::attr(&attr), flags(&opened, access, past_us.is_some()));
        match past_us {
            Some(id) => reply.created_passthrough(ttl, &attr, answer::FIRST, fh, flags, &id),
            None => reply.created(ttl, &attr, answer::FIRST, fh, flags),
        }
    }

    /// What the kernel calls the file that it reads past us; `None` if it asks.
    fn past_us(
        &self,
        ino: Ino,
        opened: &Opened,
        tell: impl FnOnce(&std::fs::File) -> io::Result<BackingId>,
    ) -> Option<Arc<BackingId>> {
        let file = opened.backing.as_ref()?;
        let id = self.passthrough.open(ino, opened.fh, || tell(file));
        if matches!(self.passthrough.state(), Use::Refused(_)) {
            self.mount.offer_backing(false);
        }
        id
    }

    pub(super) fn release(&self, ino: Ino, fh: Fh) -> Result<(), Fault> {
        // Before the core forgets the handle: who opens the file from then on may be given another to read past us.
        self.passthrough.close(ino, fh);
        self.mount.release(fh)
    }
}

/// What the kernel may do with an open file.
fn flags(opened: &Opened, access: Access, past_us: bool) -> FopenFlags {
    let mut flags = FopenFlags::empty();
    flags.set(FopenFlags::FOPEN_KEEP_CACHE, opened.keep_cache && !past_us);
    flags.set(FopenFlags::FOPEN_NOFLUSH, !access.write && !access.truncate);
    flags
}
