//! `git dits pre-push`: what the `pre-push` hook runs.
//!
//! Brings the content of what is pushed to the endpoint of a remote that is not `dits://`. It ends as early as it can:
//! a `dits://` or `dits::` remote has its own gate; without new pointers nothing is asked of the repository's settings, nor of any
//! server. Its exit code other than 0 stops the push.

use crate::context::{self, Context};
use crate::{report, upload};
use anyhow::Result;
use clap::Parser;
use dits_hooks::pre_push;
use dits_remote::{Direction, endpoint};
use dits_repo::Git;
use dits_repo::discover::{Exclude, new_pointers};
use std::process::ExitCode;

/// Upload the content of what Git is about to push
#[derive(Debug, Parser)]
pub struct Args {
    /// Name of the remote, and its address; further ones are ignored
    remote: Vec<String>,
    /// Only show what would be sent
    #[arg(short, long)]
    dry_run: bool,
}

/// Runs the hook.
pub fn run(args: &Args) -> Result<ExitCode> {
    let Some(name) = args.remote.first() else {
        report::notice(
            "This should be run through Git's pre-push hook.  Run `git dits update` to install it.",
        );
        return Ok(ExitCode::FAILURE);
    };
    let url = args.remote.get(1).unwrap_or(name);
    if ["dits://", "dits::"].iter().any(|ours| url.starts_with(ours)) {
        return Ok(ExitCode::SUCCESS);
    }
    let updates = pre_push::read(std::io::stdin().lock())?;
    if updates.tips.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let git = Git::at(&context::cwd()?);
    let has = [updates.had, pre_push::tracked(&git, name)?].concat();
    let found = new_pointers(&git, &updates.tips, &Exclude::Oids(has))?;
    if found.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let context = Context::find_quietly(false)?;
    let endpoint = endpoint::of(&context.repository, name, url, Direction::Push)?;
    let options = upload::Options { dry_run: args.dry_run, json: false };
    upload::run(&context, &endpoint, found, options)
}
