//! `git dits hook NAME`: what Git's hooks call.
//!
//! Today the server's `pre-receive`: it runs inside `git receive-pack`, before any ref moves, and refuses
//! refs whose content is not whole in the server's store. The server says where that is with `DITS_STORE`, where the
//! contents of the repository are listed with `DITS_CONTENTS`, and where to note a yes with `DITS_PUSH`.

use crate::{context, report};
use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use dits_hooks::pre_receive::INPUT_BYTES_MAX;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

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
}

/// Runs the hook.
pub fn run(args: &Args) -> Result<ExitCode> {
    let Hook::PreReceive { then } = &args.hook;
    let path = |name| std::env::var_os(name).map(PathBuf::from).with_context(|| format!("{name} is not set"));
    let env = dits_hooks::PreReceiveEnv {
        store_dir: path("DITS_STORE")?,
        contents: path("DITS_CONTENTS")?,
        push: path("DITS_PUSH")?,
        now: context::now()?,
        repository: PathBuf::from("."),
    };
    let mut input = Vec::new();
    // What is over the limit by a byte is refused below.
    std::io::stdin().lock().take(INPUT_BYTES_MAX + 1).read_to_end(&mut input)?;
    if let Err(error) = dits_hooks::pre_receive(&input[..], &env) {
        report::error(&error.to_string());
        return Ok(ExitCode::FAILURE);
    }
    match then {
        Some(hook) => hand_over(hook, &input),
        None => Ok(ExitCode::SUCCESS),
    }
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
