//! `git dits fsck`: is everything that is here, right?
//!
//! Two checks. *Objects*: every chunk of the store is hashed, every binding followed, and contents that a
//! damaged chunk belongs to are named by path. *Pointers*: what Git has for managed files in the index and in
//! `HEAD` (or in the revision or range asked for) must be pointers. Content that is not here is no fault: it can
//! be fetched; `--verbose` lists it. `--repair` takes damage away and fetches what it hit. With `--store` a folder
//! of a server is checked, where everything bound must be there.
//! Exit code 1 when something is wrong.

use crate::context::{self, Context};
use crate::report;
use anyhow::{Result, ensure};
use clap::Parser;
use dits_format::{ChunkId, Oid};
use dits_store::pack::{Finding, FsckStats};
use dits_store::{Folder, PackStore, StoreError};
use range::Range;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::process::ExitCode;

#[path = "fsck/contents.rs"]
mod contents;
#[path = "fsck/heal.rs"]
mod heal;
#[path = "fsck/pointers.rs"]
mod pointers;
#[path = "fsck/range.rs"]
mod range;

/// Check stored content and pointers
#[derive(Debug, Parser)]
pub struct Args {
    /// A commit, or a range of them (A..B); index and HEAD without
    #[arg(value_name = "REVISION")]
    revision: Option<String>,
    /// Check stored content; alone, no pointers
    #[arg(long)]
    objects: bool,
    /// Check pointers; alone, no stored content
    #[arg(long)]
    pointers: bool,
    /// Check all commits that a ref reaches
    #[arg(long, conflicts_with = "revision")]
    all: bool,
    /// Check this store folder, or folder of contents, without a repository
    #[arg(long, value_name = "DIR", conflicts_with_all = ["revision", "objects", "pointers", "all"])]
    store: Option<PathBuf>,
    /// Remove damaged chunks and packs, and fetch from a remote what is not whole
    #[arg(long)]
    repair: bool,
    /// Repair nothing; with --repair, say what would be done
    #[arg(short, long)]
    dry_run: bool,
    /// Also list content that is not here
    #[arg(short, long)]
    verbose: bool,
    /// Print the result as JSON
    #[arg(short, long)]
    json: bool,
}

/// Exit code when something is wrong.
const FOUND: u8 = 1;

/// A check under way: what was found is printed at once, or gathered for JSON.
#[derive(Debug, Default)]
struct Check {
    json: bool,
    findings: Vec<Value>,
    found: u64,
    /// Damaged chunks, and contents that cannot be rebuilt.
    chunks: HashSet<ChunkId>,
    contents: HashSet<Oid>,
    packs: Vec<PathBuf>,
    not_here: Vec<(Vec<u8>, Oid)>,
    contents_checked: u64,
    /// A path of each content that was checked.
    paths: BTreeMap<Oid, Vec<u8>>,
    healed: u64,
    /// What could not be fetched again.
    unhealed: Vec<(Option<Vec<u8>>, Oid)>,
}

impl Check {
    /// Reports something wrong: `area: kind: text`.
    fn found(&mut self, area: &str, kind: &str, text: &str) -> Result<()> {
        self.found += 1;
        if self.json {
            self.findings.push(json!({ "area": area, "kind": kind, "text": text }));
            return Ok(());
        }
        report::line(&format!("{area}: {kind}: {text}"))
    }

    fn say(&self, text: &str) -> Result<()> {
        if self.json { Ok(()) } else { report::line(text) }
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut check = Check { json: args.json, ..Check::default() };
    let mut stats = FsckStats::default();
    if let Some(dir) = &args.store {
        let dir = &Folder::find(dir).map_or_else(|_| dir.clone(), |folder| folder.store_dir());
        ensure!(dir.join("format").is_file(), heal::no_store(dir));
        let store = PackStore::open(dir)?;
        stats = objects(&store, true, &mut check)?;
        if args.repair {
            heal::remove(&store, dir, args.dry_run, &check)?;
        }
        return finish(args, &check, stats);
    }
    let context = Context::find(args.repair)?;
    let range = Range::of(&context.repository.git, args.revision.as_deref(), args.all)?;
    // Both together are what neither is.
    let (no_objects, no_pointers) = (args.pointers && !args.objects, args.objects && !args.pointers);
    if !no_objects && let Some(store) = context.existing_store()? {
        // Paths say more than ids, so damaged contents are named before anything is removed.
        stats = objects(&store, false, &mut check)?;
        contents::name(&context, &store, &range, &mut check)?;
        if args.repair {
            heal::remove(&store, &context.repository.store_dir(), args.dry_run, &check)?;
            heal::fetch(&context, &store, args.dry_run, &mut check)?;
        }
    }
    if !no_pointers {
        pointers::check(&context, &range, &mut check)?;
    }
    finish(args, &check, stats)
}

/// Checks a store. Where it is `complete`, a binding that lacks chunks is a fault.
fn objects(store: &PackStore, complete: bool, check: &mut Check) -> Result<FsckStats> {
    let mut result = Ok(());
    let stats = store.fsck(&mut |finding| {
        let text = finding.to_string();
        let kind = match finding {
            Finding::Pack { path, .. } => {
                check.packs.push(path);
                "openError"
            }
            Finding::Chunk { id, .. } => {
                check.chunks.insert(id);
                "corruptChunk"
            }
            Finding::Binding { source: StoreError::Missing { .. }, .. } if !complete => return,
            Finding::Binding { binding, .. } => {
                check.contents.insert(binding.oid);
                "corruptContent"
            }
            Finding::Segment { .. } | Finding::Unindexed { .. } => "indexError",
        };
        if result.is_ok() {
            result = check.found("objects", kind, &text);
        }
    })?;
    result?;
    Ok(stats)
}

fn finish(args: &Args, check: &Check, stats: FsckStats) -> Result<ExitCode> {
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    if args.json {
        let not_here = check.not_here.iter();
        let not_here: Vec<_> =
            not_here.map(|(path, oid)| json!({ "path": text(path), "oid": oid.to_string() })).collect();
        let unhealed = check
            .unhealed
            .iter()
            .map(|(path, oid)| json!({ "path": path.as_deref().map(text), "oid": oid.to_string() }));
        let unhealed: Vec<_> = unhealed.collect();
        let result = json!({
            "ok": check.found == 0,
            "findings": check.findings,
            "oid_type": "blake3",
            "not_here": not_here,
            "healed": check.healed,
            "unhealed": unhealed,
            "contents": check.contents_checked,
            "packs": stats.packs,
            "chunks": stats.chunks,
            "chunk_bytes": stats.bytes,
            "bindings": stats.bindings,
        });
        report::stdout(context::json_lines(&result)?)?;
    } else {
        if args.verbose {
            let row = |(path, oid): &(Vec<u8>, Oid)| format!("not here: {} ({oid})\n", text(path));
            report::stdout(check.not_here.iter().map(row).collect::<String>())?;
        }
        if check.found == 0 && check.unhealed.is_empty() {
            report::line("Git DITS fsck OK")?;
        }
    }
    let damaged = !check.chunks.is_empty() || !check.packs.is_empty();
    if damaged && !args.repair {
        report::hint("run 'git dits fsck --repair' to remove what is damaged, so that it is fetched again");
    } else if !check.unhealed.is_empty() {
        report::hint("store it again from an intact file: 'git add --renormalize <path>'");
    }
    let fine = check.found == 0 && check.unhealed.is_empty();
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}
