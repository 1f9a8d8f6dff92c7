//! `git dits serve gc DIR`: taking away at a server what no repository needs any more.
//!
//! Works beside a running server and without one. All rules are `dits_server::gc`'s; here it is said what went and
//! why the rest stays.

use crate::context;
use crate::report::{self, human_bytes};
use anyhow::Result;
use clap::Parser;
use dits_remote::Meter;
use dits_server::gc::{Options, Report, Why, collect};
use dits_server::utc;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

/// Remove content that no ref of the server's repositories needs any more
#[derive(Debug, Parser)]
pub struct Args {
    /// The server's folder
    dir: PathBuf,
    /// Remove nothing; say what would be removed
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// How long content stays that no ref needs, as 14d, 12h, 30m or 0
    #[arg(long, value_name = "TIME", default_value = "14d", value_parser = span)]
    grace: u64,
    /// Only in this realm
    #[arg(long, value_name = "NAME")]
    realm: Option<String>,
    /// Also content of this name, which has no Git repository at this server; may be given again
    #[arg(long, value_name = "REPOSITORY")]
    also_unreferenced: Vec<String>,
    /// Also list each content that goes
    #[arg(short, long)]
    verbose: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let options = Options {
        realm: args.realm.clone(),
        grace: args.grace,
        dry_run: args.dry_run,
        also: args.also_unreferenced.iter().cloned().collect(),
        now: context::now()?,
    };
    let terminal = !args.json && std::io::stderr().is_terminal();
    let meter = Meter::of(&context::settings(false).progress, terminal);
    let reports =
        collect(&args.dir, &options, &|_, bytes, total| meter.show("Collecting DITS objects", bytes, total))?;
    // Its line ends before others are printed.
    drop(meter);
    if args.json {
        report::stdout(context::json_lines(&reports)?)?;
    } else {
        reports.iter().try_for_each(|report| say(args, report))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn say(args: &Args, report: &Report) -> Result<()> {
    let realm = &report.realm;
    let kept: u64 = report.kept.values().sum();
    let reasons: Vec<String> =
        report.kept.iter().map(|(why, count)| format!("{count} {}", words(*why))).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    report::line(&format!("{realm}: {kept} contents kept{reasons}"))?;
    let (count, bytes) = (report.contents.len(), human_bytes(report.contents.values().sum()));
    let (chunks, chunk_bytes) = (report.chunks, human_bytes(report.bytes));
    let what = if args.dry_run { "would be removed" } else { "removed" };
    let freed =
        if args.dry_run { String::new() } else { format!(", {} of disk freed", human_bytes(report.freed)) };
    report::line(&format!(
        "{realm}: {count} contents ({bytes}) {what}, {chunks} chunks ({chunk_bytes}){freed}"
    ))?;
    if report.left > 0 {
        let left = human_bytes(report.left);
        report::line(&format!("{realm}: {left} not needed in packs that are not worth rewriting yet"))?;
    }
    if args.verbose {
        let list = report.contents.iter().map(|(oid, size)| format!(" * {oid} ({})\n", human_bytes(*size)));
        report::stdout(list.collect::<String>())?;
    }
    Ok(())
}

fn words(why: Why) -> &'static str {
    match why {
        Why::Referenced => "in refs",
        Why::Pushed => "being pushed",
        Why::Unhosted => "of names without Git repository here",
        Why::Recent => "recent",
        Why::Claimed => "not proved yet",
    }
}

/// Seconds of a time such as `14d`; none at all may be said without a unit.
fn span(text: &str) -> Result<u64, String> {
    let bad = || "expected a number and d, h, m or s, as in 14d".to_owned();
    if text == "0" { Ok(0) } else { utc::span(text).ok_or_else(bad) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_a_unit() {
        assert_eq!(span("14d"), Ok(dits_server::gc::GRACE));
        assert_eq!((span("0"), span("0d"), span("90s"), span("2h")), (Ok(0), Ok(0), Ok(90), Ok(7200)));
        for bad in ["", "14", "d", "-1d", "1.5d", "1w", "99999999999999999999d", "999999999999999999d"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
