//! The journal of a batch, and what is done with one whose writer died.
//!
//! [`Journal`] is a file beside the open pack in `tmp/`; its bytes are `dits_format::journal`. Opening a store
//! looks for journals that nobody holds: the chunks they list are read from the open pack left behind,
//! checked, and written into a proper pack, and then the bindings whose content is whole. Only then is
//! the rest of `tmp/` swept. One process does this at a time (`sweep.lock`), so that none sweeps away what
//! another is about to read; if it fails, say on a full disk, everything stays for the next one.

use super::PackStore;
use super::packer::Packer;
use crate::durable::{self, TempFile};
use crate::{Encoded, Modes, StoreError, content};
use dits_format::journal::{self, Block, Placed};
use dits_format::{Binding, ChunkId, Oid};
use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const SUFFIX: &str = ".journal";

/// The journal of a living batch. Dropping it removes it.
#[derive(Debug)]
pub struct Journal {
    file: TempFile,
    bytes: u64,
}

impl Journal {
    /// An empty journal in `temp`.
    pub fn create(temp: &Path, modes: Modes) -> Result<Journal, StoreError> {
        Ok(Journal { file: TempFile::create(temp, SUFFIX, modes)?, bytes: 0 })
    }

    /// Adds blocks. After a failure it may be repeated.
    pub fn append(&mut self, blocks: &[Block]) -> Result<(), StoreError> {
        let bytes = blocks.iter().map(journal::encode).collect::<Vec<_>>().concat();
        self.file.write_at(&bytes, self.bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Lets the file stay when this is dropped.
    pub fn leave(&mut self) {
        self.file.leave();
    }
}

impl PackStore {
    /// Takes up what dead writers left, then sweeps. See the file head.
    pub(super) fn salvage(&self) -> Result<(), StoreError> {
        let temp = &self.layout().temp;
        if fs::read_dir(temp).map_err(StoreError::io("read", temp))?.next().is_none() {
            return Ok(());
        }
        // Not while contents are being forgotten: what the dead relied on might go.
        match self.try_lease()? {
            Some(_lease) => self.salvage_locked().map(drop),
            None => Ok(()),
        }
    }

    /// As [`Self::salvage`], for one who is alone and must be sure that nothing is left.
    pub(super) fn salvage_alone(&self) -> Result<(), StoreError> {
        match self.salvage_locked()? {
            true => Ok(()),
            false => Err(StoreError::Busy { path: self.layout().root.clone() }),
        }
    }

    /// Contents that batches under way have checkpointed, with their sizes: not visible yet, and bound to come, also
    /// if their writers die. For those who look while Git runs them and its filter at the same time. Takes the size of
    /// the journals in memory, 50 bytes a new chunk.
    pub fn checkpointed(&self) -> Result<HashSet<(Oid, u64)>, StoreError> {
        let temp = &self.layout().temp;
        let mut contents = HashSet::new();
        for entry in fs::read_dir(temp).map_err(StoreError::io("read", temp))?.flatten() {
            let path = entry.path();
            // One that goes away while we look has become visible.
            let Some(bytes) = is_journal(&path).then(|| fs::read(&path).ok()).flatten() else { continue };
            let bindings = journal::decode(&bytes).into_iter().flat_map(|block| block.bindings);
            contents.extend(bindings.map(|binding| (binding.oid, binding.size)));
        }
        Ok(contents)
    }

    /// False when something is left: another process is at it, or is just dying. The caller has a lease, or is
    /// alone.
    fn salvage_locked(&self) -> Result<bool, StoreError> {
        let temp = &self.layout().temp;
        let (_, lock) = self.layout().lock_file("sweep.lock")?;
        if lock.try_lock().is_err() {
            return Ok(false);
        }
        // First what is free, then the journals: a pack whose writer is dead has its journal by then. What
        // writers that die from here on leave is for the next one.
        let list = || Ok(fs::read_dir(temp).map_err(StoreError::io("read", temp))?.flatten());
        let mut dead: Vec<PathBuf> = list()?
            .map(|entry| entry.path())
            .filter(|path| !is_journal(path) && free(path).is_some())
            .collect();
        let mut all = true;
        for path in list()?.map(|entry| entry.path()).filter(|path| is_journal(path)) {
            let free = free(&path);
            all &= free.is_some();
            let Ok(bytes) = fs::read(&path) else { continue };
            let blocks = journal::decode(&bytes);
            if free.is_some() {
                self.salvage_one(&blocks)?;
                dead.push(path);
            } else {
                // Its writer is just dying, one file after the other.
                dead.retain(|path| {
                    blocks.iter().all(|block| !path.ends_with(format!("{:032x}", block.file)))
                });
            }
        }
        dead.iter().for_each(|path| durable::sweep(path));
        Ok(all)
    }

    fn salvage_one(&self, blocks: &[Block]) -> Result<(), StoreError> {
        let mut packer = Packer::new(self);
        for block in blocks {
            let Ok(file) = File::open(self.layout().temp.join(format!("{:032x}", block.file))) else {
                // Closed meanwhile: then it has its name, and its chunks are known.
                continue;
            };
            for chunk in &block.chunks {
                if !packer.has(&chunk.id)
                    && !self.keeps(&chunk.id)
                    && let Some(encoded) = read_placed(&file, chunk)
                {
                    packer.add_encoded(chunk.id, chunk.kind, &encoded)?;
                }
            }
        }
        packer.finish(&[])?;
        // After a power cut the journal may speak of chunks that never reached the disk: what is bound must be
        // whole.
        let mut kept: Vec<Binding> = blocks.iter().flat_map(|block| block.bindings.iter().copied()).collect();
        kept.sort_unstable();
        kept.dedup();
        kept.retain(|binding| {
            let whole = content::manifest(self, &binding.manifest)
                .and_then(|manifest| content::first_missing(self, &manifest));
            matches!(whole, Ok(None))
        });
        packer.finish(&kept)?;
        self.write_index()
    }
}

fn is_journal(path: &Path) -> bool {
    path.to_string_lossy().ends_with(SUFFIX)
}

/// The file, locked, when no writer holds it.
fn free(path: &Path) -> Option<File> {
    File::open(path).ok().filter(|file| file.try_lock().is_ok())
}

/// A chunk in an open pack that was left behind, if it is intact.
fn read_placed(file: &File, chunk: &Placed) -> Option<Encoded> {
    let mut bytes = vec![0; chunk.stored_bytes as usize];
    file.read_exact_at(&mut bytes, chunk.offset).ok()?;
    let encoded = Encoded { codec: chunk.codec, bytes: bytes.into(), plain_bytes: chunk.bytes };
    let plain = encoded.decode().ok()?;
    (ChunkId::of(chunk.kind, &plain) == chunk.id).then_some(encoded)
}
