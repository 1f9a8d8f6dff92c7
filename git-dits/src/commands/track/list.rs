//! What `git dits track` prints without patterns: all that the attribute files say.
//!
//! The files are in the order in which they win, as in git-lfs: that of the Git folder, then the deepest first.
//! Patterns stand there as in their file, with the folder of the file in front.

use super::Args;
use crate::context::{self, Context};
use crate::{attributes, entries, report};
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

/// A pattern of some attributes file.
#[derive(Debug, Serialize)]
struct Listed {
    pattern: String,
    source: String,
    lockable: bool,
    #[serde(rename = "tracked")]
    managed: bool,
}

/// Prints all patterns.
pub fn list(context: &Context, args: &Args) -> Result<ExitCode> {
    let listed = known_patterns(context)?;
    if args.json {
        // git-lfs lists the excluded ones here even with --no-excluded, but a flag should do what it says.
        let shown = listed.iter().filter(|known| known.managed || known.lockable || !args.no_excluded);
        report::stdout(context::json_lines(&BTreeMap::from([("patterns", shown.collect::<Vec<_>>())]))?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if listed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let (tracked, excluded): (Vec<_>, Vec<_>) =
        listed.iter().partition(|known| known.managed || known.lockable);
    let row = |known: &&Listed| {
        let lockable = if known.lockable { " [lockable]" } else { "" };
        format!("    {}{lockable} ({})\n", known.pattern, known.source)
    };
    let mut text = String::from("Listing tracked patterns\n");
    text.extend(tracked.iter().map(row));
    if !args.no_excluded {
        text.push_str("Listing excluded patterns\n");
        text.extend(excluded.iter().map(row));
    }
    report::stdout(text)?;
    Ok(ExitCode::SUCCESS)
}

/// What all attribute files of the working tree and of the Git folder say, those that win first.
fn known_patterns(context: &Context) -> Result<Vec<Listed>> {
    let top = context.repository.worktree()?;
    let mut files = entries::attribute_files(&context.repository.git)?;
    files.sort_by_key(|file| std::cmp::Reverse(file.components().count()));
    let mut listed = Vec::new();
    let info = context.repository.common_dir.join("info").join("attributes");
    for file in [&info].into_iter().chain(&files) {
        let path = top.join(file);
        let Ok(text) = attributes::read(&path) else { continue };
        let source = path.strip_prefix(top).unwrap_or(&path).to_string_lossy().into_owned();
        let dir = if *file == info { Path::new("") } else { file.parent().unwrap_or(Path::new("")) };
        for rule in text.split(|b| *b == b'\n').filter_map(attributes::Rule::parse) {
            if rule.managed.is_some() || rule.lockable {
                let pattern = String::from_utf8_lossy(&rule.pattern).into_owned();
                let pattern = match dir.to_string_lossy() {
                    dir if dir.is_empty() => pattern,
                    dir => format!("{dir}/{}", pattern.trim_start_matches('/')),
                };
                let managed = rule.managed == Some(true);
                listed.push(Listed { pattern, source: source.clone(), managed, lockable: rule.lockable });
            }
        }
    }
    Ok(listed)
}
