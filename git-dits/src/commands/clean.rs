//! `git dits clean`: one content on standard input becomes its pointer on standard output.
//!
//! For scripts, and for Git where `filter.dits.clean` is configured. The path only chooses how the content is
//! cut; a file that lies there is never looked at, since Git feeds other content under a path too.

use crate::context::{self, Context};
use crate::report::{self, Failure};
use anyhow::{Result, ensure};
use clap::Parser;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;

/// Store the content on standard input, and print its pointer
#[derive(Debug, Parser)]
pub struct Args {
    /// Its path from the top of the working tree
    path: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find_quietly(false)?;
    ensure!(!std::io::stdin().is_terminal(), no_input("clean"));
    let store = context.store()?;
    let path = args.path.as_deref().map_or(&b""[..], |path| path.as_os_str().as_bytes());
    let mut pointer = Vec::new();
    let (threads, mut input) = (context::threads(), std::io::stdin().lock());
    dits_filter::once::clean(&context.repository, &store, path, threads, &mut input, &mut pointer)?;
    report::stdout(pointer)?;
    Ok(ExitCode::SUCCESS)
}

/// What to say when a user typed the command of a filter.
pub fn no_input(filter: &str) -> Failure {
    Failure::new(
        "nothing comes in on standard input",
        format!("git runs this as its filter; try: git dits {filter} < FILE"),
    )
}
