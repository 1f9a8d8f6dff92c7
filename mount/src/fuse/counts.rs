//! How many requests came from the kernel, by kind.
//!
//! They show whether its caches do their work: what it knows it does not ask again.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! kinds {
    ($($kind:ident $name:literal),* $(,)?) => {
        /// A kind of request.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind { $($kind),* }
        const NAMES: &[&str] = &[$($name),*];
    };
}

kinds! {
    Lookup "lookup", Getattr "getattr", Setattr "setattr", Readlink "readlink", Mknod "mknod", Mkdir "mkdir",
    Unlink "unlink", Rmdir "rmdir", Symlink "symlink", Rename "rename", Open "open", Read "read", Write "write",
    Flush "flush", Release "release", Fsync "fsync", Opendir "opendir", Readdir "readdir",
    Readdirplus "readdirplus", Releasedir "releasedir", Fsyncdir "fsyncdir", Statfs "statfs", Create "create",
    Getxattr "getxattr", Listxattr "listxattr", Setxattr "setxattr", Removexattr "removexattr", Fallocate "fallocate",
}

/// Requests so far.
#[derive(Debug, Default)]
pub(super) struct Counts([AtomicU64; NAMES.len()]);

impl Counts {
    pub(super) fn add(&self, kind: Kind) {
        self.0[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Kinds that came, and how often.
    pub(super) fn seen(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let each = NAMES.iter().zip(&self.0).map(|(name, count)| (*name, count.load(Ordering::Relaxed)));
        each.filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_counted_under_its_name() {
        let counts = Counts::default();
        counts.add(Kind::Create);
        counts.add(Kind::Lookup);
        counts.add(Kind::Create);
        assert_eq!(counts.seen().collect::<Vec<_>>(), [("lookup", 1), ("create", 2)]);
    }
}
