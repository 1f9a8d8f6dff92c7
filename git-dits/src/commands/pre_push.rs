//! `git dits pre-push`: what the `pre-push` hook runs.
//!
//! For a remote that is not `dits://`: looks whether the push changes what others have locked, then brings the content of what is pushed to
//! the endpoint of the remote. A `dits://` or `dits::` remote has its own gate. A push without new
//! pointers asks nobody unless there is reason to expect locks. Its exit code other than 0 stops the push; `git push --no-verify` runs no hook at all.

use crate::context::{self, Context};
use crate::report::{self, FAILED};
use crate::{unlocking, upload};
use anyhow::Result;
use clap::Parser;
use dits_hooks::pre_push::{self, Ref};
use dits_remote::lock_changes::RefUpdate;
use dits_remote::{Direction, Endpoint, endpoint, lock_gate};
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
    if updates.refs.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let git = Git::at(&context::cwd()?);
    let has = [updates.had, pre_push::tracked(&git, name)?].concat();
    let found = match updates.tips.is_empty() {
        true => Vec::new(),
        false => new_pointers(&git, &updates.tips, &Exclude::Oids(has.clone()))?,
    };
    let context = Context::find_quietly(false)?;
    unlocking::settle(&context);
    let endpoint = match endpoint::of(&context.repository, name, url, Direction::Push) {
        // Without content to be sent it matters to nobody that its place is no good.
        Err(_) if found.is_empty() => Endpoint { remote: name.clone(), git_url: url.clone(), address: None },
        endpoint => endpoint?,
    };
    let update = |Ref { name, old, new }| RefUpdate { name, old, new };
    let refs: Vec<RefUpdate> = updates.refs.into_iter().map(update).collect();
    let checked =
        lock_gate::check(&context.repository, &endpoint, &refs, &has, !found.is_empty(), &context.settings)?;
    checked.words.iter().for_each(|line| report::notice(line));
    if checked.refused {
        return Ok(ExitCode::from(FAILED));
    }
    let (place, ours) = (checked.place(), checked.ours.clone());
    let peer = checked.into_peer();
    if !found.is_empty() {
        let options = upload::Options { dry_run: args.dry_run, json: false };
        let code = upload::run(&context, &endpoint, found, options, peer)?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    } else if let Some(peer) = peer {
        peer.close();
    }
    if !args.dry_run {
        unlocking::note(&context, name, place, &refs, &ours)?;
    }
    Ok(ExitCode::SUCCESS)
}
