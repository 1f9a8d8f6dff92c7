//! `git dits serve audit`: reading a server's audit log.
//!
//! As a line an event for people, or as the log has it for programs. Works whether the server runs or not.

use crate::context;
use crate::report::{self, Failure};
use anyhow::Result;
use clap::Parser;
use dits_server::audit::{AuditLog, Event};
use dits_server::layout::Layout;
use dits_server::utc;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show what happened at a server, oldest first
#[derive(Debug, Parser)]
pub struct Args {
    /// The server's folder
    dir: PathBuf,
    /// From when on: a time ago like 7d or 12h, or a date like 2027-01-31
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Print JSON, an object a line, as in the log
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let since = match &args.since {
        None => 0,
        Some(text) => {
            let ago = utc::span(text).map(|span| context::now().map(|now| now.saturating_sub(span)));
            let bad =
                || Failure::new(format!("'{text}' is no time"), "give 7d, 12h, or a date like 2027-01-31");
            ago.transpose()?.or_else(|| utc::parse(text)).ok_or_else(bad)?
        }
    };
    let mut printed = Ok(());
    AuditLog::of(&Layout::existing(&args.dir)?).read(since, &mut |event| {
        let json = || serde_json::to_string(&event).map_err(Into::into);
        printed =
            if args.json { json().and_then(|line| report::line(&line)) } else { report::line(&line(&event)) };
        printed.is_ok()
    })?;
    printed?;
    Ok(ExitCode::SUCCESS)
}

/// An event for people. What strangers sent is without control characters: this goes to a terminal.
fn line(event: &Event) -> String {
    let mut words = vec![event.time.clone(), event.event.clone()];
    words.extend(event.who.clone());
    words.extend(event.from.map(|from| format!("from {from}")));
    words.extend(event.repository.clone());
    words.push(event.result.clone());
    let bytes =
        |name: &str, count: Option<u64>| count.map(|count| format!("{name} {}", report::human_bytes(count)));
    words.extend(bytes("in", event.received));
    words.extend(bytes("out", event.sent));
    words.extend(event.left_out.map(|count| format!("({count} more not in the log)")));
    let mut text = words.join("  ");
    event.refs.iter().chain(&event.paths).for_each(|moved| text.push_str(&format!("\n    {moved}")));
    text.chars().filter(|c| !c.is_control() || *c == '\n').collect()
}
