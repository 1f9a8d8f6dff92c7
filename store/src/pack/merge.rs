//! Merging packs and segments, as `git gc --auto` does.
//!
//! Many small commits make many small packs. Packs are counted in tiers by the size of their file; a tier that
//! holds [`PACKS_MAX`] is merged into packs of the target size, so each byte is rewritten about once a
//! tier and the number of small packs stays bounded. On the way neighbouring small chunks are
//! compressed together. Packs from half of that size on are left alone; `repack` is for those. A large push over several
//! streams leaves a pack for each share of it: nothing would be gained by writing those anew while more of them arrive.
//!
//! Who commits does what is small, and with packs only what has piled up, and leaves the rest to a thread of its process, or
//! to whoever calls [`PackStore::tend`] later ([`Upkeep`]). So the number of small packs and segments is bounded
//! whatever becomes of the rest, and what is left undone costs only time.
//!
//! Each chunk is checked before it is copied; a pack with a damaged chunk stays out, so damage is neither spread
//! nor thrown away. Only the holder of `consolidate.lock` gets here; readers and writers go on meanwhile.

use super::packs::is_gone;
use super::repack::SMALL_PACK_BYTES;
use super::rewrite::{Except, Retire, Rewrite, Squeeze, in_file_order};
use super::{LOCK, PackStore};
use crate::StoreError;
use dits_format::PackId;
use dits_format::listed::Listed;
use dits_format::pack::Footer;
use std::fs::TryLockError;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Packs of a tier that are merged.
const PACKS_MAX: usize = 8;
/// Upper bounds of the tiers.
const TIERS: [u64; 3] = [1 << 20, 8 << 20, SMALL_PACK_BYTES];
/// Packs of a tier with which it does not wait any longer for somebody else to merge them.
const PACKS_LEFT_MAX: usize = 4 * PACKS_MAX;
/// Bytes that one step merges while somebody waits for a commit: any [`PACKS_MAX`] packs of the first tier, or
/// small segments.
const AT_ONCE_BYTES: u64 = PACKS_MAX as u64 * TIERS[0];

/// Who does the merges that are too large to be waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Upkeep {
    /// The one who commits, before his commit returns.
    #[default]
    AtOnce,
    /// A thread of this process, which no one waits for.
    Thread,
    /// Whoever calls [`PackStore::tend`]; [`PackStore::is_due`] says when that is worth it.
    Later,
}

/// What a handle does about upkeep.
#[derive(Debug, Default)]
pub struct Policy {
    upkeep: AtomicU8,
    /// Whether a thread is at it.
    running: AtomicBool,
}

impl PackStore {
    /// Who does large merges after commits to this handle and its clones.
    #[must_use]
    pub fn with_upkeep(self, upkeep: Upkeep) -> PackStore {
        self.shared.upkeep.upkeep.store(upkeep as u8, Ordering::Relaxed);
        self
    }

    /// Merges all that is due, however large, unless another process or thread is at it. Whatever stops it leaves
    /// everything readable, and as much to do as before.
    pub fn tend(&self) -> Result<(), StoreError> {
        self.refresh()?;
        self.consolidate(u64::MAX, PACKS_MAX)
    }

    /// Whether [`Self::tend`] has something to do that commits leave to it.
    pub fn is_due(&self) -> Result<bool, StoreError> {
        let packs = self.tiers()?.iter().any(|packs| packs.len() >= PACKS_MAX);
        Ok(packs || self.due_segments(u64::MAX).is_some())
    }

    /// What a commit does about merges. It is durable by now, so what fails is tried again after the next one, and
    /// a damaged pack that was come across stays as it is for `fsck` to report.
    pub(super) fn after_commit(&self) {
        let upkeep = self.shared.upkeep.upkeep.load(Ordering::Relaxed);
        if upkeep == Upkeep::AtOnce as u8 {
            let _ = self.consolidate(u64::MAX, PACKS_MAX);
            return;
        }
        let _ = self.consolidate(AT_ONCE_BYTES, PACKS_LEFT_MAX);
        if upkeep == Upkeep::Thread as u8 && self.is_due().unwrap_or(false) {
            self.tend_in_thread();
        }
    }

    fn tend_in_thread(&self) {
        if self.shared.upkeep.running.swap(true, Ordering::AcqRel) {
            return;
        }
        let store = self.clone();
        let tend = move || {
            let _ = store.tend();
            store.shared.upkeep.running.store(false, Ordering::Release);
        };
        if std::thread::Builder::new().name("dits-upkeep".into()).spawn(tend).is_err() {
            self.shared.upkeep.running.store(false, Ordering::Release);
        }
    }

    /// Merges segments, and packs where so many have piled up, up to so many bytes in one step, unless another process
    /// is at it.
    fn consolidate(&self, bytes_max: u64, packs: usize) -> Result<(), StoreError> {
        let (path, lock) = self.layout().lock_file("consolidate.lock")?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &path)(error)),
            Ok(()) => {}
        }
        // A merge may fill the next tier, or with much to compress its own: once each is enough for today.
        for _ in TIERS {
            let mut tiers = self.tiers()?;
            // Their merge would write a large segment anew.
            let snapshot = self.snapshot();
            let large: Vec<_> = snapshot.iter().filter(|indexed| indexed.bytes > bytes_max).collect();
            let is_free = |pack: &Listed| !large.iter().any(|indexed| indexed.covers(&pack.id));
            tiers.iter_mut().for_each(|tier| tier.retain(is_free));
            let mut many = tiers.iter().filter(|tier| tier.len() >= packs);
            let Some(packs) = many.find_map(|tier| due(tier, bytes_max)) else { break };
            self.refresh()?;
            self.merge_intact(&packs)?;
        }
        self.merge_segments_locked(bytes_max)
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
    fn tiers(&self) -> Result<[Vec<Listed>; TIERS.len()], StoreError> {
        let mut listing = self.shared.listing.lock().expect(LOCK);
        listing.look(self.layout())?;
        let mut tiers: [Vec<Listed>; TIERS.len()] = Default::default();
        for pack in listing.packs() {
            if let Some(tier) = tier(pack.bytes) {
                tiers[tier].push(*pack);
            }
        }
        tiers.iter_mut().for_each(|tier| tier.sort_unstable_by_key(|pack| (pack.written, pack.id)));
        Ok(tiers)
    }

    /// All packs on disk.
    pub(crate) fn pack_ids(&self) -> Result<Vec<PackId>, StoreError> {
        let mut listing = self.shared.listing.lock().expect(LOCK);
        listing.look(self.layout())?;
        Ok(listing.packs().map(|pack| pack.id).collect())
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

/// The oldest packs of a tier that are merged in one step, if they are enough.
fn due(tier: &[Listed], bytes_max: u64) -> Option<Vec<PackId>> {
    let mut bytes = 0;
    let within = tier.iter().take_while(|pack| {
        bytes += pack.bytes;
        bytes <= bytes_max
    });
    let packs: Vec<PackId> = within.map(|pack| pack.id).collect();
    (packs.len() >= PACKS_MAX).then_some(packs)
}

/// Which tier a pack of this size is in; `None` when it is large enough as it is.
fn tier(bytes: u64) -> Option<usize> {
    TIERS.iter().position(|limit| bytes < *limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_format::limits::PACK_BYTES_TARGET;

    #[test]
    fn the_pack_of_a_share_of_a_large_push_is_left_as_it_is() {
        // A share has as many bytes as a pack; compressed it has less.
        let share = PACK_BYTES_TARGET;
        assert_eq!([share, share * 4 / 5, share / 2].map(tier), [None; 3]);
        assert_eq!([share / 2 - 1, (8 << 20) - 1, 0].map(tier), [Some(2), Some(1), Some(0)]);
    }
}
