//! The Git configuration that makes Git use us: three keys, in a scope the user chooses.
//!
//! ```text
//! filter.dits.process  = git-dits filter-process
//! filter.dits.required = true      a failing filter must fail the command, not store raw content
//! protocol.dits.allow  = always    else submodules with a dits:// address are refused
//! ```
//! A value that we did not write is *foreign*: it is somebody's choice and never touched without being asked.
//! Git does all reading and writing, so includes, environment and file formats are its business.

use anyhow::Result;
use clap::Parser;
use dits_repo::{Git, RepoError};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The key that holds our command.
pub const PROCESS: &str = "filter.dits.process";
/// The key that makes a failing filter fail the command.
pub const REQUIRED: &str = "filter.dits.required";
/// The key that lets submodules have `dits://` addresses.
pub const ALLOW: &str = "protocol.dits.allow";
/// What Git runs when `git-dits` is on PATH.
pub const COMMAND: &str = "git-dits filter-process";

/// Which configuration file; the user's own unless told otherwise
#[derive(Debug, Default, Parser)]
#[group(multiple = false)]
pub struct Scope {
    /// This repository's configuration
    #[arg(short, long)]
    local: bool,
    /// The configuration of this working tree
    #[arg(short, long)]
    worktree: bool,
    /// The system's configuration
    #[arg(long)]
    system: bool,
    /// The configuration in this file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Scope {
    /// Whether it exists only inside a repository.
    pub fn needs_repository(&self) -> bool {
        self.local || self.worktree
    }

    /// Its name in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Scope { local: true, .. } => "Local",
            Scope { worktree: true, .. } => "Worktree",
            Scope { system: true, .. } => "System",
            Scope { file: Some(_), .. } => "File",
            _ => "Global",
        }
    }

    fn config(&self, rest: &[&str]) -> Vec<OsString> {
        let mut args = vec!["config".into()];
        match &self.file {
            Some(file) => args.extend(["--file".into(), file.clone().into_os_string()]),
            None => args.push(format!("--{}", self.name().to_lowercase()).into()),
        }
        args.extend(rest.iter().map(OsString::from));
        args
    }

    /// Every value that this scope has for our keys, in order.
    pub fn values(&self, git: &Git) -> Result<Vec<(&'static str, String)>> {
        let pattern = r"^(filter\.dits\.(process|required)|protocol\.dits\.allow)$";
        let out = match git.run(&self.config(&["-z", "--get-regexp", pattern])) {
            // No such key, or no such file.
            Err(RepoError::Git { code: Some(1), .. }) => return Ok(Vec::new()),
            result => result?,
        };
        let out = String::from_utf8_lossy(&out).into_owned();
        let entry = |entry: &str| {
            let (key, value) = entry.split_once('\n').unwrap_or((entry, "true"));
            Some(([PROCESS, REQUIRED, ALLOW].into_iter().find(|known| *known == key)?, value.to_owned()))
        };
        Ok(out.split_terminator('\0').filter_map(entry).collect())
    }

    /// Makes `value` the only one of `key`.
    pub fn set(&self, git: &Git, key: &str, value: &str) -> Result<()> {
        git.run(&self.config(&["--replace-all", key, value]))?;
        Ok(())
    }

    /// Removes all values of `key`.
    pub fn unset(&self, git: &Git, key: &str) -> Result<()> {
        git.run(&self.config(&["--unset-all", key]))?;
        Ok(())
    }
}

/// The keys and what they shall be.
pub fn wanted(process: &str) -> [(&'static str, String); 3] {
    [(PROCESS, process.to_owned()), (REQUIRED, "true".into()), (ALLOW, "always".into())]
}

/// Major and minor of `git version 2.47.3`.
pub fn git_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix("git version ")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Whether we wrote this value, or any git-dits at any place.
pub fn is_ours(key: &str, value: &str) -> bool {
    match key {
        REQUIRED => value == "true",
        ALLOW => value == "always",
        _ => {
            let program = value.strip_suffix(" filter-process").unwrap_or_default().trim_matches('\'');
            program == "git-dits" || program.ends_with("/git-dits")
        }
    }
}

/// The command for Git to run, and whether it had to be named by its place because PATH does not lead there.
pub fn process_command(git: &Git, exe: &Path) -> (String, bool) {
    if on_path(git, "git-dits") {
        return (COMMAND.to_owned(), false);
    }
    // Git hands the value to a shell.
    let quoted = exe.to_string_lossy().replace('\'', r"'\''");
    (format!("'{quoted}' filter-process"), true)
}

/// Whether Git finds the program: on PATH, or in its own folder, which it puts before PATH.
pub fn on_path(git: &Git, program: &str) -> bool {
    let own = git.line(&["--exec-path"]).ok().flatten().map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    own.into_iter().chain(std::env::split_paths(&path)).any(|dir| is_executable(&dir.join(program)))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_command_is_recognised_wherever_it_was_installed() {
        assert!(is_ours(PROCESS, COMMAND));
        assert!(is_ours(PROCESS, "'/opt/my tools/git-dits' filter-process"));
        assert!(!is_ours(PROCESS, "git-lfs filter-process"));
        assert!(!is_ours(PROCESS, "wrapper git-dits filter-process"));
        assert!(!is_ours(PROCESS, ""));
        assert!(!is_ours(REQUIRED, "false"));
    }
}
