//! `git dits hydrate`: gives the pointer files of the working tree their content.
//!
//! For files that a checkout left as pointers: skipped on purpose, or because no remote could be reached.
//! Missing chunks are fetched in one go. What still is a pointer afterwards is listed and makes exit code 2.

use crate::context::{self, Context};
use crate::hydration::{self, From};
use crate::{outcome, report};
use anyhow::Result;
use clap::Parser;
use dits_repo::hydrate::Outcome;
use dits_repo::tracked::Tracked;
use serde_json::json;
use std::process::ExitCode;

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
    let ghosts = hydration::ghosts(&context, &args.pathspec)?;
    if args.check {
        return check(&ghosts, args.json);
    }
    if hydration::is_mount(&context) {
        return Ok(ExitCode::SUCCESS);
    }
    let bytes = hydration::bytes(&ghosts);
    let done = hydration::run(&context, ghosts, From::Anywhere)?;
    if !args.json {
        return hydration::tell(&done, bytes);
    }
    outcome::tell(&done);
    print_json(&done)?;
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
