//! `git dits fsck`: is everything that is here, right?
//!
//! Two checks. *Objects*: every chunk of the store is hashed, every binding followed, and contents that a
//! damaged chunk belongs to are named by path. *Pointers*: what Git has for managed files in the index and in
//! `HEAD` must be pointers. Content that is not here is no fault: it can be fetched; `--verbose` lists it.
//! With `--store` a folder of a server is checked, where everything bound must be there.
//! Exit code 1 when something is wrong.

use crate::context::{self, Context};
use crate::report::{self, Failure};
use anyhow::{Result, ensure};
use clap::Parser;
use dits_format::{ChunkId, Oid};
use dits_store::durable;
use dits_store::pack::{Finding, FsckStats};
use dits_store::{ChunkPrune, PackStore, StoreError};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[path = "fsck/contents.rs"]
mod contents;
#[path = "fsck/pointers.rs"]
mod pointers;

/// Check stored content and pointers
#[derive(Debug, Parser)]
pub struct Args {
    /// Check stored content only
    #[arg(long, conflicts_with = "pointers")]
    objects: bool,
    /// Check pointers only
    #[arg(long)]
    pointers: bool,
    /// Check pointers of all commits that a ref reaches
    #[arg(long)]
    all: bool,
    /// Check this store folder, without a repository
    #[arg(long, value_name = "DIR", conflicts_with_all = ["objects", "pointers", "all"])]
    store: Option<PathBuf>,
    /// Remove damaged chunks and packs, so that they are fetched again
    #[arg(long, conflicts_with = "pointers")]
    repair: bool,
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
        let no_store = || {
            Failure::new(
                format!("'{}' is no chunk store", dir.display()),
                "a repository has it in .git/dits, a server in realms/<realm>/store",
            )
        };
        ensure!(dir.join("format").is_file(), no_store());
        stats = objects(&PackStore::open(dir)?, dir, args.repair, true, &mut check)?;
    } else {
        let context = Context::find(false)?;
        if !args.pointers
            && let Some(store) = context.existing_store()?
        {
            // Paths say more than ids, so damaged contents are named before anything is removed.
            let dir = context.repository.store_dir();
            stats = objects(&store, &dir, false, false, &mut check)?;
            contents::name(&context, &store, args.all, &mut check)?;
            if args.repair {
                repair(&store, &dir, &mut check)?;
            }
        }
        if !args.objects {
            pointers::check(&context, args.all, &mut check)?;
        }
    }
    finish(args, &check, stats)
}

/// Checks a store. Where it is `complete`, a binding that lacks chunks is a fault.
fn objects(
    store: &PackStore,
    dir: &Path,
    mend: bool,
    complete: bool,
    check: &mut Check,
) -> Result<FsckStats> {
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
    if mend {
        repair(store, dir, check)?;
    }
    Ok(stats)
}

/// Takes away what is damaged: what is absent can be fetched, what is damaged cannot.
fn repair(store: &PackStore, dir: &Path, check: &mut Check) -> Result<()> {
    if !check.packs.is_empty() {
        let aside = dir.join("damaged");
        check.say(&format!("objects: repair: moving corrupt objects to {}", aside.display()))?;
        durable::create_dir(&aside)?;
        for pack in &check.packs {
            if let Some(name) = pack.file_name() {
                durable::rename(pack, &aside.join(name))?;
            }
        }
        store.refresh()?;
    }
    if !check.chunks.is_empty() {
        let removed = store.remove(&check.chunks)?;
        check.say(&format!("objects: repair: removed {removed} corrupt chunk(s)"))?;
    }
    Ok(())
}

fn finish(args: &Args, check: &Check, stats: FsckStats) -> Result<ExitCode> {
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    if args.json {
        let not_here = check.not_here.iter();
        let not_here: Vec<_> =
            not_here.map(|(path, oid)| json!({ "path": text(path), "oid": oid.to_string() })).collect();
        let result = json!({
            "ok": check.found == 0,
            "findings": check.findings,
            "oid_type": "blake3",
            "not_here": not_here,
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
        if check.found == 0 {
            report::line("Git DITS fsck OK")?;
        }
    }
    let damaged = !check.chunks.is_empty() || !check.packs.is_empty();
    if damaged && !args.repair {
        report::hint("run 'git dits fsck --repair' to remove what is damaged, so that it is fetched again");
    } else if damaged && args.store.is_none() {
        report::hint("run 'git dits hydrate' to fetch what was removed");
        report::hint("or store it again from an intact file: 'git add --renormalize <path>'");
    }
    Ok(if check.found == 0 { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}
