//! `git dits hydrate`: gives the pointer files of the working tree their content.
//!
//! For files that a checkout left as pointers: skipped on purpose, or because no remote could be reached.
//! Missing chunks are fetched in one go. What still is a pointer afterwards is listed and makes exit code 2.

use crate::context::{self, Context};
use crate::{outcome, report, worktree};
use anyhow::Result;
use clap::Parser;
use dits_remote::{Meter, RemoteSource};
use dits_repo::hydrate::{self, Job, Outcome, Progress};
use dits_repo::tracked::{self, Tracked};
use serde_json::json;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// Turn pointer files of the working tree into the files they stand for
#[derive(Debug, Parser)]
pub struct Args {
    /// Only files that match, seen from the current folder
    pathspec: Vec<String>,
    /// Change nothing; list what is left to do, and exit with 1 if that is anything
    #[arg(long)]
    check: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Exit code of `--check` when there are pointer files.
const GHOSTS_LEFT: u8 = 1;

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(true)?;
    let top = context.repository.worktree()?;
    // Without pathspecs all of the working tree is meant, wherever the user stands.
    let git = if args.pathspec.is_empty() { context.repository.git.clone() } else { context.git_here() };
    let ghosts = worktree::ghosts(top, tracked::in_index(&git, &args.pathspec)?)?;
    if args.check {
        return check(&ghosts, args.json);
    }
    let sizes: u64 = ghosts.iter().map(|ghost| ghost.pointer.size).sum();
    let done = if ghosts.is_empty() { Outcome::default() } else { run_all(&context, ghosts)? };
    outcome::tell(&done);
    if !done.hydrated.is_empty() && context.repository.config("filter.dits.process")?.is_none() {
        report::warning("git-dits is not installed for this user: 'git add' would store whole files");
        report::hint("run 'git dits install'");
    }
    if args.json {
        print_json(&done)?;
    } else if !done.hydrated.is_empty() {
        let whole =
            if done.is_complete() { format!(", {}", report::human_bytes(sizes)) } else { String::new() };
        report::line(&format!("Hydrated {} file(s){whole}.", done.hydrated.len()))?;
    } else if done.is_complete() && std::io::stdout().is_terminal() {
        report::line("All content is here.")?;
    }
    Ok(if done.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(report::FAILED) })
}

fn check(ghosts: &[Tracked], json: bool) -> Result<ExitCode> {
    if json {
        let list = ghosts.iter().map(|ghost| {
            let (path, oid) = (String::from_utf8_lossy(&ghost.path), ghost.pointer.oid.to_string());
            json!({ "path": path, "oid": oid, "size": ghost.pointer.size })
        });
        let list: Vec<_> = list.collect();
        report::stdout(context::json_lines(&json!({ "oid_type": "blake3", "ghosts": list }))?)?;
    } else {
        let row =
            |ghost: &Tracked| [&ghost.path[..], format!(" ({})\n", ghost.pointer.oid).as_bytes()].concat();
        report::stdout(ghosts.iter().map(row).collect::<Vec<_>>().concat())?;
    }
    Ok(if ghosts.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(GHOSTS_LEFT) })
}

fn run_all(context: &Context, ghosts: Vec<Tracked>) -> Result<Outcome> {
    let job = |Tracked { path, pointer, .. }| Job { path, pointer: Some(pointer), before: None };
    let jobs = ghosts.into_iter().map(job).collect();
    let critical = Arc::new(Mutex::new(()));
    context::guard_signals(critical.clone())?;
    let store = context.store()?;
    let mut source = RemoteSource::new(&context.repository, &store, &context.settings);
    let mut work = hydrate::Context {
        repository: &context.repository,
        store: &store,
        source: Some(&mut source),
        critical: &critical,
    };
    let meter = Meter::new(std::io::stderr().is_terminal());
    let mut observe = |progress: Progress| match progress {
        Progress::Fetch(fetch) => meter.show("Fetching content", fetch.bytes, fetch.bytes_total),
        Progress::Write { bytes, bytes_total } => meter.show("Writing files", bytes, bytes_total),
    };
    Ok(hydrate::hydrate(&mut work, jobs, &mut observe)?)
}

fn print_json(outcome: &Outcome) -> Result<()> {
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let missing =
        outcome.missing.iter().map(|(path, oid)| json!({ "path": text(path), "oid": oid.to_string() }));
    let failed = outcome.failed.iter().map(|(path, e)| json!({ "path": text(path), "error": e.to_string() }));
    let result = json!({
        "oid_type": "blake3",
        "hydrated": outcome.hydrated.iter().map(|path| text(path)).collect::<Vec<_>>(),
        "missing": missing.collect::<Vec<_>>(),
        "failed": failed.collect::<Vec<_>>(),
    });
    report::stdout(context::json_lines(&result)?)
}
