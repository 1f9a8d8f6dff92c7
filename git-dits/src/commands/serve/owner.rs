//! What the subcommands of `serve` share: whose folder it is, who changes it, and how results are shown.
//!
//! Tables are for people and may change, JSON is for programs.

use crate::{context, report};
use anyhow::Result;
use dits_server::access::change::Owner;
use serde_json::Value;
use std::path::Path;

/// The owner of the server in `dir`: whoever may write there. The audit log names the account.
pub fn of(dir: &Path) -> Result<Owner> {
    let account = format!("uid {}", rustix::process::getuid().as_raw());
    Ok(Owner::of(dir, &account, context::now()?)?)
}

/// Shows rows as a table, or `json`.
pub fn show(as_json: bool, json: &Value, heads: &[&str], rows: &[Vec<String>]) -> Result<()> {
    if as_json {
        return report::stdout(context::json_lines(json)?);
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heads[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut text = line(heads.to_vec());
    rows.iter().for_each(|row| text.push_str(&line(row.iter().map(String::as_str).collect())));
    report::stdout(text)
}

/// Says what was done, for people or programs.
pub fn done(as_json: bool, json: &Value, text: &str) -> Result<()> {
    if as_json { report::stdout(context::json_lines(json)?) } else { report::line(text) }
}
