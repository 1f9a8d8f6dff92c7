//! `git dits track`: which files git-dits manages.
//!
//! With patterns it writes them to `.gitattributes` of the current folder, and the macro they use to the one
//! at the top. Without, it lists what all attribute files say. Files are never touched: what was added
//! before is converted by the user with one command, which is printed.

use crate::attributes::{self, Lockable};
use crate::context::{self, Context};
use crate::{entries, report};
use anyhow::{Result, ensure};
use clap::Parser;
use serde_json::json;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Let git-dits manage files that match patterns, or list the patterns
#[derive(Debug, Parser)]
pub struct Args {
    /// Patterns as in .gitattributes; put them in quotes, so that the shell leaves them alone
    patterns: Vec<OsString>,
    /// Mark the files as lockable
    #[arg(short, long, conflicts_with = "not_lockable")]
    lockable: bool,
    /// Mark the files as not lockable
    #[arg(long)]
    not_lockable: bool,
    /// Take the patterns as plain file names
    #[arg(long)]
    filename: bool,
    /// Show what would be done, and write nothing
    #[arg(short, long)]
    dry_run: bool,
    /// Leave .gitattributes as it is; only look for files to convert
    #[arg(long)]
    no_modify_attrs: bool,
    /// Name the files that are written, and those to convert
    #[arg(short, long)]
    verbose: bool,
    /// List as JSON
    #[arg(short, long, conflicts_with = "patterns")]
    json: bool,
    /// Do not list patterns that are excluded
    #[arg(long)]
    no_excluded: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(false)?;
    let top = context.repository.worktree()?.to_owned();
    if args.patterns.is_empty() {
        return list(&context, args);
    }
    let patterns: Vec<Vec<u8>> = args.patterns.iter().map(|given| pattern(given, args.filename)).collect();
    ensure!(patterns.iter().all(|pattern| !pattern.is_empty()), "a pattern is empty");
    if args.no_modify_attrs {
        patterns.iter().try_for_each(|pattern| say_tracking(pattern))?;
    } else {
        write_patterns(&context, &top, &patterns, args)?;
    }
    if !args.dry_run {
        name_unconverted(&context, &patterns, args.verbose)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_patterns(context: &Context, top: &Path, patterns: &[Vec<u8>], args: &Args) -> Result<()> {
    let (file, top_file) = (context.cwd.join(".gitattributes"), top.join(".gitattributes"));
    let before = attributes::read(&file)?;
    let top_before = attributes::read(&top_file)?;
    let mut top_text = top_before.clone();
    attributes::add_macro(&mut top_text);
    // At the top both are one file, and the macro goes in before the patterns.
    let at_top = same_dir(&context.cwd, top);
    let mut text = if at_top { top_text.clone() } else { before.clone() };
    let lockable = match (args.lockable, args.not_lockable) {
        (true, _) => Lockable::Yes,
        (_, true) => Lockable::No,
        _ => Lockable::Keep,
    };
    for pattern in patterns {
        if attributes::track(&mut text, pattern, lockable) {
            say_tracking(pattern)?;
        } else {
            report::line(&format!("\"{}\" already supported", attributes::display(pattern)))?;
        }
    }
    // The macro is put in even when all patterns were there: without it they mean nothing.
    if !at_top && top_text != top_before {
        write(top, &top_file, &top_text, args)?;
    }
    if text != before {
        write(top, &file, &text, args)?;
    }
    Ok(())
}

fn say_tracking(pattern: &[u8]) -> Result<()> {
    let shown = attributes::display(pattern);
    if pattern.ends_with(b"/") {
        report::hint(&format!("a folder is tracked with all below it as \"{shown}**\""));
    }
    report::line(&format!("Tracking \"{shown}\""))
}

/// A pattern as it stands in the file.
pub fn pattern(given: &OsString, is_filename: bool) -> Vec<u8> {
    let bytes = given.as_bytes();
    let bytes = bytes.strip_prefix(b"./").unwrap_or(bytes);
    if is_filename { attributes::escape(&attributes::escape_globs(bytes)) } else { attributes::escape(bytes) }
}

fn same_dir(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

fn write(top: &Path, path: &Path, text: &[u8], args: &Args) -> Result<()> {
    if args.dry_run || args.verbose {
        let shown = path.strip_prefix(top).unwrap_or(path);
        report::line(&format!("Touching \"{}\"", shown.display()))?;
    }
    if args.dry_run { Ok(()) } else { attributes::replace(path, text) }
}

/// Git converts a file only when it is added again.
fn name_unconverted(context: &Context, patterns: &[Vec<u8>], verbose: bool) -> Result<()> {
    // A pattern without a slash means the same to a pathspec; others do not.
    let simple = patterns.iter().all(|pattern| !pattern.contains(&b'/') && !pattern.starts_with(b":"));
    let texts: Vec<String> =
        patterns.iter().map(|pattern| String::from_utf8_lossy(pattern).into_owned()).collect();
    let pathspecs = if simple { texts } else { vec![".".to_owned()] };
    let git = context.git_here();
    let mut paths = Vec::new();
    for pathspec in &pathspecs {
        let files = entries::in_index(&git, pathspec)?;
        let blobs = entries::read(&git, &files)?;
        paths.extend(
            entries::raw(&context.repository, &files, &blobs)?.into_iter().map(|entry| entry.path.clone()),
        );
    }
    if paths.is_empty() {
        return Ok(());
    }
    report::notice(&format!("{} file(s) in the index match and are still stored whole", paths.len()));
    if verbose {
        paths.iter().for_each(|path| report::notice(&format!("  {}", String::from_utf8_lossy(path))));
    }
    let quoted: Vec<String> = pathspecs.iter().map(|spec| quote(spec)).collect();
    report::hint(&format!("convert them with: git add --renormalize {}", quoted.join(" ")));
    Ok(())
}

fn quote(text: &str) -> String {
    if text == "." { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A pattern of some attributes file.
#[derive(Debug)]
struct Listed {
    pattern: String,
    source: String,
    managed: bool,
    lockable: bool,
}

fn list(context: &Context, args: &Args) -> Result<ExitCode> {
    let listed = known_patterns(context)?;
    if args.json {
        let shown = listed.iter().filter(|known| known.managed || known.lockable || !args.no_excluded);
        let patterns: Vec<_> = shown
            .map(|Listed { pattern, source, managed, lockable }| {
                json!({ "pattern": pattern, "source": source, "lockable": lockable, "tracked": managed })
            })
            .collect();
        report::stdout(context::json_lines(&json!({ "patterns": patterns }))?)?;
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

/// What all attribute files of the working tree and of the Git folder say, the top one first.
fn known_patterns(context: &Context) -> Result<Vec<Listed>> {
    let top = context.repository.worktree()?;
    let files =
        ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ":(glob)**/.gitattributes"];
    let out = context.repository.git.run(&files)?;
    let mut files: Vec<PathBuf> = out
        .split(|b| *b == 0)
        .filter(|p| !p.is_empty())
        .map(|p| OsString::from_vec(p.to_vec()).into())
        .collect();
    files.sort();
    files.sort_by_key(|file| file.components().count());
    files.dedup();
    let mut listed = Vec::new();
    let info = context.repository.common_dir.join("info").join("attributes");
    for file in files.iter().chain([&info]) {
        let path = top.join(file);
        let Ok(text) = attributes::read(&path) else { continue };
        let source = path.strip_prefix(top).unwrap_or(&path).to_string_lossy().into_owned();
        let dir = if *file == info { Path::new("") } else { file.parent().unwrap_or(Path::new("")) };
        for rule in text.split(|b| *b == b'\n').filter_map(attributes::Rule::parse) {
            if rule.managed.is_some() || rule.lockable {
                let pattern = attributes::display(&rule.pattern);
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
