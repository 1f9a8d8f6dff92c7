//! `git dits mount-serve`: the process that serves a mount; started by `git dits mount`.
//!
//! It speaks to that on standard output (see [`launch`]) until the mount answers, and goes on alone.

use crate::context;
use crate::mounting::daemon::{self, By, Options};
use crate::mounting::launch::Word;
use crate::mounting::state::State;
use crate::report;
use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Serve a mount
#[derive(Debug, Parser)]
pub struct Args {
    /// Git folder of its worktree
    git_dir: PathBuf,
    /// Let nothing be written
    #[arg(long)]
    read_only: bool,
    /// How the system gets at it
    #[arg(long = "type", value_enum, default_value_t = By::Fuse)]
    by: By,
    /// Write down in this file what is read
    #[arg(long)]
    trace: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    // The terminal of whoever mounts may close, and Ctrl-C there is not meant for this.
    rustix::process::setsid()?;
    let options = Options {
        settings: context::settings(false),
        read_only: args.read_only,
        by: args.by,
        trace: args.trace.clone(),
        foreground: false,
    };
    // Whoever started this may be gone by now.
    let mut say = |word: &Word| drop(serde_json::to_string(word).map(|line| report::line(&line)));
    match daemon::serve(&State::of(&args.git_dir), &options, &mut say) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            say(&Word::of(&error));
            Err(error)
        }
    }
}
