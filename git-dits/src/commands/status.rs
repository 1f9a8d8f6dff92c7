//! `git dits status`: what would be pushed and committed, and which files have no content here.
//!
//! Rows and codes are those of git-lfs. It never starts a filter and takes no lock, so it may run at any
//! time: managed files are compared by stat data and, where that is not enough, by hashing files of up to
//! 256 MiB (larger ones are shown as modified until Git has looked at them).

use crate::context::Context;
use crate::report;
use anyhow::Result;
use clap::Parser;
use dits_repo::RepoError;
use dits_repo::discover::{self, Exclude, Found};
use scan::{Change, Scan};
use serde_json::json;
use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

#[path = "status/managed.rs"]
mod managed;
#[path = "status/scan.rs"]
mod scan;

/// Show changed files, content to be pushed, and files without content
#[derive(Debug, Parser)]
pub struct Args {
    /// Print one line a file, for scripts
    #[arg(short, long, conflicts_with = "json")]
    porcelain: bool,
    /// Print managed files as JSON
    #[arg(short, long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(false)?;
    let top = context.repository.worktree()?.to_owned();
    let scan = scan::scan(&context)?;
    if args.json {
        json(&scan)?;
    } else if args.porcelain {
        // A file that is changed on both sides has one row, that of the working tree.
        let mut seen = HashSet::new();
        let rows = scan.unstaged.iter().chain(&scan.staged).filter(|change| seen.insert(&change.path));
        report::stdout(rows.map(porcelain).collect::<Vec<_>>().concat())?;
    } else {
        text(&context, &top, &scan)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn json(scan: &Scan) -> Result<()> {
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let mut files = serde_json::Map::new();
    for change in scan.staged.iter().chain(&scan.unstaged).filter(|change| change.is_managed()) {
        let mut entry = json!({ "status": change.status.to_string() });
        if let Some(from) = &change.renamed_from {
            entry["from"] = text(from).into();
        }
        files.insert(text(&change.path), entry);
    }
    let ghosts: Vec<_> = scan.ghosts.iter().map(|(path, _)| text(path)).collect();
    report::line(&json!({ "files": files, "ghosts": ghosts }).to_string())
}

fn porcelain(change: &Change) -> Vec<u8> {
    let code = match change.status {
        'M' => " M ".to_owned(),
        other => format!("{other}  "),
    };
    let mut row = code.into_bytes();
    if let Some(from) = &change.renamed_from {
        row.extend_from_slice(from);
        row.extend_from_slice(b" -> ");
    }
    row.extend_from_slice(&change.path);
    row.push(b'\n');
    row
}

fn text(context: &Context, top: &Path, scan: &Scan) -> Result<()> {
    let prefix = context
        .cwd
        .canonicalize()
        .ok()
        .and_then(|cwd| Some(cwd.strip_prefix(top.canonicalize().ok()?).ok()?.to_owned()));
    let prefix = prefix.unwrap_or_default();
    let mut out = branch(context, &prefix)?;
    let mut section = |title: &str, changes: &[Change]| {
        out.push_str(&format!("\n{title}:\n\n"));
        out.extend(changes.iter().map(|change| row(&prefix, change)));
    };
    section("Objects to be committed", &scan.staged);
    section("Objects not staged for commit", &scan.unstaged);
    if !scan.ghosts.is_empty() {
        out.push_str("\nFiles without content:\n\n");
        let row = |(path, oid): &(Vec<u8>, String)| format!("\t{} ({oid})\n", relative(&prefix, path));
        out.extend(scan.ghosts.iter().map(row));
    }
    out.push('\n');
    report::stdout(out)?;
    if !scan.ghosts.is_empty() {
        report::hint("run 'git dits hydrate' to give them their content");
    }
    Ok(())
}

fn row(prefix: &Path, change: &Change) -> String {
    let path = relative(prefix, &change.path);
    let from = change.renamed_from.as_ref().map(|from| format!("{} -> ", relative(prefix, from)));
    let after = change.after.as_ref().map(|side| format!(" -> {side}")).unwrap_or_default();
    format!("\t{}{path} ({}{after})\n", from.unwrap_or_default(), change.before)
}

/// The branch, and what a push of it would bring.
fn branch(context: &Context, prefix: &Path) -> Result<String> {
    let git = &context.repository.git;
    let head = git.commit("HEAD")?;
    let name = git.line(&["symbolic-ref", "--quiet", "--short", "HEAD"])?;
    let mut out = match (&name, &head) {
        (Some(name), _) => format!("On branch {name}\n"),
        (None, Some(head)) => format!("HEAD detached at {}\n", &head[..7]),
        (None, None) => String::new(),
    };
    let Some(head) = head else { return Ok(out) };
    let upstream = git.line(&["rev-parse", "--quiet", "--abbrev-ref", "@{upstream}"])?;
    let (title, have) = match upstream {
        Some(upstream) => (format!("Objects to be pushed to {upstream}"), vec!["@{upstream}".to_owned()]),
        None => {
            let refs =
                git.line(&["for-each-ref", "--format=%(objectname)", "refs/remotes"])?.unwrap_or_default();
            if git.line(&["remote"])?.unwrap_or_default().is_empty() {
                return Ok(out);
            }
            ("Objects to be pushed".to_owned(), refs.lines().map(str::to_owned).collect())
        }
    };
    let mut found: Vec<Found> = match discover::new_pointers(git, &[head], &Exclude::Oids(have)) {
        // A push would fail; looking at the rest should not.
        Err(error @ RepoError::DamagedPointer { .. }) => {
            report::warning(&error.to_string());
            return Ok(out);
        }
        result => result?,
    };
    found.sort_by(|a, b| a.path.cmp(&b.path));
    out.push_str(&format!("{title}:\n\n"));
    out.extend(found.iter().map(|new| format!("\t{} ({})\n", relative(prefix, &new.path), new.pointer.oid)));
    Ok(out)
}

/// A repository path as seen from the folder `prefix` below the top.
fn relative(prefix: &Path, path: &[u8]) -> String {
    let path = PathBuf::from(String::from_utf8_lossy(path).into_owned());
    let here: Vec<Component<'_>> = prefix.components().collect();
    let there: Vec<Component<'_>> = path.components().collect();
    let common = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
    let up = here[common..].iter().map(|_| Component::ParentDir);
    up.chain(there[common..].iter().copied()).collect::<PathBuf>().display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_seen_from_where_the_user_stands() {
        let table = [("", "a/b", "a/b"), ("a", "a/b", "b"), ("a/c", "a/b", "../b"), ("x/y", "a", "../../a")];
        for (prefix, path, seen) in table {
            assert_eq!(relative(Path::new(prefix), path.as_bytes()), seen);
        }
    }
}
