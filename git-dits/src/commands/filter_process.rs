//! `git dits filter-process`: what Git starts to clean and smudge.
//!
//! Standard input and output belong to Git's protocol. Standard error stays silent when all went well and it
//! is no terminal: tools read it together with content. The exit code reaches nobody (Git ignores it), so
//! what went wrong is said in words. `GIT_DITS_SKIP_SMUDGE` leaves pointers in the working tree.

use crate::context::{Context, guard_signals};
use crate::report;
use anyhow::Result;
use clap::Parser;
use dits_filter::Policy;
use dits_remote::{Meter, RemoteSource};
use dits_repo::hydrate::{self, Outcome, Progress};
use serde_json::json;
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// Serve Git's filter protocol on standard input and output
#[derive(Debug, Parser)]
pub struct Args {}

/// Paths listed when content is missing.
const LISTED_MAX: usize = 10;

/// Runs the command.
pub fn run(_: &Args) -> Result<ExitCode> {
    // Not the line-buffered handle of the standard library: an answer must be one write.
    let input = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    // A wider pipe saves switches between Git and us; it works without.
    let _ = rustix::pipe::fcntl_setpipe_size(&input, 1 << 20);
    let context = Context::find(false)?;
    let critical = Arc::new(Mutex::new(()));
    guard_signals(critical.clone())?;
    let store = context.store()?;
    let mut source = RemoteSource::new(&context.repository.git, &store, &context.settings);
    let work = hydrate::Context {
        repository: &context.repository,
        store: &store,
        source: Some(&mut source),
        critical: &critical,
    };
    let mut meter = None;
    let mut observe = |progress: Progress| {
        let meter = meter.get_or_insert_with(|| Meter::new(std::io::stderr().is_terminal()));
        match progress {
            Progress::Fetch(fetch) => meter.show("Fetching content", fetch.bytes, fetch.bytes_total),
            Progress::Write { bytes, bytes_total } => meter.show("Writing files", bytes, bytes_total),
        }
    };
    let policy = Policy { skip_smudge: is_true(std::env::var("GIT_DITS_SKIP_SMUDGE").ok()) };
    let result = dits_filter::run(input, output, policy, work, &mut |line| report::error(line), &mut observe);
    drop(meter);
    let done = result?;
    context.settings.trace.event("filter", json!({ "cleaned": done.cleaned, "smudged": done.smudged }));
    if let Some(error) = done.commit_error {
        report::error(&format!("added content is not safe on disk: {error}"));
        report::hint("free some space and add the files again");
        return Ok(ExitCode::FAILURE);
    }
    match done.hydrated {
        None => Ok(ExitCode::SUCCESS),
        Some(outcome) => Ok(tell(&outcome?)),
    }
}

/// Says what could not be hydrated, and how to go on.
fn tell(outcome: &Outcome) -> ExitCode {
    if let Some(error) = &outcome.fetch_error {
        report::error(&format!("cannot fetch content: {error}"));
    }
    for (path, error) in &outcome.failed {
        report::error(&format!("'{}': {error}", String::from_utf8_lossy(path)));
    }
    if let Some(error) = &outcome.unsettled {
        report::error(&format!("cannot update git's index: {error}"));
        report::hint("run 'git dits hydrate' when no other git command runs");
    }
    if !outcome.missing.is_empty() {
        report::error(&format!(
            "{} file(s) stay pointers, as their content is not available:",
            outcome.missing.len()
        ));
        for (path, oid) in outcome.missing.iter().take(LISTED_MAX) {
            let oid = oid.to_string();
            report::error(&format!("  {} ({})", String::from_utf8_lossy(path), &oid[..12]));
        }
        report::hint("run 'git dits hydrate' when the content can be reached");
    }
    if outcome.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Git's idea of a true value.
fn is_true(value: Option<String>) -> bool {
    value.is_some_and(|value| ["1", "true", "on", "yes", "t"].contains(&value.to_ascii_lowercase().as_str()))
}
