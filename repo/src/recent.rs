//! What is recent: refs, commits, and the contents that recent commits replaced. For `fetch --recent`, and for what
//! `prune` keeps.
//!
//! Every pointer counts, wherever it stands; damaged ones are no content and are passed over, as are blobs that
//! are not here (partial clones). Replacements (`refs/replace`) do not count. Times are seconds since 1970, and
//! the present is handed in.

use crate::tracked::Tracked;
use crate::{Git, RepoError, Repository, catfile, changes, settings};
use dits_format::pointer::Parsed;
use std::collections::HashSet;

const DAY: u64 = 24 * 60 * 60;

/// How long something is recent.
#[derive(Debug, Clone, Copy)]
pub struct Days {
    /// Refs of so many days are recent; none if 0.
    pub refs: u64,
    /// On recent branches, versions of so many days before their tip count too; none if 0.
    pub commits: u64,
    /// Whether remote-tracking branches can be recent.
    pub remote_refs: bool,
}

impl Days {
    /// As the settings of `repository` say.
    pub fn of(repository: &Repository) -> Result<Days, RepoError> {
        Ok(Days {
            refs: repository.setting_number(settings::FETCH_RECENT_REFS_DAYS)?,
            commits: repository.setting_number(settings::FETCH_RECENT_COMMITS_DAYS)?,
            remote_refs: repository.setting_bool(settings::FETCH_RECENT_REMOTE_REFS)?,
        })
    }
}

/// So many days before `time`.
pub fn before(time: u64, days: u64) -> u64 {
    time.saturating_sub(days.saturating_mul(DAY))
}

/// A ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ref {
    /// The whole name.
    pub name: String,
    /// What it names: a commit, a tag, or anything else.
    pub id: String,
    /// When that was made; 0 where nothing says.
    pub time: u64,
}

/// The refs in these folders, or all when none is given; the newest first.
pub fn refs(git: &Git, folders: &[&str]) -> Result<Vec<Ref>, RepoError> {
    const LIST: [&str; 3] =
        ["for-each-ref", "--sort=-creatordate", "--format=%(objectname) %(refname) %(creatordate:unix)"];
    let out = git.run(&[&LIST[..], folders].concat())?;
    let parse = |line: &str| {
        let mut words = line.split(' ');
        let (id, name) = (words.next()?.to_owned(), words.next()?.to_owned());
        let time = words.next().and_then(|time| time.parse().ok()).unwrap_or(0);
        Some(Ref { name, id, time })
    };
    Ok(String::from_utf8_lossy(&out).lines().filter_map(parse).collect())
}

/// `tip`, if it is a commit, and those of its history at most so many days older; a line each.
pub(crate) fn commits(git: &Git, tip: &str, days: u64) -> Result<Vec<u8>, RepoError> {
    let time = git.line(&["log", "-1", "--no-show-signature", "--format=%ct", tip, "--"])?;
    let Some(time) = time.and_then(|time| time.parse().ok()) else { return Ok(Vec::new()) };
    git.run(&["rev-list", &format!("--since={}", before(time, days)), tip, "--"])
}

/// The contents that `tip`, or a commit of its history at most so many days older, replaced or deleted.
pub fn replaced(git: &Git, tip: &str, days: u64) -> Result<Vec<Tracked>, RepoError> {
    let git = &git.with_env("GIT_NO_REPLACE_OBJECTS", "1");
    let commits = commits(&git.with_env("GIT_NO_LAZY_FETCH", "1"), tip, days)?;
    let files = changes::of_commits(git, &commits, "MTD")?;
    let blobs = catfile::pointers(git, files.iter().map(|change| &change.old[..]))?;
    let mut seen = HashSet::new();
    let files = files.into_iter().filter_map(|change| match blobs.get(&change.old)? {
        Parsed::Pointer(pointer) => seen.insert(pointer.oid).then(|| Tracked {
            path: change.path,
            pointer: pointer.clone(),
            stage: 0,
        }),
        _ => None,
    });
    Ok(files.collect())
}
