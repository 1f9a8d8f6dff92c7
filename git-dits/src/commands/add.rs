//! `git dits add`: `git add`, with large files read directly and on all cores.
//!
//! Managed files are stored past Git's pipe; then `git add` itself runs with the same arguments, finds those up to
//! date and does the rest. So options, messages, ignore rules and exit codes are Git's own, and where
//! anything is out of the ordinary Git simply does all of it, only slower.
//!
//! In a mount a file that was only moved or copied from a commit is not even read: the mount knows which content it is.
//!
//! One thing is not Git's: `--renormalize` stores all managed files anew, as the attributes and `dits.threshold` say
//! now, also the raw ones that `git add --renormalize` leaves raw while there is a threshold.

use crate::context::{self, Context};
use crate::mounting::inside;
use crate::report::{self, Failure};
use crate::upkeep;
use anyhow::{Context as _, Result};
use clap::Parser;
use dits_repo::add::candidates::{self, Selection};
use dits_repo::add::ingest::{self, How, Outcome};
use dits_repo::add::{Candidate, record};
use serde_json::json;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, Mutex};

/// Add files to the index, storing the content of large ones on all cores
#[derive(Debug, Parser)]
pub struct Args {
    /// Files to add, as for 'git add'
    pathspec: Vec<OsString>,
    /// Change nothing, only show what would be added
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Name each file that is added
    #[arg(short, long)]
    verbose: bool,
    /// Add ignored files too
    #[arg(short, long)]
    force: bool,
    /// Only files that the index has already
    #[arg(short, long)]
    update: bool,
    /// Also remove from the index what is gone; of the whole working tree without a pathspec
    #[arg(short = 'A', long, visible_alias = "no-ignore-removal")]
    all: bool,
    /// Do not remove from the index what is gone
    #[arg(long, visible_alias = "ignore-removal")]
    no_all: bool,
    /// Only record that a file will be added later
    #[arg(short = 'N', long)]
    intent_to_add: bool,
    /// Only refresh the stat data of the index
    #[arg(long)]
    refresh: bool,
    /// Go on when a file cannot be added
    #[arg(long)]
    ignore_errors: bool,
    /// With --dry-run: only see whether files are ignored
    #[arg(long)]
    ignore_missing: bool,
    /// Also files outside of the sparse checkout
    #[arg(long)]
    sparse: bool,
    /// Store all managed files of the index anew; others are left as they are
    #[arg(long)]
    renormalize: bool,
    /// Set (+x) or take away (-x) the executable bit in the index
    #[arg(long, value_name = "(+|-)x", allow_hyphen_values = true)]
    chmod: Option<OsString>,
    /// Read pathspecs from a file, '-' for standard input
    #[arg(long, value_name = "FILE")]
    pathspec_from_file: Option<OsString>,
    /// Pathspecs in that file are separated by NUL
    #[arg(long)]
    pathspec_file_nul: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(false)?;
    context.repository.worktree()?;
    if context.repository.config("filter.dits.process")?.is_none() {
        let text = "git-dits is not installed for this user: whole files would be added";
        return Err(Failure::new(text, "run 'git dits install'").into());
    }
    let listed = args.read_pathspecs(&context)?;
    if let Some(selection) = args.selection(listed.as_deref())
        && let Some(found) = candidates::find(&context.git_here(), &context.repository, &selection)?
    {
        let done = store(&context, args, found)?;
        if args.renormalize {
            return Ok(tell_left(&done));
        }
    }
    git_add(&context, args, listed.as_deref())
}

impl Args {
    /// What `--pathspec-from-file` names.
    fn read_pathspecs(&self, context: &Context) -> Result<Option<Vec<u8>>> {
        let Some(file) = &self.pathspec_from_file else { return Ok(None) };
        let mut listed = Vec::new();
        let read = match file.as_encoded_bytes() {
            b"-" => std::io::stdin().read_to_end(&mut listed).map(drop),
            _ => std::fs::read(context.cwd.join(file)).map(|bytes| listed = bytes),
        };
        read.with_context(|| format!("cannot read '{}'", file.to_string_lossy()))?;
        Ok(Some(listed))
    }

    /// What can be done faster than by Git; `None` when that is nothing, or when Git is going to complain.
    fn selection(&self, listed: Option<&[u8]>) -> Option<Selection> {
        let nothing = self.dry_run || self.intent_to_add || self.refresh;
        let wrong = (self.all && (self.update || self.no_all))
            || self.ignore_missing
            || (self.pathspec_file_nul && listed.is_none())
            || (!self.pathspec.is_empty() && listed.is_some())
            || self.chmod.as_ref().is_some_and(|mode| mode != "+x" && mode != "-x");
        let mut pathspecs = self.pathspec.clone();
        if let Some(listed) = listed {
            let separator = if self.pathspec_file_nul { 0 } else { b'\n' };
            let lines: Vec<&[u8]> = listed.split(|byte| *byte == separator).collect();
            // What Git would have to take out of quotes first is left to it.
            if !self.pathspec_file_nul
                && lines.iter().any(|line| line.starts_with(b"\"") || line.ends_with(b"\r"))
            {
                return None;
            }
            let lines = lines.into_iter().filter(|line| !line.is_empty());
            pathspecs = lines.map(|line| OsString::from_vec(line.to_vec())).collect();
        }
        let unspecified = pathspecs.is_empty() && !self.all && !self.update;
        (!nothing && !wrong && !unspecified).then_some(Selection {
            pathspecs,
            tracked_only: self.update,
            force: self.force,
            sparse: self.sparse,
            renormalize: self.renormalize,
        })
    }

    /// These arguments, for Git.
    fn for_git(&self) -> Vec<OsString> {
        let flags = [
            ("--dry-run", self.dry_run),
            ("--verbose", self.verbose),
            ("--force", self.force),
            ("--update", self.update),
            ("--all", self.all),
            ("--no-all", self.no_all),
            ("--intent-to-add", self.intent_to_add),
            ("--refresh", self.refresh),
            ("--ignore-errors", self.ignore_errors),
            ("--ignore-missing", self.ignore_missing),
            ("--sparse", self.sparse),
            ("--renormalize", self.renormalize),
            ("--pathspec-file-nul", self.pathspec_file_nul),
        ];
        let mut out: Vec<OsString> = vec!["add".into()];
        out.extend(flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag.into()));
        let mut value = |name: &str, value: &Option<OsString>| {
            out.extend(value.iter().flat_map(|value| [OsString::from(name), value.clone()]));
        };
        value("--chmod", &self.chmod);
        // The file may be standard input, which is read by now.
        value("--pathspec-from-file", &self.pathspec_from_file.as_ref().map(|_| "-".into()));
        out.push("--".into());
        out.extend(self.pathspec.iter().cloned());
        out
    }
}

/// Stores the content of `found` and puts it into the index.
fn store(context: &Context, args: &Args, found: Vec<Candidate>) -> Result<Outcome> {
    if found.is_empty() {
        return Ok(Outcome::default());
    }
    let critical = Arc::new(Mutex::new(()));
    context::guard_signals(critical.clone())?;
    let repository = &context.repository;
    let store = context.store()?;
    // What is stored here is named by Git's index only at the end: until then nobody may forget it.
    let _lease = store.lease()?;
    let meter = context.meter();
    let total = found.iter().map(|candidate| candidate.bytes).sum();
    let observe = |bytes| meter.show("Storing content", bytes, total);
    let (in_mount, compression) = (inside::is_mount(repository), repository.compression()?);
    let how = How { threads: context::threads(), in_mount, compression };
    let done = ingest::ingest(repository.worktree()?, &store, found, how, &observe)?;
    drop(meter);
    let recorded = record::record(repository, &done.ingested, &critical)?;
    context.settings.trace.event("add", json!({ "stored": recorded.len(), "left": done.left.len() }));
    if args.verbose {
        let rows = recorded.iter().filter(|file| file.changed);
        let rows = rows.map(|file| [b"add '", &file.path[..], b"'\n"].concat());
        report::stdout(rows.collect::<Vec<_>>().concat())?;
    }
    upkeep::leave_behind(context, &store);
    Ok(done)
}

/// Says which files could not be stored anew.
fn tell_left(done: &Outcome) -> ExitCode {
    for (path, error) in &done.left {
        let path = String::from_utf8_lossy(path);
        match error {
            Some(error) => report::error(&format!("cannot store '{path}': {error}")),
            None => report::error(&format!("'{path}' changed while it was read")),
        }
    }
    if done.left.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(report::FAILED) }
}

/// The real one, with our standard streams.
fn git_add(context: &Context, args: &Args, listed: Option<&[u8]>) -> Result<ExitCode> {
    let mut command = context.git_here().command(args.for_git());
    if listed.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().context("cannot run git")?;
    if let (Some(mut stdin), Some(listed)) = (child.stdin.take(), listed) {
        // Git may stop reading early; its exit code tells why.
        let _ = stdin.write_all(listed);
    }
    let status = child.wait().context("cannot wait for git")?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(report::FAILED)))
}
