//! `git dits filter-process`: what Git starts to clean and smudge.
//!
//! Standard input and output belong to Git's protocol. Standard error stays silent when all went well and it
//! is no terminal: tools read it together with content. The exit code reaches nobody (Git ignores it), so
//! what went wrong is said in words. Pointers stay in the working tree with `--skip`, `GIT_DITS_SKIP_SMUDGE` or
//! `GIT_LFS_SKIP_SMUDGE` (which CI systems set to say "no content"), and where `dits.fetchinclude` and
//! `dits.fetchexclude` say so. In a mount that is being served they are files at once, and nothing is left to do here.

use super::update;
use crate::context::{self, Context, guard_signals};
use crate::mounting::inside;
use crate::{lockable, outcome, report, upkeep};
use anyhow::Result;
use clap::Parser;
use dits_filter::{Policy, Progress, Report};
use dits_hooks::ClientHook;
use dits_remote::RemoteSource;
use dits_remote::progress::Way;
use dits_repo::lockable::{Scope, is_mentioned};
use dits_repo::{Repository, hydrate};
use serde_json::json;
use std::fs::File;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// Serve Git's filter protocol on standard input and output
#[derive(Debug, Parser)]
pub struct Args {
    /// Leave pointers in the working tree
    #[arg(short, long)]
    skip: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    // Not the line-buffered handle of the standard library: an answer must be one write.
    let input = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    // Wider pipes save switches between Git and us; it works without.
    for end in [&input, &output] {
        let _ = rustix::pipe::fcntl_setpipe_size(end, 1 << 20);
    }
    let context = Context::find_quietly(false)?;
    let critical = Arc::new(Mutex::new(()));
    guard_signals(critical.clone())?;
    let store = context.store()?;
    let mut source = RemoteSource::new(&context.repository, &store, &context.settings);
    let work = hydrate::Context {
        repository: &context.repository,
        store: &store,
        source: Some(&mut source),
        critical: &critical,
    };
    let (mut meter, mut cleaned) = (None, 0);
    let mut observe = |progress: Progress<'_>| {
        let meter = meter.get_or_insert_with(|| context.meter());
        match progress {
            Progress::Cleaned { path, bytes } => {
                cleaned += 1;
                meter.file_done(Way::Clean, (cleaned, cleaned), bytes, &String::from_utf8_lossy(path));
            }
            Progress::Hydrate(progress) => outcome::show(meter, progress),
        }
    };
    let policy = Policy {
        skip_smudge: args.skip || context::skip_smudge(),
        in_mount: inside::is_mount(&context.repository),
        threads: context::threads(),
        no_optional_locks: std::env::var_os("GIT_OPTIONAL_LOCKS").is_some()
            && !context::env_is_true("GIT_OPTIONAL_LOCKS"),
    };
    let result = dits_filter::run(input, output, policy, work, &mut complain, &mut observe);
    let done = result?;
    if let (Some(meter), Some(Ok(hydrated)), Some(top)) =
        (&meter, &done.hydrated, &context.repository.worktree)
    {
        outcome::tell_programs(meter, top, hydrated);
    }
    drop(meter);
    context.settings.trace.event("filter", json!({ "cleaned": done.cleaned, "smudged": done.smudged }));
    if done.cleaned > 0 || done.hydrated.is_some() {
        upkeep::leave_behind(&context, &store);
    }
    if done.cleaned > 0 {
        // Whoever adds content will push it, to a remote of whatever kind.
        update::hooks_by_the_way(&context.repository, &[ClientHook::PrePush]);
    }
    if !policy.in_mount && (done.cleaned > 0 || done.smudged > 0) {
        see_to_lockable(&context.repository, done.smudged > 0, &critical);
    }
    tell(&context, done)
}

/// Files that we do not manage are left to hooks. A new clone has none yet, so they are put in, and what Git has checked
/// out meanwhile is seen to here.
fn see_to_lockable(repository: &Repository, checked_out: bool, critical: &Mutex<()>) {
    let is_there = |hook: &ClientHook| repository.common_dir.join("hooks").join(hook.name()).exists();
    if ClientHook::LOCKABLE.iter().all(is_there) || !is_mentioned(repository).unwrap_or(false) {
        return;
    }
    update::hooks_by_the_way(repository, &ClientHook::LOCKABLE);
    if checked_out && let Err(error) = dits_repo::lockable::refresh(repository, Scope::All, critical) {
        lockable::tell(&error.into());
    }
}

/// Says what went wrong at the end.
fn tell(context: &Context, done: Report) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    if let Some(error) = done.commit_error {
        report::error(&format!("added content is not safe on disk yet: {error}"));
        report::hint("free some space; the next git-dits command that stores something takes it up");
        code = ExitCode::FAILURE;
    }
    outcome::tell_whole(&context.repository.git, &done.whole);
    if let Some(hydrated) = done.hydrated {
        let hydrated = hydrated?;
        outcome::tell(&hydrated);
        if !hydrated.is_complete() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// Says why a file failed, as Git itself does not.
fn complain(path: &[u8], cause: &(dyn std::error::Error + 'static)) {
    let (path, text) = (String::from_utf8_lossy(path), cause.to_string());
    // Some errors name the file themselves.
    let named = text.contains(&format!("'{path}'"));
    report::error(&if named { text } else { format!("'{path}': {text}") });
    if let Some(hint) = report::hint_for(cause) {
        report::hint(&hint);
    }
}
