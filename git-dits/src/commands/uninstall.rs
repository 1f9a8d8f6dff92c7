//! `git dits uninstall`: takes out what `install` put in.
//!
//! Only in the chosen scope, and only values that a git-dits wrote; what somebody else set stays and is
//! named. Repositories, pointers and stored content are left as they are.

use crate::context::{self, Context};
use crate::report;
use crate::setup::{self, Scope};
use anyhow::Result;
use clap::Parser;
use dits_repo::Git;
use std::collections::BTreeSet;
use std::process::ExitCode;

/// Remove the configuration that 'install' made
#[derive(Debug, Parser)]
pub struct Args {
    #[command(flatten)]
    scope: Scope,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.scope.needs_repository() {
        Context::find(false)?;
    }
    let git = Git::at(&context::cwd()?);
    let present = args.scope.values(&git)?;
    let keys: BTreeSet<&str> = present.iter().map(|(key, _)| *key).collect();
    let foreign = |key: &str| {
        let mut values = present.iter().filter(|(name, _)| *name == key).map(|(_, value)| value);
        values.find(|value| !setup::is_ours(key, value))
    };
    for key in keys {
        // A filter that is not ours keeps all of its settings.
        let filter = foreign(setup::PROCESS).filter(|_| key == setup::REQUIRED);
        match foreign(key) {
            Some(value) => report::warning(&format!("kept {key} = \"{value}\": git-dits did not set it")),
            None if filter.is_some() => {}
            None => args.scope.unset(&git, key)?,
        }
    }
    report::line(&format!("{} Git DITS configuration has been removed.", args.scope.name()))?;
    Ok(ExitCode::SUCCESS)
}
