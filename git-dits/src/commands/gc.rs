//! `git dits gc`: packs the store anew, so that it takes less space and fewer files.
//!
//! Small packs are put together, copies are dropped, and whatever gets smaller is compressed. Doing so also happens
//! by itself (`--auto`, see `upkeep`), for small packs, when many have piled up; this does all there is to do. No content goes: that
//! is what `prune` is for. What is in the trash for too long is deleted on the way.

use crate::commands::prune::trash;
use crate::context::{self, Context};
use crate::report::{self, human_bytes};
use crate::upkeep;
use anyhow::Result;
use clap::Parser;
use serde_json::json;
use std::process::ExitCode;

/// Pack stored content anew, in less space
#[derive(Debug, Parser)]
pub struct Args {
    /// Do only what has piled up, and print nothing; git-dits runs this by itself
    #[arg(long, conflicts_with_all = ["dry_run", "aggressive", "empty_trash", "json"])]
    auto: bool,
    /// Change nothing; say what there is to do
    #[arg(short, long)]
    dry_run: bool,
    /// Pack everything anew, and compress as much as possible; takes long
    #[arg(long)]
    aggressive: bool,
    /// Delete what 'git dits prune' removed, so that it cannot be restored
    #[arg(long)]
    empty_trash: bool,
    /// Print the result as JSON
    #[arg(short, long)]
    json: bool,
}

const LEVEL: i32 = 3;
const LEVEL_AGGRESSIVE: i32 = 19;

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(false)?;
    let Some(store) = context.existing_store()? else {
        if args.auto {
            return Ok(ExitCode::SUCCESS);
        }
        return finish(args, [(0, 0); 3], 0);
    };
    let now = context::now()?;
    let days = if args.empty_trash { 0 } else { trash::days(&context.repository)? };
    if args.auto {
        return upkeep::tend(&store);
    }
    let plan = store.plan_repack(args.aggressive)?;
    let (before, due) = ((plan.packs_total, plan.bytes_total), (plan.packs(), plan.bytes()));
    if args.dry_run {
        return finish(args, [before, due, before], 0);
    }
    // What came into the trash this very second goes as well.
    let emptied = trash::empty_old(&store, days, if args.empty_trash { u64::MAX } else { now })?;
    if plan.packs() > 0 {
        let meter = context.meter();
        let level = if args.aggressive { LEVEL_AGGRESSIVE } else { LEVEL };
        store.repack(&plan, level, &mut |bytes| meter.show("Packing", bytes, due.1))?;
    }
    let after = store.plan_repack(false)?;
    finish(args, [before, due, (after.packs_total, after.bytes_total)], emptied)
}

/// Packs and bytes: before, of those that are due, and after.
fn finish(args: &Args, [before, due, after]: [(u64, u64); 3], emptied: u64) -> Result<ExitCode> {
    if args.json {
        let result = json!({
            "dry_run": args.dry_run,
            "packs_before": before.0,
            "bytes_before": before.1,
            "packs_due": due.0,
            "bytes_due": due.1,
            "packs_after": after.0,
            "bytes_after": after.1,
            "trash_bytes_deleted": emptied,
        });
        report::stdout(context::json_lines(&result)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let words = |(packs, bytes): (u64, u64)| format!("{} in {packs} pack(s)", human_bytes(bytes));
    if emptied > 0 {
        report::line(&format!("gc: {} of trash deleted, done.", human_bytes(emptied)))?;
    }
    let text = match due.0 {
        0 => format!("{}, nothing to do, done.", words(before)),
        _ if args.dry_run => format!("{}, {} would be packed anew, done.", words(before), words(due)),
        _ => format!("{}, now {}, done.", words(before), words(after)),
    };
    report::line(&format!("gc: {text}"))?;
    Ok(ExitCode::SUCCESS)
}
