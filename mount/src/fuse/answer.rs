//! What the kernel is told, and for how long it is right.
//!
//! Everything changes through the kernel, which knows what each of its requests changes: it may keep all it is told.

use super::convert;
use crate::Fault;
use crate::attr::Attr;
use fuser::{Generation, ReplyAttr, ReplyEmpty, ReplyEntry};
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
