//! Which objects Git has below given tips, and which contents they name.
//!
//! `rev-list --objects` lists what commits, trees and tags reach; `--no-walk` keeps it to the files of the commits
//! themselves. A promised object that a partial clone does not have is passed over and not fetched: its content
//! cannot have come here without it. Any other missing object is an error. Replacements (`refs/replace`)
//! do not hide the real history.

use crate::recent::{self, Ref};
use crate::{Git, RepoError, Repository, catfile};
use dits_format::Oid;
use std::collections::HashSet;
use std::path::Path;

const LIST: [&str; 4] = ["rev-list", "--objects", "--missing=allow-promisor", "--ignore-missing"];
const OID_PREFIX: &[u8] = b"blake3:";
const OID_HEX: usize = 64;

/// Git in one worktree's Git folder.
#[derive(Debug)]
pub struct Objects {
    git: Git,
}

impl Objects {
    /// Of the worktree that has `folder`.
    pub fn of(repository: &Repository, folder: &Path) -> Objects {
        let git = repository.git.with_env("GIT_DIR", folder).with_env("GIT_NO_REPLACE_OBJECTS", "1");
        Objects {
            git: git.with_env("GIT_NO_LAZY_FETCH", "1").with_env("GIT_INDEX_FILE", folder.join("index")),
        }
    }

    /// All refs that this worktree sees.
    pub fn refs(&self) -> Result<Vec<Ref>, RepoError> {
        recent::refs(&self.git, &[])
    }

    /// The objects that these names or ids mean, as far as they mean any.
    pub fn resolve(&self, names: impl IntoIterator<Item = String>) -> Result<Vec<String>, RepoError> {
        let input: String = names.into_iter().map(|name| name + "\n").collect();
        if input.is_empty() {
            return Ok(Vec::new());
        }
        let out = text(self.git.run_with_input(&["cat-file", "--batch-check"], input.as_bytes())?);
        let known = |line: &str| match line.split(' ').collect::<Vec<_>>()[..] {
            [id, "commit" | "tree" | "blob" | "tag", _] => Some(id.to_owned()),
            _ => None,
        };
        Ok(out.lines().filter_map(known).collect())
    }

    /// The files of these commits or trees, not of their history.
    pub fn files_of(&self, tips: &[String]) -> Result<Vec<String>, RepoError> {
        if tips.is_empty() { Ok(Vec::new()) } else { self.list(&["--no-walk", "--stdin"], tips) }
    }

    /// What tips, and reflogs, reach that the remote-tracking branches of `remote` do not.
    pub fn unpushed(&self, tips: &HashSet<String>, remote: &str) -> Result<Vec<String>, RepoError> {
        self.list(&["--reflog", "--stdin", "--not", &format!("--remotes={remote}")], tips)
    }

    /// What is in an index, resolved conflicts too.
    pub fn staged(&self, index: &Path) -> Result<Vec<String>, RepoError> {
        self.at(index).list(&["--no-walk", "--indexed-objects"], [])
    }

    /// Each stash, its index and its untracked files.
    pub fn stashes(&self, refs: &[Ref]) -> Result<Vec<String>, RepoError> {
        const STASH: &str = "refs/stash";
        if !refs.iter().any(|known| known.name == STASH) {
            return Ok(Vec::new());
        }
        let out = text(self.git.run(&["log", "-g", "--no-show-signature", "--format=%H %P", STASH])?);
        // The first parent is where it was made: that is history like any other.
        let parts = |line: &str| {
            line.split(' ')
                .enumerate()
                .filter(|(n, _)| *n != 1)
                .map(|(_, id)| id.to_owned())
                .collect::<Vec<_>>()
        };
        let mut all: Vec<String> = out.lines().flat_map(parts).collect();
        // A ref without reflog is a stash as well.
        all.extend(refs.iter().filter(|known| known.name == STASH).map(|known| known.id.clone()));
        Ok(all)
    }

    /// Commits that `HEAD` and refs were at since then.
    pub fn reflog_since(&self, since: u64) -> Result<Vec<String>, RepoError> {
        const LOG: [&str; 6] =
            ["log", "-g", "--all", "--no-show-signature", "--date=unix", "--format=%H %gd"];
        let out = text(self.git.run(&LOG)?);
        let entry = |line: &str| {
            let (id, selector) = line.split_once(' ')?;
            let time: u64 = selector.rsplit_once("@{")?.1.strip_suffix('}')?.parse().ok()?;
            (time >= since).then(|| id.to_owned())
        };
        Ok(out.lines().filter_map(entry).collect())
    }

    /// `tip`, if it is a commit, and those of its history at most so many days older.
    pub fn commits_before(&self, tip: &str, days: u64) -> Result<Vec<String>, RepoError> {
        Ok(text(recent::commits(&self.git, tip, days)?).lines().map(str::to_owned).collect())
    }

    /// All that anything reaches.
    pub fn reachable(&self) -> Result<Vec<String>, RepoError> {
        self.list(&["--all", "--reflog", "--indexed-objects"], [])
    }

    /// Every object that Git has, reachable or not.
    pub fn existing(&self) -> Result<Vec<String>, RepoError> {
        let ask = ["cat-file", "--batch-check=%(objectname)", "--batch-all-objects", "--unordered"];
        Ok(text(self.git.run(&ask)?).lines().map(str::to_owned).collect())
    }

    /// Shows the contents that small blobs among `ids` name, in a pointer or otherwise.
    pub fn each_named<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a str>,
        each: &mut dyn FnMut(&str, Oid),
    ) -> Result<(), RepoError> {
        catfile::each_small(&self.git, ids, &mut |id, content| oids_in(content).for_each(|oid| each(id, oid)))
    }

    fn at(&self, index: &Path) -> Objects {
        Objects { git: self.git.with_env("GIT_INDEX_FILE", index) }
    }

    fn list<'a>(
        &self,
        args: &[&str],
        input: impl IntoIterator<Item = &'a String>,
    ) -> Result<Vec<String>, RepoError> {
        let input: String = input.into_iter().flat_map(|id| [id, "\n"]).collect();
        let out = text(self.git.run_with_input(&[&LIST[..], args].concat(), input.as_bytes())?);
        Ok(out.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
    }
}

/// The contents that are named by something reachable, and those named by anything Git still has.
///
/// # Errors
/// When Git cannot tell.
pub fn named_anywhere(repository: &Repository) -> Result<(HashSet<Oid>, HashSet<Oid>), RepoError> {
    let objects = Objects::of(repository, &repository.git_dir);
    let named = |ids: Vec<String>| {
        let mut named = HashSet::new();
        objects.each_named(ids.iter().map(String::as_str), &mut |_, oid| {
            named.insert(oid);
        })?;
        Ok::<_, RepoError>(named)
    };
    Ok((named(objects.reachable()?)?, named(objects.existing()?)?))
}

/// The contents that are named by something that a ref or a reflog of `git`'s repository reaches, none left out.
///
/// # Errors
/// When Git cannot tell: an object that is missing, or a ref that is damaged, hides what it names.
pub fn named_by_refs(git: &Git) -> Result<HashSet<Oid>, RepoError> {
    let git = git.with_env("GIT_NO_REPLACE_OBJECTS", "1");
    let out = text(git.run(&["rev-list", "--objects", "--all", "--reflog"])?);
    let ids = out.lines().filter_map(|line| line.split(' ').next());
    let mut named = HashSet::new();
    catfile::each_small(&git, ids, &mut |_, content| named.extend(oids_in(content)))?;
    Ok(named)
}

fn text(out: Vec<u8>) -> String {
    String::from_utf8_lossy(&out).into_owned()
}

/// Every `blake3:<hex>` in a text: one in a pointer, several in one with conflict markers.
fn oids_in(text: &[u8]) -> impl Iterator<Item = Oid> {
    let starts = text.windows(OID_PREFIX.len()).enumerate().filter(|(_, part)| *part == OID_PREFIX);
    starts.filter_map(move |(at, _)| {
        Oid::from_hex(text.get(at + OID_PREFIX.len()..at + OID_PREFIX.len() + OID_HEX)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_content_that_a_text_names_is_found() {
        let (one, two) = (Oid::of(b"one"), Oid::of(b"two"));
        let conflict = format!(
            "version git-dits/1\n<<<<<<< HEAD\noid blake3:{one}\n=======\noid blake3:{two}\n>>>>>>> x\n"
        );
        assert_eq!(oids_in(conflict.as_bytes()).collect::<Vec<_>>(), [one, two]);
        assert_eq!(oids_in(b"blake3:blake3:").count(), 0);
        assert_eq!(oids_in(&conflict.as_bytes()[..conflict.find("oid").unwrap_or(0) + 30]).count(), 0);
    }
}
