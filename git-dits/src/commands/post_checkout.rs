//! `git dits post-checkout`: what the `post-checkout` hook runs.
//!
//! Makes lockable files that Git has just written read-only, where git-dits does not manage them (its filter has seen to
//! the others). Only what differs between the two commits is looked at; where Git names none (files were checked
//! out, or a clone was made), all lockable files are. Never fails a checkout.

use crate::lockable::{Changed, changed_paths, in_hook};
use anyhow::Result;
use clap::Parser;
use std::process::ExitCode;

/// Make lockable files that were checked out read-only
#[derive(Debug, Parser)]
pub struct Args {
    /// Where HEAD was
    old: String,
    /// Where it is
    new: String,
    /// 1 when a branch was checked out, 0 when files were
    branch: String,
}

/// Runs the hook.
pub fn run(args: &Args) -> Result<ExitCode> {
    let Args { old, new, branch } = args;
    let is_first = old.bytes().all(|digit| digit == b'0');
    // A new branch here changes no file.
    if branch == "1" && old == new {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(in_hook(|git| match branch == "1" && !is_first {
        true => changed_paths(git, &[old, new]).map(Changed::Checkout),
        false => Ok(Changed::Anything),
    }))
}
