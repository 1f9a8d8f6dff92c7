//! `git dits locks`: who works on what.
//!
//! Text and JSON are git-lfs's, which plugins of game engines read: columns split by TAB, sorted by path. Whatever the whole list says is
//! kept, so that `--local` (one's own locks) and `--cached` (the last list) answer while the server does not.

use crate::context;
use crate::locking::view::{View, table, views};
use crate::locking::{Changed, Locking};
use crate::report::{self, FAILED, Failure};
use anyhow::{Result, anyhow};
use clap::Parser;
use dits_lock::ask::List;
use dits_lock::{Answer, Ask, Lock, LockId};
use dits_remote::LockPeer;
use dits_repo::locks_paths::resolve;
use serde::Serialize;
use std::ffi::OsString;
use std::process::ExitCode;

#[path = "locks/watch.rs"]
mod watch;

/// List locks
#[derive(Debug, Parser)]
pub struct Args {
    /// The remote whose server keeps the locks; else the one that pushes go to
    #[arg(short, long)]
    remote: Option<String>,
    /// Only the lock with this id
    #[arg(short, long)]
    id: Option<String>,
    /// Only locks of this file, or of a folder that it is in
    #[arg(short, long)]
    path: Option<OsString>,
    /// At most so many; 0: all
    #[arg(short, long, default_value_t = 0)]
    limit: usize,
    /// List your own locks as far as this clone knows them, without asking the server
    #[arg(long)]
    local: bool,
    /// List what the server said last, without asking it
    #[arg(long)]
    cached: bool,
    /// Mark your own locks with 'O'
    #[arg(long)]
    verify: bool,
    /// Print the locks as JSON
    #[arg(short, long)]
    json: bool,
    /// Only locks for this target branch
    #[arg(short, long)]
    branch: Option<String>,
    /// Only your own locks
    #[arg(long, conflicts_with_all = ["local", "verify"])]
    ours: bool,
    /// Go on, and print a line for whatever happens until interrupted
    #[arg(long, conflicts_with_all = ["id", "path", "limit", "local", "cached", "verify", "ours"])]
    watch: bool,
}

/// The list of `--verify` as JSON.
#[derive(Debug, Serialize)]
struct Verified<'a> {
    ours: Vec<View<'a>>,
    theirs: Vec<View<'a>>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    if let Some(text) = excluded(args) {
        report::notice(text);
        return Ok(ExitCode::from(FAILED));
    }
    let locking = Locking::find(args.remote.as_deref())?;
    if args.watch {
        return watch::run(&locking, args.branch.clone(), args.json);
    }
    let (locks, who) = match args.local || args.cached {
        true => remembered(&locking, args)?,
        false => asked(&locking, args)?,
    };
    let is_ours = |lock: &Lock| who.as_ref() == Some(&lock.owner);
    let locks: Vec<Lock> = locks.into_iter().filter(|lock| !args.ours || is_ours(lock)).collect();
    if !args.json {
        report::stdout(table(&locks, args.verify.then_some(&is_ours)))?;
    } else if args.verify {
        let (ours, theirs): (Vec<&Lock>, Vec<&Lock>) = locks.iter().partition(|lock| is_ours(lock));
        print(&Verified { ours: views(ours), theirs: views(theirs) })?;
    } else {
        print(&views(&locks))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Flags that git-lfs does not take together, in its words.
fn excluded(args: &Args) -> Option<&'static str> {
    let filters = args.id.is_some() || args.path.is_some();
    if args.cached && filters {
        return Some("--cached option can't be combined with filters");
    }
    if args.cached && args.limit > 0 {
        return Some("--cached option can't be combined with --limit");
    }
    if args.cached && args.local {
        return Some("--cached option can't be combined with --local");
    }
    if args.verify && filters {
        return Some("--verify option can't be combined with filters");
    }
    (args.verify && args.local).then_some("--verify option can't be combined with --local")
}

/// What is known without asking anybody, and the user's name.
fn remembered(locking: &Locking, args: &Args) -> Result<(Vec<Lock>, Option<String>)> {
    let known = locking.known()?;
    let mut locks = if args.local { known.own } else { known.listed };
    if args.cached && known.listed_at.is_none() {
        let hint = "'git dits locks' asks the server, and keeps what it says";
        return Err(Failure::new("no cached locks present", hint).into());
    }
    let path = path(locking, args)?;
    let id = args.id.clone();
    locks.retain(|lock| {
        path.as_ref().is_none_or(|path| path == lock.path.as_str())
            && id.as_ref().is_none_or(|id| *id == lock.id.to_string())
            && args.branch.as_ref().is_none_or(|branch| branch == lock.branch.as_str())
    });
    if args.limit > 0 {
        locks.truncate(args.limit);
    }
    Ok((locks, known.who))
}

/// What the server says, and the user's name.
fn asked(locking: &Locking, args: &Args) -> Result<(Vec<Lock>, Option<String>)> {
    let id = match args.id.as_ref().map(|id| id.parse()) {
        None => None,
        Some(Ok(id)) => Some(LockId(id)),
        // There is none.
        Some(Err(_)) => return Ok((Vec::new(), None)),
    };
    let (peer, path) = locking.connect_while(|| path(locking, args));
    let limit = Some(args.limit).filter(|limit| *limit > 0);
    let list = List { branch: args.branch.clone(), path: path?, id, limit, after: None };
    let mut peer = peer?;
    let locks = all(locking, &mut peer, &list)?;
    let (who, _) = locking.who_am_i(&mut peer)?;
    peer.close();
    if list == List::default() {
        keep(locking, &locks, &who)?;
    }
    Ok((locks, Some(who)))
}

/// All locks of a list.
fn all(locking: &Locking, peer: &mut LockPeer, list: &List) -> Result<Vec<Lock>> {
    let (mut locks, mut told) = (Vec::new(), Vec::new());
    peer.ask(&Ask::List(list.clone()), &mut |answer| {
        if let Answer::Locks { locks: some, news, .. } = answer {
            locks.extend(some);
            told.extend(news);
        }
        true
    })?;
    let lost = locking.tell(&told)?;
    locking.after(&Changed { lost, ..Changed::default() })?;
    Ok(locks)
}

/// Keeps the whole list.
fn keep(locking: &Locking, locks: &[Lock], who: &str) -> Result<()> {
    let known = locking.known()?;
    let own = |lock: &&Lock| lock.owner == who;
    let gained = locks.iter().filter(own).filter(|lock| !known.own.contains(lock)).cloned().collect();
    let lost = known.own.into_iter().filter(|old| !locks.iter().any(|lock| lock.id == old.id && own(&lock)));
    let changed = Changed { who: Some(who.to_owned()), gained, lost: lost.collect(), ..Changed::default() };
    locking.after(&changed)?;
    let now = context::now()?;
    locking.know(|known| {
        known.who = Some(who.to_owned());
        known.listed = locks.to_vec();
        known.listed_at = Some(now);
    })
}

/// The path that was asked for, as Git spells it.
fn path(locking: &Locking, args: &Args) -> Result<Option<String>> {
    let Some(path) = &args.path else { return Ok(None) };
    let context = &locking.context;
    let place = resolve(&context.repository, &context.cwd, std::slice::from_ref(path))?.pop();
    Ok(place.transpose().map_err(|problem| anyhow!(problem))?.map(|place| place.path))
}

fn print(value: &impl Serialize) -> Result<()> {
    report::line(&serde_json::to_string(value)?)
}
