//! `git dits track`: which files git-dits manages.
//!
//! With patterns (or a preset of them) it writes them to `.gitattributes` of the current folder, and the macro they use
//! to the one at the top. Without, it lists what all attribute files say. A dry run writes nothing at all. Files
//! that were added before are touched, so that the next `git add` converts them.
//!
//! A pattern that would manage the very files that tell Git what is managed is refused, and what stood there
//! before is put back: a clone could never read such a file.

use super::update;
use crate::attributes::{self, Lockable};
use crate::context::Context;
use crate::lockable;
use crate::portable;
use crate::presets::Preset;
use crate::report::{self, Failure};
use anyhow::{Result, bail, ensure};
use clap::Parser;
use dits_repo::lockable::Scope;
use dits_repo::names::Policy;
use dits_repo::threshold::Threshold;
use dits_repo::tracked;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[path = "track/list.rs"]
mod list;
#[path = "track/touch.rs"]
mod touch;

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
    /// Add the patterns for a kind of project
    #[arg(long, value_name = "KIND", conflicts_with_all = ["lockable", "json"])]
    preset: Vec<Preset>,
    /// Stage the .gitattributes files that are written
    #[arg(long, conflicts_with_all = ["dry_run", "no_modify_attrs"])]
    stage: bool,
    /// Show what would be done, and write nothing
    #[arg(short, long)]
    dry_run: bool,
    /// Leave .gitattributes as it is; only make Git look again at the files that match
    #[arg(long)]
    no_modify_attrs: bool,
    /// Name the files that Git is made to look at again
    #[arg(short, long)]
    verbose: bool,
    /// List as JSON
    #[arg(short, long, conflicts_with = "patterns")]
    json: bool,
    /// Do not list patterns that are excluded
    #[arg(long)]
    no_excluded: bool,
}

/// A pattern and what shall be true of it.
struct Wanted {
    /// As it stands in the file.
    pattern: Vec<u8>,
    lockable: Lockable,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.preset.contains(&Preset::List) {
        report::stdout(Preset::table())?;
        return Ok(ExitCode::SUCCESS);
    }
    let context = Context::find(false)?;
    let top = context.repository.worktree()?.to_owned();
    let wanted = wanted(args)?;
    if wanted.is_empty() {
        return list::list(&context, args);
    }
    let policy = Policy::of(&context.repository)?;
    for Wanted { pattern, .. } in &wanted {
        portable::check_pattern(policy, pattern)?;
    }
    let new = if args.no_modify_attrs {
        wanted.iter().map(|wanted| &wanted.pattern[..]).collect()
    } else {
        write_patterns(&context, &top, &wanted, args)?
    };
    let mut touched = 0;
    for pattern in new {
        if args.no_modify_attrs {
            say_tracking(pattern)?;
        }
        let files = touch::raw_files(&context, pattern)?;
        touched += touch::touch_all(&context, pattern, &files, args.verbose, args.dry_run)?;
    }
    name_unportable(&context, policy)?;
    if !args.dry_run {
        set_modes(&context, &wanted)?;
        update::hooks_by_the_way(&context.repository, &update::wanted(&context.repository)?);
    }
    if touched > 0 {
        // With a threshold, Git's own leaves unchanged raw content as it is.
        let add = if Threshold::of(&context.repository)?.is_off() { "add" } else { "dits add --renormalize" };
        report::hint(&format!("{touched} file(s) are stored whole: 'git {add}' them to make them pointers"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Files that are lockable now become read-only, and those that no longer are become writable.
fn set_modes(context: &Context, wanted: &[Wanted]) -> Result<()> {
    let files = |of: Lockable| {
        let mut out = Vec::new();
        for wanted in wanted.iter().filter(|wanted| wanted.lockable == of) {
            out.extend(touch::matching(context, &wanted.pattern, &[])?);
        }
        let paths = out.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        anyhow::Ok(paths.map(<[u8]>::to_vec).collect::<Vec<_>>())
    };
    let (mine, free) = (files(Lockable::Yes)?, files(Lockable::No)?);
    if !mine.is_empty() {
        lockable::refresh(context, Scope::Paths(&mine))?;
    }
    if !free.is_empty() {
        lockable::refresh(context, Scope::Freed(&free))?;
    }
    Ok(())
}

/// Tells of managed files whose names cannot exist on every system; they are managed all the same.
fn name_unportable(context: &Context, policy: Policy) -> Result<()> {
    let staged = tracked::staged(&context.repository.git, &[], false)?;
    let path =
        |line: &'_ [u8]| line.iter().position(|byte| *byte == b'\t').map(|tab| line[tab + 1..].to_vec());
    let paths: BTreeSet<Vec<u8>> = staged.split(|byte| *byte == 0).filter_map(path).collect();
    portable::check_paths(policy, paths.iter().map(Vec::as_slice), None);
    Ok(())
}

fn wanted(args: &Args) -> Result<Vec<Wanted>> {
    let lockable = match (args.lockable, args.not_lockable) {
        (true, _) => Lockable::Yes,
        (_, true) => Lockable::No,
        _ => Lockable::Keep,
    };
    let mut wanted = Vec::new();
    for given in &args.patterns {
        let pattern = pattern(given, args.filename);
        ensure!(!pattern.is_empty(), "a pattern is empty");
        let shown = attributes::quoted(&pattern);
        ensure!(
            !pattern.starts_with(b"../") && pattern != b"..",
            Failure::new(
                format!("{shown} leads out of the current folder, and a .gitattributes file cannot"),
                "run 'git dits track' in the folder above, or at the top"
            )
        );
        wanted.push(Wanted { pattern, lockable });
    }
    for preset in args.preset.iter().flat_map(|preset| preset.patterns()) {
        let lockable = if preset.lockable && !args.not_lockable { Lockable::Yes } else { lockable };
        wanted.push(Wanted { pattern: preset.text.into_bytes(), lockable });
    }
    Ok(wanted)
}

/// Writes them, and gives those that were not there as wanted.
fn write_patterns<'a>(
    context: &Context,
    top: &Path,
    wanted: &'a [Wanted],
    args: &Args,
) -> Result<Vec<&'a [u8]>> {
    let (file, top_file) = (context.cwd.join(".gitattributes"), top.join(".gitattributes"));
    let before = attributes::read(&file)?;
    let top_before = attributes::read(&top_file)?;
    let mut top_text = top_before.clone();
    attributes::add_macro(&mut top_text);
    // At the top both are one file, and the macro goes in before the patterns.
    let at_top = same_dir(&context.cwd, top);
    let mut text = if at_top { top_text.clone() } else { before.clone() };
    let mut new = Vec::new();
    for Wanted { pattern, lockable } in wanted {
        if attributes::track(&mut text, pattern, *lockable) {
            say_tracking(pattern)?;
            new.push(&pattern[..]);
        } else {
            report::line(&format!("{} already supported", attributes::quoted(pattern)))?;
        }
    }
    // The macro is put in even when all patterns were there: without it they mean nothing.
    let mut changes = Vec::new();
    if !at_top && top_text != top_before {
        changes.push(Change {
            before: top_file.exists().then_some(top_before),
            path: top_file,
            text: top_text,
        });
    }
    if text != before {
        changes.push(Change { before: file.exists().then_some(before), path: file, text });
    }
    if !args.dry_run {
        write(context, &changes, args.stage)?;
    }
    Ok(new)
}

/// A file to be written.
struct Change {
    path: PathBuf,
    /// `None` when there is no such file.
    before: Option<Vec<u8>>,
    text: Vec<u8>,
}

/// Replaces files by their new texts, unless Git would then give us what it must read itself.
fn write(context: &Context, changes: &[Change], stage: bool) -> Result<()> {
    for Change { path, text, .. } in changes {
        attributes::replace(path, text)?;
    }
    if let Some(name) = managed_by_mistake(context)? {
        for Change { path, before, .. } in changes {
            match before {
                Some(before) => attributes::replace(path, before)?,
                None => std::fs::remove_file(path)?,
            }
        }
        bail!(Failure::new(
            format!("a pattern would manage '{name}', which git must be able to read"),
            "name the kinds of files, as in 'git dits track \"*.mov\"'"
        ));
    }
    if stage && !changes.is_empty() {
        let paths = changes.iter().map(|change| change.path.clone().into_os_string());
        let args: Vec<OsString> = ["add".into(), "--".into()].into_iter().chain(paths).collect();
        context.git_here().run(&args)?;
    }
    Ok(())
}

/// A file of Git's or of ours in the current folder that has our filter now.
fn managed_by_mistake(context: &Context) -> Result<Option<String>> {
    const NAMES: [&str; 4] = [".gitattributes", ".gitignore", ".gitmodules", dits_repo::ditsconfig::NAME];
    let git = context.git_here();
    let out = git.run(&[&["check-attr", "-z", "filter", "--"][..], &NAMES].concat())?;
    let fields: Vec<&[u8]> = out.split(|b| *b == 0).collect();
    let mistake = fields.chunks_exact(3).find(|field| field[2] == b"dits");
    Ok(mistake.map(|field| String::from_utf8_lossy(field[0]).into_owned()))
}

fn say_tracking(pattern: &[u8]) -> Result<()> {
    if pattern.ends_with(b"/") {
        let shown = attributes::display(pattern);
        report::hint(&format!("a folder is tracked with all below it as \"{shown}**\""));
    }
    report::line(&format!("Tracking {}", attributes::quoted(pattern)))
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
