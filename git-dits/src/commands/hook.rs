//! `git dits hook NAME`: what Git's hooks call.
//!
//! `fsmonitor` is that of a mount ([`super::fsmonitor`]); the others are those of a server. `pre-receive` runs inside `git receive-pack`, before any ref moves, and refuses
//! refs whose content is not whole in the server's store. The server says where that is with `DITS_STORE`, where the
//! contents of the repository are listed with `DITS_CONTENTS`, and where to note a yes with `DITS_PUSH`. Then it asks the server about
//! locks, at the socket in `DITS_LOCKS`; without one, in a push that no server carries, locks are not looked at. `post-receive` writes
//! down which refs moved, in the audit log of the server in `DITS_SERVER`, under the name that the server gave. Each hands over to
//! a hook of the repository's owner.

use super::fsmonitor;
use crate::{context, report};
use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use dits_hooks::locks::{self, AskError};
use dits_hooks::pre_receive::INPUT_BYTES_MAX;
use dits_lock::push::{KEY_VARIABLE, SOCKET_VARIABLE};
use dits_repo::Git;
use dits_server::audit::{AuditLog, Event};
use dits_server::layout::Layout;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

/// What to do when it is not known whether a push may go on.
const AGAIN: &str = "hint: nothing has changed: push again";
/// Time for the server to answer about locks.
const ANSWER_MAX: Duration = Duration::from_secs(60);
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
    PreReceive {
        /// A hook to run after a yes, with the same input
        #[arg(long, value_name = "FILE")]
        then: Option<PathBuf>,
    },
    /// Write down which refs moved
    PostReceive {
        /// A hook to run after that, with the same input
        #[arg(long, value_name = "FILE")]
        then: Option<PathBuf>,
    },
    Fsmonitor(fsmonitor::Args),
}

/// Runs the hook.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (then, done) = match &args.hook {
        Hook::Fsmonitor(args) => return fsmonitor::run(args),
        Hook::PreReceive { then } => (then, pre_receive as fn(&[u8]) -> Result<bool>),
        Hook::PostReceive { then } => (then, post_receive as fn(&[u8]) -> Result<bool>),
    };
    let mut input = Vec::new();
    // What is over the limit by a byte is refused by whoever reads it.
    std::io::stdin().lock().take(INPUT_BYTES_MAX + 1).read_to_end(&mut input)?;
    if !done(&input)? {
        return Ok(ExitCode::FAILURE);
    }
    match then {
        Some(hook) => hand_over(hook, &input),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn post_receive(input: &[u8]) -> Result<bool> {
    let text = |name: &str| std::env::var(name).ok();
    let dir = std::env::var_os("DITS_SERVER").map(PathBuf::from).context("DITS_SERVER is not set")?;
    let refs: Vec<String> = String::from_utf8_lossy(input).lines().map(str::to_owned).collect();
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
    Ok(true)
}

fn pre_receive(input: &[u8]) -> Result<bool> {
    let path = |name| std::env::var_os(name).map(PathBuf::from).with_context(|| format!("{name} is not set"));
    let env = dits_hooks::PreReceiveEnv {
        store_dir: path("DITS_STORE")?,
        contents: path("DITS_CONTENTS")?,
        push: path("DITS_PUSH")?,
        now: context::now()?,
        repository: PathBuf::from("."),
    };
    let checked = match dits_hooks::pre_receive(input, &env) {
        // Last, as what is reserved keeps others waiting.
        Ok(()) => ask_about_locks(input, env.now).map_err(|error| format!("{error}\n{AGAIN}")),
        Err(error) => Err(error.to_string()),
    };
    checked.or_else(|text| {
        report::error(&text);
        Ok(false)
    })
}

/// Whether locks let a push through; says what it must know of them.
fn ask_about_locks(input: &[u8], now: u64) -> Result<bool, AskError> {
    let Some(socket) = std::env::var_os(SOCKET_VARIABLE) else { return Ok(true) };
    let moves = locks::moves(input)?;
    if moves.is_empty() {
        return Ok(true);
    }
    let key = std::env::var(KEY_VARIABLE).unwrap_or_default();
    let server = UnixStream::connect(socket)?;
    server.set_read_timeout(Some(ANSWER_MAX))?;
    server.set_write_timeout(Some(ANSWER_MAX))?;
    let ends = (BufReader::new(&server), BufWriter::new(&server));
    let verdict = locks::ask(&moves, &Git::at(Path::new(".")), &key, ends)?;
    for warning in locks::warnings(&verdict.warned, now) {
        report::warning(&warning);
    }
    if verdict.refused.count == 0 {
        return Ok(true);
    }
    report::error(&locks::refusal(&verdict.refused, now));
    report::hint(locks::HINT);
    Ok(false)
}

/// Runs the owner's hook as Git would.
fn hand_over(hook: &Path, input: &[u8]) -> Result<ExitCode> {
    let failed = || format!("cannot run '{}'", hook.display());
    let mut child = Command::new(hook).stdin(Stdio::piped()).spawn().with_context(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook need not read what it is told; its exit code is what counts.
        let _ = stdin.write_all(input);
    }
    let code = child.wait().with_context(failed)?.code();
    Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
