//! Git's index of a mount, filled with what the mount will say of its files.
//!
//! This happens before the mount is there, from its nodes, so no file is looked at. Then `git status` finds nothing to do.
//!
//! `dev` stays 0: a mount has another number each time, and Git does not look at it (only where it was built to).

use anyhow::Result;
use dits_mount::attr::Time;
use dits_mount::nodes::Nodes;
use dits_repo::index::{self, HashKind, Stat};
use std::path::Path;
use std::time::Duration;

/// Longest wait for Git's index lock.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// Fills the index file with the attributes of `nodes`; gives back how many entries that were.
pub fn fill(index: &Path, hash: HashKind, nodes: &Nodes) -> Result<usize> {
    let mut filled = 0;
    index::update(index, LOCK_WAIT, |bytes| {
        filled = index::fill(bytes, hash, |path| stat(nodes, path))?;
        Ok(filled > 0)
    })?;
    Ok(filled)
}

fn stat(nodes: &Nodes, path: &[u8]) -> Option<Stat> {
    let attr = nodes.attr(nodes.find(path).ok()?).ok()?;
    let seconds_and_rest = |time: Time| (time.parts().0 as u32, time.parts().1);
    let (mtime_s, mtime_ns) = seconds_and_rest(attr.meta.mtime);
    let (ctime_s, ctime_ns) = seconds_and_rest(attr.meta.ctime);
    Some(Stat {
        ctime_s,
        ctime_ns,
        mtime_s,
        mtime_ns,
        dev: 0,
        ino: attr.ino.0 as u32,
        uid: attr.meta.uid,
        gid: attr.meta.gid,
        size: index::munge_size(attr.bytes),
    })
}
