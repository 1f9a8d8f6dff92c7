//! `git dits post-commit`: what the `post-commit` hook runs.
//!
//! A lockable file that was committed without a lock becomes read-only: it was new, or somebody wrote it all the same.
//! Only files of that commit are looked at. Never fails.

use crate::lockable::{Changed, changed_paths, in_hook};
use anyhow::Result;
use clap::Parser;
use std::process::ExitCode;

/// Make lockable files that were committed read-only
#[derive(Debug, Parser)]
pub struct Args {}

/// Runs the hook.
pub fn run(_: &Args) -> Result<ExitCode> {
    Ok(in_hook(|git| changed_paths(git, &["--root", "-m", "HEAD"]).map(Changed::Commit)))
}
