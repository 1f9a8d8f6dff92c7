//! Merging packs, as `git gc --auto` does.
//!
//! Many small commits make many small packs. Packs are counted in tiers by the size of their file; a tier that
//! holds [`PACKS_MAX`] is merged into packs of the target size, so each byte is rewritten about once a
//! tier and the number of small packs stays bounded. On the way neighbouring small chunks are
//! compressed together. Full packs are left alone; `repack` is for those.
//!
//! Each chunk is checked before it is copied; a pack with a damaged chunk stays out, so damage is neither spread
//! nor thrown away. Only the holder of `consolidate.lock` gets here; readers and writers go on meanwhile.

use super::packs::is_gone;
use super::rewrite::{Except, Retire, Rewrite, Squeeze, in_file_order};
use super::{LOCK, PackStore};
use crate::StoreError;
use dits_format::PackId;
use dits_format::limits::PACK_BYTES_TARGET;
use dits_format::pack::Footer;
use std::fs::{self, TryLockError};
use std::time::SystemTime;

/// Packs of a tier that are merged.
const PACKS_MAX: usize = 8;
/// Upper bounds of the tiers.
const TIERS: [u64; 3] = [1 << 20, 8 << 20, PACK_BYTES_TARGET];

impl PackStore {
    /// Merges tiers and segments that are due, unless another process is at it.
    pub(super) fn consolidate(&self) -> Result<(), StoreError> {
        let (path, lock) = self.layout().lock_file("consolidate.lock")?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &path)(error)),
            Ok(()) => {}
        }
        let due = |tiers: &[Vec<PackId>]| tiers.iter().position(|packs| packs.len() >= PACKS_MAX);
        let mut tiers = self.tiers()?;
        // A merge may fill the next tier, or with much to compress its own: once each is enough for today.
        for _ in TIERS {
            let Some(tier) = due(&tiers) else { break };
            self.refresh()?;
            self.merge_intact(&tiers[tier])?;
            tiers = self.tiers()?;
        }
        self.merge_segments()
    }

    fn merge_intact(&self, packs: &[PackId]) -> Result<(), StoreError> {
        let mut intact = Vec::new();
        for id in packs {
            match self.checked(id, &Except::default()) {
                Ok(footer) => intact.push((*id, footer)),
                Err(error) if is_damage(&error) || is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if intact.len() < PACKS_MAX {
            return Ok(());
        }
        let (except, retire) = (&Except::default(), &Retire::Delete);
        self.rewrite(&intact, &Rewrite { except, retire, squeeze: Squeeze::Quick }).map(drop)
    }

    /// The packs of each tier, oldest first: what was added together stays together.
    fn tiers(&self) -> Result<[Vec<PackId>; TIERS.len()], StoreError> {
        let mut tiers: [Vec<(SystemTime, PackId)>; TIERS.len()] = Default::default();
        for id in self.pack_ids()? {
            // One that is gone was merged by another process.
            let Ok(meta) = fs::metadata(self.layout().pack(&id)) else { continue };
            if let Some(tier) = TIERS.iter().position(|limit| meta.len() < *limit) {
                tiers[tier].push((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), id));
            }
        }
        Ok(tiers.map(|mut tier| {
            tier.sort_unstable();
            tier.into_iter().map(|(_, id)| id).collect()
        }))
    }

    /// All packs on disk.
    pub(crate) fn pack_ids(&self) -> Result<Vec<PackId>, StoreError> {
        self.shared.listing.lock().expect(LOCK).packs(self.layout())
    }

    /// The footer of a pack whose chunks, but for those in `except`, are all intact.
    pub(super) fn checked(&self, id: &PackId, except: &Except<'_>) -> Result<Footer, StoreError> {
        let footer = self.shared.packs.footer(id)?;
        let pack = self.shared.packs.get(id)?;
        let mut bytes = Vec::new();
        for entry in in_file_order(&footer).filter(|entry| !except.has_chunk(&entry.id)) {
            self.shared.packs.read_entry(&pack, entry, &mut bytes)?;
        }
        Ok(footer)
    }
}

/// Whether the store has wrong bytes, not whether it failed.
pub(super) fn is_damage(error: &StoreError) -> bool {
    matches!(error, StoreError::Corrupt { .. } | StoreError::File { .. })
}
