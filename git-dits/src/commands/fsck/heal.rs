//! Repairing a store: taking away what is damaged, and fetching it again.
//!
//! What is absent can be fetched, what is damaged cannot: so damage goes first, packs without a readable footer to
//! the folder `damaged`, damaged chunks for good. Then every content of which the store still has a binding, and
//! not all chunks, is asked of the remotes. Whatever comes is checked as in any fetch. Nothing of the working
//! tree is touched.

use super::Check;
use crate::context::Context;
use crate::report::{self, Failure};
use anyhow::Result;
use dits_format::{Oid, Proof};
use dits_remote::RemoteSource;
use dits_remote::meter::DOWNLOADING;
use dits_repo::{ChunkSource, RepoError};
use dits_store::{ChunkPrune, ChunkRead, Item, PackStore, content, durable};
use std::collections::BTreeSet;
use std::path::Path;

/// Takes away what is damaged.
pub fn remove(store: &PackStore, dir: &Path, dry_run: bool, check: &Check) -> Result<()> {
    if !check.packs.is_empty() {
        let aside = dir.join("damaged");
        let doing = if dry_run { "would move" } else { "moving" };
        check.say(&format!("objects: repair: {doing} corrupt objects to {}", aside.display()))?;
        if !dry_run {
            durable::create_dir(&aside)?;
            for pack in &check.packs {
                if let Some(name) = pack.file_name() {
                    durable::rename(pack, &aside.join(name))?;
                }
            }
            store.refresh()?;
        }
    }
    if !check.chunks.is_empty() {
        let removed = if dry_run { check.chunks.len() as u64 } else { store.remove(&check.chunks)? };
        let done = if dry_run { "would remove" } else { "removed" };
        check.say(&format!("objects: repair: {done} {removed} corrupt chunk(s)"))?;
    }
    Ok(())
}

/// Fetches what is not whole, and says what could not be had.
pub fn fetch(context: &Context, store: &PackStore, dry_run: bool, check: &mut Check) -> Result<()> {
    let mut torn = torn(store)?;
    if !check.packs.is_empty() {
        // Bindings were in those packs too; what Git names is all that is left to go by.
        torn.extend(check.paths.keys().filter(|oid| !content::is_whole(store, oid).unwrap_or(false)));
    }
    torn.sort_unstable();
    torn.dedup();
    if torn.is_empty() {
        return Ok(());
    }
    if dry_run {
        return check.say(&format!("objects: repair: {} content(s) would be fetched again", torn.len()));
    }
    let meter = context.meter();
    let mut source = RemoteSource::new(&context.repository, store, &context.settings);
    let fetched = source.fetch(&torn, &mut |progress| {
        meter.show_files(DOWNLOADING, progress.contents, progress.bytes, progress.bytes_total);
    });
    drop(meter);
    if let Err(error) = fetched {
        report::fetch_error(&RepoError::Fetch(error));
    }
    store.refresh()?;
    for oid in &torn {
        if !content::is_whole(store, oid).unwrap_or(false) {
            check.unhealed.push((check.paths.get(oid).cloned(), *oid));
        }
    }
    let healed = torn.len() - check.unhealed.len();
    check.healed = healed as u64;
    if healed > 0 {
        check.say(&format!("objects: repair: fetched {healed} content(s) again"))?;
    }
    for (path, oid) in &check.unhealed {
        let path =
            path.as_ref().map(|path| format!("{} ", String::from_utf8_lossy(path))).unwrap_or_default();
        check.say(&format!("objects: repair: {path}({oid}) could not be had from any remote"))?;
    }
    Ok(())
}

/// Contents that were here once and are not whole.
fn torn(store: &PackStore) -> Result<Vec<Oid>> {
    let mut known = BTreeSet::new();
    store.visit(&mut |item| {
        if let Item::Binding(binding) = item
            && binding.proof != Proof::Refuted
        {
            known.insert(binding.oid);
        }
        Ok(())
    })?;
    // Damage that could not be taken away is not whole either.
    Ok(known.into_iter().filter(|oid| !content::is_whole(store, oid).unwrap_or(false)).collect())
}

/// That a folder is no store.
pub fn no_store(dir: &Path) -> Failure {
    Failure::new(
        format!("'{}' is no chunk store", dir.display()),
        "a repository has it in .git/dits, a server in realms/<realm>/store",
    )
}
