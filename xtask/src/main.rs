//! Chores of the tree, run as `cargo xtask <name>`.
//!
//! They are Rust and not shell so that they run wherever the project builds, with nothing else to install.
//! This package uses no crate of the workspace: it must build and report while the others do not.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore reports on its own terminal")]

#[cfg(target_os = "linux")]
mod bench;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

/// Chores of the tree
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Chore {
    /// Check the rules of the tree which no compiler checks
    Tidy,
    /// Measure the release programs beside others, and write a report
    #[cfg(target_os = "linux")]
    Bench(bench::Args),
}

fn main() -> anyhow::Result<ExitCode> {
    match Chore::parse() {
        Chore::Tidy => run_tidy(),
        #[cfg(target_os = "linux")]
        Chore::Bench(args) => bench::run(&args, &root()?),
    }
}

fn run_tidy() -> anyhow::Result<ExitCode> {
    let report = tidy::run(&root()?)?;
    for finding in &report.findings {
        println!("{finding}");
    }
    println!("tidy: {} files, {} findings", report.files, report.findings.len());
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The root of the workspace, which is the folder above this package's: cargo names the latter when it runs us.
fn root() -> anyhow::Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let package = PathBuf::from(package);
    Ok(package.parent().context("this package has no parent folder")?.to_owned())
}
