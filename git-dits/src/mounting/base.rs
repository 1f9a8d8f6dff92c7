//! The tree of a commit in the words of the mount.
//!
//! `repo` lists it and knows no mount, `mount` shows it and knows no Git. The same snapshot gives the same entries and, with the time that was
//! written down when the mount was made, the same attributes.

use dits_mount::attr::Time;
use dits_mount::base::{BaseEntry, BaseKind};
use dits_mount::outside::BlobId;
use dits_repo::snapshot::{Entry, What};

/// Distance of a file from the index that names it: Git looks again at what is as young.
const BEFORE_INDEX_SECONDS: i64 = 2;

/// The entries of a snapshot.
pub fn entries(entries: Vec<Entry>) -> impl Iterator<Item = BaseEntry> {
    entries.into_iter().map(|Entry { path, what }| BaseEntry { path, what: kind(what) })
}

fn kind(what: What) -> BaseKind {
    match what {
        What::Blob { id, bytes, executable } => {
            BaseKind::Blob { id: BlobId(id.into_boxed_slice()), bytes, executable }
        }
        What::Ghost { oid, bytes, executable } => BaseKind::Ghost { oid, bytes, executable },
        What::Symlink { target } => BaseKind::Symlink { target: target.into_boxed_slice() },
        What::Submodule => BaseKind::Submodule,
    }
}

/// The time of all files of a base: that of its commit, unless that is not safely before `now`, when the mount is made. Both in
/// seconds since 1970.
pub fn time(commit: i64, now: i64) -> Time {
    Time::from_seconds(commit.min(now - BEFORE_INDEX_SECONDS))
}
