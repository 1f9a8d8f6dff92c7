//! What is recent: refs, and the contents that recent commits replaced.
//!
//! Every pointer counts, wherever it stands; damaged ones are no content and are passed over, as are blobs that
//! are not here (partial clones). Replacements (`refs/replace`) do not count. Times are seconds since 1970, and
//! the present is handed in.

use crate::discover::changed;
use crate::tracked::Tracked;
use crate::{Git, RepoError, catfile};
use dits_format::pointer::Parsed;

/// The contents that commits reachable from `tip` replaced or deleted at `since` or later.
pub fn replaced(git: &Git, tip: &str, since: u64) -> Result<Vec<Tracked>, RepoError> {
    let git = &git.with_env("GIT_NO_REPLACE_OBJECTS", "1");
    let commits = rev_list(git, &[tip.to_owned()], &[&format!("--since={since}")])?;
    let files = changed(git, &commits, "MTD")?;
    read(git, files.into_iter().map(|(_, change)| (change.old, change.path)).collect())
}

/// Branches, and those of remotes that `remotes` names (`*` for all), whose tip was committed at `since` or later:
/// name, commit and its time.
pub fn refs(git: &Git, since: u64, remotes: Option<&str>) -> Result<Vec<Recent>, RepoError> {
    let mut args = vec![
        "for-each-ref".to_owned(),
        "--sort=-committerdate".to_owned(),
        "--format=%(objectname) %(committerdate:unix) %(refname)".to_owned(),
        "refs/heads".to_owned(),
    ];
    args.extend(remotes.map(|remote| format!("refs/remotes/{remote}").trim_end_matches("/*").to_owned()));
    let out = git.run(&args)?;
    let recent = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let (commit, time, name) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        (time >= since).then(|| Recent { name: name.to_owned(), commit: commit.to_owned(), time })
    };
    Ok(String::from_utf8_lossy(&out).lines().filter_map(recent).collect())
}

/// A ref with a recent commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// The whole name.
    pub name: String,
    /// Its commit.
    pub commit: String,
    /// When that was committed.
    pub time: u64,
}

fn rev_list(git: &Git, tips: &[String], args: &[&str]) -> Result<Vec<u8>, RepoError> {
    if tips.is_empty() {
        return Ok(Vec::new());
    }
    let input = tips.join("\n") + "\n";
    let args = [&["rev-list", "--ignore-missing"], args, &["--stdin"]].concat();
    git.with_env("GIT_NO_LAZY_FETCH", "1").run_with_input(&args, input.as_bytes())
}

fn read(git: &Git, files: Vec<(String, Vec<u8>)>) -> Result<Vec<Tracked>, RepoError> {
    let blobs = catfile::pointers(git, files.iter().map(|(id, _)| &id[..]))?;
    let mut seen = std::collections::HashSet::new();
    let tracked = |(id, path): (String, Vec<u8>)| match blobs.get(&id)? {
        Parsed::Pointer(pointer) => {
            seen.insert(pointer.oid).then(|| Tracked { path, pointer: pointer.clone(), stage: 0 })
        }
        _ => None,
    };
    Ok(files.into_iter().filter_map(tracked).collect())
}
