//! What of the history is checked: index and `HEAD`, one commit, the commits of a range, or all.
//! Fails when a revision means nothing, with its name.

use crate::report::Failure;
use anyhow::Result;
use dits_repo::Git;

/// What is checked.
#[derive(Debug)]
pub enum Range {
    /// The index, and `HEAD` if there is one.
    Here {
        /// Its commit.
        head: Option<String>,
    },
    /// The files of one commit.
    Tip(String),
    /// The commits that `to` reaches and `from` does not.
    Between {
        /// Where it begins.
        from: String,
        /// Where it ends.
        to: String,
    },
    /// The index, and everything a ref reaches.
    All,
}

impl Range {
    /// Reads the argument of the command.
    pub fn of(git: &Git, revision: Option<&str>, all: bool) -> Result<Range> {
        let commit = |name: &str| {
            let name = if name.is_empty() { "HEAD" } else { name };
            let unknown = || {
                Failure::new(format!("'{name}' is no commit"), "see 'git log --all' for commits there are")
            };
            git.commit(name)?.ok_or_else(|| anyhow::Error::from(unknown()))
        };
        Ok(match revision {
            None if all => Range::All,
            None => Range::Here { head: git.commit("HEAD")? },
            Some(range) => match range.split_once("..") {
                None => Range::Tip(commit(range)?),
                Some((from, to)) => Range::Between { from: commit(from)?, to: commit(to)? },
            },
        })
    }
}
