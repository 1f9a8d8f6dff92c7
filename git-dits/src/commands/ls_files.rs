//! `git dits ls-files`: the files that git-dits manages, and whether their content is here.
//!
//! Of the index, of a commit, of what changed between two, or of all history. The rows are those of git-lfs
//! (`<oid> <*|-> <path>`), so that scripts keep working; the oid is BLAKE3, and JSON says so. It only looks: no
//! store is made, nothing is fetched.

use crate::context::{self, Context};
use crate::{report, worktree};
use anyhow::Result;
use clap::Parser;
use dits_format::Pointer;
use dits_repo::pathfilter::PathFilter;
use dits_repo::settings::Setting;
use dits_repo::tracked::{self, Tracked};
use dits_repo::{Repository, history};
use dits_store::{PackStore, content};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::process::ExitCode;

/// List the files that git-dits manages
#[derive(Debug, Parser)]
pub struct Args {
    /// Commit or tree to list, instead of the index
    #[arg(conflicts_with = "all")]
    reference: Option<String>,
    /// List what is otherwise in this commit or tree than in the first
    other: Option<String>,
    /// Show all 64 digits of each oid
    #[arg(short, long)]
    long: bool,
    /// Show sizes
    #[arg(short, long)]
    size: bool,
    /// Show paths only
    #[arg(short, long)]
    name_only: bool,
    /// List every version in the history of all refs
    #[arg(short, long)]
    all: bool,
    /// List also files that the history of the commit has and that are deleted now
    #[arg(long)]
    deleted: bool,
    /// Show all that is known, in blocks
    #[arg(short, long)]
    debug: bool,
    /// Show all that is known, as JSON
    #[arg(short, long)]
    json: bool,
    /// Only paths that match one of these patterns, separated by commas
    #[arg(short = 'I', long, value_name = "PATTERNS", default_value = "", hide_default_value = true)]
    include: String,
    /// No paths that match one of these patterns, separated by commas
    #[arg(short = 'X', long, value_name = "PATTERNS", default_value = "", hide_default_value = true)]
    exclude: String,
}

const OID_DIGITS: usize = 10;

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(false)?;
    let repository = &context.repository;
    let ignore_case = repository.setting_bool(Setting::new("core.ignorecase", false))?;
    let filter = PathFilter::new(&args.include, &args.exclude, ignore_case);
    let mut files = files(repository, args)?;
    files.retain(|file| filter.lets_through(&file.path));
    let out = if args.json || args.debug {
        detailed(&context, args, &files)?
    } else {
        rows(&context, args, &files)?
    };
    report::stdout(out)?;
    Ok(ExitCode::SUCCESS)
}

fn files(repository: &Repository, args: &Args) -> Result<Vec<Tracked>> {
    let git = &repository.git;
    let files = match (&args.reference, &args.other) {
        _ if args.all => history::pointers(git, &["--all"])?,
        (Some(old), Some(new)) => history::changed(git, old, new)?,
        (reference, _) if args.deleted => {
            let revision = match reference {
                Some(reference) => Some(reference.clone()),
                None => git.commit("HEAD")?,
            };
            let mut seen = HashSet::new();
            let revision = revision.iter().flat_map(|revision| ["--end-of-options", &revision[..]]);
            let mut files = history::pointers(git, &revision.collect::<Vec<_>>())?;
            files.retain(|file| seen.insert(file.path.clone()));
            files
        }
        (Some(reference), _) => tracked::in_tree(git, reference)?,
        (None, _) if repository.worktree.is_some() => tracked::in_index(git, &[])?,
        (None, _) => tracked::in_head(git)?,
    };
    // Of a file in conflict our side is shown.
    Ok(files.into_iter().filter(|file| [0, 2].contains(&file.stage)).collect())
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

/// A file as JSON: the keys of git-lfs, in its order.
#[derive(Debug, Serialize)]
struct Row<'a> {
    name: Cow<'a, str>,
    size: u64,
    checkout: bool,
    downloaded: bool,
    oid_type: &'static str,
    oid: String,
    version: &'static str,
}

fn detailed(context: &Context, args: &Args, files: &[Tracked]) -> Result<Vec<u8>> {
    let store = context.existing_store()?;
    let (mut out, mut list) = (Vec::new(), Vec::new());
    for Tracked { path, pointer, .. } in files {
        let (size, oid) = (pointer.size, pointer.oid.to_string());
        let checkout = is_checked_out(context, path, pointer)?;
        let downloaded = is_here(store.as_ref(), pointer);
        if args.json {
            list.push(Row {
                name: String::from_utf8_lossy(path),
                size,
                checkout,
                downloaded,
                oid_type: "blake3",
                oid,
                version: "git-dits/1",
            });
        } else {
            out.extend_from_slice(&[b"filepath: ", &path[..]].concat());
            write!(out, "\n    size: {size}\ncheckout: {checkout}\ndownload: {downloaded}\n")?;
            write!(out, "     oid: blake3 {oid}\n version: git-dits/1\n\n")?;
        }
    }
    if args.json { context::json_lines(&BTreeMap::from([("files", list)])) } else { Ok(out) }
}

fn is_checked_out(context: &Context, path: &[u8], pointer: &Pointer) -> Result<bool> {
    context.repository.worktree.as_ref().map_or(Ok(false), |top| worktree::has_content(top, path, pointer))
}

/// Damaged content is none.
fn is_here(store: Option<&PackStore>, pointer: &Pointer) -> bool {
    store.is_some_and(|store| content::is_whole(store, &pointer.oid).unwrap_or(false))
}
