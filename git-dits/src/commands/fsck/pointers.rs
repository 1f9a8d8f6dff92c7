//! Whether Git has pointers where it should.
//!
//! For the index and for commits by their own attributes: a managed file that is ordinary content was added
//! without our filter, one that is a damaged pointer cannot be checked out. In all of history only damaged
//! pointers are looked for: what was managed then is not what is managed now.

use super::Check;
use super::range::Range;
use crate::context::Context;
use crate::entries::{self, Entry};
use anyhow::Result;
use dits_format::pointer::Parsed;
use dits_repo::discover::{self, Exclude};
use dits_repo::{Git, RepoError};
use std::collections::HashSet;

/// Checks the files of the range.
pub fn check(context: &Context, range: &Range, check: &mut Check) -> Result<()> {
    let git = &context.repository.git;
    let commits = match range {
        Range::Here { head } => head.iter().cloned().collect(),
        Range::Tip(commit) => vec![commit.clone()],
        Range::Between { from, to } => {
            let out = git.run(&["rev-list", "--reverse", &format!("{from}..{to}")])?;
            String::from_utf8_lossy(&out).lines().map(str::to_owned).collect()
        }
        Range::All => git.commit("HEAD")?.into_iter().collect(),
    };
    // What one commit of a range has from the one before, or the index from the commit, is said once.
    let mut seen = HashSet::new();
    for commit in commits {
        let mut files = entries::in_commit(git, &commit)?;
        files.retain(|file| seen.insert((file.path.clone(), file.id.clone())));
        check_entries(context, &files, &format!("treeish {commit}"), check)?;
    }
    if matches!(range, Range::Here { .. } | Range::All) && context.repository.worktree.is_some() {
        let mut files = entries::in_index(git, "")?;
        files.retain(|file| seen.insert((file.path.clone(), file.id.clone())));
        check_entries(context, &files, "in the index", check)?;
    }
    if matches!(range, Range::All) {
        match discover::new_pointers(git, &refs(git)?, &Exclude::Oids(Vec::new())) {
            Ok(_) => {}
            Err(RepoError::DamagedPointer { path, damage }) => {
                check.found(
                    "pointer",
                    "nonCanonicalPointer",
                    &format!("\"{path}\" (in history) {damage}"),
                )?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Every ref, and `HEAD`.
pub fn refs(git: &Git) -> Result<Vec<String>> {
    let all = git.line(&["rev-parse", "--all"])?.unwrap_or_default();
    // There is none before the first commit of a branch.
    let head = git.line(&["rev-parse", "--verify", "--quiet", "HEAD"])?;
    Ok(all.lines().map(str::to_owned).chain(head).collect())
}

fn check_entries(context: &Context, files: &[Entry], place: &str, check: &mut Check) -> Result<()> {
    let repository = &context.repository;
    let blobs = entries::read(&repository.git, files)?;
    for file in files {
        if let Some(Parsed::Damaged(damage)) = blobs.get(&file.id) {
            let text = format!("\"{}\" ({place}) {damage}", String::from_utf8_lossy(&file.path));
            check.found("pointer", "nonCanonicalPointer", &text)?;
        }
    }
    for file in entries::raw(repository, files, &blobs)? {
        let path = String::from_utf8_lossy(&file.path);
        let text = format!("\"{path}\" ({place}) should have been a pointer but was not");
        check.found("pointer", "unexpectedGitObject", &text)?;
    }
    Ok(())
}
