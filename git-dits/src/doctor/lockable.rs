//! Lockable files: modes that the locks of this user do not explain, and what keeps them from being right.
//!
//! Only stat data and attributes are read. `--fix` gives all lockable files the mode that they shall have.

use super::{Findings, Fix, named};
use crate::context::Context;
use crate::lockable;
use anyhow::{Result, ensure};
use dits_hooks::{ClientHook, HookState};
use dits_repo::lockable::{Access, Flipped, Scope, choose, chosen, flip, is_mentioned};

/// Looks at all lockable files of Git's index.
pub fn check(context: &Context, findings: &mut Findings) -> Result<()> {
    let repository = &context.repository;
    if repository.worktree.is_none() || !is_mentioned(repository)? {
        return Ok(());
    }
    let is_on = choose::is_on(repository)?;
    let Flipped { changed, modified, .. } = flip::survey(repository, &chosen(repository, Scope::All)?)?;
    let wrong = |access: Access| {
        let files: Vec<&[u8]> =
            changed.iter().filter(|file| file.1 == access).map(|file| &file.0[..]).collect();
        (!files.is_empty())
            .then(|| format!("{} lockable file(s) are {{}}: {}", files.len(), named(files.into_iter())))
    };
    if let Some(text) = wrong(Access::ReadOnly) {
        let text = text.replace("{}", "writable, and you hold no lock of them");
        findings.warning("lockable-writable", text).fix = fix("makes them read-only");
    }
    if let Some(text) = wrong(Access::Writable) {
        let why = if is_on {
            "read-only although you have locked them"
        } else {
            "read-only although that is switched off"
        };
        findings.warning("lockable-read-only", text.replace("{}", why)).fix = fix("makes them writable");
    }
    if !modified.is_empty() {
        let names = named(modified.iter().map(|path| &path[..]));
        let text = format!("{} lockable file(s) were changed without a lock: {names}", modified.len());
        findings.note("lockable-modified", text).hint("before you go on: 'git dits lock' them");
    }
    if !is_on {
        findings
            .note("lockable-off", "lockable files are not made read-only")
            .hint("that is dits.setlockablereadonly, or GIT_DITS_SET_LOCKABLE_READONLY");
    } else if rustix::process::geteuid().is_root() {
        findings.note("lockable-root", "you are root, who may write files that are read-only");
    }
    hooks(context, findings)
}

/// Without these, only files that git-dits manages become read-only by themselves.
fn hooks(context: &Context, findings: &mut Findings) -> Result<()> {
    let state = dits_hooks::state(&context.repository)?;
    let is_missing = |of: &HookState| {
        matches!(of, HookState::Absent | HookState::Foreign(_) | HookState::Managed { added: false })
    };
    let missing: Vec<&str> = state
        .hooks
        .iter()
        .filter(|(hook, of)| ClientHook::LOCKABLE.contains(hook) && is_missing(of))
        .map(|(hook, _)| hook.name())
        .collect();
    if !missing.is_empty() {
        let text = format!("lockable files have no {} hook", missing.join(", "));
        findings.note("lockable-hooks", text).hint(
            "with them, new files and those that git-dits does not manage become read-only too: 'git dits update'",
        );
    }
    Ok(())
}

fn fix(what: &str) -> Option<Fix> {
    Fix::new(what, || {
        let done = lockable::refresh(&Context::find_quietly(false)?, Scope::All)?;
        ensure!(done.failed.is_empty(), "{} file(s) could not be changed", done.failed.len());
        Ok(())
    })
}
