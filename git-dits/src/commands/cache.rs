//! `git dits cache`: the cache that clones share, as `dits.storage` names it.
//!
//! Everything in it is at a remote too, so emptying it loses nothing; what processes use right now stays.

use crate::context::{self, Context};
use crate::report::{self, Failure, human_bytes};
use anyhow::Result;
use clap::{Parser, ValueEnum};
use serde_json::json;
use std::process::ExitCode;

/// Show or empty the cache that clones of this machine share
#[derive(Debug, Parser)]
pub struct Args {
    /// What to do
    #[arg(value_enum, default_value = "info")]
    action: Action,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Action {
    /// Show where it is and what is in it
    Info,
    /// Remove everything that no process uses
    Clear,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let Some(cache) = Context::find(false)?.repository.cache()? else {
        let hint = "clones share fetched content after: git config --global dits.storage <folder>";
        return Err(Failure::new("this repository uses no cache", hint).into());
    };
    if args.action == Action::Clear {
        if !cache.is_writable() {
            let text = format!("cannot write to the cache in '{}'", cache.info()?.dir.display());
            return Err(Failure::new(text, "whoever owns the folder can clear it").into());
        }
        let evicted = cache.clear()?;
        if args.json {
            let done = json!({ "contents": evicted.contents, "bytes": evicted.bytes });
            report::stdout(context::json_lines(&done)?)?;
        } else {
            let freed = human_bytes(evicted.bytes);
            report::line(&format!("Removed {} content(s), {freed}.", evicted.contents))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let info = cache.info()?;
    if args.json {
        let numbers = json!({
            "dir": info.dir.to_string_lossy(),
            "bytes": info.bytes,
            "cap": (info.cap > 0).then_some(info.cap),
            "contents": info.contents,
            "chunks": info.chunks,
            "writable": info.writable,
        });
        report::stdout(context::json_lines(&numbers)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let limit = if info.cap > 0 { human_bytes(info.cap) } else { "none (dits.storagesize)".to_owned() };
    let note = if info.writable { "" } else { " (read-only)" };
    report::stdout(format!(
        "folder    {}{note}\nsize      {}\nlimit     {limit}\ncontents  {}\nchunks    {}\n",
        info.dir.display(),
        human_bytes(info.bytes),
        info.contents,
        info.chunks,
    ))?;
    Ok(ExitCode::SUCCESS)
}
