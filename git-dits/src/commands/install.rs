//! `git dits install`: makes Git use git-dits, once for every user.
//!
//! Sets three configuration keys (see `setup`); there are no hooks to install. Running it again changes
//! nothing. A value that somebody else set stays, with exit code 2, until `--force`.

use crate::context::{self, Context};
use crate::report::{self, FAILED};
use crate::setup::{self, Scope};
use anyhow::{Context as _, Result};
use clap::Parser;
use dits_repo::Git;
use std::process::ExitCode;

/// Git before this reads files of exactly n × 4 GiB anew at every status.
const GIT_MIN: (u32, u32) = (2, 43);

/// Set up Git to use git-dits
#[derive(Debug, Parser)]
pub struct Args {
    #[command(flatten)]
    scope: Scope,
    /// Replace values that something else has set
    #[arg(short, long)]
    force: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.scope.needs_repository() {
        Context::find(false)?;
    }
    let git = Git::at(&context::cwd()?);
    warn_if_old(&git)?;
    let exe = std::env::current_exe().context("cannot find this program's own file")?;
    let (process, by_place) = setup::process_command(&git, &exe);
    let present = args.scope.values(&git)?;
    let wanted = setup::wanted(&process);
    let foreign: Vec<_> = present.iter().filter(|(key, value)| !setup::is_ours(key, value)).collect();
    if !foreign.is_empty() && !args.force {
        for (key, value) in foreign {
            let want = wanted.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value);
            report::warning(&format!("the \"{key}\" attribute should be \"{want}\" but is \"{value}\""));
        }
        report::hint("re-run with --force to replace it: 'git dits install --force'");
        return Ok(ExitCode::from(FAILED));
    }
    for (key, want) in &wanted {
        let mut values = present.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
        if values.next() != Some(want) || values.next().is_some() {
            args.scope.set(&git, key, want)?;
        }
    }
    if by_place {
        report::warning(&format!("git-dits is not on PATH, so git will run it as {}", exe.display()));
        report::hint("add its folder to PATH and run 'git dits install' again");
    }
    if !setup::on_path(&git, "git-remote-dits") {
        report::warning("git-remote-dits is not on PATH: git cannot use dits:// addresses");
        report::hint("put it beside git-dits, in a folder on PATH");
    }
    report::line("Git DITS initialized.")?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn warn_if_old(git: &Git) -> Result<()> {
    let text = git.line(&["--version"])?.unwrap_or_default();
    if setup::git_version(&text).is_some_and(|version| version < GIT_MIN) {
        report::warning(&format!("{text} is older than 2.43: some large files will make 'git status' slow"));
        report::hint("update git to 2.43 or newer");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::GIT_MIN;
    use crate::setup::git_version;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(git_version("git version 2.47.3"), Some((2, 47)));
        assert_eq!(git_version("git version 2.9.windows.1"), Some((2, 9)));
        assert!(git_version("git version 2.9.1") < Some(GIT_MIN));
        assert_eq!(git_version("hub version 2"), None);
    }
}
