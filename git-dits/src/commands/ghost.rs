//! `git dits ghost`: files become pointers again, and give their room back.
//!
//! Only where a remote has *proved* that it holds the content, and only if the file is that content: it is hashed.
//! Everything else is refused, file by file, with exit code 2; the others become ghosts. `git status` stays clean
//! and reads nothing. The chunks in the store are not touched: that is what `prune` is for.

use crate::context::{self, Context};
use crate::hydration;
use crate::mounting::inside;
use crate::report::{self, FAILED, Failure};
use anyhow::{Result, ensure};
use clap::Parser;
use dits_format::Oid;
use dits_remote::proofs;
use dits_remote::source::NoRemote;
use dits_repo::ghost::{self, Candidate, Found, Unread};
use dits_repo::hydrate::{self, Job};
use dits_repo::tracked::Tracked;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// Turn files into pointers again, where a remote has proved that it holds their content
#[derive(Debug, Parser)]
pub struct Args {
    /// Files, folders or pathspecs, seen from the current folder
    #[arg(required = true)]
    path: Vec<String>,
    /// Change nothing; list what would become a pointer
    #[arg(short, long)]
    dry_run: bool,
    /// Print the result as JSON
    #[arg(short, long)]
    json: bool,
}

const MODIFIED: &str = "it is not the content that git has for it";
const COMMIT_IT: &str = "'git add', commit and push it first";
const NOT_PROVED: &str = "no remote has proved that it holds the content";

/// What is found out about the files, and what becomes of them.
#[derive(Debug, Default)]
struct Work {
    files: Vec<Unread>,
    ghosts: Vec<Job>,
    refused: Vec<(Vec<u8>, String)>,
    hint: Option<String>,
}

impl Work {
    fn refuse(&mut self, path: &[u8], why: impl Into<String>, hint: &str) {
        self.refused.push((path.to_vec(), why.into()));
        self.hint.get_or_insert(hint.to_owned());
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(true)?;
    if inside::is_mount(&context.repository) {
        let hint = "once they are pushed, 'rm' and 'git restore' make them ghosts again";
        return Err(Failure::new("in a mount, only files that were changed take room", hint).into());
    }
    let files = hydration::managed(&context, &args.path)?;
    let mut work = Work::default();
    look(&context, files, &mut work)?;
    if !work.files.is_empty() {
        prove(&context, &mut work)?;
    }
    let candidates = read(&context, &mut work)?;
    let row = |file: &Candidate| (file.path().to_vec(), file.pointer().oid, file.pointer().size);
    let mut done: Vec<_> = candidates.iter().map(row).collect();
    if !args.dry_run {
        let made = replace(&context, candidates, &mut work)?;
        done.retain(|(path, ..)| made.contains(path));
    }
    tell(args, &work, &done)
}

/// Sorts the files by what stands at their paths.
fn look(context: &Context, files: Vec<Tracked>, work: &mut Work) -> Result<()> {
    let worktree = context.repository.worktree()?;
    for Tracked { path, pointer, stage } in files {
        if stage != 0 {
            if work.refused.last().is_none_or(|(last, _)| *last != path) {
                work.refuse(&path, "it is in conflict", "solve the conflict first");
            }
            continue;
        }
        match ghost::look_at(worktree, &path, &pointer)? {
            Found::File(file) => work.files.push(*file),
            Found::Ghost => {
                work.ghosts.push(Job { path, pointer: Some(pointer), before: None, given: false })
            }
            Found::Absent => {}
            Found::Modified => work.refuse(&path, MODIFIED, COMMIT_IT),
        }
    }
    Ok(())
}

/// Refuses those that no remote has proved. Before they are read: that takes longer.
fn prove(context: &Context, work: &mut Work) -> Result<()> {
    ensure!(!proofs::places(&context.repository)?.is_empty(), NoRemote);
    let mut oids: Vec<Oid> = work.files.iter().map(|file| file.pointer().oid).collect();
    oids.sort();
    oids.dedup();
    let proofs = proofs::anywhere(&context.repository, &context.settings, &oids)?;
    let is_proved = |file: &Unread| proofs.proved.contains(&file.pointer().oid);
    let (proved, open): (Vec<_>, Vec<_>) = std::mem::take(&mut work.files).into_iter().partition(is_proved);
    work.files = proved;
    if !open.is_empty() {
        for (place, error) in &proofs.failed {
            report::warning(&format!("'{}' could not be asked: {error}", place.name));
        }
    }
    for file in open {
        let hint = "push it, and try again when the server has checked it ('git dits whereis <path>')";
        work.refuse(file.path(), NOT_PROVED, hint);
    }
    Ok(())
}

/// Refuses those that are not the content.
fn read(context: &Context, work: &mut Work) -> Result<Vec<Candidate>> {
    let files = std::mem::take(&mut work.files);
    let total: u64 = files.iter().map(|file| file.pointer().size).sum();
    let (meter, mut bytes) = (context.meter(), 0);
    let mut candidates = Vec::new();
    for file in files {
        let path = file.path().to_vec();
        let mut observe = |part| {
            bytes += part;
            meter.show("Reading files", bytes, total);
        };
        match file.read(&mut observe)? {
            Some(candidate) => candidates.push(candidate),
            None => work.refuse(&path, MODIFIED, COMMIT_IT),
        }
    }
    Ok(candidates)
}

/// Makes ghosts of the candidates. Returns their paths.
fn replace(context: &Context, candidates: Vec<Candidate>, work: &mut Work) -> Result<Vec<Vec<u8>>> {
    let critical = Arc::new(Mutex::new(()));
    context::guard_signals(critical.clone())?;
    // An earlier run may have been killed before the index knew of these.
    hydrate::leave(&context.repository, std::mem::take(&mut work.ghosts), &critical)?;
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let done = ghost::replace(&context.repository, candidates, &critical)?;
    for path in &done.modified {
        work.refuse(path, "it changed meanwhile", "try again");
    }
    for (path, error) in &done.failed {
        work.refuse(path, error.to_string(), "the file is as it was");
    }
    match done.unsettled {
        Some(error) if done.ghosts.is_empty() => return Err(error.into()),
        Some(error) => {
            report::error(&format!("files are pointers, but git's index could not be updated: {error}"));
            report::hint("run the same command again when no other git command runs");
        }
        None => {}
    }
    Ok(done.ghosts)
}

fn tell(args: &Args, work: &Work, done: &[(Vec<u8>, Oid, u64)]) -> Result<ExitCode> {
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    for (path, why) in work.refused.iter().filter(|_| !args.json) {
        report::error(&format!("cannot ghost '{}': {why}", text(path)));
    }
    if let Some(hint) = work.hint.as_ref().filter(|_| !args.json) {
        report::hint(hint);
    }
    let bytes: u64 = done.iter().map(|(.., size)| size).sum();
    if args.json {
        let made = |(path, oid, size): &(Vec<u8>, Oid, u64)| json!({ "path": text(path), "oid": oid.to_string(), "size": size });
        let refused = |(path, why): &(Vec<u8>, String)| json!({ "path": text(path), "reason": why });
        let result = json!({
            "oid_type": "blake3",
            "dry_run": args.dry_run,
            "ghosts": done.iter().map(made).collect::<Vec<Value>>(),
            "bytes": bytes,
            "refused": work.refused.iter().map(refused).collect::<Vec<Value>>(),
        });
        report::stdout(context::json_lines(&result)?)?;
    } else if args.dry_run {
        let row = |(path, oid, _): &(Vec<u8>, Oid, u64)| format!("ghost {oid} => {}\n", text(path));
        report::stdout(done.iter().map(row).collect::<String>())?;
    } else if !done.is_empty() {
        report::line(&format!("Ghosted {} file(s), {}.", done.len(), report::human_bytes(bytes)))?;
    }
    Ok(if work.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
