//! `git dits untrack`: patterns that git-dits shall no longer manage.
//!
//! Removes their lines from `.gitattributes` of the current folder. Files that are pointers in Git stay so
//! until they are added again; the macro stays, other lines and other clones may use it.

use super::track::pattern;
use crate::context::Context;
use crate::{attributes, report};
use anyhow::Result;
use clap::Parser;
use std::ffi::OsString;
use std::process::ExitCode;

/// Stop managing files that match patterns
#[derive(Debug, Parser)]
pub struct Args {
    /// Patterns as 'git dits track' lists them, seen from the current folder
    #[arg(required = true)]
    patterns: Vec<OsString>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(false)?;
    context.repository.worktree()?;
    let file = context.cwd.join(".gitattributes");
    let before = attributes::read(&file)?;
    let mut text = before.clone();
    for given in &args.patterns {
        // What was tracked with --filename can be given the same way.
        let forms = [pattern(given, false), pattern(given, true)];
        let shown = attributes::quoted(&forms[0]);
        if forms.iter().any(|form| attributes::untrack(&mut text, form)) {
            report::line(&format!("Untracking {shown}"))?;
        } else {
            report::warning(&format!("{shown} is not tracked by '{}'", file.display()));
        }
    }
    if text != before {
        attributes::replace(&file, &text)?;
    }
    Ok(ExitCode::SUCCESS)
}
