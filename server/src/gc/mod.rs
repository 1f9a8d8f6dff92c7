//! The collector: takes away what no repository of a realm needs any more, beside a running server or without one.
//!
//! It marks first, while everybody works: what stays ([`keep`]), and which chunks that needs. Then it sweeps pack after
//! pack in short slices. Before each it looks again what stays; the last look is taken with the store to itself, so
//! whoever was told "it is here" meanwhile either did so before, and is heeded, or asks after, and is told what is left.
//! Packs of which nothing is needed go first; others are rewritten where enough of them is not needed.
//!
//! Always holds: what a ref names stays whole, whatever the grace and whoever pushes meanwhile
//! (`docs/decisions/0009-server-gc.md` says why). A content that goes goes in any order of its chunks: it is torn, which is
//! as good as absent, and pushing it again brings what is missing. Chunks that belong to no content, as a broken push
//! leaves them, stay for the grace and at least an hour. Who runs it owns the folder.
//!
//! Fails with [`GcError`]: what cannot be read cannot be judged, and then nothing of the realm is taken away.

mod bloom;
mod keep;
mod realm;
mod refs;

pub use keep::Why;
pub use realm::Report;

use crate::contents::{Contents, ContentsError};
use crate::layout::{Claim, Layout, LayoutError};
use dits_repo::RepoError;
use dits_store::{PackStore, StoreError};
use realm::Collector;
use refs::GitRefs;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How long contents stay that nothing refers to, in seconds: 14 days.
pub const GRACE: u64 = 14 * 24 * 60 * 60;

/// What to collect.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only this realm.
    pub realm: Option<String>,
    /// Seconds for which contents stay that nothing refers to.
    pub grace: u64,
    /// Take nothing away; say what would go.
    pub dry_run: bool,
    /// Names without Git repository whose contents need not stay.
    pub also: BTreeSet<String>,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// Why a realm was not collected.
#[derive(Debug, thiserror::Error)]
pub enum GcError {
    /// The folder is no server's.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Another collector is at work.
    #[error("'{}' is being collected by another process", .0.display())]
    Busy(PathBuf),
    /// Files would get the wrong owner.
    #[error("'{}' belongs to another user\nhint: run this as the user that the server runs as", .0.display())]
    Owner(PathBuf),
    /// There is no such realm.
    #[error("no realm '{0}' at this server")]
    Realm(String),
    /// A ledger that says what is needed is damaged.
    #[error("'{}' has {damaged} damaged entries, and what they name must stay\nhint: restore the file, or let these contents go with --also-unreferenced", path.display())]
    Ledger {
        /// The file.
        path: PathBuf,
        /// How many.
        damaged: usize,
    },
    /// It is not known what a repository has.
    #[error(transparent)]
    Contents(ContentsError),
    /// The refs of a repository cannot be read.
    #[error(
        "cannot tell what '{repository}' refers to: {source}\nhint: 'git fsck' in that repository says what is wrong"
    )]
    Refs {
        /// The repository.
        repository: String,
        /// What Git said.
        source: RepoError,
    },
    /// The store failed, or is damaged where it must be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Collects the realms of the server in `dir`, running or not. `tell` hears of which realm how many bytes of packs, of how
/// many, were looked at.
///
/// # Errors
/// The first that a realm fails with; those before it are done.
pub fn collect(dir: &Path, options: &Options, tell: &dyn Fn(&str, u64, u64)) -> Result<Vec<Report>, GcError> {
    let layout = Layout::existing(dir)?;
    let owner = std::fs::metadata(layout.root()).map_err(StoreError::io("stat", layout.root()))?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        return Err(GcError::Owner(layout.root().to_owned()));
    }
    let Some(_claim) = Claim::take(&layout.root().join("gc.lock"))? else {
        return Err(GcError::Busy(layout.root().to_owned()));
    };
    let mut realms = layout.realms_present()?;
    if let Some(only) = &options.realm {
        realms.retain(|realm| realm == only);
        if realms.is_empty() {
            return Err(GcError::Realm(only.clone()));
        }
    }
    realms.sort_unstable();
    let (contents, refs) = (Contents::new(layout.clone()), GitRefs(&layout));
    let mut reports = Vec::new();
    for realm in realms {
        let store = PackStore::open(&layout.store(&realm))?;
        let mut collector = Collector::new(&layout, &contents, &refs, &realm, &store, options);
        collector.mark()?;
        let total = collector.left();
        while collector.slice()? {
            tell(&realm, total - collector.left(), total);
        }
        reports.push(collector.finish()?);
    }
    Ok(reports)
}

#[cfg(test)]
mod steps;
#[cfg(test)]
mod tests;
