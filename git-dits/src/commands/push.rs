//! `git dits push`: brings content to the server of a remote, without moving any ref.
//!
//! By refs it sends what these bring that the remote is not known to have; with `--all` everything below them, for a
//! new server; with `--object-id` single contents. The dry run asks the server and shows what would be sent. Whatever
//! is named and does not exist is an error, never silence.

use crate::context::Context;
use crate::report::{self, FAILED, Failure};
use crate::unlocking;
use crate::upload::{self, Options};
use anyhow::{Context as _, Result, anyhow};
use clap::Parser;
use dits_format::{Oid, Pointer};
use dits_hooks::pre_push;
use dits_remote::{Direction, endpoint};
use dits_repo::discover::{Exclude, Found, new_pointers};
use dits_repo::{Git, RepoError};
use dits_store::content;
use std::io::Read;
use std::process::ExitCode;

/// Upload content without pushing commits
#[derive(Debug, Parser)]
pub struct Args {
    /// Name or address of the remote
    remote: Option<String>,
    /// Refs whose content is sent, or ids with --object-id; else the current branch
    refs: Vec<String>,
    /// Send all content below the refs, or below all refs, not only what the remote is not known to have
    #[arg(short, long, conflicts_with = "object_id")]
    all: bool,
    /// The arguments are ids of contents
    #[arg(short, long)]
    object_id: bool,
    /// Read the arguments after the remote from standard input, one a line
    #[arg(long)]
    stdin: bool,
    /// Show what would be sent, and how much of it the server lacks; send nothing
    #[arg(short, long)]
    dry_run: bool,
    /// Print the result as JSON
    #[arg(short, long)]
    json: bool,
}

/// Bytes of a list on standard input.
const INPUT_BYTES_MAX: u64 = 64 << 20;

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let Some(remote) = &args.remote else {
        report::notice("Specify a remote and a remote branch name (`git dits push origin main`)");
        return Ok(ExitCode::FAILURE);
    };
    let context = match Context::find(true) {
        Err(error) if matches!(error.downcast_ref(), Some(RepoError::NotARepository)) => {
            // As git-lfs does here, and nowhere else.
            report::notice("Not in a Git repository.");
            return Ok(ExitCode::from(FAILED));
        }
        context => context?,
    };
    unlocking::settle(&context);
    let Some(endpoint) = endpoint::named(&context.repository, remote, Direction::Push)? else {
        let hint = "'git remote' lists the names";
        return Err(Failure::new(format!("Invalid remote name \"{remote}\""), hint).into());
    };
    let given = if args.stdin { read_list(args)? } else { args.refs.clone() };
    let found = if args.object_id {
        if given.is_empty() {
            report::notice("At least one object ID must be supplied with --object-id");
            return Ok(ExitCode::FAILURE);
        }
        contents(&context, &given)?
    } else {
        let git = &context.repository.git;
        let tips = tips(git, &given, args)?;
        let has = if args.all { Vec::new() } else { pre_push::tracked(git, &endpoint.remote)? };
        new_pointers(git, &tips, &Exclude::Oids(has))?
    };
    upload::run(&context, &endpoint, found, Options { dry_run: args.dry_run, json: args.json }, None)
}

fn read_list(args: &Args) -> Result<Vec<String>> {
    if !args.refs.is_empty() {
        report::warning("Further command line arguments are ignored with --stdin");
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(INPUT_BYTES_MAX)
        .read_to_string(&mut text)
        .context("cannot read standard input")?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// The objects to start from.
fn tips(git: &Git, given: &[String], args: &Args) -> Result<Vec<String>> {
    if given.is_empty() && args.stdin {
        return Ok(Vec::new());
    }
    if given.is_empty() && args.all {
        let refs = git.line(&["for-each-ref", "--format=%(objectname)", "refs/heads", "refs/tags"])?;
        let head = git.line(&["rev-parse", "--verify", "--quiet", "HEAD"])?;
        return Ok(refs.unwrap_or_default().lines().map(str::to_owned).chain(head).collect());
    }
    if given.is_empty() {
        let head = git.line(&["rev-parse", "--verify", "--quiet", "HEAD"])?;
        let nothing = || Failure::new("the current branch has no commit yet", "commit something, then push");
        return Ok(vec![head.ok_or_else(nothing)?]);
    }
    let resolve = |name: &String| {
        let id = git.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", name])?;
        // Git's own words for it.
        id.ok_or_else(|| {
            Failure::new(format!("src refspec {name} does not match any"), "'git show-ref' lists refs").into()
        })
    };
    given.iter().map(resolve).collect()
}

/// Contents by their ids; these have no path.
fn contents(context: &Context, ids: &[String]) -> Result<Vec<Found>> {
    let store = context.store()?;
    let mut found = Vec::new();
    for id in ids {
        let oid =
            Oid::from_hex(id.as_bytes()).ok_or_else(|| anyhow!("'{id}' is not an object ID of 64 digits"))?;
        let size = content::find(&store, &oid).ok().flatten().map_or(1, |known| known.binding.size);
        found.push(Found { pointer: Pointer::new(oid, size), path: Vec::new(), base: None, commit: None });
    }
    Ok(found)
}
