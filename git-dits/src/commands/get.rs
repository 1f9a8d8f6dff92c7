//! `git dits get`: the content of these files, now, whatever a checkout would leave out.
//!
//! An explicit wish outweighs `dits.fetchinclude`, `dits.fetchexclude` and a skipped smudge. Paths must be known
//! to Git; those that have their content already cost nothing.

use crate::context::Context;
use crate::hydration::{self, From};
use anyhow::Result;
use clap::Parser;
use std::process::ExitCode;

/// Fetch the content of files and put it in place of their pointers
#[derive(Debug, Parser)]
pub struct Args {
    /// Files, folders or pathspecs, seen from the current folder
    #[arg(required = true)]
    path: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(true)?;
    if hydration::is_mount(&context) {
        return Ok(ExitCode::SUCCESS);
    }
    let ghosts = hydration::ghosts(&context, &args.path)?;
    let bytes = hydration::bytes(&ghosts);
    hydration::tell(&hydration::run(&context, ghosts, From::Anywhere)?, bytes)
}
