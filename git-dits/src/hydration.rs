//! Hydrating from a command: which ghosts, where missing content may come from, what is shown meanwhile.
//!
//! `hydrate`, `get`, `pull` and `checkout` differ in these choices and in their words, and in nothing else. Only
//! files that are there as pointers are looked at, so what was deleted, or is outside of a sparse checkout, stays
//! away.

use crate::context::{self, Context};
use crate::mounting::inside;
use crate::{outcome, report, worktree};
use anyhow::Result;
use dits_remote::{Direction, RemoteSource, endpoint};
use dits_repo::hydrate::{self, Job, Outcome};
use dits_repo::tracked::{self, Tracked};
use dits_repo::{ChunkSource, PathFilter};
use dits_sync::Location;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// Where missing content may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// Nowhere: only what is here counts.
    Here,
    /// Any remote.
    Anywhere,
    /// This remote: where it has its content, if that is known.
    Only(Option<Location>),
}

/// Whether the working tree is a mount, in which no pointer waits to be hydrated; then it is said what there is instead.
pub fn is_mount(context: &Context) -> bool {
    let is_served = inside::is_mount(&context.repository);
    if is_served {
        report::hint(
            "in a mount, files are fetched when they are read; 'git dits prefetch <path>' brings them before",
        );
    }
    is_served
}

/// The remote that the user named, if he did.
pub fn from_remote(context: &Context, name: Option<&str>) -> Result<From> {
    let Some(name) = name else { return Ok(From::Anywhere) };
    let Some(endpoint) = endpoint::named(&context.repository, name, Direction::Fetch)? else {
        let hint = "'git remote -v' lists the remotes";
        return Err(report::Failure::new(format!("invalid remote name '{name}'"), hint).into());
    };
    Ok(From::Only(endpoint.address))
}

/// Files of the working tree that match (all when `pathspec` is empty) and are pointers.
pub fn ghosts(context: &Context, pathspec: &[String]) -> Result<Vec<Tracked>> {
    let top = context.repository.worktree()?;
    // Without pathspecs all of the working tree is meant, wherever the user stands.
    let git = if pathspec.is_empty() { context.repository.git.clone() } else { context.git_here() };
    worktree::ghosts(top, tracked::in_index(&git, pathspec)?)
}

/// Managed files of the index that match `paths`, as pointers.
pub fn managed(context: &Context, paths: &[String]) -> Result<Vec<Tracked>> {
    context.repository.worktree()?;
    let files = tracked::in_index(&context.git_here(), paths)?;
    if files.is_empty() {
        let hint = "'git dits ls-files' lists those that are";
        return Err(report::Failure::new("none of these files is managed by git-dits", hint).into());
    }
    Ok(files)
}

/// Keeps those that `filter` lets through.
pub fn chosen(mut files: Vec<Tracked>, filter: &PathFilter) -> Vec<Tracked> {
    files.retain(|file| filter.lets_through(&file.path));
    files
}

/// Hydrates, and says what went wrong.
pub fn run(context: &Context, ghosts: Vec<Tracked>, from: From) -> Result<Outcome> {
    let done = if ghosts.is_empty() { Outcome::default() } else { run_all(context, ghosts, from)? };
    if !done.hydrated.is_empty() && context.repository.config("filter.dits.process")?.is_none() {
        report::warning("git-dits is not installed for this user: 'git add' would store whole files");
        report::hint("run 'git dits install'");
    }
    Ok(done)
}

/// Says how it went, in words: `bytes` are those of all the files that were to be hydrated.
pub fn tell(done: &Outcome, bytes: u64) -> Result<ExitCode> {
    outcome::tell(done);
    let complete = done.is_complete();
    if !done.hydrated.is_empty() {
        let whole = if complete { format!(", {}", report::human_bytes(bytes)) } else { String::new() };
        report::line(&format!("Hydrated {} file(s){whole}.", done.hydrated.len()))?;
    } else if complete && std::io::stdout().is_terminal() {
        report::line("All content is here.")?;
    }
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(report::FAILED) })
}

/// Bytes of the contents of `files`.
pub fn bytes(files: &[Tracked]) -> u64 {
    files.iter().map(|file| file.pointer.size).sum()
}

fn run_all(context: &Context, ghosts: Vec<Tracked>, from: From) -> Result<Outcome> {
    let job =
        |Tracked { path, pointer, .. }| Job { path, pointer: Some(pointer), before: None, given: false };
    let jobs = ghosts.into_iter().map(job).collect();
    let critical = Arc::new(Mutex::new(()));
    context::guard_signals(critical.clone())?;
    let store = context.store()?;
    let mut remotes = source(context, &store, &from);
    let source = remotes.as_mut().map(|source| source as &mut (dyn ChunkSource + Send));
    let mut work =
        hydrate::Context { repository: &context.repository, store: &store, source, critical: &critical };
    let meter = context.meter();
    let done = hydrate::hydrate(&mut work, jobs, &mut |progress| outcome::show(&meter, progress))?;
    outcome::tell_programs(&meter, context.repository.worktree()?, &done);
    Ok(done)
}

/// The remotes to fetch from, unless content may come from here only.
pub fn source<'a>(
    context: &'a Context,
    store: &dits_store::PackStore,
    from: &From,
) -> Option<RemoteSource<'a>> {
    let all = RemoteSource::new(&context.repository, store, &context.settings);
    match from {
        From::Here => None,
        From::Anywhere => Some(all),
        From::Only(address) => Some(all.only(address.iter().cloned().collect())),
    }
}
