//! `git dits logs`: what was written down when git-dits itself went wrong.
//!
//! Lists, shows and removes the files in `.git/dits/logs` that [`crate::logs`] writes. Nothing but that folder is
//! ever read or removed, whatever name is asked for.

use crate::context::Context;
use crate::logs;
use crate::report::{self, Failure};
use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use std::path::Path;
use std::process::ExitCode;

/// Show what was logged about internal errors
#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the last log
    Last,
    /// Show a log by its name
    Show {
        /// A name that 'git dits logs' lists
        name: String,
    },
    /// Remove all logs
    Clear,
    /// Fail on purpose, to see how an internal error is logged
    Boomtown,
}

/// Runs the command.
#[expect(clippy::panic, reason = "'boomtown' is there to show what a panic does")]
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(false)?;
    let folder = logs::folder(&context.repository);
    match &args.action {
        None => {
            report::stdout(logs::list(&folder).iter().map(|name| format!("{name}\n")).collect::<String>())?
        }
        Some(Action::Last) => match logs::list(&folder).last() {
            Some(name) => show(&folder, name)?,
            None => report::line("No logs to show")?,
        },
        Some(Action::Show { name }) => show(&folder, name)?,
        Some(Action::Clear) => {
            logs::clear(&folder)?;
            report::line(&format!("Cleared {}", folder.display()))?;
        }
        Some(Action::Boomtown) => panic!("sample error of 'git dits logs boomtown'"),
    }
    Ok(ExitCode::SUCCESS)
}

fn show(folder: &Path, name: &str) -> Result<()> {
    let unknown = || Failure::new(format!("no log named '{name}'"), "'git dits logs' lists them");
    ensure!(logs::list(folder).iter().any(|known| known == name), unknown());
    let text = std::fs::read(folder.join(name)).with_context(|| format!("cannot read log '{name}'"))?;
    report::stdout(text)
}
