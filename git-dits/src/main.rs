//! `git dits`: the commands.
//!
//! One file a command in `commands/`; each has its arguments as a type whose doc comments are the help, and
//! a `run` that returns an exit code. Here the process meets the world: arguments, environment, standard
//! streams, signals and exit codes. Nothing below prints or reads the environment.

mod attributes;
mod commands;
mod context;
mod demo;
mod doctor;
mod entries;
mod hydration;
mod lfs_name;
mod lockable;
mod locking;
mod logs;
mod mounting;
mod outcome;
mod portable;
mod presets;
mod pushed_locks;
mod redact;
mod report;
mod setup;
mod stages;
mod unlocking;
mod upkeep;
mod upload;
mod worktree;

use std::process::ExitCode;

fn main() -> ExitCode {
    logs::catch_panics();
    // The hook has said and logged what happened.
    std::panic::catch_unwind(commands::main).unwrap_or(ExitCode::from(report::FAILED))
}
