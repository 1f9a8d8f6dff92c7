//! `.ditsconfig`: settings that a repository brings along for everybody who clones it.
//!
//! It is a Git configuration file at the top of the working tree, read with `git config`; where that file is
//! absent (bare, sparse, before the checkout), from the index, else from `HEAD`. Whoever writes to the repository
//! writes this file, so only keys are taken from it that can neither run a program nor send a secret
//! somewhere: see [`is_safe`]. Of `dits.lockurl` only that counts which names the host of a remote (`remote/src/lock_url.rs`). All others are ignored, and [`Found::ignored`] names them. A file that cannot be
//! read as configuration counts as none and says why: a bad line must not stop anybody's `git add`.

use crate::config::Config;
use crate::{Git, RepoError};
use std::collections::HashMap;
use std::path::Path;

/// Name of the file.
pub const NAME: &str = ".ditsconfig";
/// Bytes of a file that is looked at.
const BYTES_MAX: u64 = 1 << 20;
/// Keys that may come from the repository, in lower case.
const SAFE: [&str; 12] = [
    "dits.allowincompletepush",
    "dits.fetchexclude",
    "dits.fetchinclude",
    "dits.lockbranch",
    "dits.locksverify",
    "dits.lockurl",
    "dits.mount.autolock",
    "dits.portablenames",
    "dits.pushurl",
    "dits.threshold",
    "dits.unlockonpush",
    "dits.url",
];

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Safe keys, the last value of each.
    pub values: HashMap<String, String>,
    /// Keys that are not taken from this file, sorted.
    pub ignored: Vec<String>,
    /// Why the file could not be read, in Git's words.
    pub unreadable: Option<String>,
}

/// Whether a key (in lower case except for a subsection) may come from the repository.
pub fn is_safe(key: &str) -> bool {
    let of_remote = key.strip_prefix("remote.").and_then(|rest| rest.strip_suffix(".ditsurl"));
    SAFE.contains(&key) || of_remote.is_some_and(|name| !name.is_empty())
}

/// Reads it: from the working tree, else from the index, else from `HEAD`.
///
/// # Errors
/// Only when `git` cannot be run.
pub fn read(git: &Git, worktree: Option<&Path>) -> Result<Found, RepoError> {
    if let Some(file) = worktree.map(|top| top.join(NAME))
        && std::fs::symlink_metadata(&file).is_ok_and(|meta| meta.is_file() && meta.len() <= BYTES_MAX)
    {
        return list(git, &["--file".into(), file.into_os_string()]);
    }
    first_of(git, &[format!(":0:{NAME}"), format!("HEAD:{NAME}")])
}

/// Reads it from a commit.
///
/// # Errors
/// As [`read`].
pub fn of_commit(git: &Git, commit: &str) -> Result<Found, RepoError> {
    first_of(git, &[format!("{commit}:{NAME}")])
}

/// The first of these objects that is there.
fn first_of(git: &Git, places: &[String]) -> Result<Found, RepoError> {
    // The clone of a partial repository must not fetch for this.
    let git = git.with_env("GIT_NO_LAZY_FETCH", "1");
    let ask: String = places.iter().map(|place| format!("{place}\n")).collect();
    let out = git.run_with_input(&["cat-file", "--batch-check"], ask.as_bytes())?;
    let out = String::from_utf8_lossy(&out).into_owned();
    let is_here = |line: &str| {
        let mut words = line.rsplit(' ');
        let size = words.next().and_then(|size| size.parse().ok());
        size.is_some_and(|size: u64| size <= BYTES_MAX) && words.next() == Some("blob")
    };
    match out.lines().zip(places).find(|(line, _)| is_here(line)) {
        Some((_, place)) => list(&git, &["--blob".into(), place.into()]),
        None => Ok(Found::default()),
    }
}

fn list(git: &Git, from: &[std::ffi::OsString]) -> Result<Found, RepoError> {
    let args = ["config", "--no-includes", "--list", "-z"].map(std::ffi::OsString::from);
    match git.run(&[&args[..], from].concat()) {
        Ok(out) => Ok(sort(Config::parse(&out).into_values())),
        Err(RepoError::Git { stderr, .. }) => {
            Ok(Found { unreadable: Some(stderr.trim_end().to_owned()), ..Found::default() })
        }
        Err(error) => Err(error),
    }
}

fn sort(all: HashMap<String, String>) -> Found {
    let (values, other): (HashMap<_, _>, HashMap<_, _>) = all.into_iter().partition(|(key, _)| is_safe(key));
    let mut ignored: Vec<String> = other.into_keys().collect();
    ignored.sort();
    Found { values, ignored, unreadable: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_keys_are_taken() {
        for key in ["dits.url", "dits.fetchexclude", "remote.origin.ditsurl", "remote.a.b.ditsurl"] {
            assert!(is_safe(key), "{key}");
        }
        for key in
            ["dits.storage", "core.sshcommand", "filter.dits.process", "remote..ditsurl", "remote.ditsurl"]
        {
            assert!(!is_safe(key), "{key}");
        }
    }

    #[test]
    fn what_is_not_taken_is_named() {
        let all = [("dits.url", "dits://h/a"), ("user.name", "x"), ("alias.x", "!sh")];
        let found = sort(all.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        assert_eq!(found.values, HashMap::from([("dits.url".to_owned(), "dits://h/a".to_owned())]));
        assert_eq!(found.ignored, ["alias.x", "user.name"]);
    }
}
