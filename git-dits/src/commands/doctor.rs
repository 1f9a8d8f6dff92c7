//! `git dits doctor`: what is wrong here, and mending what can be mended without asking.
//!
//! Prints each finding with what `--fix` would do, or what people can do. Exit code 1 while something is left that
//! is more than a note. Works outside of repositories, where only the setup is looked at.

use crate::context::{self, Context};
use crate::doctor::{self, Finding, Severity};
use crate::report;
use anyhow::Result;
use clap::Parser;
use dits_repo::Git;
use serde::Serialize;
use std::process::ExitCode;

/// Find what is wrong with the setup or the repository
#[derive(Debug, Parser)]
pub struct Args {
    /// Mend what can be mended
    #[arg(long)]
    fix: bool,
    /// Print the result as JSON
    #[arg(short, long)]
    json: bool,
}

/// Exit code when something is left.
const FOUND: u8 = 1;

/// A finding after it was dealt with.
#[derive(Debug, Serialize)]
struct Told {
    code: &'static str,
    severity: String,
    text: String,
    /// What `--fix` does, or did.
    fix: Option<String>,
    fixed: bool,
    hint: Option<String>,
}

#[derive(Debug, Serialize)]
struct Examined {
    ok: bool,
    findings: Vec<Told>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let git = Git::at(&context::cwd()?);
    let findings = doctor::examine(&git, Context::find_quietly(false))?;
    let mut left = false;
    let mut told = Vec::new();
    for finding in findings {
        let counts = finding.severity != Severity::Note;
        let one = deal_with(finding, args.fix);
        left |= counts && !one.fixed;
        told.push(one);
    }
    if args.json {
        report::stdout(context::json_lines(&Examined { ok: !left, findings: told })?)?;
    } else {
        report::stdout(told.iter().map(text).collect::<String>())?;
        if !left {
            report::line("Git DITS doctor OK")?;
        }
    }
    Ok(if left { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

fn deal_with(finding: Finding, fix: bool) -> Told {
    let Finding { code, severity, text, fix: remedy, mut hint } = finding;
    let what = remedy.as_ref().map(|remedy| remedy.what.clone());
    let fixed = match remedy.filter(|_| fix).map(|remedy| remedy.apply()) {
        Some(Err(error)) => {
            hint = Some(format!("this failed: {}", report::text(&error)));
            false
        }
        Some(Ok(())) => true,
        None => false,
    };
    Told { code, severity: severity.to_string(), text, fix: what, fixed, hint }
}

fn text(told: &Told) -> String {
    let mut text = format!("{}: {}: {}\n", told.severity, told.code, told.text);
    if let Some(fix) = &told.fix {
        text.push_str(&format!("    {}: {fix}\n", if told.fixed { "fixed" } else { "--fix" }));
    }
    if let Some(hint) = &told.hint {
        text.push_str(&format!("    hint: {hint}\n"));
    }
    text
}
