//! `git dits fetch`: content into the store, none into the working tree.
//!
//! Which contents is decided in `fetch/plan.rs`; all that is not here travels in one go, and only chunks that no
//! other content has brought. `--dry-run` asks the server for the chunk lists alone, so it can say how many
//! bytes would travel. What could not be had is named, with exit code 2.

use super::pull::Choice;
use crate::context::{self, Context};
use crate::hydration::{self, From};
use crate::report::{self, FAILED, human_bytes};
use crate::unlocking;
use crate::upkeep;
use anyhow::Result;
use clap::Parser;
use dits_format::Oid;
use dits_remote::endpoint;
use dits_remote::meter::DOWNLOADING;
use dits_remote::source::{Weight, weigh};
use dits_repo::tracked::Tracked;
use dits_repo::{ChunkSource, RepoError, bases};
use dits_store::{ChunkPrune, ChunkRead, MemoryStore, PackStore, StoreError, content};
use dits_sync::Location;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;

#[path = "fetch/plan.rs"]
mod plan;

/// Fetch content into the store, without touching the working tree
///
/// The first argument is a remote if there is one of that name, and refs follow it. Otherwise all arguments are
/// paths of the current checkout, seen from the current folder. After '--' there are only paths. Without refs
/// the current commit is meant; files that a sparse checkout leaves out are left out too, unless they are named.
#[derive(Debug, Parser)]
pub struct Args {
    /// A remote, and refs of this repository; or paths
    #[arg(value_name = "REMOTE [REF]... | PATH")]
    what: Vec<String>,
    /// Only these paths, whatever the settings say
    #[arg(last = true)]
    path: Vec<String>,
    #[command(flatten)]
    choice: Choice,
    /// Also what recent branches and commits name (see 'dits.fetchrecentrefsdays')
    #[arg(short, long)]
    recent: bool,
    /// All that any commit of these refs names, or of all refs
    #[arg(short, long)]
    all: bool,
    /// Read refs from standard input, one a line
    #[arg(long)]
    stdin: bool,
    /// Also read what is here, and fetch again what is damaged
    #[arg(long)]
    refetch: bool,
    /// Afterwards remove old content that the remote holds, as 'git dits prune' does
    #[arg(short, long, conflicts_with = "json")]
    prune: bool,
    /// Fetch nothing; show what would be fetched, and how many bytes would travel
    #[arg(short, long)]
    dry_run: bool,
    /// Print the result as JSON
    #[arg(short, long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(true)?;
    unlocking::settle(&context);
    let plan::Plan { from, files } = plan::make(&context, args)?;
    let store = if args.dry_run { context.existing_store()? } else { Some(context.store()?) };
    if args.refetch
        && let Some(store) = &store
    {
        drop_damaged(&context, store, &files)?;
    }
    let mut wanted = Vec::new();
    for file in files {
        if !store.as_ref().map_or(Ok(false), |store| is_here(store, &file.pointer.oid))? {
            wanted.push(file);
        }
    }
    let done = match store {
        Some(store) if !args.dry_run => {
            let done = fetch(&context, args, &store, &from, &wanted)?;
            upkeep::leave_behind(&context, &store);
            done
        }
        store => dry_run(&context, args, store, &from, &wanted)?,
    };
    if args.prune && done == ExitCode::SUCCESS { super::prune::run_default(args.dry_run) } else { Ok(done) }
}

/// Removes damaged chunks of these contents: what is absent is fetched, what is damaged is not.
fn drop_damaged(context: &Context, store: &PackStore, files: &[Tracked]) -> Result<()> {
    let mut damaged = HashSet::new();
    let meter = context.meter();
    let total = hydration::bytes(files);
    let mut read = 0;
    for file in files {
        damaged.extend(content::damaged(store, &file.pointer.oid)?);
        read += file.pointer.size;
        meter.show("Reading content", read, total);
    }
    if !damaged.is_empty() {
        store.remove(&damaged)?;
    }
    Ok(())
}

/// Damaged content is none.
fn is_here(store: &PackStore, oid: &Oid) -> Result<bool, StoreError> {
    Ok(content::presence(store, oid)? == content::Presence::Whole)
}

fn oids(files: &[Tracked]) -> Vec<Oid> {
    files.iter().map(|file| file.pointer.oid).collect()
}

fn fetch(
    context: &Context,
    args: &Args,
    store: &PackStore,
    from: &From,
    wanted: &[Tracked],
) -> Result<ExitCode> {
    let mut failure = None;
    if let Some(mut source) = hydration::source(context, store, from).filter(|_| !wanted.is_empty()) {
        let meter = context.meter();
        let mut observe = |fetch: dits_repo::FetchProgress| {
            meter.show_files(DOWNLOADING, fetch.contents, fetch.bytes, fetch.bytes_total);
        };
        let paths: Vec<_> = wanted.iter().map(|file| (file.path.clone(), file.pointer.oid)).collect();
        source.suggest(bases::of(&context.repository, &["HEAD"], &paths));
        failure = source.fetch(&oids(wanted), &mut observe).err();
        store.refresh()?;
    }
    let mut missing = HashSet::new();
    for file in wanted {
        if !is_here(store, &file.pointer.oid)? {
            missing.insert(file.pointer.oid);
        }
    }
    if args.json {
        let list =
            transfers(context, from, wanted.iter().filter(|file| !missing.contains(&file.pointer.oid)))?;
        report::stdout(context::json_lines(&json!({ "oid_type": "blake3", "transfers": list }))?)?;
    }
    tell_missing(context, from, wanted, &missing, failure)
}

fn dry_run(
    context: &Context,
    args: &Args,
    store: Option<PackStore>,
    from: &From,
    wanted: &[Tracked],
) -> Result<ExitCode> {
    if !args.json {
        let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
        let row = |file: &Tracked| format!("fetch {} => {}\n", file.pointer.oid, text(&file.path));
        report::stdout(wanted.iter().map(row).collect::<String>())?;
    }
    let mut weighed = Ok(Weight::default());
    if !wanted.is_empty() {
        let here: Arc<dyn ChunkRead> = match store {
            Some(store) => Arc::new(store),
            None => Arc::new(MemoryStore::new()),
        };
        weighed =
            weigh(&context.repository, &context.settings, addresses(context, from)?, &here, &oids(wanted));
    }
    let (weight, failure) = match weighed {
        Ok(weight) => (Some(weight), None),
        Err(error) => (None, Some(error)),
    };
    if args.json {
        let list = transfers(context, from, wanted.iter())?;
        let bytes = weight.as_ref().map(|weight| weight.bytes);
        let result = json!({ "oid_type": "blake3", "transfers": list, "travel_bytes": bytes });
        report::stdout(context::json_lines(&result)?)?;
    } else if let Some(weight) = weight.as_ref().filter(|_| !wanted.is_empty()) {
        let (count, whole) = (wanted.len(), human_bytes(hydration::bytes(wanted)));
        let bytes = human_bytes(weight.bytes);
        report::notice(&format!("{count} content(s) of {whole}: {bytes} would travel"));
    }
    let absent = weight.map(|weight| weight.absent).unwrap_or_default().into_iter().collect();
    tell_missing(context, from, wanted, &absent, failure)
}

/// Contents as git-lfs lists them; those of a content with one place tell where they come from.
fn transfers<'a>(
    context: &Context,
    from: &From,
    files: impl Iterator<Item = &'a Tracked>,
) -> Result<Vec<Value>> {
    let url = addresses(context, from)?.first().map(ToString::to_string);
    let store = context.repository.store_dir().display().to_string();
    let transfer = |file: &Tracked| {
        json!({
            "name": String::from_utf8_lossy(&file.path),
            "oid": file.pointer.oid.to_string(),
            "size": file.pointer.size,
            "actions": { "download": { "href": url } },
            "path": store,
        })
    };
    Ok(files.map(transfer).collect())
}

/// Where content comes from, in the order in which it is tried.
fn addresses(context: &Context, from: &From) -> Result<Vec<Location>> {
    Ok(match from {
        From::Only(address) => address.iter().cloned().collect(),
        _ => endpoint::fetch_locations(&context.repository)?,
    })
}

fn tell_missing(
    context: &Context,
    from: &From,
    wanted: &[Tracked],
    missing: &HashSet<Oid>,
    failure: Option<Box<dyn std::error::Error + Send + Sync>>,
) -> Result<ExitCode> {
    if missing.is_empty() && failure.is_none() {
        return Ok(ExitCode::SUCCESS);
    }
    for file in wanted.iter().filter(|file| missing.contains(&file.pointer.oid)) {
        report::notice(&format!(
            "  (missing) {} ({})",
            String::from_utf8_lossy(&file.path),
            file.pointer.oid
        ));
    }
    let from: Vec<String> = addresses(context, from)?.iter().map(|from| format!(" from '{from}'")).collect();
    report::error(&format!("failed to fetch some objects{}", from.join(",")));
    match failure {
        Some(failure) => report::fetch_error(&RepoError::Fetch(failure)),
        None => report::hint("ask whoever added these files to push them"),
    }
    Ok(ExitCode::from(FAILED))
}
