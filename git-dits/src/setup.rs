//! The Git configuration that makes Git use us: three keys, in a scope the user chooses.
//!
//! ```text
//! filter.dits.process  = git-dits filter-process
//! filter.dits.required = true      a failing filter must fail the command, not store raw content
//! protocol.dits.allow  = always    else submodules with a dits:// address are refused
//! ```
//! A Git that runs hooks of its configuration gets these too: `hook.dits-pre-push` and `hook.dits-pre-commit`, each
//! with `event` and `command`.
//!
//! A value that we did not write is *foreign*: it is somebody's choice and never touched without being asked.
//! Git does all reading and writing, so includes, environment and file formats are its business.

use anyhow::{Result, ensure};
use clap::Parser;
use dits_hooks::ClientHook;
use dits_repo::{Git, RepoError};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The key that holds our command.
pub const PROCESS: &str = "filter.dits.process";
/// The key that makes a failing filter fail the command.
pub const REQUIRED: &str = "filter.dits.required";
/// The key that lets submodules have `dits://` addresses.
pub const ALLOW: &str = "protocol.dits.allow";

/// Which configuration file; the user's own unless told otherwise
#[derive(Debug, Default, Parser)]
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
    /// Refuses more than one.
    pub fn check(&self) -> Result<()> {
        let given = [self.local, self.worktree, self.system, self.file.is_some()];
        ensure!(
            given.iter().filter(|given| **given).count() <= 1,
            "only one of the --local, --worktree, --system, and --file options can be specified"
        );
        Ok(())
    }

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
    pub fn values(&self, git: &Git) -> Result<Vec<(String, String)>> {
        let pattern =
            r"^(filter\.dits\.(process|required)|protocol\.dits\.allow|hook\.dits-.*\.(event|command))$";
        let out = match git.run(&self.config(&["-z", "--get-regexp", pattern])) {
            // No such key, or no such file.
            Err(RepoError::Git { code: Some(1), .. }) => return Ok(Vec::new()),
            result => result?,
        };
        let out = String::from_utf8_lossy(&out).into_owned();
        let entry = |entry: &str| {
            let (key, value) = entry.split_once('\n').unwrap_or((entry, "true"));
            (key.to_owned(), value.to_owned())
        };
        Ok(out.split_terminator('\0').map(entry).collect())
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

/// The keys and what they shall be. `program` is a word of shell; `hooks` adds those of Git's configuration.
pub fn wanted(program: &str, skip_smudge: bool, hooks: bool) -> Vec<(String, String)> {
    let skip = if skip_smudge { " --skip" } else { "" };
    let process = format!("{program} filter-process{skip}");
    let mut wanted: Vec<(String, String)> =
        vec![(PROCESS.into(), process), (REQUIRED.into(), "true".into()), (ALLOW.into(), "always".into())];
    if hooks {
        wanted.extend(ClientHook::NETS.iter().flat_map(|hook| dits_hooks::install::config(*hook, program)));
    }
    wanted
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
        PROCESS => {
            let value = value.strip_suffix(" --skip").unwrap_or(value);
            let program = value.strip_suffix(" filter-process").unwrap_or_default().trim_matches('\'');
            program == "git-dits" || program.ends_with("/git-dits")
        }
        // The name of the hook is ours.
        _ => true,
    }
}

/// How others are to call this program.
#[derive(Debug)]
pub struct Program {
    /// As a word of shell.
    pub word: String,
    /// Whether PATH leads to it.
    pub on_path: bool,
}

/// Finds out how to call the program that runs as `exe`.
///
/// Its bare name will do where every process finds it. Programs that are started from a desktop do not get the
/// PATH that a user's shell sets up, only the system's own folders: outside of these, the place is named too,
/// unless `by_name`.
pub fn program(git: &Git, exe: &Path, by_name: bool) -> Program {
    let found = find(git, "git-dits");
    let standard = |dir: &Path| STANDARD.iter().any(|standard| dir == Path::new(standard));
    let on_path = found.is_some();
    if by_name
        || found.as_ref().is_some_and(|found| found.is_own || found.file.parent().is_some_and(standard))
    {
        return Program { word: "git-dits".into(), on_path };
    }
    // The name by which PATH leads to it outlives an update; the file behind it may not.
    let same = |file: &PathBuf| file.canonicalize().ok() == exe.canonicalize().ok();
    let file = found.map(|found| found.file).filter(same).unwrap_or_else(|| exe.to_owned());
    let quoted = file.to_string_lossy().replace('\'', r"'\''");
    Program { word: format!("'{quoted}'"), on_path }
}

/// Folders that are on every PATH.
const STANDARD: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Whether Git finds the program: on PATH, or in its own folder, which it puts before PATH.
pub fn on_path(git: &Git, program: &str) -> bool {
    find(git, program).is_some()
}

struct Found {
    file: PathBuf,
    /// In Git's own folder.
    is_own: bool,
}

fn find(git: &Git, program: &str) -> Option<Found> {
    let own = git.line(&["--exec-path"]).ok().flatten().map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).map(|dir| (false, dir));
    let mut places = own.map(|dir| (true, dir)).into_iter().chain(folders);
    places.find_map(|(is_own, dir)| {
        let file = dir.join(program);
        (dir.is_absolute() && is_executable(&file)).then_some(Found { file, is_own })
    })
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
        assert!(is_ours(PROCESS, "git-dits filter-process"));
        assert!(is_ours(PROCESS, "'/opt/my tools/git-dits' filter-process"));
        assert!(is_ours(PROCESS, "git-dits filter-process --skip"));
        assert!(!is_ours(PROCESS, "git-lfs filter-process"));
        assert!(!is_ours(PROCESS, "wrapper git-dits filter-process"));
        assert!(!is_ours(PROCESS, ""));
        assert!(!is_ours(REQUIRED, "false"));
    }
}
