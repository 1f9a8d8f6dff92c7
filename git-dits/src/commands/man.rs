//! `git dits man`: writes the manual pages.
//!
//! `git dits --help` never reaches us: Git turns it into `man git-dits`, so there must be such a page. The default
//! folder is where `man` looks for a user's own pages. They are made from the definition that parses arguments.

use super::definition;
use crate::report::{self, Failure};
use anyhow::{Context as _, Result};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Write the manual pages, so that 'git dits --help' works
#[derive(Debug, Parser)]
pub struct Args {
    /// The folder for them; by default the user's own, ~/.local/share/man/man1
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => users_own().ok_or_else(|| Failure::new("there is no HOME", "name a folder with '--dir'"))?,
    };
    let failed = || format!("cannot write manual pages to '{}'", dir.display());
    std::fs::create_dir_all(&dir).with_context(failed)?;
    clap_mangen::generate_to(definition(), &dir).with_context(failed)?;
    report::line(&format!("Wrote manual pages to {}", dir.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn users_own() -> Option<PathBuf> {
    let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = path("XDG_DATA_HOME").or_else(|| Some(path("HOME")?.join(".local/share")))?;
    Some(data.join("man").join("man1"))
}
