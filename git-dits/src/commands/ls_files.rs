//! `git dits ls-files`: the files that git-dits manages, and whether their content is here.
//!
//! Of the index, or of a commit. The rows are those of git-lfs (`<oid> <*|-> <path>`), so that scripts keep
//! working; the oid is BLAKE3, and JSON says so.

use crate::context::{self, Context};
use crate::{report, worktree};
use anyhow::Result;
use clap::Parser;
use dits_repo::tracked::{self, Tracked};
use dits_store::{PackStore, content};
use serde_json::json;
use std::io::Write;
use std::process::ExitCode;

/// List the files that git-dits manages
#[derive(Debug, Parser)]
pub struct Args {
    /// Commit or tree to list, instead of the index
    reference: Option<String>,
    /// Show all 64 digits of each oid
    #[arg(short, long)]
    long: bool,
    /// Show sizes
    #[arg(short, long)]
    size: bool,
    /// Show paths only
    #[arg(short, long)]
    name_only: bool,
    /// Show all that is known, in blocks
    #[arg(short, long)]
    debug: bool,
    /// Show all that is known, as JSON
    #[arg(short, long)]
    json: bool,
}

const OID_DIGITS: usize = 10;

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(false)?;
    let git = &context.repository.git;
    let mut files = match (&args.reference, &context.repository.worktree) {
        (Some(reference), _) => tracked::in_tree(git, reference)?,
        (None, Some(_)) => tracked::in_index(git, &[])?,
        (None, None) => tracked::in_tree(git, "HEAD")?,
    };
    // Of a file in conflict our side is shown.
    files.retain(|file| [0, 2].contains(&file.stage));
    let out = if args.json || args.debug {
        detailed(&context, args, &files)?
    } else {
        rows(&context, args, &files)?
    };
    report::stdout(out)?;
    Ok(ExitCode::SUCCESS)
}

fn rows(context: &Context, args: &Args, files: &[Tracked]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for Tracked { path, pointer, .. } in files {
        if !args.name_only {
            let oid = pointer.oid.to_string();
            let digits = if args.long { oid.len() } else { OID_DIGITS };
            let mark = if is_checked_out(context, path, pointer)? { '*' } else { '-' };
            write!(out, "{} {mark} ", &oid[..digits])?;
        }
        out.extend_from_slice(path);
        if args.size {
            write!(out, " ({})", report::human_bytes(pointer.size))?;
        }
        out.push(b'\n');
    }
    Ok(out)
}

fn detailed(context: &Context, args: &Args, files: &[Tracked]) -> Result<Vec<u8>> {
    let store = context.existing_store()?;
    let (mut out, mut list) = (Vec::new(), Vec::new());
    for Tracked { path, pointer, .. } in files {
        let (size, oid) = (pointer.size, pointer.oid.to_string());
        let checkout = is_checked_out(context, path, pointer)?;
        let downloaded = is_here(store.as_ref(), pointer);
        if args.json {
            list.push(json!({
                "name": String::from_utf8_lossy(path),
                "size": size,
                "checkout": checkout,
                "downloaded": downloaded,
                "oid_type": "blake3",
                "oid": oid,
                "version": "git-dits/1",
            }));
        } else {
            out.extend_from_slice(&[b"filepath: ", &path[..]].concat());
            write!(out, "\n    size: {size}\ncheckout: {checkout}\ndownload: {downloaded}\n")?;
            write!(out, "     oid: blake3 {oid}\n version: git-dits/1\n\n")?;
        }
    }
    if args.json { context::json_lines(&json!({ "files": list })) } else { Ok(out) }
}

fn is_checked_out(context: &Context, path: &[u8], pointer: &dits_format::Pointer) -> Result<bool> {
    context.repository.worktree.as_ref().map_or(Ok(false), |top| worktree::has_content(top, path, pointer))
}

/// Damaged content is none.
fn is_here(store: Option<&PackStore>, pointer: &dits_format::Pointer) -> bool {
    store.is_some_and(|store| content::is_whole(store, &pointer.oid).unwrap_or(false))
}
