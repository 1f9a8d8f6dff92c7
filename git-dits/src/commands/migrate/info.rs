//! `git dits migrate info`: what takes space in history, by kind of file, and what git-dits would store of it.
//!
//! Options, columns and progress lines are those of `git lfs migrate info`. The estimate at the end is ours: the
//! contents are really cut into chunks (a part of them where there are very many), and each chunk counts once.
//! Changes nothing but, like git-lfs, the refs of remotes: without `--skip-fetch` they are fetched first, as commits
//! that a remote has are left out unless asked for.

use super::groups::{self, Groups, Pointers};
use super::units;
use crate::context::{self, Context};
use crate::report::{self, Failure};
use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use dits_repo::migrate::estimate::{self, Estimate};
use dits_repo::migrate::examine::{self, Examined};
use dits_repo::pathfilter::PathFilter;
use serde_json::json;
use std::process::ExitCode;

/// Show what kinds of files take space in history, and what git-dits would store of them
#[derive(Debug, Parser)]
pub struct Args {
    /// Branches to look at, those with a leading '^' to leave out; without any, the current one
    branches: Vec<String>,
    /// Only paths that match one of these patterns
    #[arg(short = 'I', long, value_name = "PATTERNS")]
    include: Vec<String>,
    /// No paths that match one of these patterns
    #[arg(short = 'X', long, value_name = "PATTERNS")]
    exclude: Vec<String>,
    /// Commits of this ref
    #[arg(long, value_name = "REF")]
    include_ref: Vec<String>,
    /// No commits of this ref
    #[arg(long, value_name = "REF")]
    exclude_ref: Vec<String>,
    /// Commits of all branches and tags, those of remotes too
    #[arg(long)]
    everything: bool,
    /// Do not fetch from remotes first to learn which commits they have
    #[arg(long)]
    skip_fetch: bool,
    /// For scripts that were written for git-lfs: this command never asks
    #[arg(short, long)]
    yes: bool,
    /// Count only files larger than this
    #[arg(long, value_name = "SIZE", default_value = "0")]
    above: String,
    /// Show so many kinds of files
    #[arg(long, value_name = "N", default_value_t = 5, allow_negative_numbers = true)]
    top: i64,
    /// Show sizes as numbers of this unit (b, kb, kib, …, pb, pib)
    #[arg(long)]
    unit: Option<String>,
    /// What to do with pointers: follow, ignore or no-follow
    #[arg(long, default_value = "follow", default_value_if("fixup", "true", "ignore"))]
    pointers: String,
    /// Count only files that should be pointers by .gitattributes and are not
    #[arg(long)]
    fixup: bool,
    /// Read at most so much content for the estimate
    #[arg(long, value_name = "SIZE", default_value = "16gib")]
    sample: String,
    /// Print the result as JSON
    #[arg(short, long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let size = |name: &str, text: &str| {
        units::bytes(text).with_context(|| format!("cannot parse --{name}=<n>: no size: \"{text}\""))
    };
    let (above, limit) = (size("above", &args.above)?, size("sample", &args.sample)?);
    let unit = args.unit.as_deref().map(|text| {
        units::unit(text).with_context(|| format!("cannot parse --unit=<unit>: unknown unit: \"{text}\""))
    });
    let unit = unit.transpose()?;
    let pointers = match &args.pointers[..] {
        "follow" => Pointers::Follow,
        "no-follow" => Pointers::NoFollow,
        "ignore" => Pointers::Ignore,
        _ => {
            return Err(
                Failure::new("unsupported --pointers option value", "follow, no-follow or ignore").into()
            );
        }
    };
    if args.fixup {
        let patterns = !args.include.is_empty() || !args.exclude.is_empty();
        ensure!(!patterns, "cannot use --fixup with --include, --exclude");
        ensure!(pointers == Pointers::Ignore, "cannot use --fixup with --pointers={}", args.pointers);
    }
    let context = Context::find(true)?;
    let revisions = revisions(&context, args)?;
    let mut examined = examine(&context, args, &revisions)?;
    let versions = std::mem::take(&mut examined.versions);
    let (mut groups, counted) = groups::group(versions, pointers, above);
    let meter = context.meter();
    let git = &context.repository.git;
    let estimate = estimate::estimate(git, &counted, limit, &mut |done, total| {
        meter.show("Reading content", done, total)
    })?;
    drop(meter);
    groups.files.truncate(usize::try_from(args.top).unwrap_or(0));
    if args.json {
        print_json(&groups, &examined, &estimate)?;
    } else {
        print_text(&groups, &examined, &estimate, unit)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What to give to `git rev-list`; nothing on a branch without commits.
fn revisions(context: &Context, args: &Args) -> Result<Vec<String>> {
    let git = &context.repository.git;
    let named = !args.include_ref.is_empty() || !args.exclude_ref.is_empty();
    let refs = |patterns: &[&str]| -> Result<Vec<String>> {
        let out = git.run(&[&["for-each-ref", "--format=%(refname)"], patterns].concat())?;
        Ok(String::from_utf8_lossy(&out).lines().map(str::to_owned).collect())
    };
    if args.everything {
        ensure!(!named, "cannot use --everything with --include-ref or --exclude-ref");
        ensure!(args.branches.is_empty(), "cannot use --everything with explicit reference arguments");
        return refs(&["refs/heads", "refs/tags", "refs/remotes"]);
    }
    let (without, mut with): (Vec<String>, Vec<String>) =
        args.branches.iter().cloned().partition(|branch| branch.starts_with('^'));
    with.extend(args.include_ref.iter().cloned());
    if with.is_empty() && !named {
        if git.commit("HEAD")?.is_none() {
            return Ok(Vec::new());
        }
        with.push("HEAD".into());
    }
    let mut without: Vec<String> = without.iter().map(|branch| branch[1..].to_owned()).collect();
    without.extend(args.exclude_ref.iter().cloned());
    if !named {
        if !args.skip_fetch {
            fetch(context)?;
        }
        without.extend(refs(&["refs/remotes"])?);
    }
    let resolve = |name: &String| -> Result<String> {
        Ok(git.commit(name)?.ok_or_else(|| {
            Failure::new(format!("Git can't resolve ref: \"{name}\""), "see 'git branch --all'")
        })?)
    };
    let mut revisions = with.iter().map(resolve).collect::<Result<Vec<_>>>()?;
    revisions
        .extend(without.iter().map(resolve).collect::<Result<Vec<_>>>()?.iter().map(|id| format!("^{id}")));
    Ok(revisions)
}

/// Brings the refs of all remotes up to date. One that cannot be reached only makes more commits count.
fn fetch(context: &Context) -> Result<()> {
    let mut names: Vec<String> = context.repository.remotes()?.into_iter().map(|(name, _)| name).collect();
    names.sort();
    for name in names {
        if let Err(error) =
            context.repository.git.run(&["fetch", "--quiet", "--no-tags", "--end-of-options", &name])
        {
            report::warning(&format!("cannot fetch from '{name}', going on with what is known: {error}"));
            report::hint("'--skip-fetch' does not try");
        }
    }
    report::notice("migrate: Fetching remote refs: ..., done.");
    Ok(())
}

fn examine(context: &Context, args: &Args, revisions: &[String]) -> Result<Examined> {
    let repository = &context.repository;
    let ignore_case = repository.config("core.ignorecase")?.as_deref() == Some("true");
    let filter = PathFilter::new(&args.include.join(","), &args.exclude.join(","), ignore_case);
    let examined = examine::examine(repository, revisions, &|path| filter.lets_through(path), args.fixup)?;
    report::notice("migrate: Sorting commits: ..., done.");
    let commits = examined.commits;
    report::notice(&format!("migrate: Examining commits: 100% ({commits}/{commits}), done."));
    Ok(examined)
}

fn print_text(groups: &Groups, examined: &Examined, estimate: &Estimate, unit: Option<u64>) -> Result<()> {
    let mut out = groups::table(groups, unit);
    if estimate.read_bytes > 0 {
        let shown = report::human_bytes;
        out.push_str(&format!(
            "\nStored by git-dits: {} in {} chunks, {:.0}% of the {} that whole files take",
            shown(estimate.chunk_bytes),
            estimate.chunks,
            estimate.percent(),
            shown(estimate.read_bytes),
        ));
        if estimate.is_sample() {
            out.push_str(&format!(" (a sample of {})", shown(estimate.whole_bytes)));
        }
        out.push('\n');
    }
    report::stdout(out)?;
    if examined.missing > 0 {
        report::warning(&format!("{} file(s) are not counted: their content is not here", examined.missing));
        report::hint("fetch it first, for example with 'git fetch --refetch --no-filter'");
    }
    Ok(())
}

fn print_json(groups: &Groups, examined: &Examined, estimate: &Estimate) -> Result<()> {
    let result = json!({
        "groups": groups.files.iter().map(groups::Group::json).collect::<Vec<_>>(),
        "pointers": groups.pointers.as_ref().map(groups::Group::json),
        "commits": examined.commits,
        "missing": examined.missing,
        "estimate": {
            "whole_bytes": estimate.whole_bytes,
            "read_bytes": estimate.read_bytes,
            "sampled": estimate.is_sample(),
            "chunks": estimate.chunks,
            "chunk_bytes": estimate.chunk_bytes,
        },
    });
    report::stdout(context::json_lines(&result)?)
}
