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

/// The version line. Whoever builds packages may set `GIT_DITS_VENDOR` and `GIT_DITS_COMMIT` when they compile.
pub fn text() -> String {
    let (version, rust) = (env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_RUST_VERSION"));
    let vendor = option_env!("GIT_DITS_VENDOR").unwrap_or("git-dits");
    let commit = option_env!("GIT_DITS_COMMIT").map(|commit| format!("; git {commit}")).unwrap_or_default();
    format!("git-dits/{version} ({vendor}; {OS} {}; rust {rust}{commit})", machine(ARCH))
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
