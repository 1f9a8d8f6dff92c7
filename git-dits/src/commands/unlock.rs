//! `git dits unlock`: gives locks up.
//!
//! A file that differs from the last commit is refused without `--force`, as its change could never be pushed after somebody else's; one that
//! is gone from the working tree is not. A lock whose change is on its way to the target branch stays until it has arrived: the
//! command says so and has succeeded. Text, JSON and exit codes are those of git-lfs.

use crate::context;
use crate::locking::{Changed, Locking, words};
use crate::report::{self, FAILED};
use anyhow::{Result, anyhow};
use clap::Parser;
use dits_lock::ask::{Release, Released, Which};
use dits_lock::{Answer, Ask, LockId};
use dits_remote::LockError;
use dits_repo::lockable::Ahead;
use dits_repo::locks_paths::{Place, resolve, uncommitted};
use serde::Serialize;
use std::collections::HashSet;
use std::ffi::OsString;
use std::process::ExitCode;

/// Give up locks of files
#[derive(Debug, Parser)]
pub struct Args {
    /// Files, or folders with '/' at the end, as they were locked
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,
    /// The lock with this id
    #[arg(short, long)]
    id: Option<String>,
    /// Unlock although there are uncommitted changes, or a change is on its way; admins of the repository also take away others' locks
    #[arg(short, long)]
    force: bool,
    /// The remote whose server keeps the locks; else the one that pushes go to
    #[arg(short, long)]
    remote: Option<String>,
    /// Print what became of each lock as JSON
    #[arg(short, long)]
    json: bool,
    /// Only the locks for this target branch
    #[arg(short, long)]
    branch: Option<String>,
}

/// What became of a wish, as git-lfs's JSON has it.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    unlocked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Whether it stays until its change has arrived.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    retained: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let locking = Locking::find(args.remote.as_deref())?;
    let mut all = All { json: args.json, rows: Vec::new(), failed: false };
    let which = match (&args.id, &args.paths[..]) {
        (Some(id), []) => match id.parse() {
            Ok(id) => vec![Which::Id(LockId(id))],
            Err(_) => {
                all.refused(Some(id), None, format!("Unable to unlock {id}: no such lock"), None)?;
                return all.end();
            }
        },
        (None, [_, ..]) => Vec::new(),
        _ => {
            report::notice("Exactly one of --id or a set of paths must be provided");
            return Ok(ExitCode::from(FAILED));
        }
    };
    let (peer, places) = locking.connect_while(|| places(&locking, args));
    let (ahead, places) = places?;
    let which = if which.is_empty() { all.look_at(places, args.force)? } else { which };
    if which.is_empty() {
        return all.end();
    }
    let mut peer = peer?;
    let ask = Ask::Release(Release {
        which: which.clone(),
        branch: args.branch.clone(),
        force: args.force,
        all: false,
    });
    let Answer::Released { outcomes, news } = peer.ask_once(&ask)? else {
        return Err(LockError::Answer.into());
    };
    peer.close();
    if outcomes.len() != which.len() {
        return Err(LockError::Answer.into());
    }
    let mut changed = Changed { lost: locking.tell(&news)?, ahead, ..Changed::default() };
    for (which, outcome) in which.iter().zip(outcomes) {
        all.take(&locking, which, outcome, &mut changed)?;
    }
    locking.after(&changed)?;
    all.end()
}

/// A path, and whether it has changes that are not committed; or why it is none.
type Looked = Vec<Result<(Place, bool), String>>;

fn places(locking: &Locking, args: &Args) -> Result<(Option<Ahead>, Looked)> {
    let context = &locking.context;
    let places = resolve(&context.repository, &context.cwd, &args.paths)?;
    let is_file = |place: &&Place| place.exists && place.tracked && !place.path.ends_with('/');
    let files: Vec<&str> = places.iter().flatten().filter(is_file).map(|place| &place.path[..]).collect();
    let named: Vec<&str> = places.iter().flatten().map(|place| &place.path[..]).collect();
    let (ahead, changed) = locking.look_ahead(&named, || match files.is_empty() {
        true => Ok(Vec::new()),
        false => uncommitted(&context.repository.git, &files),
    });
    let changed: HashSet<String> = changed?.into_iter().collect();
    let look = |place: Place| {
        let is_changed = changed.contains(&place.path);
        (place, is_changed)
    };
    let problem = |problem| format!("Unable to determine path: {problem}");
    Ok((ahead, places.into_iter().map(|place| place.map(look).map_err(problem)).collect()))
}

/// What became of all wishes so far.
struct All {
    json: bool,
    rows: Vec<Row>,
    failed: bool,
}

impl All {
    /// Those paths that the keeper of locks is asked about.
    fn look_at(&mut self, places: Looked, force: bool) -> Result<Vec<Which>> {
        let mut which = Vec::new();
        for place in places {
            match place {
                Err(problem) => self.refused(None, None, problem, None)?,
                Ok((place, true)) if !force => {
                    let why = "Cannot unlock file with uncommitted changes".to_owned();
                    let hint = Some("commit and push it, or take the change back, or use --force".to_owned());
                    self.refused(None, Some(&place.path), why, hint)?;
                }
                Ok((place, is_changed)) => {
                    if is_changed {
                        report::notice("warning: unlocking with uncommitted changes because --force");
                    }
                    which.push(Which::Path(place.path));
                }
            }
        }
        Ok(which)
    }

    fn take(
        &mut self,
        locking: &Locking,
        which: &Which,
        outcome: Released,
        changed: &mut Changed,
    ) -> Result<()> {
        let (id, path) = match which {
            Which::Id(id) => (Some(*id), None),
            Which::Path(path) => (None, Some(&path[..])),
        };
        let name = || path.map_or_else(|| format!("Lock {}", id.unwrap_or(LockId(0))), str::to_owned);
        let row = |unlocked| Row {
            id: id.map(|id| id.to_string()),
            path: path.map(str::to_owned),
            unlocked,
            reason: None,
            retained: false,
        };
        match outcome {
            Released::Unlocked(lock) => {
                changed.lost.push(lock);
                self.rows.push(row(true));
                if !self.json {
                    report::line(&format!("Unlocked {}", name()))?;
                }
            }
            Released::Retained(lock) => {
                let until = words::kept_until(&lock);
                if !self.json {
                    report::line(&format!("Unlocking {}: {until}", name()))?;
                }
                self.rows.push(Row { reason: Some(until), retained: true, ..row(false) });
                changed.retained.push(lock);
            }
            Released::Refused(denial) => {
                let (text, hint) = words::denial(&denial, path.unwrap_or_default(), context::now()?);
                let text = words::not_unlocked(&denial, &text, id);
                if denial == dits_lock::ask::Denial::NotLocked {
                    // Whatever this clone still takes for a lock of it is none.
                    let is_it =
                        |lock: &dits_lock::Lock| Some(lock.id) == id || Some(lock.path.as_str()) == path;
                    changed.lost.extend(locking.known()?.own.into_iter().filter(is_it));
                }
                self.refused(id.map(|id| id.to_string()).as_deref(), path, text, hint)?;
            }
            Released::Passed => self.refused(None, path, "not all could be unlocked".to_owned(), None)?,
        }
        Ok(())
    }

    fn refused(
        &mut self,
        id: Option<&str>,
        path: Option<&str>,
        reason: String,
        hint: Option<String>,
    ) -> Result<()> {
        self.failed = true;
        report::notice(&match path {
            Some(path) => format!("{reason}: {path}"),
            None => reason.clone(),
        });
        hint.iter().for_each(|hint| report::hint(hint));
        let (id, path) = (id.map(str::to_owned), path.map(str::to_owned));
        self.rows.push(Row { id, path, unlocked: false, reason: Some(reason), retained: false });
        Ok(())
    }

    fn end(self) -> Result<ExitCode> {
        if self.json {
            report::line(&serde_json::to_string(&self.rows).map_err(|error| anyhow!(error))?)?;
        }
        Ok(if self.failed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
    }
}
