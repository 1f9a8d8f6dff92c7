//! `git-remote-dits`: the helper that Git starts for `dits://` addresses.
//!
//! With the `connect` capability the helper becomes a pipe between Git and the server's Git service, so
//! every feature of fetch and push is Git's own. In a push it holds back Git's list of ref updates
//! ([`gate`]) until the server has all content that these refs bring: no flag can make a ref overtake its
//! content. Standard output belongs to Git; standard error is the user's terminal.

mod gate;
mod pump;

use anyhow::{Context, Result, bail};
use dits_remote::{Remote, RemoteError, Settings};
use dits_repo::Git;
use dits_sync::Address;
use dits_sync::message::Purpose;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut stderr = std::io::stderr().lock();
            // If even this cannot be said, the exit code says it.
            let _ = writeln!(stderr, "fatal: {error:#}");
            if let Some(hint) = error.chain().find_map(dits_remote::hint) {
                let _ = writeln!(stderr, "hint: {hint}");
            }
            ExitCode::from(128)
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let url = args.get(2).or(args.get(1)).context("usage: git-remote-dits <remote> <url>")?;
    let address = Address::parse(url).map_err(RemoteError::from)?;
    loop {
        let line = read_line()?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("", _) => return Ok(()),
            ("capabilities", _) => say("connect\n\n")?,
            ("option", _) => say("unsupported\n")?,
            ("connect", service) => return connect(address, service),
            _ => bail!("git asked for '{line}', which git-remote-dits does not know"),
        }
    }
}

fn connect(address: Address, service: &str) -> Result<()> {
    let terminal = std::io::stderr().is_terminal();
    let settings = Settings::from_env(|name| std::env::var_os(name), true).on_terminal(terminal);
    if let Some(complaint) = settings.progress.complaint() {
        writeln!(std::io::stderr().lock(), "error: {complaint}")?;
    }
    let git = Git::at(Path::new("."));
    let object_format = git.line(&["rev-parse", "--show-object-format"])?.unwrap_or_else(|| "sha1".into());
    let purpose =
        Purpose::Git { service: service.into(), protocol: git_protocol(&git, service)?, object_format };
    let mut remote = Remote::connect(&git, address, &settings)?;
    if let Some(notice) = remote.first_use_notice() {
        writeln!(std::io::stderr().lock(), "git-dits: {notice}")?;
    }
    let (to_server, from_server) = remote.git(&purpose)?;
    say("\n")?;
    if service == "git-receive-pack" {
        gate::push(&mut remote, &git, to_server, from_server, terminal)?;
    } else {
        pump::both(std::io::stdin(), to_server, from_server)?;
    }
    remote.close();
    Ok(())
}

/// What Git would put in `GIT_PROTOCOL` for a transport of its own. Pushing speaks version 0 or 1 only.
fn git_protocol(git: &Git, service: &str) -> Result<String> {
    if let Some(value) = std::env::var("GIT_PROTOCOL").ok().filter(|value| !value.is_empty()) {
        return Ok(value);
    }
    let version = git.line(&["config", "--get", "protocol.version"])?.unwrap_or_else(|| "2".into());
    let version = if service == "git-receive-pack" && version == "2" { "0".into() } else { version };
    Ok(if version == "0" { String::new() } else { format!("version={version}") })
}

/// One line from Git, byte by byte: what follows a `connect` line is not ours to buffer.
fn read_line() -> Result<String> {
    let mut line = Vec::new();
    let mut stdin = std::io::stdin().lock();
    for byte in stdin.by_ref().bytes() {
        match byte? {
            b'\n' => break,
            byte => line.push(byte),
        }
    }
    Ok(String::from_utf8(line)?)
}

fn say(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}
