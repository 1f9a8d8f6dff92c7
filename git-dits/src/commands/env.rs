//! `git dits env`: everything about this setup that a bug report needs.
//!
//! The order and keys are those of `git lfs env`. People paste this in public, so passwords in URLs and
//! values that can hold secrets are hidden. Works outside a repository too, with empty paths.

use super::version;
use crate::report;
use crate::{context, setup};
use anyhow::Result;
use clap::Parser;
use dits_repo::{Git, RepoError, Repository};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// Show versions, paths and settings
#[derive(Debug, Parser)]
pub struct Args {}

const HIDDEN: &str = "***";

/// Runs the command.
pub fn run() -> Result<ExitCode> {
    let cwd = context::cwd()?;
    let repository = match Repository::find(&cwd) {
        Err(RepoError::NotARepository) => None,
        result => Some(result?),
    };
    let git = repository.as_ref().map_or_else(|| Git::at(&cwd), |repository| repository.git.clone());
    let mut out = format!("{}\n{}\n\n", version::text(), git.line(&["--version"])?.unwrap_or_default());
    if repository.is_some() {
        remotes(&git, &mut out)?;
    }
    paths(repository.as_ref(), &mut out)?;
    environment(&mut out)?;
    configuration(&git, &mut out)?;
    report::stdout(out)?;
    Ok(ExitCode::SUCCESS)
}

fn remotes(git: &Git, out: &mut String) -> Result<()> {
    let text = git.line(&["remote", "-v"])?.unwrap_or_default();
    let fetch = |line: &str| {
        let (name, url) = line.strip_suffix(" (fetch)")?.split_once('\t')?;
        Some((name != "origin", name.to_owned(), redact(url)))
    };
    let mut remotes: Vec<_> = text.lines().filter_map(fetch).collect();
    remotes.sort();
    for (named, name, url) in remotes {
        if named {
            writeln!(out, "Endpoint ({name})={url}")?;
        } else {
            writeln!(out, "Endpoint={url}")?;
        }
    }
    Ok(())
}

fn paths(repository: Option<&Repository>, out: &mut String) -> Result<()> {
    let show = |path: Option<&Path>| path.map_or(String::new(), |path| path.display().to_string());
    let store = repository.map(Repository::store_dir);
    let media = store.as_ref().map(|store| store.join("objects"));
    let temp = repository.map(Repository::tmp_dir);
    let settings = context::settings(false);
    let rows = [
        ("LocalWorkingDir", show(repository.and_then(|repository| repository.worktree.as_deref()))),
        ("LocalGitDir", show(repository.map(|repository| &*repository.git_dir))),
        ("LocalGitStorageDir", show(repository.map(|repository| &*repository.common_dir))),
        ("LocalMediaDir", show(media.as_deref())),
        ("TempDir", show(temp.as_deref())),
        ("DitsStorageDir", show(store.as_deref())),
        ("KnownHosts", show(Some(&settings.known_hosts))),
    ];
    for (key, value) in rows {
        writeln!(out, "{key}={value}")?;
    }
    Ok(())
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

/// Configuration handed down in variables can be a header with a token in it.
fn may_be_secret(name: &str) -> bool {
    let words = ["CONFIG_VALUE", "CONFIG_PARAMETERS", "TOKEN", "PASSW", "SECRET"];
    words.iter().any(|word| name.contains(word))
}

fn configuration(git: &Git, out: &mut String) -> Result<()> {
    for (key, _) in setup::wanted("") {
        let value = git.line(&["config", "--get", key])?.unwrap_or_default();
        writeln!(out, "git config {key} = \"{value}\"")?;
    }
    Ok(())
}

/// Hides the password of every URL in `text`, and a user name where that can be a token.
fn redact(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(['/', '?', '#', ' ', '\'', '"']).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((user, host)) => {
                let is_web = before.ends_with("http://") || before.ends_with("https://");
                match user.split_once(':') {
                    // `https://TOKEN@` and `https://TOKEN:x-oauth-basic@` are in use.
                    _ if is_web => out.push_str(&format!("{HIDDEN}@{host}")),
                    Some((name, _)) => out.push_str(&format!("{name}:{HIDDEN}@{host}")),
                    None => out.push_str(authority),
                }
            }
            None => out.push_str(authority),
        }
        rest = tail;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_and_nothing_else() {
        let table = [
            ("dits://me:geheim@host:1/a/b", "dits://me:***@host:1/a/b"),
            ("https://tok3n@host/a", "https://***@host/a"),
            ("https://me:a@b:c@host/a", "https://***@host/a"),
            ("ssh://git@host/a", "ssh://git@host/a"),
            ("git@host:a.git", "git@host:a.git"),
            ("x https://a:b@c and dits://d:e@f", "x https://***@c and dits://d:***@f"),
            ("/plain/path", "/plain/path"),
        ];
        for (url, shown) in table {
            assert_eq!(redact(url), shown);
        }
        assert!(may_be_secret("GIT_CONFIG_VALUE_0") && !may_be_secret("GIT_DIR"));
    }
}
