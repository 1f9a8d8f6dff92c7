//! Whether a working tree is a mount that is being served.
//!
//! The Git folder tells which mount there is, and the lock of its state whether somebody serves it. With `--work-tree` Git may work with that Git folder
//! in quite another place, which is a working tree like any other.

use super::state::State;
use dits_repo::Repository;
use std::fs;

/// Whether that of `repository` is.
pub fn is_mount(repository: &Repository) -> bool {
    let state = State::of(&repository.git_dir);
    state.is_served() && is_its_folder(repository, &state).unwrap_or(false)
}

fn is_its_folder(repository: &Repository, state: &State) -> Option<bool> {
    let (tree, folder) = (repository.worktree.as_deref()?, state.dir()?);
    Some(fs::canonicalize(tree).ok()? == fs::canonicalize(folder).ok()?)
}
