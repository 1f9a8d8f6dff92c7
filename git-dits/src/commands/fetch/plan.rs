//! Which contents a fetch is about, and from where.
//!
//! What is about to be looked at is said on the way, in git-lfs's words. Include and exclude patterns hold for
//! everything but paths that were named and `--all`.

use super::Args;
use crate::context::{self, Context};
use crate::entries;
use crate::hydration::{self, From};
use crate::report::{self, Failure};
use anyhow::{Context as _, Result};
use dits_remote::{Direction, endpoint};
use dits_repo::recent::{self, Days, Ref};
use dits_repo::tracked::{self, Tracked};
use dits_repo::{Git, history, partial, settings};
use std::collections::HashSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::io::Read;

/// Bytes of refs on standard input.
const STDIN_BYTES_MAX: u64 = 16 << 20;

/// What is to be fetched.
pub struct Plan {
    /// From where.
    pub from: From,
    /// Each content once, with a path.
    pub files: Vec<Tracked>,
}

/// What the arguments say.
#[derive(Debug)]
struct Words {
    remote: Option<String>,
    refs: Vec<String>,
    paths: Vec<String>,
}

/// Finds out what the arguments mean.
pub fn make(context: &Context, args: &Args) -> Result<Plan> {
    refuse_conflicts(args)?;
    let words = words(context, args)?;
    let from = hydration::from_remote(context, words.remote.as_deref())?;
    let (mut files, mut seen) = (Vec::new(), HashSet::new());
    if args.all {
        let revisions = revisions(context, args, &words.refs)?;
        let revisions: Vec<&str> = revisions.iter().map(String::as_str).collect();
        files = history::pointers(&context.repository.git, &revisions)?;
        files.retain(|file| seen.insert(file.pointer.oid));
        say(args, &format!("fetch: {} objects found, done.", files.len()))?;
        if words.refs.is_empty() && !args.stdin {
            say(args, "fetch: Fetching all references...")?;
        }
    } else {
        let mut done = BTreeMap::new();
        files.extend(of_refs(context, args, &words, &mut done)?);
        if args.recent || context.repository.setting_bool(settings::FETCH_RECENT_ALWAYS)? {
            files.extend(of_recent(context, args, words.remote.as_deref(), &mut done)?);
        }
        let chosen = args.choice.include.is_some() || args.choice.exclude.is_some();
        if words.paths.is_empty() || chosen {
            files = hydration::chosen(files, &args.choice.filter(context)?);
        }
        if words.paths.is_empty()
            && context.repository.config("core.sparsecheckout")?.as_deref() == Some("true")
        {
            let left_out = tracked::sparse(&context.repository.git)?;
            files.retain(|file| !left_out.contains(&file.path));
        }
        files.retain(|file| seen.insert(file.pointer.oid));
    }
    Ok(Plan { from, files })
}

/// Combinations that have no meaning, in git-lfs's words.
fn refuse_conflicts(args: &Args) -> Result<()> {
    let chosen = args.choice.include.is_some() || args.choice.exclude.is_some();
    let conflict = match args {
        Args { all: true, recent: true, .. } => "--all with --recent",
        Args { all: true, .. } if chosen => "--all with --include or --exclude",
        Args { all: true, path, .. } if !path.is_empty() => "--all with paths",
        Args { refetch: true, dry_run: true, .. } => "--refetch with --dry-run",
        _ => return Ok(()),
    };
    Err(Failure::new(format!("cannot combine {conflict}"), "run them one after the other").into())
}

/// Tells remotes, refs and paths apart.
fn words(context: &Context, args: &Args) -> Result<Words> {
    let mut words = Words { remote: None, refs: Vec::new(), paths: args.path.clone() };
    if let Some(first) = args.what.first() {
        let exist = || args.what.iter().all(|word| context.cwd.join(word).symlink_metadata().is_ok());
        let is_remote =
            endpoint::all(&context.repository, Direction::Fetch)?.iter().any(|known| known.remote == *first);
        if is_remote || first.contains("://") {
            words.remote = Some(first.clone());
            words.refs = args.what[1..].to_vec();
        } else if !args.all && exist() {
            words.paths.extend(args.what.clone());
        } else {
            let hint = "'git remote -v' lists the remotes; a path must exist, or stand after '--'";
            return Err(Failure::new(format!("invalid remote name '{first}'"), hint).into());
        }
    }
    if args.stdin {
        let mut text = String::new();
        let read = std::io::stdin().take(STDIN_BYTES_MAX).read_to_string(&mut text);
        read.context("cannot read refs from standard input")?;
        words.refs = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    }
    Ok(words)
}

/// What all history is meant of: all refs when none is given.
fn revisions(context: &Context, args: &Args, refs: &[String]) -> Result<Vec<String>> {
    if args.stdin || !refs.is_empty() {
        return refs.iter().map(|name| resolve(context, name)).collect();
    }
    Ok(vec!["--all".to_owned()])
}

/// The files of the refs, or of the index and its paths where there are none.
fn of_refs(
    context: &Context,
    args: &Args,
    words: &Words,
    done: &mut BTreeMap<String, String>,
) -> Result<Vec<Tracked>> {
    if words.refs.is_empty() && !args.stdin && !words.paths.is_empty() {
        return Ok(tracked::in_index(&context.git_here(), &words.paths)?);
    }
    let git = &context.repository.git;
    let mut refs = words.refs.clone();
    if refs.is_empty() && !args.stdin {
        if git.line(&["rev-parse", "--verify", "--quiet", "HEAD"])?.is_none() {
            // An unborn branch names nothing; what is staged may.
            let staged = context.repository.worktree.is_some();
            return if staged { Ok(tracked::in_index(git, &[])?) } else { Ok(Vec::new()) };
        }
        refs.push("HEAD".to_owned());
    }
    let mut files = Vec::new();
    for name in &refs {
        let tip = resolve(context, name)?;
        let full = git.line(&["rev-parse", "--symbolic-full-name", name])?.filter(|full| !full.is_empty());
        let full = full.unwrap_or_else(|| name.clone());
        say(args, &format!("fetch: Fetching reference {full}"))?;
        bring_pointers(git, &tip)?;
        files.extend(match &words.paths[..] {
            [] => tracked::in_tree(git, &tip)?,
            paths => tracked::in_tree_below(&context.git_here(), &tip, paths)?,
        });
        done.insert(tip, full);
    }
    Ok(files)
}

/// In a partial clone, makes sure that the pointers of a commit can be read.
fn bring_pointers(git: &Git, tip: &str) -> Result<()> {
    if let Some(remote) = partial::promisor(git)? {
        let managed = entries::in_commit(git, tip)?;
        partial::bring(git, &remote, tip, &managed.iter().map(|entry| &entry.id[..]).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn resolve(context: &Context, name: &str) -> Result<String> {
    let git = &context.repository.git;
    let known =
        if name.starts_with('-') { None } else { git.line(&["rev-parse", "--verify", "--quiet", name])? };
    let hint = "'git branch -a' and 'git tag' list the refs; 'git fetch' brings new ones";
    Ok(known.ok_or_else(|| Failure::new(format!("invalid ref argument: '{name}'"), hint))?)
}

/// What recent branches name, and what recent commits on the branches that were looked at replaced.
fn of_recent(
    context: &Context,
    args: &Args,
    remote: Option<&str>,
    done: &mut BTreeMap<String, String>,
) -> Result<Vec<Tracked>> {
    let repository = &context.repository;
    let (git, mut files) = (&repository.git, Vec::new());
    let days = Days::of(repository)?;
    if days.refs > 0 {
        say(args, &format!("fetch: Fetching recent branches within {} days", days.refs))?;
        let since = recent::before(context::now()?, days.refs);
        let remotes = format!("refs/remotes/{}", remote.unwrap_or_default());
        let folders = ["refs/heads", remotes.trim_end_matches('/')];
        let folders = if days.remote_refs { &folders[..] } else { &folders[..1] };
        for Ref { name, id, time } in recent::refs(git, folders)? {
            if time >= since
                && let Entry::Vacant(unknown) = done.entry(id)
            {
                say(args, &format!("fetch: Fetching reference {name}"))?;
                bring_pointers(git, unknown.key())?;
                files.extend(tracked::in_tree(git, unknown.key())?);
                unknown.insert(name);
            }
        }
    }
    if days.commits > 0 {
        for (tip, name) in &*done {
            say(args, &format!("fetch: Fetching changes within {} days of {name}", days.commits))?;
            files.extend(recent::replaced(git, tip, days.commits)?);
        }
    }
    Ok(files)
}

fn say(args: &Args, text: &str) -> Result<()> {
    if args.json { Ok(()) } else { report::line(text) }
}
