//! `git dits hook NAME`: what Git's hooks call.
//!
//! Today the server's `pre-receive`: it runs inside `git receive-pack`, before any ref moves, and refuses
//! refs whose content is not whole in the server's store. The server says where that is with `DITS_STORE`, where the
//! contents of the repository are listed with `DITS_CONTENTS`, and where to note a yes with `DITS_PUSH`.

use crate::{context, report};
use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

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
}

/// Runs the hook.
pub fn run(args: &Args) -> Result<ExitCode> {
    let Hook::PreReceive = args.hook;
    let path = |name| std::env::var_os(name).map(PathBuf::from).with_context(|| format!("{name} is not set"));
    let env = dits_hooks::PreReceiveEnv {
        store_dir: path("DITS_STORE")?,
        contents: path("DITS_CONTENTS")?,
        push: path("DITS_PUSH")?,
        now: context::now()?,
        repository: PathBuf::from("."),
    };
    match dits_hooks::pre_receive(std::io::stdin().lock(), &env) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            report::error(&error.to_string());
            Ok(ExitCode::FAILURE)
        }
    }
}
