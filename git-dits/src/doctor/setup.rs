//! Git, the programs on PATH, and the configuration that makes Git use us.
//!
//! Values that somebody else wrote are told and never changed: `git dits install --force` is a decision.

use super::{Findings, Fix};
use crate::context::Context;
use crate::setup::{self, Scope};
use anyhow::{Context as _, Result};
use dits_repo::{Git, RepoError};

/// Git before this is not tried in our tests.
const GIT_MIN: (u32, u32) = (2, 39);
/// Git before this reads files of exactly n × 4 GiB anew at every status.
const GIT_GOOD: (u32, u32) = (2, 43);

/// Looks at what is the same for every repository, and at what this one overrides.
pub fn check(git: &Git, findings: &mut Findings) -> Result<()> {
    let text = git.line(&["--version"])?.unwrap_or_default();
    match setup::git_version(&text) {
        Some(version) if version < GIT_MIN => {
            findings
                .error("git-old", format!("{text} is older than 2.39"))
                .hint("update git to 2.43 or newer");
        }
        Some(version) if version < GIT_GOOD => {
            findings
                .note(
                    "git-old",
                    format!("{text} is older than 2.43: some large files will make 'git status' slow"),
                )
                .hint("update git to 2.43 or newer");
        }
        _ => {}
    }
    for program in ["git-dits", "git-remote-dits"] {
        if !setup::on_path(git, program) {
            let means = if program == "git-dits" {
                "'git dits' is unknown"
            } else {
                "git cannot use dits:// addresses"
            };
            findings
                .error("not-on-path", format!("{program} is not on PATH: {means}"))
                .hint("put both programs in one folder that is on PATH");
        }
    }
    configuration(git, findings)?;
    if crate::context::skip_smudge() {
        findings.note(
            "skip-smudge",
            "GIT_DITS_SKIP_SMUDGE is set: a checkout leaves pointers in the working tree",
        );
    }
    Ok(())
}

fn configuration(git: &Git, findings: &mut Findings) -> Result<()> {
    let exe = std::env::current_exe().context("cannot find this program's own file")?;
    let program = setup::program(git, &exe, false);
    let get = |key: &str| git.line(&["config", "--get", key]);
    for (key, want) in setup::wanted(&program.word, false, false) {
        match get(&key)? {
            None => {
                findings
                    .error("not-installed", format!("'{key}' is not set, so git does not use git-dits"))
                    .fix = install(git, &key, want);
            }
            Some(value) if !setup::is_ours(&key, &value) => {
                findings
                    .warning("foreign-value", format!("'{key}' is '{value}', which git-dits did not set"))
                    .hint("to replace it: 'git dits install --force', with the scope that has it");
            }
            Some(value) if key == setup::PROCESS && value != want && !runs(&value) => {
                findings
                    .error("program-moved", format!("'{key}' names a program that is not there: {value}"))
                    .fix = install(git, &key, want);
            }
            Some(_) => {}
        }
    }
    for key in ["filter.dits.clean", "filter.dits.smudge"] {
        if let Some(value) = get(key)?.filter(|value| !value.is_empty() && !value.starts_with("git-dits ")) {
            findings
                .warning("foreign-value", format!("'{key}' is '{value}', which git-dits did not set"))
                .hint(format!("remove it where it is set: 'git config --unset {key}'"));
        }
    }
    Ok(())
}

fn install(git: &Git, key: &str, value: String) -> Option<Fix> {
    let (git, key) = (git.clone(), key.to_owned());
    Fix::new(format!("sets '{key}' for this user, as 'git dits install' does"), move || {
        Scope::default().set(&git, &key, &value)
    })
}

/// Whether the program that the command names by its place is there.
fn runs(command: &str) -> bool {
    let command = command.strip_suffix(" --skip").unwrap_or(command);
    let program = command.strip_suffix(" filter-process").unwrap_or(command).trim_matches('\'');
    !program.starts_with('/') || std::path::Path::new(program).is_file()
}

/// The repository, unless there is none or Git does not trust it.
pub fn repository(found: Result<Context>, findings: &mut Findings) -> Result<Option<Context>> {
    let error = match found {
        Ok(context) => return Ok(Some(context)),
        Err(error) => error,
    };
    match error.downcast_ref() {
        Some(RepoError::NotARepository) => {
            findings.note("no-repository", "this is no repository: only the setup was looked at");
            Ok(None)
        }
        Some(RepoError::Git { stderr, .. }) if stderr.contains("dubious ownership") => {
            let command =
                stderr.lines().find(|line| line.contains("safe.directory")).unwrap_or_default().trim();
            findings
                .error("safe-directory", "the repository belongs to another user, and git does not trust it")
                .hint(format!("if you do: {command}"));
            Ok(None)
        }
        _ => Err(error),
    }
}
