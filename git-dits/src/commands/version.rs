//! `git dits version`: which git-dits this is.
//!
//! The first word is `git-dits/<version>`, which scripts and graphical tools read. Also printed for
//! `--version` and `-v`. Asks nobody anything: tools call it often.

use crate::report;
use anyhow::Result;
use clap::Parser;
use std::env::consts::{ARCH, OS};
use std::process::ExitCode;

/// Print the version
#[derive(Debug, Parser)]
pub struct Args {}

/// Runs the command.
pub fn run() -> Result<ExitCode> {
    report::line(&text())?;
    Ok(ExitCode::SUCCESS)
}

/// The version line.
pub fn text() -> String {
    let (version, rust) = (env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_RUST_VERSION"));
    format!("git-dits/{version} ({OS} {ARCH}; rust {rust})")
}
