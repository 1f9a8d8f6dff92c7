//! Merging what has piled up in the store after a command, as `git gc --auto` does.
//!
//! A commit to the store leaves large merges of packs and of the index undone, as Git or a user waits for it. Whoever has
//! stored something calls [`leave_behind`] at its end: where enough has piled up that starts `git dits gc --auto`, a
//! process of its own, and does not wait for it. Only one such process works on a store at a time, the store
//! stays readable and writable meanwhile, and one that is killed loses nothing but its work. As with Git, `gc.auto` = 0 or
//! `maintenance.auto` = false turn it off. It never fails a command: what is not done is done another time.

use crate::context::Context;
use anyhow::Result;
use dits_store::PackStore;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

/// Starts what is due; see the file head.
pub fn leave_behind(context: &Context, store: &PackStore) {
    let is_due = |store: &PackStore| store.is_due().unwrap_or(false);
    if !is_due(store) && !store.cache().is_some_and(|cache| cache.is_writable() && is_due(cache.store())) {
        return;
    }
    let is_off = |key| {
        let value = context.repository.config(key).ok().flatten();
        value.is_some_and(|value| ["0", "false", "no", "off"].contains(&value.to_lowercase().as_str()))
    };
    let Ok(program) = std::env::current_exe() else { return };
    if !is_off("gc.auto") && !is_off("maintenance.auto") {
        let mut gc = Command::new(program);
        gc.args(["gc", "--auto"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own: an interrupt that the user means for the command is not meant for it.
        drop(gc.process_group(0).spawn());
    }
}

/// Does what is due in the store and in the cache beside it.
pub fn tend(store: &PackStore) -> Result<ExitCode> {
    store.own().tend()?;
    if let Some(cache) = store.cache().filter(|cache| cache.is_writable()) {
        cache.store().tend()?;
    }
    Ok(ExitCode::SUCCESS)
}
