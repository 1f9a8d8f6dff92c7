//! `git dits hook NAME`: what Git's hooks call.
//!
//! The server's `pre-receive` runs inside `git receive-pack`, before any ref moves, and refuses
//! refs whose content is not whole in the server's store. The server says where that is with `DITS_STORE`. Its `post-receive` writes
//! down which refs moved, in the audit log of the server in `DITS_SERVER`, under the name that the server gave.

use crate::{context, report};
use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use dits_server::audit::{AuditLog, Event};
use dits_server::layout::Layout;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

/// Ref updates in one line of the audit log.
const REFS_A_LINE: usize = 1000;

/// Run a Git hook
#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    hook: Hook,
}

#[derive(Debug, Subcommand)]
enum Hook {
    /// Check that everything a push refers to is here
    PreReceive,
    /// Write down which refs moved
    PostReceive,
}

/// Runs the hook.
pub fn run(args: &Args) -> Result<ExitCode> {
    match args.hook {
        Hook::PreReceive => pre_receive(),
        Hook::PostReceive => post_receive(),
    }
}

fn post_receive() -> Result<ExitCode> {
    let text = |name: &str| std::env::var(name).ok();
    let dir = std::env::var_os("DITS_SERVER").map(PathBuf::from).context("DITS_SERVER is not set")?;
    let mut moved = Vec::new();
    std::io::stdin().lock().read_to_end(&mut moved)?;
    let refs: Vec<String> = String::from_utf8_lossy(&moved).lines().map(str::to_owned).collect();
    let log = AuditLog::of(&Layout::existing(&dir)?);
    // One push may move very many refs, and a line is read as a whole.
    for refs in refs.chunks(REFS_A_LINE) {
        let event = Event {
            who: text("DITS_CALLER"),
            by: text("DITS_CALLER_BY"),
            from: text("DITS_CALLER_FROM").and_then(|from| from.parse().ok()),
            repository: text("DITS_REPOSITORY"),
            refs: refs.to_vec(),
            ..Event::of("refs", "ok")
        };
        log.write(event, context::now()?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn pre_receive() -> Result<ExitCode> {
    let store_dir = std::env::var_os("DITS_STORE").map(PathBuf::from).context("DITS_STORE is not set")?;
    let env = dits_hooks::PreReceiveEnv { store_dir, repository: PathBuf::from(".") };
    match dits_hooks::pre_receive(std::io::stdin().lock(), &env) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            report::error(&error.to_string());
            Ok(ExitCode::FAILURE)
        }
    }
}
