//! `git dits version`: which git-dits this is.
//!
//! The first word is `git-dits/<version>`, which scripts and graphical tools read. Also printed for
//! `--version` and `-v`. Asks nobody anything: tools call it often.

use crate::report;
use anyhow::Result;
use clap::Parser;
use std::env::consts::{ARCH, OS};
use std::process::ExitCode;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Print the version
#[derive(Debug, Parser)]
pub struct Args {}

/// Runs the command.
pub fn run() -> Result<ExitCode> {
    report::line(&text())?;
    Ok(ExitCode::SUCCESS)
}

/// The version line. Whoever builds packages may set `GIT_DITS_VENDOR` and `GIT_DITS_COMMIT` when they compile.
pub fn text() -> String {
    format!("git-dits/{VERSION} ({}; {})", option_env!("GIT_DITS_VENDOR").unwrap_or("git-dits"), build())
}

/// The version line under the name of git-lfs: `like` is the version whose words are ours.
pub fn text_of_lfs(like: &str) -> String {
    format!("git-lfs/{like} (git-dits {VERSION}; {})", build())
}

/// What it was built for, with what, and from what.
fn build() -> String {
    let commit = option_env!("GIT_DITS_COMMIT").map(|commit| format!("; git {commit}")).unwrap_or_default();
    format!("{OS} {}; rust {}{commit}", machine(ARCH), env!("CARGO_PKG_RUST_VERSION"))
}

/// Machines as git-lfs and most download pages call them.
fn machine(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}
