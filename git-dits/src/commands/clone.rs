//! `git dits clone`: `git clone`, with git-dits set up for it, and a word on what came.
//!
//! Everything that is not ours goes to `git clone` as it is, so the result is that of `git clone`. Where git-dits is
//! not installed for the user, the new repository's own configuration gets what `install --local` writes; patterns
//! of `-I` and `-X` are kept there too, so that later checkouts follow them. What fails, fails with the words and
//! the exit code of `git clone`.

use super::install;
use crate::{context, report, setup, worktree};
use anyhow::{Context as _, Result};
use arguments::Arguments;
use clap::Parser;
use dits_repo::{Git, RepoError, Repository, tracked};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

#[path = "clone/arguments.rs"]
mod arguments;

/// Clone a repository with 'git clone', with or without its content
#[derive(Debug, Parser)]
#[command(after_help = "\
Options beside those of 'git clone':
  -I, --include <PATTERNS>  Only content of files that match one of these, separated by commas; kept as 'dits.fetchinclude'
  -X, --exclude <PATTERNS>  No content of files that match one of these; kept as 'dits.fetchexclude'
      --no-content          Leave pointers in the working tree; 'git dits pull' completes it
      --filter=none         The same; other values of --filter go to 'git clone'")]
pub struct Args {
    /// Arguments of 'git clone', and the options below
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let cwd = context::cwd()?;
    let arguments = Arguments::parse(&args.arguments)?;
    let exe = std::env::current_exe().context("cannot find this program's own file")?;
    let mut git = Git::at(&cwd);
    if !arguments.quiet {
        install::warn_if_old(&git.line(&["--version"])?.unwrap_or_default());
    }
    if arguments.no_content {
        git = git.with_env("GIT_DITS_SKIP_SMUDGE", "1");
    }
    if !setup::on_path(&git, "git-remote-dits") {
        git = git.with_env("PATH", path_with(&exe)?);
    }
    let mut clone: Vec<OsString> = vec!["clone".into()];
    for (key, value) in settings(&git, &exe, &arguments)? {
        clone.extend(["-c".into(), format!("{key}={value}").into()]);
    }
    clone.extend(arguments.git.iter().cloned());
    let status = git.command(&clone).status().map_err(RepoError::Spawn)?;
    if !status.success() {
        return Ok(ExitCode::from(
            status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(report::FAILED),
        ));
    }
    if !arguments.quiet
        && let Some(folder) = arguments.folder()
    {
        tell(&cwd.join(folder))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the new repository's configuration shall hold.
fn settings(git: &Git, exe: &Path, arguments: &Arguments) -> Result<Vec<(String, String)>> {
    let mut settings = Vec::new();
    if git.line(&["config", "--get", setup::PROCESS])?.is_none_or(|process| process.is_empty()) {
        settings.extend(setup::wanted(&setup::program(git, exe, false).word, false, false));
    }
    let lists = [("dits.fetchinclude", &arguments.include), ("dits.fetchexclude", &arguments.exclude)];
    settings.extend(lists.into_iter().filter_map(|(key, list)| Some((key.to_owned(), list.clone()?))));
    Ok(settings)
}

/// PATH with the folder of this program, where its remote helper is.
fn path_with(exe: &Path) -> Result<OsString> {
    let own = exe.parent().map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(own.into_iter().chain(std::env::split_paths(&path)))
        .context("PATH cannot be extended")
}

/// Says what came. A folder that is not the clone after all is passed over in silence.
fn tell(folder: &Path) -> Result<()> {
    let Ok(repository) = Repository::find(folder) else { return Ok(()) };
    let Some(top) = &repository.worktree else { return Ok(()) };
    let files = tracked::in_index(&repository.git, &[])?;
    let (count, bytes) = (files.len(), files.iter().map(|file| file.pointer.size).sum::<u64>());
    let ghosts = worktree::ghosts(top, files)?;
    let left: u64 = ghosts.iter().map(|ghost| ghost.pointer.size).sum();
    let (here, there) = (report::human_bytes(bytes - left), report::human_bytes(left));
    if ghosts.is_empty() && count > 0 {
        report::notice(&format!("{count} file(s) have their content ({here})"));
    } else if count > 0 {
        let whole = count - ghosts.len();
        report::notice(&format!(
            "{whole} file(s) have their content ({here}), {} are pointers ({there})",
            ghosts.len()
        ));
        report::hint(
            "'git dits get <path>' brings the content of files, 'git dits pull' that of all that are not excluded",
        );
    }
    Ok(())
}
