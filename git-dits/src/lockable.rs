//! Write bits of lockable files, from commands and hooks: changing them, and saying which could not be changed.
//!
//! Whatever takes or gives back locks calls [`refresh`] with the places, once the clone's list of own locks is written.
//! Hooks call [`in_hook`]: they are nets, and fail nothing.

use crate::context::{self, Context};
use crate::report;
use anyhow::Result;
use dits_repo::lockable::{self, Flipped, Scope};
use dits_repo::{Git, RepoError};
use std::process::ExitCode;

/// Files named in a warning.
const NAMED_MAX: usize = 3;

/// Makes the files of `scope` read-only or writable, as the locks of this user say, and tells of those that could not
/// be. A signal waits until all of them are.
pub fn refresh(context: &Context, scope: Scope<'_>) -> Result<Flipped> {
    let done = lockable::refresh(&context.repository, scope, &*context::critical()?)?;
    for (_, error) in done.failed.iter().take(NAMED_MAX) {
        report::warning(&report::text(&anyhow::Error::msg(error.to_string())));
    }
    if done.failed.len() > NAMED_MAX {
        report::warning(&format!("and {} more", done.failed.len() - NAMED_MAX));
    }
    Ok(done)
}

/// What a hook has to look at.
pub enum Changed {
    /// Whatever is lockable.
    Anything,
    /// These paths, as far as git-dits does not manage them: its filter sees to those.
    Checkout(Vec<Vec<u8>>),
    /// These paths.
    Commit(Vec<Vec<u8>>),
}

/// Does the work of a hook: `changed` is asked only where something is lockable. What goes wrong is told and fails
/// nothing.
pub fn in_hook(changed: impl FnOnce(&Git) -> Result<Changed, RepoError>) -> ExitCode {
    let work = || {
        let context = Context::find_quietly(false)?;
        if context.repository.worktree.is_none() || !lockable::is_mentioned(&context.repository)? {
            return Ok(());
        }
        let scope = changed(&context.repository.git)?;
        let scope = match &scope {
            Changed::Anything => Scope::All,
            Changed::Checkout(paths) => Scope::Unmanaged(paths),
            Changed::Commit(paths) => Scope::Paths(paths),
        };
        refresh(&context, scope).map(drop)
    };
    if let Err(error) = work() {
        report::warning(&format!("lockable files may have wrong modes: {}", report::text(&error)));
        report::hint("to put them right: 'git dits doctor --fix'");
    }
    ExitCode::SUCCESS
}

/// Paths that `git diff-tree` names for these arguments, and that are there afterwards.
pub fn changed_paths(git: &Git, args: &[&str]) -> Result<Vec<Vec<u8>>, RepoError> {
    const DIFF: [&str; 7] =
        ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-commit-id", "--diff-filter=d"];
    let out = git.run(&[&DIFF[..], args].concat())?;
    let mut paths: Vec<Vec<u8>> =
        out.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect();
    paths.sort_unstable();
    paths.dedup();
    Ok(paths)
}
