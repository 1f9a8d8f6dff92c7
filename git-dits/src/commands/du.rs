//! `git dits du`: what the contents of this repository take.
//!
//! Three numbers tell the story: what the files would take whole, what their chunks take when each is kept
//! once, and what is on disk (chunks compressed, plus indexes). The store also holds contents of other
//! branches, so its chunks can be more than the files of the index.

use crate::context::{self, Context};
use crate::report::{self, human_bytes};
use anyhow::Result;
use clap::Parser;
use dits_format::Kind;
use dits_repo::tracked;
use dits_store::pack::Stats;
use dits_store::{ChunkRead, Item};
use serde_json::json;
use std::collections::HashMap;
use std::process::ExitCode;

/// Show how much space contents take
#[derive(Debug, Parser)]
pub struct Args {
    /// Print bytes as JSON
    #[arg(short, long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(false)?;
    let git = &context.repository.git;
    let in_index = context.repository.worktree.is_some();
    let files = if in_index { tracked::in_index(git, &[])? } else { tracked::in_tree(git, "HEAD")? };
    let logical: u64 = files.iter().map(|file| file.pointer.size).sum();
    let contents: HashMap<_, _> = files.iter().map(|file| (file.pointer.oid, file.pointer.size)).collect();
    let contents_bytes: u64 = contents.values().sum();
    let (mut stats, mut data_bytes) = (Stats::default(), 0);
    if let Some(store) = context.existing_store()? {
        stats = store.stats()?;
        store.visit(&mut |item| {
            if let Item::Chunk { kind: Kind::Data, bytes, .. } = item {
                data_bytes += u64::from(bytes);
            }
            Ok(())
        })?;
    }
    let Stats { packs, segments, chunks, stored_bytes, .. } = stats;
    if args.json {
        let numbers = json!({
            "files": files.len(),
            "logical_bytes": logical,
            "contents": contents.len(),
            "contents_bytes": contents_bytes,
            "chunks": chunks,
            "chunk_bytes": data_bytes,
            "stored_bytes": stored_bytes,
            "packs": packs,
            "segments": segments,
        });
        report::stdout(context::json_lines(&numbers)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = [
        ("files", logical, format!("{} file(s)", files.len())),
        ("contents", contents_bytes, format!("{} different", contents.len())),
        ("chunks", data_bytes, format!("{chunks} in the store, each kept once")),
        ("on disk", stored_bytes, format!("{packs} pack(s), {segments} index segment(s)")),
    ];
    let row =
        |(name, bytes, note): &(&str, u64, String)| format!("{name:<9} {:>8}  {note}\n", human_bytes(*bytes));
    report::stdout(rows.iter().map(row).collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}
