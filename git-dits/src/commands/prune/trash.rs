//! The trash of the store, for `prune` and `gc`: how long it is kept, bringing it back, and emptying it.
//!
//! What is in it was proved by a remote, or the user asked for no proof; so it is only a convenience, kept for
//! `dits.trashdays` days. 0 means that there is none.

use crate::context;
use crate::report::{self, human_bytes};
use anyhow::Result;
use dits_repo::Repository;
use dits_repo::settings::TRASH_DAYS;
use dits_store::PackStore;
use serde_json::json;
use std::process::ExitCode;

const DAY: u64 = 24 * 60 * 60;

/// Days that the trash is kept.
pub fn days(repository: &Repository) -> Result<u64> {
    Ok(repository.setting_number(TRASH_DAYS)?)
}

/// Deletes what is in the trash for longer than that; returns the bytes.
pub fn empty_old(store: &PackStore, days: u64, now: u64) -> Result<u64> {
    Ok(store.empty_trash(now.saturating_sub(days.saturating_mul(DAY)))?)
}

/// Brings back all of it.
pub fn restore(store: &PackStore, json: bool) -> Result<ExitCode> {
    let bytes: u64 = store.trash()?.iter().map(|trash| trash.bytes).sum();
    let packs = store.restore_trash()?;
    if json {
        report::stdout(context::json_lines(&json!({ "restored_packs": packs, "restored_bytes": bytes }))?)?;
    } else if packs > 0 {
        report::line(&format!("prune: {packs} pack(s) restored ({}), done.", human_bytes(bytes)))?;
    } else {
        report::line("prune: nothing to restore, done.")?;
    }
    Ok(ExitCode::SUCCESS)
}
