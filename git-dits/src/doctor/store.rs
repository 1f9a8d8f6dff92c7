//! The chunk store: its format, its index, and what killed processes left.
//!
//! Looks before the store is opened, as opening mends some of this by itself. Chunks are not read: `fsck` does.

use super::{Findings, Fix};
use crate::context::Context;
use crate::logs;
use anyhow::Result;
use dits_repo::hydrate;
use dits_store::{PackStore, StoreError, durable, pack};
use std::path::{Path, PathBuf};

/// Looks at this repository's store and temporary folders.
pub fn check(context: &Context, findings: &mut Findings) -> Result<()> {
    let dir = context.repository.store_dir();
    if dir.join("format").exists() {
        let damaged = pack::damaged_segments(&dir)?;
        let left = durable::abandoned(&dir.join("tmp"));
        // Opening mends both, so it waits until they were told.
        if damaged.is_empty()
            && left.is_empty()
            && let Err(error @ StoreError::StoreFormat { .. }) = PackStore::open(&dir)
        {
            findings.error("store-format", error.to_string()).hint("update git-dits");
        }
        for path in damaged {
            let text = format!("the store's index segment '{}' is damaged", path.display());
            findings.warning("damaged-segment", text).fix = rebuild(dir.clone(), path);
        }
        if !left.is_empty() {
            let text = format!("killed processes left {} temporary file(s) in the chunk store", left.len());
            let dir = dir.clone();
            findings.warning("leftovers", text).fix =
                Fix::new("takes up what is whole in them, and removes them", move || {
                    Ok(PackStore::open(&dir).map(drop)?)
                });
        }
    }
    let left = hydrate::leftovers(&context.repository);
    if !left.is_empty() {
        let repository = context.repository.tmp_dir();
        let text =
            format!("killed processes left {} temporary file(s) in '{}'", left.len(), repository.display());
        findings.warning("leftovers", text).fix = Fix::new("removes them", move || {
            left.iter().for_each(|path| durable::sweep(path));
            Ok(())
        });
    }
    let logged = logs::list(&logs::folder(&context.repository)).len();
    if logged > 0 {
        findings
            .note("logs", format!("{logged} internal error(s) were logged"))
            .hint("'git dits logs last' shows the last one, 'git dits logs clear' removes them");
    }
    Ok(())
}

fn rebuild(dir: PathBuf, path: PathBuf) -> Option<Fix> {
    let open = |dir: &Path| -> Result<()> { Ok(PackStore::open(dir)?.refresh()?) };
    Fix::new("removes it, and indexes its packs anew", move || {
        durable::remove_file(&path)?;
        open(&dir)
    })
}
