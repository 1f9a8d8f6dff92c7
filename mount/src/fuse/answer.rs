//! What the kernel is told, and for how long it is right.
//!
//! Everything changes through the kernel, which knows what each of its requests changes: it may keep all it is told.

use super::convert;
use crate::attr::{Attr, NAME_BYTES_MAX};
use crate::{Fault, Space};
use bytes::Bytes;
use fuser::{Errno, Generation, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyStatfs, ReplyXattr};
use std::time::Duration;

/// Bytes that free room is counted in.
const BLOCK_BYTES: u32 = 4096;
/// How long the kernel may keep what it is told: for ever.
pub(super) const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// Numbers are not used again, so no node needs to be told from an earlier one.
pub(super) const FIRST: Generation = Generation(0);

/// What is wrong with a node that the kernel knows. If it is gone, a move may have put another one at its name since the kernel looked: told so, it
/// looks again, as for programs a replaced file is never missing.
pub(super) fn of_node(fault: Fault) -> Errno {
    convert::errno(if fault == Fault::NotFound { Fault::Stale } else { fault })
}

pub(super) fn entry(reply: ReplyEntry, result: Result<Attr, Fault>) {
    match result {
        Ok(attr) => reply.entry(&FOR_EVER, &convert::attr(&attr), FIRST),
        Err(fault) => reply.error(convert::errno(fault)),
    }
}

pub(super) fn attr(reply: ReplyAttr, result: Result<Attr, Fault>) {
    match result {
        Ok(attr) => reply.attr(&FOR_EVER, &convert::attr(&attr)),
        Err(fault) => reply.error(of_node(fault)),
    }
}

pub(super) fn done(reply: ReplyEmpty, result: Result<(), Fault>) {
    match result {
        Ok(()) => reply.ok(),
        Err(fault) => reply.error(convert::errno(fault)),
    }
}

pub(super) fn bytes(reply: ReplyData, result: Result<Bytes, Fault>) {
    match result {
        Ok(bytes) => reply.data(&bytes),
        Err(fault) => reply.error(convert::errno(fault)),
    }
}

/// Room on the disk that takes what is written.
pub(super) fn space(reply: ReplyStatfs, result: Result<Space, Fault>) {
    let blocks = |bytes: u64| bytes / u64::from(BLOCK_BYTES);
    match result {
        Ok(space) => reply.statfs(
            blocks(space.bytes),
            blocks(space.free),
            blocks(space.available),
            space.files,
            space.files_free,
            BLOCK_BYTES,
            NAME_BYTES_MAX as u32,
            BLOCK_BYTES,
        ),
        Err(fault) => reply.error(convert::errno(fault)),
    }
}

/// Names of extended attributes, each with a NUL behind it.
pub(super) fn names(reply: ReplyXattr, room: u32, result: Result<&[&[u8]], Fault>) {
    let list = |names: &[&[u8]]| names.iter().flat_map(|name| [name, &b"\0"[..]].concat()).collect();
    xattr(reply, room, result.map(list));
}

/// The value of an extended attribute, or its size where there is no `room` for any.
pub(super) fn xattr(reply: ReplyXattr, room: u32, result: Result<Vec<u8>, Fault>) {
    match result {
        Ok(value) if room == 0 => reply.size(value.len() as u32),
        Ok(value) if value.len() > room as usize => reply.error(Errno::ERANGE),
        Ok(value) => reply.data(&value),
        Err(fault) => reply.error(of_node(fault)),
    }
}
