//! `git dits mounts`: all mounts of this repository, and how they are doing.
//!
//! Those that were unmounted or killed are listed too: what was changed in them waits there.

use crate::context::{self, Context};
use crate::mounting::state::State;
use crate::mounting::view::{self, Life, View};
use crate::report::{self, human_bytes};
use anyhow::Result;
use clap::Parser;
use dits_mount::control::Status;
use serde_json::Value;
use std::fmt::Write as _;
use std::process::ExitCode;

/// List the mounts of this repository, and how they are doing
#[derive(Debug, Parser)]
pub struct Args {
    /// Show what was read, from where, and how long it took
    #[arg(long)]
    stats: bool,
    /// Print the list as JSON
    #[arg(short, long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(false)?;
    let views: Vec<View> = State::all(&context.repository).iter().map(view::look).collect();
    if args.json {
        report::stdout(context::json_lines(&views)?)?;
    } else {
        report::stdout(views.iter().map(|view| text(view, args.stats)).collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A paragraph for a mount: its folder, and what is to be known.
fn text(view: &View, with_stats: bool) -> String {
    let dir = view.dir.as_ref().map_or("?".into(), |dir| dir.display().to_string());
    let head = view.head.as_ref().map_or(String::new(), |head| format!(" [{head}]"));
    let mut out = format!("{dir}{head} {}\n", life(view, &dir));
    let status = view.status.as_ref();
    for path in status.iter().flat_map(|status| &status.writing) {
        let _ = writeln!(out, "  open for writing: {path}");
    }
    for trouble in status.iter().flat_map(|status| &status.troubles) {
        let _ = writeln!(out, "  {trouble}");
    }
    if with_stats {
        let _ = writeln!(out, "  changed files: {}", human_bytes(view.overlay_bytes));
        if let Some(status) = status {
            let _ = writeln!(out, "  files: {}, of them ghosts: {}", status.files, status.ghosts);
            stats(&mut out, &status.stats);
        }
    }
    out
}

fn life(view: &View, dir: &str) -> String {
    match (view.state, &view.status) {
        (Life::Mounted, Some(Status { pid, read_only, online, .. })) => {
            let read_only = if *read_only { ", read-only" } else { "" };
            let online = if *online { "" } else { ", no remote can be reached" };
            format!("mounted (process {pid}){read_only}{online}")
        }
        (Life::Mounted | Life::Silent, _) => "starts, or does not answer".to_owned(),
        (Life::Killed, _) => format!("was killed; 'git dits mount {dir}' brings it back"),
        (Life::Unmounted, _) => "not mounted; what was changed is kept".to_owned(),
        (Life::Damaged, _) => view.why.clone().unwrap_or_default(),
    }
}

/// Numbers, a line for each group of them.
fn stats(out: &mut String, stats: &Value) {
    for (group, values) in stats.as_object().into_iter().flatten() {
        let mut words = Vec::new();
        flatten(&mut words, "", values);
        if !words.is_empty() {
            let _ = writeln!(out, "  {group}: {}", words.join(", "));
        }
    }
}

/// `NAME VALUE`, and `NAME.PART VALUE` for what has parts; zeros are left out.
fn flatten(words: &mut Vec<String>, name: &str, value: &Value) {
    match value {
        Value::Object(parts) => {
            for (part, value) in parts {
                let dot = if name.is_empty() { "" } else { "." };
                flatten(words, &format!("{name}{dot}{part}"), value);
            }
        }
        value if value.as_f64() == Some(0.0) || value.is_null() => {}
        Value::String(text) => words.push(format!("{name} {text}")),
        value => words.push(format!("{name} {value}")),
    }
}
