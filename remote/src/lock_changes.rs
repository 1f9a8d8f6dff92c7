//! What a push changes, branch by branch: the difference between what the remote has and what it gets.
//!
//! It is the net difference: a file that was changed and changed back on the way counts as unchanged. A branch that is new there is compared
//! with where its commits leave what the remote has. Refs that are no branches have no locks.
//!
//! Costs one run of Git for a branch that moves, two or three more for a new one; memory for the names of the changed files.

use crate::lock_check::{BranchChange, What};
use dits_lock::Branch;
use dits_repo::{Git, RepoError};

/// Places where new commits leave known history that are told to `git merge-base`.
const EDGES_MAX: usize = 200;

/// A ref that moves. Object names in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// Its full name at the remote.
    pub name: String,
    /// What it is there; `None` where it is new.
    pub old: Option<String>,
    /// What it becomes; `None` where it goes.
    pub new: Option<String>,
}

/// What the branches among `updates` do; `has` is what the remote has, as far as that is known.
pub fn changes(git: &Git, updates: &[RefUpdate], has: &[String]) -> Result<Vec<BranchChange>, RepoError> {
    // What travels is the real history.
    let git = &git.with_env("GIT_NO_REPLACE_OBJECTS", "1");
    let mut changes = Vec::new();
    for update in updates.iter().filter(|update| update.name.starts_with("refs/heads/")) {
        // What is no branch for us has no lock.
        let Ok(branch) = Branch::parse(&update.name) else { continue };
        let what = match &update.new {
            None => What::Deleted,
            Some(new) => What::Files(files(git, update.old.as_deref(), new, has)?),
        };
        changes.push(BranchChange { branch, what });
    }
    Ok(changes)
}

fn files(git: &Git, old: Option<&str>, new: &str, has: &[String]) -> Result<Vec<Vec<u8>>, RepoError> {
    const DIFF: [&str; 5] = ["diff-tree", "-r", "-z", "--no-renames", "--name-only"];
    const WHOLE: [&str; 5] = ["ls-tree", "-r", "-z", "--full-tree", "--name-only"];
    let moved = |old: &str| git.run(&[&DIFF[..], &[old, new]].concat());
    let out = match old.map(moved) {
        Some(Ok(out)) => out,
        // Git does not know it: it is what somebody else has pushed meanwhile.
        None | Some(Err(RepoError::Git { .. })) => match left_at(git, new, has)? {
            Some(old) => moved(&old)?,
            None => git.run(&[&WHOLE[..], &[new]].concat())?,
        },
        Some(Err(error)) => return Err(error),
    };
    Ok(out.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect())
}

/// The commit that `new` was made from, of those that are in `has`.
fn left_at(git: &Git, new: &str, has: &[String]) -> Result<Option<String>, RepoError> {
    let mut input = format!("{new}\n");
    has.iter().for_each(|id| input.extend(["^", id, "\n"]));
    // What is not here has no history here either, and must not be fetched for this.
    let walk = git.with_env("GIT_NO_LAZY_FETCH", "1");
    let args = ["rev-list", "--boundary", "--ignore-missing", "--stdin"];
    let out = String::from_utf8_lossy(&walk.run_with_input(&args, input.as_bytes())?).into_owned();
    if out.is_empty() && !has.is_empty() {
        // All of it is there already.
        return Ok(Some(new.to_owned()));
    }
    let edges: Vec<&str> = out.lines().filter_map(|line| line.strip_prefix('-')).take(EDGES_MAX).collect();
    match edges[..] {
        [] => Ok(None),
        [edge] => Ok(Some(edge.to_owned())),
        _ => git.line(&[&["merge-base", new], &edges[..]].concat()),
    }
}

#[cfg(test)]
#[path = "lock_changes_tests.rs"]
mod tests;
