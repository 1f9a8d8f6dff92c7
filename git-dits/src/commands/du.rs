//! `git dits du`: what the contents of this repository take.
//!
//! Three numbers tell the story: what the files would take whole, what their chunks take when each is kept
//! once, and what is on disk (chunks compressed, plus indexes); a fourth is what the trash holds. The store also
//! holds contents of other branches, so its chunks can be more than the files of the index. With paths, each gets
//! a row, whose last number is what no other content needs: that much less there would be without it.

use crate::context::{self, Context};
use crate::report::{self, human_bytes};
use anyhow::Result;
use clap::Parser;
use dits_format::{Kind, Oid};
use dits_repo::tracked;
use dits_store::pack::Stats;
use dits_store::{ChunkRead, Item, PackStore, mark};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::process::ExitCode;

/// Show how much space contents take
#[derive(Debug, Parser)]
pub struct Args {
    /// Show files that match, a row for each argument, seen from the current folder
    pathspec: Vec<String>,
    /// Print bytes as JSON
    #[arg(short, long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(false)?;
    if args.pathspec.is_empty() { all(&context, args.json) } else { paths(&context, args) }
}

/// What the store takes.
#[derive(Debug, Default)]
struct Store {
    stats: Stats,
    data_chunks: u64,
    data_bytes: u64,
    trash_packs: u64,
    trash_bytes: u64,
}

impl Store {
    fn of(store: &PackStore) -> Result<Store> {
        let mut sums = Store { stats: store.stats()?, ..Store::default() };
        store.visit(&mut |item| {
            if let Item::Chunk { kind: Kind::Data, bytes, .. } = item {
                sums.data_chunks += 1;
                sums.data_bytes += u64::from(bytes);
            }
            Ok(())
        })?;
        for trash in store.trash()? {
            sums.trash_packs += trash.packs;
            sums.trash_bytes += trash.bytes;
        }
        Ok(sums)
    }
}

fn all(context: &Context, json: bool) -> Result<ExitCode> {
    let git = &context.repository.git;
    let in_index = context.repository.worktree.is_some();
    let files = if in_index { tracked::in_index(git, &[])? } else { tracked::in_head(git)? };
    let logical: u64 = files.iter().map(|file| file.pointer.size).sum();
    let contents: HashMap<_, _> = files.iter().map(|file| (file.pointer.oid, file.pointer.size)).collect();
    let contents_bytes: u64 = contents.values().sum();
    let sums = context.existing_store()?.as_ref().map_or(Ok(Store::default()), Store::of)?;
    let Stats { packs, segments, chunks, stored_bytes, .. } = sums.stats;
    if json {
        let numbers = json!({
            "files": files.len(),
            "logical_bytes": logical,
            "contents": contents.len(),
            "contents_bytes": contents_bytes,
            "chunks": chunks,
            "data_chunks": sums.data_chunks,
            "chunk_bytes": sums.data_bytes,
            "stored_bytes": stored_bytes,
            "packs": packs,
            "segments": segments,
            "trash_packs": sums.trash_packs,
            "trash_bytes": sums.trash_bytes,
        });
        report::stdout(context::json_lines(&numbers)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![
        ("files", logical, format!("{} file(s)", files.len())),
        ("contents", contents_bytes, format!("{} different", contents.len())),
        ("chunks", sums.data_bytes, format!("{chunks} in the store, each kept once")),
        ("on disk", stored_bytes, format!("{packs} pack(s), {segments} index segment(s)")),
    ];
    if sums.trash_packs > 0 {
        let note = format!("{} pack(s), back with 'git dits prune --restore'", sums.trash_packs);
        rows.push(("trash", sums.trash_bytes, note));
    }
    let row =
        |(name, bytes, note): &(&str, u64, String)| format!("{name:<9} {:>8}  {note}\n", human_bytes(*bytes));
    report::stdout(rows.iter().map(row).collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}

/// One argument.
#[derive(Debug)]
struct Row<'a> {
    pathspec: &'a str,
    files: usize,
    logical: u64,
    chunk_bytes: u64,
    stored_bytes: u64,
    alone_bytes: u64,
}

fn paths(context: &Context, args: &Args) -> Result<ExitCode> {
    let store = context.existing_store()?;
    let mut rows = Vec::new();
    for pathspec in &args.pathspec {
        let files = tracked::in_index(&context.git_here(), std::slice::from_ref(pathspec))?;
        let logical = files.iter().map(|file| file.pointer.size).sum();
        let (chunk_bytes, stored_bytes, alone_bytes) = (0, 0, 0);
        let mut row = Row { pathspec, files: files.len(), logical, chunk_bytes, stored_bytes, alone_bytes };
        if let Some(store) = &store {
            measure(store, &files.iter().map(|file| file.pointer.oid).collect(), &mut row)?;
        }
        rows.push(row);
    }
    if args.json {
        let row = |row: &Row<'_>| {
            json!({
                "path": row.pathspec,
                "files": row.files,
                "logical_bytes": row.logical,
                "chunk_bytes": row.chunk_bytes,
                "stored_bytes": row.stored_bytes,
                "alone_bytes": row.alone_bytes,
            })
        };
        let rows: Vec<_> = rows.iter().map(row).collect();
        report::stdout(context::json_lines(&json!({ "paths": rows }))?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!("{:>8} {:>8} {:>8} {:>8}  path\n", "files", "chunks", "on disk", "alone");
    for row in rows {
        let numbers = [row.logical, row.chunk_bytes, row.stored_bytes, row.alone_bytes].map(human_bytes);
        let [files, chunks, disk, alone] = &numbers;
        text += &format!("{files:>8} {chunks:>8} {disk:>8} {alone:>8}  {}\n", row.pathspec);
    }
    report::stdout(text)?;
    Ok(ExitCode::SUCCESS)
}

fn measure(store: &PackStore, contents: &HashSet<Oid>, row: &mut Row<'_>) -> Result<()> {
    let needed = mark::needed_by(store, contents.iter().copied())?;
    store.visit(&mut |item| {
        if let Item::Chunk { id, bytes, stored_bytes, .. } = item
            && needed.contains(&id)
        {
            row.chunk_bytes += u64::from(bytes);
            row.stored_bytes += u64::from(stored_bytes);
        }
        Ok(())
    })?;
    row.alone_bytes = mark::needed_by_these_only(&store.own(), contents, &[])?.bytes;
    Ok(())
}
