//! `git dits uninstall`: takes out what `install` put in.
//!
//! Only in the chosen scope, and only values that a git-dits wrote; what somebody else set stays and is
//! named. Inside a repository its hooks go too, and a hook that was there before them comes back. Pointers and
//! stored content are left as they are.

use crate::context::{self, Context};
use crate::report;
use crate::setup::{self, Scope};
use anyhow::Result;
use clap::Parser;
use dits_hooks::HookState;
use dits_repo::{Git, RepoError, Repository};
use std::collections::BTreeSet;
use std::process::ExitCode;

/// Remove the configuration and the hooks that 'install' made
#[derive(Debug, Parser)]
pub struct Args {
    #[command(flatten)]
    scope: Scope,
    /// Leave the hooks of this repository
    #[arg(long)]
    skip_repo: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    args.scope.check()?;
    if args.scope.needs_repository() {
        Context::find(false)?;
    }
    let git = Git::at(&context::cwd()?);
    let present = args.scope.values(&git)?;
    let keys: BTreeSet<&str> = present.iter().map(|(key, _)| &key[..]).collect();
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
    if !args.skip_repo {
        match Repository::find(&context::cwd()?) {
            Err(RepoError::NotARepository) => {}
            repository => remove_hooks(&repository?)?,
        }
    }
    if !args.scope.needs_repository() {
        report::line(&format!("{} Git DITS configuration has been removed.", args.scope.name()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn remove_hooks(repository: &Repository) -> Result<()> {
    dits_hooks::uninstall(repository)?;
    let state = dits_hooks::state(repository)?;
    for (hook, state_of) in &state.hooks {
        if let (HookState::Managed { added: true }, Some(manager)) = (state_of, &state.manager) {
            let file = manager.file(*hook);
            report::hint(&format!(
                "remove git-dits from '{}', which {} runs",
                file.display(),
                manager.name()
            ));
        }
    }
    report::line("Hooks for this repository have been removed.")
}
