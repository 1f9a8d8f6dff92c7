//! `git dits env`: everything about this setup that a bug report needs.
//!
//! The order and keys are those of `git lfs env`, so that scripts and people find them; what git-dits does in one way
//! only is told as that one way. People paste this in public, so passwords in URLs and
//! values that can hold secrets are hidden. Works outside a repository too, with empty paths.

use super::version;
use crate::redact::{HIDDEN, may_be_secret, redact};
use crate::{context, report, setup};
use anyhow::Result;
use clap::Parser;
use dits_remote::endpoint::{self, Direction, Endpoint};
use dits_repo::settings::{self, Setting};
use dits_repo::{Git, RepoError, Repository, cpu};
use dits_sync::Location;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// Show versions, paths and settings
///
/// ScanKernel is what finds the cuts of large contents: the fastest of ScanKernels on this machine, or the one that
/// DITS_CPU names in the environment. The cuts are the same with each.
#[derive(Debug, Parser)]
pub struct Args {}

/// Runs the command.
pub fn run() -> Result<ExitCode> {
    let cwd = context::cwd()?;
    let repository = match Repository::find(&cwd) {
        Err(RepoError::NotARepository) => None,
        result => Some(result?),
    };
    let git = repository.as_ref().map_or_else(|| Git::at(&cwd), |repository| repository.git.clone());
    let mut out = format!("{}\n{}\n\n", version::text(), git.line(&["--version"])?.unwrap_or_default());
    if let Some(repository) = &repository {
        context::warn_of_ditsconfig(repository)?;
        endpoints(repository, &mut out)?;
    }
    out.push_str(&settings(repository.as_ref())?);
    configuration(&git, &mut out)?;
    report::stdout(out)?;
    Ok(ExitCode::SUCCESS)
}

/// Where the content of each remote is. One that cannot be understood hides nothing else.
fn endpoints(repository: &Repository, out: &mut String) -> Result<()> {
    let known = match endpoint::all(repository, Direction::Fetch) {
        Ok(known) => known,
        Err(error) => {
            report::warning(&error.to_string());
            return Ok(());
        }
    };
    for Endpoint { remote, address, .. } in known {
        let name = if remote == "origin" { String::new() } else { format!(" ({remote})") };
        let auth = if matches!(address, Some(Location::Folder(_))) { "none" } else { "token" };
        let url = address.map_or(String::new(), |address| redact(&address.to_string()));
        writeln!(out, "Endpoint{name}={url} (auth={auth})")?;
    }
    Ok(())
}

/// Paths, settings and environment, a line each: also part of what `logs` keeps.
pub fn settings(repository: Option<&Repository>) -> Result<String> {
    let mut out = String::new();
    for (key, value) in paths(repository) {
        writeln!(out, "{key}={value}")?;
    }
    // Content that cannot be had leaves a pointer, always.
    writeln!(out, "SkipDownloadErrors=true")?;
    for (key, name, default) in shown() {
        let value = match repository {
            Some(repository) => repository.setting(name)?,
            None => None,
        };
        writeln!(out, "{key}={}", redact(&value.unwrap_or(default)))?;
    }
    let store = repository.map(Repository::store_dir);
    writeln!(out, "DitsStorageDir={}", show(store.as_deref()))?;
    let cache = repository.and_then(|repository| repository.cache_dir().ok().flatten());
    writeln!(out, "DitsCacheDir={}", show(cache.as_deref()))?;
    for (key, value) in ONE_WAY {
        writeln!(out, "{key}={value}")?;
    }
    writeln!(out, "ScanKernel={}", cpu::kernel().name())?;
    writeln!(out, "ScanKernels={}", cpu::names().join(","))?;
    writeln!(out, "KnownHosts={}", show(Some(&context::settings(false).known_hosts)))?;
    environment(&mut out)?;
    Ok(out)
}

/// Key, setting and its default.
fn shown() -> [(&'static str, &'static str, String); 8] {
    fn row<T: ToString>(shown: &'static str, setting: Setting<T>) -> (&'static str, &'static str, String) {
        (shown, setting.key, setting.default.to_string())
    }
    [
        row("FetchRecentAlways", settings::FETCH_RECENT_ALWAYS),
        row("FetchRecentRefsDays", settings::FETCH_RECENT_REFS_DAYS),
        row("FetchRecentCommitsDays", settings::FETCH_RECENT_COMMITS_DAYS),
        row("FetchRecentRefsIncludeRemotes", settings::FETCH_RECENT_REMOTE_REFS),
        row("PruneOffsetDays", settings::PRUNE_OFFSET_DAYS),
        row("PruneVerifyRemoteAlways", settings::PRUNE_VERIFY_REMOTE),
        row("PruneRemoteName", settings::PRUNE_REMOTE),
        row("Transport", settings::TRANSPORT),
    ]
}

/// What is not for the user to choose.
const ONE_WAY: [(&str, &str); 4] = [
    ("AccessDownload", "token"),
    ("AccessUpload", "token"),
    ("DownloadTransfers", "quic,tcp"),
    ("UploadTransfers", "quic,tcp"),
];

fn show(path: Option<&Path>) -> String {
    path.map_or(String::new(), |path| path.display().to_string())
}

fn paths(repository: Option<&Repository>) -> [(&'static str, String); 9] {
    let store = repository.map(Repository::store_dir);
    let media = store.as_ref().map(|store| store.join("objects"));
    let temp = store.as_ref().map(|store| store.join("tmp"));
    [
        ("LocalWorkingDir", show(repository.and_then(|repository| repository.worktree.as_deref()))),
        ("LocalGitDir", show(repository.map(|repository| &*repository.git_dir))),
        ("LocalGitStorageDir", show(repository.map(|repository| &*repository.common_dir))),
        ("LocalMediaDir", show(media.as_deref())),
        ("LocalReferenceDirs", reference_dirs(repository)),
        ("TempDir", show(temp.as_deref())),
        ("ConcurrentTransfers", "1".into()),
        ("TusTransfers", "false".into()),
        ("BasicTransfersOnly", "false".into()),
    ]
}

/// Stores that are read beside our own.
fn reference_dirs(repository: Option<&Repository>) -> String {
    let storage = repository.and_then(|repository| repository.storage().ok());
    let dirs = storage.iter().flat_map(|storage| &storage.alternates);
    dirs.map(|dir| show(Some(dir))).collect::<Vec<_>>().join(", ")
}

/// Variables that Git and git-dits read.
fn environment(out: &mut String) -> Result<()> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    };
    let mut variables: Vec<_> = std::env::vars_os().map(text).collect();
    variables.retain(|(name, _)| name.starts_with("GIT_") || name.starts_with("DITS_"));
    variables.sort();
    for (name, value) in variables {
        let value = if may_be_secret(&name) { HIDDEN.to_owned() } else { redact(&value) };
        writeln!(out, "{name}={value}")?;
    }
    Ok(())
}

fn configuration(git: &Git, out: &mut String) -> Result<()> {
    let keys = [setup::PROCESS, "filter.dits.smudge", "filter.dits.clean", setup::REQUIRED, setup::ALLOW];
    for key in keys {
        let value = git.line(&["config", "--get", key])?.unwrap_or_default();
        writeln!(out, "git config {key} = \"{value}\"")?;
    }
    Ok(())
}
