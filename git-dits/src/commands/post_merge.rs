//! `git dits post-merge`: what the `post-merge` hook runs.
//!
//! Makes lockable files that a merge or pull has written read-only, where git-dits does not manage them. Only what differs
//! from where HEAD was is looked at; a merge without a commit tells nothing, so all lockable files are. Never
//! fails.

use crate::lockable::{Changed, changed_paths, in_hook};
use anyhow::Result;
use clap::Parser;
use std::process::ExitCode;

/// Make lockable files that were merged read-only
#[derive(Debug, Parser)]
pub struct Args {
    /// 1 when the merge made no commit
    squash: String,
}

/// Runs the hook.
pub fn run(args: &Args) -> Result<ExitCode> {
    Ok(in_hook(|git| match git.commit("ORIG_HEAD")? {
        Some(old) if args.squash == "0" => changed_paths(git, &[&old, "HEAD"]).map(Changed::Checkout),
        _ => Ok(Changed::Anything),
    }))
}
