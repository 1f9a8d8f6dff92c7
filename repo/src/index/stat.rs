//! The stat data of an index entry, cut to 32 bits the way Git cuts it.
//!
//! Git decides from these nine numbers alone whether it must read a file again. They must therefore be
//! exactly what Git itself would have written for the file that lies in the worktree now: each value keeps
//! its low 32 bits, and the size follows Git's `munge_st_size` (since 2.43). That rule exists because a size
//! of 0 means "never trust this entry": without it, a file of exactly n × 4 GiB would be read in full by
//! every `git status`.
//!
//! The mode is not part of this: Git keeps only the type and the x bit, and hydration changes neither.
//!
//! Units: seconds and nanoseconds since 1970, bytes. Taking a `Metadata` apart cannot fail and does no I/O.
//! Source: `struct stat_data` in Git's `statinfo.h`, and "Index entry" in `gitformat-index`.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// What an index entry remembers of a file, without the mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// Last change of the inode, seconds.
    pub ctime_s: u32,
    /// Last change of the inode, nanoseconds within the second.
    pub ctime_ns: u32,
    /// Last change of the content, seconds.
    pub mtime_s: u32,
    /// Last change of the content, nanoseconds within the second.
    pub mtime_ns: u32,
    /// Device number.
    pub dev: u32,
    /// Inode number.
    pub ino: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes, see [`munge_size`].
    pub size: u32,
}

impl Stat {
    /// The stat data of a file. Take it with `lstat` after the last change to the file, also of its mode or
    /// times, since each of these moves the ctime.
    #[must_use]
    pub fn from_metadata(meta: &Metadata) -> Self {
        Self {
            ctime_s: meta.ctime() as u32,
            ctime_ns: meta.ctime_nsec() as u32,
            mtime_s: meta.mtime() as u32,
            mtime_ns: meta.mtime_nsec() as u32,
            dev: meta.dev() as u32,
            ino: meta.ino() as u32,
            uid: meta.uid(),
            gid: meta.gid(),
            size: munge_size(meta.size()),
        }
    }
}

/// A file size as the index stores it: its low 32 bits, but never 0 for a file that is not empty.
#[must_use]
pub fn munge_size(size: u64) -> u32 {
    match size as u32 {
        0 if size > 0 => 0x8000_0000,
        low => low,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_gits_rule() {
        for (size, stored) in [
            (0, 0),
            (97, 97),
            (0xffff_ffff, 0xffff_ffff),
            (1 << 32, 0x8000_0000),
            ((1 << 32) + 1, 1),
            (3 << 32, 0x8000_0000),
        ] {
            assert_eq!(munge_size(size), stored, "{size}");
        }
    }
}
