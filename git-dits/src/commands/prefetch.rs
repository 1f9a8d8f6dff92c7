//! `git dits prefetch`: content to this machine, before somebody waits for it.
//!
//! In a mount the process that serves it does the work, so that nothing comes twice; anywhere else it is done here. The working tree is
//! not touched. Which files there are is what Git's index says. `--from-trace` reads what a mount wrote down when it was asked to, and
//! brings these bytes and no others.

use crate::context::{self, Context};
use crate::hydration;
use crate::mounting::contents::CLAIMS;
use crate::mounting::control;
use crate::mounting::prefetch::{self, ABSENT_HINT, Item, Ranged};
use crate::mounting::state::State;
use crate::report::{self, FAILED, Failure, human_bytes};
use anyhow::{Context as _, Result};
use clap::Parser;
use dits_mount::control::{Answer, Ask, LINE_BYTES_MAX, path_text};
use dits_mount::read::Traced;
use dits_remote::meter::DOWNLOADING;
use dits_remote::ranges::{Ranges, Setup};
use dits_remote::{Meter, RemoteSource};
use dits_repo::tracked::Tracked;
use dits_repo::{Repository, tracked};
use serde_json::json;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Silence of the process that serves a mount.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// Bytes of a trace.
const TRACE_BYTES_MAX: u64 = 256 << 20;
/// Bytes of questions that go into one message, with room for what is around them.
const ASK_BYTES_MAX: usize = LINE_BYTES_MAX / 2;

/// Bring content to this machine before it is needed, without touching the working tree
#[derive(Debug, Parser)]
pub struct Args {
    /// Files, folders or pathspecs, seen from the current folder
    #[arg(required_unless_present = "from_trace", conflicts_with = "from_trace")]
    path: Vec<String>,
    /// Only what was read: the file is a trace that a mount wrote
    #[arg(long, value_name = "FILE")]
    from_trace: Option<PathBuf>,
    /// In a mount: make them files of their own here, which are read as fast as any
    #[arg(long, conflicts_with = "from_trace")]
    whole: bool,
    /// Print the result as JSON
    #[arg(short, long)]
    json: bool,
}

/// What was wanted.
struct Wanted {
    files: u64,
    bytes: u64,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(true)?;
    let state = State::of(&context.repository.git_dir);
    let mount = state.is_served().then_some(&state);
    if args.whole && mount.is_none() {
        let hint = "'git dits get' puts files into the working tree";
        return Err(Failure::new("'--whole' is for files of a mount", hint).into());
    }
    let meter = context.meter();
    let wanted = match &args.from_trace {
        Some(trace) => {
            let ranges = read(&context.cwd.join(trace))?;
            let known = files(tracked::in_index(&context.repository.git, &[])?);
            let known: HashMap<&[u8], &Item> = known.iter().map(|item| (&item.path[..], item)).collect();
            let named = prefetch::named(&ranges, |path| known.get(path).map(|item| (*item).clone()));
            match mount {
                Some(state) => ranges_of_mount(state, &ranges, &meter)?,
                None => ranges_of_clone(&context, &named, &meter)?,
            }
            Wanted { files: named.len() as u64, bytes: prefetch::bytes(&named) }
        }
        None => {
            let items = files(hydration::managed(&context, &args.path)?);
            match mount {
                Some(state) => files_of_mount(state, &items, args.whole, &meter)?,
                None => files_of_clone(&context, &items, &meter)?,
            }
            Wanted { files: items.len() as u64, bytes: items.iter().map(|item| item.bytes).sum() }
        }
    };
    if args.json {
        report::stdout(context::json_lines(&json!({ "files": wanted.files, "bytes": wanted.bytes }))?)?;
    } else {
        let of = if args.from_trace.is_some() { " of ranges" } else { "" };
        let bytes = human_bytes(wanted.bytes);
        report::line(&format!("{} file(s) are here, {bytes}{of}.", wanted.files))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn files(tracked: Vec<Tracked>) -> Vec<Item> {
    let item = |file: Tracked| Item { path: file.path, oid: file.pointer.oid, bytes: file.pointer.size };
    tracked.into_iter().filter(|file| file.stage == 0).map(item).collect()
}

/// The lines of a trace.
fn read(path: &Path) -> Result<Vec<Traced>> {
    let cannot = || format!("cannot read '{}'", path.display());
    let file = BufReader::new(File::open(path).with_context(cannot)?.take(TRACE_BYTES_MAX));
    let mut ranges = Vec::new();
    for (number, line) in file.lines().enumerate() {
        let line = line.with_context(cannot)?;
        if line.is_empty() {
            continue;
        }
        let range = serde_json::from_str(&line);
        ranges.push(
            range
                .with_context(|| format!("'{}', line {}: no line of a trace", path.display(), number + 1))?,
        );
    }
    Ok(ranges)
}

fn files_of_clone(context: &Context, items: &[Item], meter: &Meter) -> Result<()> {
    let store = context.store()?;
    let mut source = RemoteSource::new(&context.repository, &store, &context.settings);
    let absent = prefetch::bring(&store, &mut source, items, &mut |fetch| {
        meter.show_files(DOWNLOADING, fetch.contents, fetch.bytes, fetch.bytes_total);
    })?;
    if absent.is_empty() { Ok(()) } else { Err(Failure::new(prefetch::text(&absent), ABSENT_HINT).into()) }
}

fn ranges_of_clone(context: &Context, files: &[Ranged], meter: &Meter) -> Result<()> {
    let repository = Repository::of(&context.repository.git)?;
    let (store, settings) = (context.store()?, context.settings.clone());
    let claims = store_file(&repository);
    let tell = Arc::new(|told: dits_remote::ranges::Told| report::warning(&told.to_string()));
    let ranges = Ranges::new(Setup { repository, store, settings, claims, tell });
    let (count, total) = (files.len() as u64, prefetch::bytes(files));
    let failures = prefetch::bring_ranges(&ranges, files, &mut |done| {
        meter.show_files(DOWNLOADING, count, done.min(total), total);
        true
    });
    let Some((item, error)) = failures.first() else { return Ok(()) };
    let text = format!("cannot fetch all of '{}': {error}", path_text(&item.path));
    Err(Failure { text, hint: None, code: FAILED }.into())
}

/// What servers said is remembered beside the store.
fn store_file(repository: &Repository) -> PathBuf {
    repository.store_dir().join(CLAIMS)
}

fn files_of_mount(state: &State, items: &[Item], whole: bool, meter: &Meter) -> Result<()> {
    let paths: Vec<String> = items.iter().map(|item| path_text(&item.path)).collect();
    portions(&paths, String::len, |paths| ask(state, &Ask::Prefetch { paths, whole }, meter))
}

fn ranges_of_mount(state: &State, ranges: &[Traced], meter: &Meter) -> Result<()> {
    portions(ranges, |range| range.path.len(), |ranges| ask(state, &Ask::PrefetchRanges { ranges }, meter))
}

/// Does it with as many at a time as fit into a question.
fn portions<T: Clone>(
    all: &[T],
    bytes: impl Fn(&T) -> usize,
    mut each: impl FnMut(Vec<T>) -> Result<()>,
) -> Result<()> {
    /// What stands around a path.
    const AROUND: usize = 96;
    let (mut portion, mut size) = (Vec::new(), 0);
    for one in all {
        // Each byte may be escaped as six.
        let more = bytes(one) * 6 + AROUND;
        if size + more > ASK_BYTES_MAX && !portion.is_empty() {
            each(std::mem::take(&mut portion))?;
            size = 0;
        }
        size += more;
        portion.push(one.clone());
    }
    if portion.is_empty() { Ok(()) } else { each(portion) }
}

fn ask(state: &State, ask: &Ask, meter: &Meter) -> Result<()> {
    let answer = control::ask(state, ask, SILENCE_MAX, &mut |answer| {
        if let Answer::Progress { files_total, bytes, bytes_total, .. } = answer {
            meter.show_files(DOWNLOADING, *files_total, *bytes, *bytes_total);
        }
    });
    match answer.context("the process that serves the mount does not answer")? {
        Answer::Done => Ok(()),
        Answer::Failed { why, hint } => Err(Failure { text: why, hint, code: FAILED }.into()),
        other => anyhow::bail!("the process that serves the mount answers with '{other:?}'"),
    }
}
