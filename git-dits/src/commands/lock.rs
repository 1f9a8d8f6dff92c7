//! `git dits lock`: says that one works on files, so that nobody else changes them.
//!
//! One question for any number of paths, in one round trip. Text, JSON and exit codes are those of git-lfs: all are tried, and 2 says that
//! some could not be locked. A file that is behind the target branch is refused, as the work on it would be lost.

use crate::context;
use crate::locking::view::views;
use crate::locking::{Changed, Locking, words};
use crate::report::{self, FAILED};
use anyhow::{Result, anyhow};
use clap::Parser;
use dits_lock::ask::{Acquire, Acquired, Item};
use dits_lock::{Answer, Ask, Lock, Mode};
use dits_remote::LockError;
use dits_repo::lockable::Ahead;
use dits_repo::locks_paths::{PathProblem, resolve};
use dits_repo::locks_seen::seen;
use dits_server::utc;
use std::collections::HashSet;
use std::ffi::OsString;
use std::process::ExitCode;

/// Lock files, so that nobody else can change them
///
/// A lock is for a target branch: the one that changes are meant for in the end. It stays until 'git dits unlock'; where a change
/// was pushed to another branch, until that has reached the target branch.
#[derive(Debug, Parser)]
pub struct Args {
    /// Files, or folders with '/' at the end for all below
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,
    /// The remote whose server keeps the locks; else the one that pushes go to
    #[arg(short, long)]
    remote: Option<String>,
    /// Print the locks as JSON
    #[arg(short, long)]
    json: bool,
    /// The target branch; else 'dits.lockbranch', or what the server takes for it
    #[arg(short, long)]
    branch: Option<String>,
    /// Let others lock the same files, if they do so with --shared too
    #[arg(long)]
    shared: bool,
    /// End the lock by itself after this time: 45m, 8h, 2d; locking again renews it
    #[arg(long, value_name = "TIME", value_parser = span)]
    lease: Option<u64>,
    /// What for; others see it
    #[arg(short = 'm', long, value_name = "TEXT")]
    reason: Option<String>,
    /// Lock all of the files or none
    #[arg(long)]
    all_or_nothing: bool,
    /// Lock files although the target branch has newer versions
    #[arg(long)]
    stale_ok: bool,
}

fn span(text: &str) -> Result<u64, String> {
    utc::span(text).filter(|seconds| *seconds > 0).ok_or_else(|| "a time is like 45m, 8h or 2d".to_owned())
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let locking = Locking::find(args.remote.as_deref())?;
    if args.paths.is_empty() {
        // As git-lfs does.
        return tell(args, &[], false);
    }
    let branch = locking.branch(args.branch.as_deref())?;
    let (peer, prepared) = locking.connect_while(|| items(&locking, args, branch.as_deref()));
    let Wanted { items, problems, ahead } = prepared?;
    problems.iter().for_each(tell_problem);
    let cancelled = args.all_or_nothing && !problems.is_empty();
    if items.is_empty() || cancelled {
        return tell(args, &[], true);
    }
    let mut peer = peer?;
    let ask = Ask::Acquire(Acquire {
        items: items.clone(),
        branch,
        on: locking.meant()?,
        mode: if args.shared { Mode::Shared } else { Mode::Exclusive },
        reason: args.reason.clone(),
        lease: args.lease,
        all: args.all_or_nothing,
        stale_ok: args.stale_ok,
    });
    let Answer::Acquired { outcomes, news, .. } = peer.ask_once(&ask)? else {
        return Err(LockError::Answer.into());
    };
    peer.close();
    if outcomes.len() != items.len() {
        return Err(LockError::Answer.into());
    }
    let mut changed = Changed { lost: locking.tell(&news)?, ahead, ..Changed::default() };
    let now = context::now()?;
    for (item, outcome) in items.iter().zip(outcomes) {
        match outcome {
            Acquired::Locked(lock) => changed.gained.push(lock),
            Acquired::Refused(denial) => {
                let (text, hint) = words::denial(&denial, &item.path, now);
                failed(&item.path, &text, hint);
            }
            Acquired::Passed => failed(&item.path, "not all could be locked", None),
        }
    }
    changed.who = changed.gained.first().map(|lock| lock.owner.clone());
    locking.after(&changed)?;
    tell(args, &changed.gained, !problems.is_empty() || changed.gained.len() < items.len())
}

/// What to ask for, what cannot be, and what Git says of the files.
struct Wanted {
    items: Vec<Item>,
    problems: Vec<PathProblem>,
    ahead: Option<Ahead>,
}

fn items(locking: &Locking, args: &Args, branch: Option<&str>) -> Result<Wanted> {
    let context = &locking.context;
    let (mut items, mut problems) = (Vec::new(), Vec::new());
    for place in resolve(&context.repository, &context.cwd, &args.paths)? {
        match place.and_then(|place| place.tracked()) {
            Ok(place) => items.push(Item { path: place.path, seen: None }),
            Err(problem) => problems.push(problem),
        }
    }
    // A path that is named twice is one.
    let mut known = HashSet::new();
    items.retain(|item: &Item| known.insert(item.path.clone()));
    let paths: Vec<String> = items.iter().map(|item| item.path.clone()).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let (ahead, seen) = locking.look_ahead(&paths, || match args.stale_ok || items.is_empty() {
        true => Ok(()),
        false => look_at_versions(locking, branch, &mut items),
    });
    seen?;
    Ok(Wanted { items, problems, ahead })
}

/// Notes which versions of files this clone knows.
fn look_at_versions(locking: &Locking, branch: Option<&str>, items: &mut [Item]) -> Result<()> {
    let files: Vec<&mut Item> = items.iter_mut().filter(|item| !item.path.ends_with('/')).collect();
    let paths: Vec<&str> = files.iter().map(|item| &item.path[..]).collect();
    let versions = seen(&locking.context.repository.git, &locking.tracking(branch), &paths)?;
    for (item, versions) in files.into_iter().zip(versions.into_iter().flatten()) {
        item.seen = Some(versions);
    }
    Ok(())
}

/// Says that a path cannot be locked: what git-lfs finds wrong with a path itself is said in its words alone.
fn tell_problem(problem: &PathProblem) {
    match problem {
        PathProblem::Outside(_) | PathProblem::Folder(_) => report::notice(&problem.to_string()),
        PathProblem::Untracked(path)
        | PathProblem::Missing(path)
        | PathProblem::OtherCase { path, .. }
        | PathProblem::Bad { path, .. } => {
            report::notice(&format!("Locking {path} failed: {problem}"));
        }
    }
    problem.hint().iter().for_each(|hint| report::hint(hint));
}

fn failed(path: &str, why: &str, hint: Option<String>) {
    report::notice(&format!("Locking {path} failed: {why}"));
    hint.iter().for_each(|hint| report::hint(hint));
}

fn tell(args: &Args, locks: &[Lock], failed: bool) -> Result<ExitCode> {
    if args.json {
        report::line(&serde_json::to_string(&views(locks)).map_err(|error| anyhow!(error))?)?;
    } else {
        report::stdout(locks.iter().map(|lock| format!("Locked {}\n", lock.path)).collect::<String>())?;
    }
    Ok(if failed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}
