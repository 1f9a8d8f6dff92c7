//! `git dits migrate`: what moving a repository to git-dits would bring.
//!
//! The words are those of `git lfs migrate`, which has a mode for each thing to do. There is one here, and it changes no
//! file and no commit.

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[path = "migrate/groups.rs"]
mod groups;
#[path = "migrate/info.rs"]
mod info;
#[path = "migrate/units.rs"]
mod units;

/// See what moving files of this repository to git-dits would bring
#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Debug, Subcommand)]
enum Mode {
    Info(info::Args),
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.mode {
        Mode::Info(args) => info::run(args),
    }
}
