//! What a server's collector needs of a store: packs one by one, and moments in which nobody else relies on it.
//!
//! Other than [`super::Alone`], [`PackStore::quiet`] waits: whoever writes to a server's store holds its lease only
//! while he verifies and binds, or answers a question, and so for a moment. Batches may be open meanwhile
//! ([`PackStore::loose_batch`]): they hold nothing, and look exactly again, under the lease, before they bind. What
//! they checkpointed is theirs and lies in no pack that could be taken.

use super::PackStore;
use super::batch::PackBatch;
use super::merge::is_damage;
use super::packs::is_gone;
use super::rewrite::{Except, Retire, Rewrite, Squeeze};
use crate::traits::Forgotten;
use crate::{Batch, StoreError};
use dits_format::pack::Footer;
use dits_format::{ChunkId, Oid, PackId};
use std::collections::HashSet;
use std::fs::{self, File};
use std::time::UNIX_EPOCH;

/// While this lives, nobody has a lease, and nobody else merges or removes packs.
#[derive(Debug)]
pub struct Quiet {
    store: PackStore,
    _users: File,
    _packs: File,
}

/// A pack on disk.
#[derive(Debug)]
pub struct PackInfo {
    /// Its name.
    pub id: PackId,
    /// What it holds.
    pub footer: Footer,
    /// Bytes of the file.
    pub bytes: u64,
    /// When it was written, in seconds since 1970.
    pub written: u64,
}

impl PackStore {
    /// Begins a batch that holds no lease: what it finds here may be gone when it commits. Its owner takes a lease,
    /// refreshes, and looks exactly for everything that it needs before he binds and commits.
    pub fn loose_batch(&self) -> Result<Box<dyn Batch>, StoreError> {
        self.refresh()?;
        Ok(Box::new(PackBatch::new(self, None)))
    }

    /// Waits until nobody has a lease, and lets nobody have one.
    pub fn quiet(&self) -> Result<Quiet, StoreError> {
        let packs = self.lock_packs()?;
        let users = self.lock_users()?;
        self.refresh()?;
        Ok(Quiet { store: self.clone(), _users: users, _packs: packs })
    }

    /// The packs on disk now.
    pub fn packs(&self) -> Result<Vec<PackId>, StoreError> {
        self.refresh()?;
        self.pack_ids()
    }

    /// A pack, unless it is gone or its footer damaged.
    pub fn pack(&self, id: PackId) -> Result<Option<PackInfo>, StoreError> {
        let Ok(meta) = fs::metadata(self.layout().pack(&id)) else { return Ok(None) };
        let footer = match self.shared.packs.footer(&id) {
            Ok(footer) => footer,
            Err(error) if is_damage(&error) || is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let written = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let written = written.map_or(u64::MAX, |since| since.as_secs());
        Ok(Some(PackInfo { id, footer, bytes: meta.len(), written }))
    }
}

impl Quiet {
    /// Takes these chunks out of these packs, and the bindings of these contents. Returns what went and how many
    /// bytes of disk that freed. A pack with damage in what stays is left as it is.
    ///
    /// # Errors
    /// When the store fails; what was not taken is still there then.
    pub fn take(
        &self,
        packs: Vec<PackInfo>,
        chunks: &HashSet<ChunkId>,
        contents: &HashSet<Oid>,
    ) -> Result<(Forgotten, u64), StoreError> {
        let except = Except { chunks: Some(chunks), contents: Some(contents) };
        let (mut intact, mut freed, mut gone) = (Vec::new(), 0, Forgotten::default());
        for pack in packs {
            match self.store.checked(&pack.id, &except) {
                Err(error) if is_damage(&error) || is_gone(&error) => continue,
                checked => drop(checked?),
            }
            for entry in pack.footer.entries.iter().filter(|entry| chunks.contains(&entry.id)) {
                gone.chunks += 1;
                gone.bytes += u64::from(entry.bytes);
            }
            freed += pack.bytes;
            intact.push((pack.id, pack.footer));
        }
        if intact.is_empty() {
            return Ok((gone, 0));
        }
        let how = Rewrite { except: &except, retire: &Retire::Delete, squeeze: Squeeze::Quick };
        let fresh = self.store.rewrite(&intact, &how)?;
        let length = |id: &PackId| fs::metadata(self.store.layout().pack(id)).map_or(0, |meta| meta.len());
        Ok((gone, freed.saturating_sub(fresh.iter().map(length).sum())))
    }
}
