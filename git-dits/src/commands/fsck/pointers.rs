//! Whether Git has pointers where it should.
//!
//! For the index and for `HEAD` by their own attributes: a managed file that is ordinary content was added
//! without our filter, one that is a damaged pointer cannot be checked out. In older history only damaged
//! pointers are looked for: what was managed then is not what is managed now.

use super::Check;
use crate::context::Context;
use crate::entries::{self, Entry};
use anyhow::Result;
use dits_format::pointer::Parsed;
use dits_repo::discover::{self, Exclude};
use dits_repo::{Git, RepoError};

/// Checks index and `HEAD`; with `all` also history.
pub fn check(context: &Context, all: bool, check: &mut Check) -> Result<()> {
    let git = &context.repository.git;
    if let Some(head) = git.line(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])? {
        let files = entries::in_commit(git, &head)?;
        check_entries(context, &files, &format!("treeish {head}"), check)?;
    }
    if context.repository.worktree.is_some() {
        check_entries(context, &entries::in_index(git, "")?, "in the index", check)?;
    }
    if all {
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
