//! `git dits pull`: fetches the content of the files that are checked out, and puts it in place.
//!
//! It completes what a checkout left: skipped smudges, filters that were switched off with
//! `-c filter.dits.process=`, a server that could not be reached. Only pointers that stand in the working tree are
//! touched: a deletion, staged or not, stays one, and nothing is written outside of a sparse checkout.

use crate::context::Context;
use crate::report::FAILED;
use crate::unlocking;
use crate::{hydration, outcome};
use anyhow::Result;
use clap::Parser;
use dits_repo::PathFilter;
use std::io::IsTerminal;
use std::process::ExitCode;

/// Fetch content and put it in place of the pointers of the working tree
#[derive(Debug, Parser)]
pub struct Args {
    /// Fetch from this remote alone
    remote: Option<String>,
    #[command(flatten)]
    choice: Choice,
}

/// Which paths; patterns are those of .gitignore, separated by commas
#[derive(Debug, Parser)]
pub struct Choice {
    /// Only files that match one of these, instead of 'dits.fetchinclude'
    #[arg(short = 'I', long, value_name = "PATTERNS")]
    pub include: Option<String>,
    /// No files that match one of these, instead of 'dits.fetchexclude'
    #[arg(short = 'X', long, value_name = "PATTERNS")]
    pub exclude: Option<String>,
}

impl Choice {
    /// The paths that are chosen.
    pub fn filter(&self, context: &Context) -> Result<PathFilter> {
        Ok(PathFilter::of(&context.repository, self.include.as_deref(), self.exclude.as_deref())?)
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(true)?;
    unlocking::settle(&context);
    if hydration::is_mount(&context) {
        return Ok(ExitCode::SUCCESS);
    }
    let from = hydration::from_remote(&context, args.remote.as_deref())?;
    let ghosts = hydration::chosen(hydration::ghosts(&context, &[])?, &args.choice.filter(&context)?);
    let bytes = hydration::bytes(&ghosts);
    let done = hydration::run(&context, ghosts, from)?;
    // git-lfs says nothing to scripts when all went well.
    if std::io::stdout().is_terminal() {
        return hydration::tell(&done, bytes);
    }
    outcome::tell(&done);
    Ok(if done.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
