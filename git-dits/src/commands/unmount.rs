//! `git dits unmount`: ends mounts, when nobody is at work in them.
//!
//! What was changed stays in the repository, and is there again with the next `git dits mount`. The process that serves a mount decides, as it knows
//! which files are open; where it was killed, what it left in the tree is taken away.

use crate::context::Context;
use crate::mounting::state::{Held, State};
use crate::mounting::{control, dir, system};
use crate::report::{self, FAILED, Failure};
use anyhow::{Context as _, Result};
use clap::Parser;
use dits_mount::control::{Answer, Ask};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Unmount: what was changed is kept, and is there again with the next 'git dits mount'
#[derive(Debug, Parser)]
pub struct Args {
    /// Folders of mounts
    #[arg(required_unless_present = "all")]
    dir: Vec<PathBuf>,
    /// All mounts of this repository
    #[arg(long, conflicts_with = "dir")]
    all: bool,
    /// Also when files are open for writing, or somebody is in the folder
    #[arg(short, long)]
    force: bool,
}

/// How long a mount may take to end: what programs wrote is written out first.
const ANSWER_MAX: Duration = Duration::from_secs(90);
/// How long its process may take to end after that.
const END_MAX: Duration = Duration::from_secs(10);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(5);

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.all {
        let context = Context::find(false)?;
        let mut states = State::all(&context.repository);
        states.retain(|state| state.is_served() || is_left(state));
        return Ok(each(states.iter().map(|state| unmount(state, args.force))));
    }
    let one = |dir: &PathBuf| {
        let context = Context::find_around(dir)?;
        let resolved = dir::resolve(&context.cwd, dir);
        let state =
            State::at(&context.repository, &resolved).filter(|state| state.is_served() || is_left(state));
        let none = || {
            let text = format!("'{}' is not mounted", dir.display());
            Failure::fatal(text, "'git dits mounts' lists the mounts of this repository")
        };
        unmount(&state.ok_or_else(none)?, args.force)
    };
    Ok(each(args.dir.iter().map(one)))
}

/// Goes on after a failure, whose exit code is that of the last.
fn each(results: impl Iterator<Item = Result<()>>) -> ExitCode {
    results.fold(ExitCode::SUCCESS, |code, result| match result {
        Ok(()) => code,
        Err(error) => report::failure(&error),
    })
}

/// Whether a killed process left its mount in the tree.
fn is_left(state: &State) -> bool {
    state.dir().is_some_and(|dir| system::is_there(&dir))
}

fn unmount(state: &State, force: bool) -> Result<()> {
    let dir = state.dir().context("git does not know the folder of the mount")?;
    match control::ask(state, &Ask::Unmount { force }, ANSWER_MAX, &mut |_| {}) {
        Ok(Answer::Done) => {
            ended(state, &dir);
            Ok(())
        }
        Ok(Answer::Failed { why, hint }) => Err(Failure { text: why, hint, code: FAILED }.into()),
        Ok(_) => Err(Failure::new(
            format!("'{}' said something else than it should", dir.display()),
            "update git-dits",
        )
        .into()),
        Err(error) => match state.hold_soon()? {
            Some(held) => left(state, &dir, held),
            None => {
                let hint = match state.info()?.pid {
                    Some(pid) => format!(
                        "its process ({pid}) may hang: 'kill -9 {pid}' and 'git dits mount {}' lose nothing",
                        dir.display()
                    ),
                    None => "it is just starting: try again".to_owned(),
                };
                Err(Failure::new(format!("'{}' does not answer: {error}", dir.display()), hint).into())
            }
        },
    }
}

/// Waits until its process has written down that it ended. It does not while the mount is in another tree, too: that of
/// a container that began meanwhile.
fn ended(state: &State, dir: &Path) {
    let end = Instant::now() + END_MAX;
    while state.is_served() && Instant::now() < end {
        std::thread::park_timeout(LOOK);
    }
    if state.is_served() {
        report::notice(&format!(
            "'{}' is unmounted here, but its process has not ended: a container may still have it",
            dir.display()
        ));
    }
}

/// Takes away what a killed process left.
fn left(state: &State, dir: &Path, held: Held) -> Result<()> {
    system::clear(dir)?;
    let mut info = state.info()?;
    info.pid = None;
    state.write(&info)?;
    state.unprotect()?;
    drop(held);
    Ok(())
}
