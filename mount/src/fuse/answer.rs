//! What the kernel is told, and for how long it is right.
//!
//! Everything changes through the kernel, which knows what each of its requests changes: it may keep all it is told.

use super::convert;
use crate::Fault;
use crate::attr::Attr;
use crate::ops::Opened;
use fuser::{Errno, FopenFlags, Generation, ReplyAttr, ReplyEmpty, ReplyEntry, ReplyXattr};
use std::time::Duration;

/// How long the kernel may keep what it is told: for ever.
pub(super) const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// Numbers are not used again, so no node needs to be told from an earlier one.
pub(super) const FIRST: Generation = Generation(0);
pub(super) fn entry(reply: ReplyEntry, result: Result<Attr, Fault>) {
    match result {
        Ok(attr) => reply.entry(&FOR_EVER, &convert::attr(&attr), FIRST),
        Err(fault) => reply.error(convert::errno(fault)),
    }
}

pub(super) fn attr(reply: ReplyAttr, result: Result<Attr, Fault>) {
    match result {
        Ok(attr) => reply.attr(&FOR_EVER, &convert::attr(&attr)),
        Err(fault) => reply.error(convert::errno(fault)),
    }
}

pub(super) fn done(reply: ReplyEmpty, result: Result<(), Fault>) {
    match result {
        Ok(()) => reply.ok(),
        Err(fault) => reply.error(convert::errno(fault)),
    }
}

/// What the kernel may do with an open file.
pub(super) fn opened_flags(opened: &Opened, writes: bool) -> FopenFlags {
    let mut flags = FopenFlags::empty();
    flags.set(FopenFlags::FOPEN_KEEP_CACHE, opened.keep_cache);
    flags.set(FopenFlags::FOPEN_NOFLUSH, !writes);
    flags
}

/// Names of extended attributes, each with a NUL behind it.
pub(super) fn names(reply: ReplyXattr, room: u32, result: Result<&[&[u8]], Fault>) {
    xattr(
        reply,
        room,
        result.map(|names| names.iter().flat_map(|name| [name, &b"\0"[..]].concat()).collect()),
    );
}

/// The value of an extended attribute, or its size where there is no `room` for any.
pub(super) fn xattr(reply: ReplyXattr, room: u32, result: Result<Vec<u8>, Fault>) {
    match result {
        Ok(value) if room == 0 => reply.size(value.len() as u32),
        Ok(value) if value.len() > room as usize => reply.error(Errno::ERANGE),
        Ok(value) => reply.data(&value),
        Err(fault) => reply.error(convert::errno(fault)),
    }
}
