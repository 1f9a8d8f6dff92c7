//! Contents as whole files of this machine, which a kernel reads without asking us.
//!
//! A folder with a file for each content, named by its oid. Each was rebuilt from chunks that were checked, and its oid compared when its last
//! byte was written; only then it got its name. Nobody looks at its bytes again: who may write this folder may change what the mount
//! shows, as with any file of a working tree. Runs of zeros take no room.
//!
//! At most `dits.mount.wholesize` bytes, those that were opened longest ago go first; `dits.reserve` is kept to. A file that is
//! open when it goes stays readable.
//!
//! Fails with what is to be told to people.

use crate::report::Failure;
use anyhow::{Context as _, Result};
use dits_format::{Binding, Manifest, Oid, Proof};
use dits_store::durable::{self, TempFile};
use dits_store::{ChunkWrite, Modes, PackStore, StoreError, content};
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Bytes of a block of the file system, as `stat` counts.
const BLOCK_BYTES: u64 = 512;
/// Ending of files in the making.
const TEMPORARY: &str = ".tmp";

/// See the file head.
#[derive(Debug)]
pub struct WholeFiles {
    dir: PathBuf,
    most: u64,
    /// One is made at a time: what there is room for is counted before.
    making: Mutex<()>,
}

impl WholeFiles {
    /// In the folder `dir`, which is made when it is needed; at most `most` bytes, 0 for any number.
    pub fn new(dir: PathBuf, most: u64) -> WholeFiles {
        WholeFiles { dir, most, making: Mutex::default() }
    }

    fn path(&self, oid: &Oid) -> PathBuf {
        self.dir.join(oid.to_string())
    }

    /// The file of a content, if there is one; notes that it was used.
    pub fn find(&self, oid: &Oid) -> Option<File> {
        let file = File::open(self.path(oid)).ok()?;
        // Not noted, it goes earlier.
        let _ = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
        Some(file)
    }

    /// Makes the file of a content that is whole in `store`.
    pub fn make(&self, store: &PackStore, oid: &Oid) -> Result<()> {
        let _alone = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if self.find(oid).is_some() {
            return Ok(());
        }
        let known = content::find_whole(store, oid, |_| true)?;
        let known = known.with_context(|| format!("not all of content {oid} is here"))?;
        let bytes = known.manifest.size;
        if self.most > 0 && bytes > self.most {
            let text = format!("a file of {bytes} bytes is above 'dits.mount.wholesize' ({})", self.most);
            return Err(Failure::new(text, "'git config dits.mount.wholesize SIZE' sets it").into());
        }
        durable::create_dir(&self.dir)?;
        fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|entry| entry.path()).for_each(|path| {
            if path.to_string_lossy().ends_with(TEMPORARY) {
                durable::sweep(&path);
            }
        });
        self.make_room(bytes)?;
        store.make_room(&self.dir, bytes)?;
        let file = TempFile::create(&self.dir, TEMPORARY, Modes::default())?;
        let written = write(store, &known.manifest, &file);
        settle(store, &known.binding, &written)?;
        written?;
        file.sync()?;
        Ok(file.persist(&self.path(oid))?)
    }

    /// Removes what was used longest ago, until there is room for `bytes` more.
    fn make_room(&self, bytes: u64) -> Result<()> {
        if self.most == 0 {
            return Ok(());
        }
        let mut files = used(&self.dir).with_context(|| format!("cannot read '{}'", self.dir.display()))?;
        files.sort();
        let mut taken: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, freed, path) in files {
            if taken.saturating_add(bytes) <= self.most {
                break;
            }
            durable::remove_file(&path)?;
            taken -= freed;
        }
        Ok(())
    }
}

/// The files of a folder: when each was last used, what it takes, where it is.
fn used(dir: &Path) -> std::io::Result<Vec<(SystemTime, u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // One that goes meanwhile takes nothing.
        if let Ok(meta) = entry.metadata() {
            files.push((meta.modified()?, meta.blocks() * BLOCK_BYTES, entry.path()));
        }
    }
    Ok(files)
}

fn write(store: &PackStore, manifest: &Manifest, file: &TempFile) -> Result<(), StoreError> {
    let mut at = 0;
    let mut hole = false;
    content::rebuild(store, manifest, &mut |bytes| {
        hole = bytes.iter().all(|byte| *byte == 0);
        if !hole {
            file.write_at(bytes, at)?;
        }
        at += bytes.len() as u64;
        Ok::<(), StoreError>(())
    })?;
    // The last byte gives it its length.
    if hole { file.write_at(&[0], at - 1) } else { Ok(()) }
}

/// Writes down what was learned about a claim.
fn settle(store: &PackStore, binding: &Binding, written: &Result<(), StoreError>) -> Result<()> {
    let proof = match written {
        Ok(()) => Proof::Proved,
        Err(StoreError::Mismatch { .. }) => Proof::Refuted,
        Err(_) => return Ok(()),
    };
    if binding.proof != proof {
        let mut batch = store.for_fetched().batch()?;
        batch.bind(Binding { proof, ..*binding });
        batch.commit()?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "whole_tests.rs"]
mod tests;
