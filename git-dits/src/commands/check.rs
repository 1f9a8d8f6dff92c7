//! `git dits check`: what should not be committed, before it is or in a merge request.
//!
//! With `--staged` it is the guard of the `pre-commit` hook. Findings go to stdout, a line each; the commands that mend
//! them to stderr, and so are names that cannot exist on every system. Exit code 1 when something was found, so a commit or a build stops; 2 when nothing can be said.

use crate::context::{self, Context};
use crate::{portable, report};
use anyhow::Result;
use clap::Parser;
use dits_hooks::check::changes::Subject;
use dits_hooks::check::{Finding, Mistake, check};
use dits_hooks::moved::{Moved, moved};
use dits_repo::names::Policy;
use dits_repo::threshold::Threshold;
use dits_repo::tracked;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::ExitCode;

/// Check that files are pointers where they should be, and only there
#[derive(Debug, Parser)]
pub struct Args {
    /// A commit, of which all files are checked, or a range 'a..b', of which all changes are; else HEAD
    revision: Option<String>,
    /// Check what is staged
    #[arg(long, alias = "cached", conflicts_with = "revision")]
    staged: bool,
    /// Print the result as JSON
    #[arg(short, long)]
    json: bool,
}

/// Exit code when something was found.
const FOUND: u8 = 1;
/// Paths named in one command.
const NAMED_MAX: usize = 8;

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    // What is staged is checked by the hook of each commit.
    let context = if args.staged { Context::find_quietly(false)? } else { Context::find(false)? };
    let subject = match (&args.revision, args.staged) {
        (Some(revision), _) => Subject::parse(revision),
        (None, true) => {
            context.repository.worktree()?;
            Subject::Staged
        }
        (None, false) => Subject::Commit("HEAD".into()),
    };
    let store = context.existing_store()?;
    let findings = check(&context.repository, &subject, store.as_ref())?;
    let threshold = !Threshold::of(&context.repository)?.is_off();
    if args.json {
        let list: Vec<Value> = findings.iter().map(|finding| shown_as_json(finding, threshold)).collect();
        let result = json!({ "ok": list.is_empty(), "oid_type": "blake3", "findings": list });
        report::stdout(context::json_lines(&result)?)?;
    } else {
        report::stdout(findings.iter().map(|finding| shown(finding) + "\n").collect::<String>())?;
        fixes(&findings, threshold);
    }
    if args.staged {
        tell_moved(&context)?;
    }
    let refused = unportable(&context, &subject)?;
    Ok(if findings.is_empty() && refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

/// Tells of files that are renamed away from under their lock; that stops nothing.
fn tell_moved(context: &Context) -> Result<()> {
    let shown = |path: &[u8]| String::from_utf8_lossy(path).replace(char::is_control, "?");
    let moved = moved(&context.repository, context::now()?)?;
    for Moved { from, to, owner } in &moved {
        let holder = match owner {
            None => "you have locked".to_owned(),
            Some(owner) => format!("{owner} has locked"),
        };
        let (from, to) = (shown(from), shown(to));
        report::warning(&format!("{holder} '{from}', which is now '{to}': the lock stays on '{from}'"));
    }
    let own: Vec<String> =
        moved.iter().filter(|file| file.owner.is_none()).map(|file| quoted(&shown(&file.to))).collect();
    if !own.is_empty() {
        let paths = if own.len() > NAMED_MAX { "<paths>".to_owned() } else { own.join(" ") };
        report::hint(&format!("lock the new name too: git dits lock {paths}"));
    }
    Ok(())
}

/// Tells of names of managed files that cannot exist on every system; how many of them are refused. Of what is
/// staged only names that the commit brings are told: the others were told when they came.
fn unportable(context: &Context, subject: &Subject) -> Result<usize> {
    let git = &context.repository.git;
    let policy = Policy::of(&context.repository)?;
    let (managed, new) = match subject {
        Subject::Staged => {
            let staged = tracked::staged(git, &[], false)?;
            let path = |line: &[u8]| Some(line[line.iter().position(|byte| *byte == b'\t')? + 1..].to_vec());
            let managed: BTreeSet<Vec<u8>> = staged.split(|byte| *byte == 0).filter_map(path).collect();
            let new =
                git.run(&["diff", "--cached", "--name-only", "-z", "--no-renames", "--diff-filter=A"])?;
            let new = new.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
            (managed, Some(new))
        }
        Subject::Commit(commit) | Subject::Range(_, commit) => {
            (tracked::in_tree(git, commit)?.into_iter().map(|file| file.path).collect(), None)
        }
    };
    Ok(portable::check_paths(policy, managed.iter().map(Vec::as_slice), new.as_ref()))
}

fn path(finding: &Finding) -> String {
    String::from_utf8_lossy(&finding.path).replace(char::is_control, "?")
}

fn shown(finding: &Finding) -> String {
    let place = match &finding.commit {
        Some(commit) => format!(" (commit {})", &commit[..commit.len().min(12)]),
        None => String::new(),
    };
    format!("'{}'{place} {}", path(finding), words(&finding.mistake))
}

fn words(mistake: &Mistake) -> String {
    match mistake {
        Mistake::Whole { bytes, rule } => format!(
            "should have been a pointer but was not: its {} are stored whole (rule: {rule})",
            report::human_bytes(*bytes)
        ),
        Mistake::Damaged(damage) => format!("is a git-dits pointer that {damage}"),
        Mistake::Unmanaged { rule_unstaged: true } => {
            "is a pointer, but the .gitattributes to be committed do not say so".into()
        }
        Mistake::Unmanaged { rule_unstaged: false } => {
            "is a pointer, but no rule of .gitattributes makes it a file again".into()
        }
        Mistake::Missing(oid) => format!("is a pointer to content that is not here ({oid})"),
    }
}

/// A name for scripts.
fn kind(mistake: &Mistake) -> &'static str {
    match mistake {
        Mistake::Whole { .. } => "unexpectedGitObject",
        Mistake::Damaged(_) => "nonCanonicalPointer",
        Mistake::Unmanaged { .. } => "unmanagedPointer",
        Mistake::Missing(_) => "missingContent",
    }
}

fn shown_as_json(finding: &Finding, threshold: bool) -> Value {
    let mut value = json!({
        "path": String::from_utf8_lossy(&finding.path),
        "kind": kind(&finding.mistake),
        "commit": finding.commit,
        "text": words(&finding.mistake),
        "fix": fix(&finding.mistake, &quoted(&path(finding)), threshold),
    });
    match &finding.mistake {
        Mistake::Whole { bytes, rule } => {
            value["size"] = (*bytes).into();
            value["rule"] = rule[..].into();
        }
        Mistake::Missing(oid) => value["oid"] = oid.to_string().into(),
        _ => {}
    }
    value
}

/// What mends a mistake in `paths`.
fn fix(mistake: &Mistake, paths: &str, threshold: bool) -> String {
    match mistake {
        // A threshold leaves as it is what stands in the index already, so that it must stand there no more.
        Mistake::Whole { .. } if threshold => format!("git rm -q --cached -- {paths} && git add -- {paths}"),
        Mistake::Whole { .. } => format!("git add --renormalize -- {paths}"),
        Mistake::Damaged(damage) => dits_remote::hint::damage_hint(*damage).replace("<path>", paths),
        Mistake::Unmanaged { rule_unstaged: true } => "git add .gitattributes".into(),
        Mistake::Unmanaged { rule_unstaged: false } => format!("git dits track --filename {paths}"),
        Mistake::Missing(_) => {
            format!("put the file itself in place of its pointer, then: git add -- {paths}")
        }
    }
}

/// One command for each kind of mistake.
fn fixes(findings: &[Finding], threshold: bool) {
    let mut told: Vec<&str> = Vec::new();
    for first in findings {
        if told.contains(&kind(&first.mistake)) {
            continue;
        }
        told.push(kind(&first.mistake));
        let same = findings.iter().filter(|finding| kind(&finding.mistake) == kind(&first.mistake));
        let paths: Vec<String> = same.map(|finding| quoted(&path(finding))).collect();
        let paths = if paths.len() > NAMED_MAX { "<paths>".to_owned() } else { paths.join(" ") };
        report::hint(&fix(&first.mistake, &paths, threshold));
    }
}

/// A path as a word of shell.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    if path.chars().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}
