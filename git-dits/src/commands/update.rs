//! `git dits update`: the hooks of this repository.
//!
//! Puts them in or renews them, and says what to do where somebody else has a hook or looks after hooks: that is
//! never changed without being asked. Those about lockable files come only where there are some. Hooks are nets, so a repository without them works all the same.

use crate::context::{self, Context};
use crate::report::{self, FAILED};
use crate::setup;
use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use dits_hooks::{ClientHook, HookState, Manager, State, install, shim};
use dits_repo::{Git, Repository, lockable};
use std::process::ExitCode;

/// Put the hooks of git-dits into this repository
#[derive(Debug, Parser)]
pub struct Args {
    /// Put hooks that are there behind ours
    #[arg(short, long)]
    force: bool,
    /// Print what to add to hooks, and write none
    #[arg(short, long)]
    manual: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(false)?;
    check(args.force, args.manual)?;
    let program = program()?;
    let done = hooks(&context.repository, &program, args.force, args.manual)?;
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// Refuses what contradicts itself.
pub fn check(force: bool, manual: bool) -> Result<()> {
    ensure!(!(force && manual), "You cannot use --force and --manual options together");
    Ok(())
}

/// How hooks are to call this program.
pub fn program() -> Result<String> {
    let exe = std::env::current_exe().context("cannot find this program's own file")?;
    Ok(setup::program(&Git::at(&context::cwd()?), &exe, false).word)
}

/// Installs the hooks, and says how that went. False when a hook of somebody else is in the way.
pub fn hooks(repository: &Repository, program: &str, force: bool, manual: bool) -> Result<bool> {
    if manual {
        steps(repository, program)?;
        return Ok(true);
    }
    let hooks = wanted(repository)?;
    let mut state = install(repository, &hooks, program, force)?;
    state.hooks.retain(|(hook, _)| hooks.contains(hook));
    if let Some(manager) = &state.manager {
        tell_managed(&state, manager, program);
    }
    let foreign: Vec<_> = state.foreign().collect();
    if foreign.is_empty() {
        report::line("Updated Git hooks.")?;
        return Ok(true);
    }
    for (hook, text) in foreign {
        report::notice(&format!("Hook already exists: {}\n\n{}", hook.name(), indented(text)));
    }
    report::notice(
        "To resolve this, either:\n  1: run `git dits update --manual` for instructions on how to merge hooks.\n  \
         2: run `git dits update --force` to run your hook behind that of git-dits.",
    );
    Ok(false)
}

/// The hooks that this repository shall have.
pub fn wanted(repository: &Repository) -> Result<Vec<ClientHook>> {
    let mut hooks = ClientHook::NETS.to_vec();
    if repository.worktree.is_some() && lockable::is_mentioned(repository)? {
        hooks.extend(ClientHook::LOCKABLE);
    }
    Ok(hooks)
}

/// Puts in those of `hooks` that are in nobody's way, for a command that is about something else: it says nothing,
/// and what cannot be done is left for `doctor` to tell. `GIT_DITS_TRACK_NO_INSTALL_HOOKS` stops it.
pub fn hooks_by_the_way(repository: &Repository, hooks: &[ClientHook]) {
    if context::env_is_true("GIT_DITS_TRACK_NO_INSTALL_HOOKS") {
        return;
    }
    let folder = repository.common_dir.join("hooks");
    // The usual case costs one look at each file.
    if hooks.iter().all(|hook| folder.join(hook.name()).exists()) {
        return;
    }
    let is_absent =
        |state: State| state.hooks.iter().any(|of| hooks.contains(&of.0) && of.1 == HookState::Absent);
    if dits_hooks::state(repository).is_ok_and(is_absent)
        && let Ok(program) = program()
    {
        let _ = install(repository, hooks, &program, false);
    }
}

fn tell_managed(state: &State, manager: &Manager, program: &str) {
    for (hook, of_hook) in &state.hooks {
        let file = manager.file(*hook);
        match of_hook {
            HookState::Managed { added: false } => {
                report::warning(&format!("the {} hook is left to {}", hook.name(), manager.name()));
                report::hint(&format!("add the following to '{}':", file.display()));
                report::hint(&snippet(manager, *hook, program));
            }
            HookState::Inert(why) => {
                report::warning(&format!("the {} hook of git-dits is not run: {why}", hook.name()));
                report::hint(&format!("add the following to '{}':", file.display()));
                report::hint(&snippet(manager, *hook, program));
            }
            _ => {}
        }
    }
}

fn snippet(manager: &Manager, hook: ClientHook, program: &str) -> String {
    manager.snippet(hook, &String::from_utf8_lossy(&shim::block(hook, program)))
}

/// What to add where, by hand.
fn steps(repository: &Repository, program: &str) -> Result<()> {
    let state = dits_hooks::state(repository)?;
    let step = |hook: ClientHook| {
        let (file, text) = match &state.manager {
            Some(manager) => (manager.file(hook), snippet(manager, hook, program)),
            None => {
                let file = state.folder.join(hook.name());
                let lines = shim::fresh(&shim::block(hook, program));
                let seen = file.strip_prefix(repository.git.dir()).unwrap_or(&file).to_owned();
                (seen, String::from_utf8_lossy(&lines).into_owned())
            }
        };
        format!("Add the following to '{}':\n\n{}", file.display(), indented(text.as_bytes()))
    };
    let steps: Vec<String> = wanted(repository)?.into_iter().map(step).collect();
    report::stdout(steps.join("\n"))
}

/// Text with a tab before each line, as git-lfs shows hooks.
fn indented(text: &[u8]) -> String {
    match std::str::from_utf8(text) {
        Ok(text) => text.lines().map(|line| format!("\t{line}\n")).collect(),
        Err(_) => "\t(a program)\n".to_owned(),
    }
}
