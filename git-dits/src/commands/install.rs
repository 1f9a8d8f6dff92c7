//! `git dits install`: makes Git use git-dits, once for every user.
//!
//! Sets three configuration keys (see `setup`), and inside a repository its hooks (see `update`). Running it again
//! changes nothing. A value that somebody else set stays, with exit code 2, until `--force`.

use super::update;
use crate::context::{self, Context};
use crate::report::{self, FAILED, Failure};
use crate::setup::{self, Scope};
use anyhow::{Context as _, Result};
use clap::Parser;
use dits_hooks::install::runs_configured;
use dits_repo::{Git, RepoError, Repository};
use std::process::ExitCode;

/// Git before this reads files of exactly n × 4 GiB anew at every status.
const GIT_MIN: (u32, u32) = (2, 43);

/// Set up Git to use git-dits
#[derive(Debug, Parser)]
pub struct Args {
    #[command(flatten)]
    scope: Scope,
    /// Replace values that something else has set, and put hooks that are there behind ours
    #[arg(short, long)]
    force: bool,
    /// Leave pointers in the working tree until 'git dits pull' or 'git dits hydrate'
    #[arg(short, long)]
    skip_smudge: bool,
    /// Set up no hooks
    #[arg(long)]
    skip_repo: bool,
    /// Print what to add to hooks, and write none
    #[arg(short, long)]
    manual: bool,
    /// Name git-dits without its folder, even where programs started from a desktop will not find it
    #[arg(long)]
    no_absolute_path: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    args.scope.check()?;
    update::check(args.force, args.manual)?;
    if args.scope.needs_repository() {
        Context::find(false)?;
    }
    let git = Git::at(&context::cwd()?);
    let version = git.line(&["--version"])?.unwrap_or_default();
    warn_if_old(&version);
    let exe = std::env::current_exe().context("cannot find this program's own file")?;
    let program = setup::program(&git, &exe, args.no_absolute_path);
    let present = args.scope.values(&git)?;
    let hooks = !args.skip_repo && !args.manual && runs_configured(&version);
    let wanted = setup::wanted(&program.word, args.skip_smudge, hooks);
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
            args.scope.set(&git, key, want).map_err(|error| unwritable(error, &args.scope))?;
        }
    }
    if !program.on_path {
        report::warning(&format!("git-dits is not on PATH, so git will run it as {}", exe.display()));
        report::hint("add its folder to PATH and run 'git dits install' again");
    }
    if !setup::on_path(&git, "git-remote-dits") {
        report::warning("git-remote-dits is not on PATH: git cannot use dits:// addresses");
        report::hint("put it beside git-dits, in a folder on PATH");
    }
    if !args.skip_repo {
        match Repository::find(&context::cwd()?) {
            Err(RepoError::NotARepository) => {}
            repository => {
                if !update::hooks(&repository?, &program.word, args.force, args.manual)? {
                    return Ok(ExitCode::from(FAILED));
                }
            }
        }
    }
    report::line("Git DITS initialized.")?;
    Ok(ExitCode::SUCCESS)
}

fn unwritable(error: anyhow::Error, scope: &Scope) -> anyhow::Error {
    let text = report::text(&error);
    match scope.name() {
        "Global" => {
            Failure::new(text, "choose another place: 'git dits install --local' or '--file FILE'").into()
        }
        "System" => Failure::new(text, "run it as administrator, or leave out --system").into(),
        _ => error,
    }
}

/// Warns of a Git that makes some large files slow. `text` is what `git --version` prints.
pub(super) fn warn_if_old(text: &str) {
    if setup::git_version(text).is_some_and(|version| version < GIT_MIN) {
        report::warning(&format!("{text} is older than 2.43: some large files will make 'git status' slow"));
        report::hint("update git to 2.43 or newer");
    }
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
