//! `git dits demo [DIR]`: the whole line on real files, with the bytes shown.
//!
//! Everything happens in a temporary folder with its own HOME: a real server process, the real `git`, two
//! users. Nothing of the caller's configuration is read or changed, and all is removed at the end.

use crate::demo;
use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show git-dits at work on real files: server, add, push, clone, edits, pull
#[derive(Debug, Parser)]
pub struct Args {
    /// Folder whose files are used; by default about 300 MB of programs and libraries of this system
    dir: Option<PathBuf>,
    /// Keep the temporary folder, and say where it is
    #[arg(long)]
    keep: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    demo::run(args.dir.as_deref(), args.keep)?;
    Ok(ExitCode::SUCCESS)
}
