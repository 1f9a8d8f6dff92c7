//! Writing index segments, and merging them so that a lookup asks few.
//!
//! Segments are of tiers by size, each 8 times the one before; [`SEGMENTS_MAX`] of a tier are merged into one of the
//! next, so an entry is written about once a tier. Segments never change, so merging holds no lock: only when the new
//! one is on disk the `listing` lock is taken, to put it in the place of the old ones. When one of those was replaced
//! meanwhile the work was for nothing and is done again, or by whoever comes next.
//!
//! Before a large segment is merged its checksum is checked, since what is wrong in it would get a right one; a
//! damaged one is dropped, and what it said is read from the packs again.

use super::indexed::Indexed;
use super::refresh::{Depth, SEGMENTS_MAX};
use super::{LOCK, PackStore, RETRIES};
use crate::{StoreError, durable};
use dits_format::limits::SEGMENT_ENTRIES_MAX;
use dits_format::{Binding, PackId};
use std::collections::{BTreeMap, HashSet};
use std::fs::TryLockError;
use std::sync::Arc;

impl PackStore {
    /// Writes a segment for all packs that are indexed in memory only.
    pub(super) fn write_index(&self) -> Result<(), StoreError> {
        self.reindex(&HashSet::new(), |_| false, |indexed| indexed.name.is_none())
    }

    /// Merges all that is due, unless somebody else is at it.
    pub(super) fn merge_segments(&self) -> Result<(), StoreError> {
        let (path, lock) = self.layout().lock_file("consolidate.lock")?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path)(error)),
            Ok(()) => self.merge_segments_locked(u64::MAX),
        }
    }

    /// Merges what is due up to so many bytes in one step; by the holder of `consolidate.lock`.
    pub(super) fn merge_segments_locked(&self, bytes_max: u64) -> Result<(), StoreError> {
        while let Some(due) = self.due_segments(bytes_max) {
            self.reindex(
                &HashSet::new(),
                |_| false,
                |indexed| indexed.name.as_ref().is_some_and(|name| due.contains(name)),
            )?;
        }
        Ok(())
    }

    /// Segments of a tier that are merged in one step, if there are enough. Never more than one segment may hold.
    pub(super) fn due_segments(&self, bytes_max: u64) -> Option<HashSet<String>> {
        let snapshot = self.snapshot();
        let mut tiers: BTreeMap<u32, Vec<&Arc<Indexed>>> = BTreeMap::new();
        for indexed in snapshot.iter().rev().filter(|indexed| indexed.name.is_some()) {
            tiers.entry(indexed.tier()).or_default().push(indexed);
        }
        tiers.into_values().find_map(|tier| {
            let (mut bytes, mut entries) = (0, 0);
            let within = tier.into_iter().take_while(|indexed| {
                bytes += indexed.bytes;
                entries += indexed.segment.chunk_count().max(indexed.segment.binding_count());
                bytes <= bytes_max && entries <= SEGMENT_ENTRIES_MAX
            });
            let names: HashSet<String> = within.filter_map(|indexed| indexed.name.clone()).collect();
            (names.len() >= SEGMENTS_MAX).then_some(names)
        })
    }

    /// Replaces the chosen segments by one on disk that says the same, without what is in `dead` packs and
    /// without bindings that are to be forgotten.
    pub(super) fn reindex(
        &self,
        dead: &HashSet<PackId>,
        forget: impl Fn(&Binding) -> bool,
        choose: impl Fn(&Indexed) -> bool,
    ) -> Result<(), StoreError> {
        for _ in 0..RETRIES {
            let snapshot = self.snapshot();
            let old: Vec<_> = snapshot.iter().filter(|indexed| choose(indexed)).cloned().collect();
            if old.is_empty() {
                return Ok(());
            }
            let damaged =
                old.iter().filter(|indexed| !indexed.is_intact()).filter_map(|old| old.name.as_ref());
            let damaged: Vec<_> = damaged.collect();
            if !damaged.is_empty() {
                damaged.into_iter().for_each(|name| self.drop_segment(name));
                self.look_again(Depth::Packs)?;
                continue;
            }
            let new = Indexed::combine(&old, dead, &forget, self.layout())?;
            if self.replace(&old, new)? {
                return Ok(());
            }
        }
        Err(StoreError::Busy { path: self.layout().root.clone() })
    }

    /// Puts a segment in the place of others; false when one of them is no longer there.
    fn replace(&self, old: &[Arc<Indexed>], new: Option<Indexed>) -> Result<bool, StoreError> {
        let _listing = self.shared.listing.lock().expect(LOCK);
        let is_old = |indexed: &Arc<Indexed>| old.iter().any(|old| Arc::ptr_eq(old, indexed));
        let (known, mut next): (Vec<_>, Vec<_>) = self.snapshot().iter().cloned().partition(is_old);
        let name = new.as_ref().and_then(|indexed| indexed.name.clone());
        if known.len() < old.len() {
            let known_so = |indexed: &Arc<Indexed>| indexed.name == name;
            if let Some(name) = name.as_ref().filter(|_| !self.snapshot().iter().any(known_so)) {
                durable::remove_file(&self.segment_path(name))?;
            }
            return Ok(false);
        }
        // A look at the folder may have met it there.
        next.retain(|indexed| indexed.name.is_none() || indexed.name != name);
        next.extend(new.map(Arc::new));
        self.set(next);
        let mut names = old.iter().filter_map(|indexed| indexed.name.as_ref());
        names.try_for_each(|name| durable::remove_file(&self.segment_path(name))).map(|()| true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::layout::Role;
    use crate::{ChunkRead, ChunkWrite};
    use dits_format::limits::SEGMENT_VERIFY_BYTES_MAX;
    use dits_format::{ChunkId, Kind};
    use std::fs;
    use std::path::Path;

    /// A store with one segment over two packs that both hold the chunk, as writers at the same time leave it.
    fn copied(dir: &Path) -> (PackStore, ChunkId, Vec<PackId>) {
        let store = PackStore::open(dir).expect("the store opens");
        let id = ChunkId::of(Kind::Data, b"both");
        let mut batches = [b"one", b"two"].map(|own| {
            let mut batch = store.batch().expect("batch");
            for bytes in [&b"both"[..], own] {
                assert!(batch.put(ChunkId::of(Kind::Data, bytes), Kind::Data, bytes).expect("put"));
            }
            Some(batch)
        });
        batches
            .iter_mut()
            .flat_map(Option::take)
            .for_each(|batch| assert_eq!(batch.commit().expect("commit").chunks, 2));
        store.reindex(&HashSet::new(), |_| false, |_| true).expect("one segment");
        let packs = store.pack_ids().expect("the packs");
        assert_eq!((store.snapshot().len(), packs.len()), (1, 2));
        (store, id, packs)
    }

    #[test]
    fn a_copy_is_still_known_when_the_pack_of_another_goes() {
        for goes in 0..2 {
            let dir = tempfile::tempdir().unwrap();
            let (store, id, packs) = copied(dir.path());
            store.reindex(&HashSet::from([packs[goes]]), |_| false, |_| true).unwrap();
            fs::remove_file(store.layout().pack(&packs[goes])).unwrap();
            let places: Vec<PackId> = store.places(&id).into_iter().map(|(pack, _)| pack).collect();
            assert_eq!(places, [packs[1 - goes]]);
            assert!(PackStore::open(dir.path()).unwrap().has(&id).unwrap());
        }
    }

    #[test]
    fn who_is_late_with_the_same_segment_takes_away_only_his_own() {
        let dir = tempfile::tempdir().unwrap();
        let (store, id, _) = copied(dir.path());
        let old = store.snapshot().to_vec();
        let combine = || Indexed::combine(&old, &HashSet::new(), |_| false, store.layout()).unwrap();
        let (early, late) = (combine(), combine());
        assert!(store.replace(&old, early).unwrap());
        assert!(!store.replace(&old, late).unwrap(), "what it replaces is gone");
        assert_eq!(fs::read_dir(&store.layout().index).unwrap().count(), 1);
        let other = PackStore::look(dir.path(), Role::Store).unwrap().unwrap();
        assert!(store.keeps(&id) && other.keeps(&id));
        assert!(other.snapshot().iter().all(|indexed| indexed.name.is_some()), "no footer was read");
    }

    /// A wrong bit in an id puts it out of order: merged as it is, whole runs of chunks would be lost to lookups.
    #[test]
    fn a_damaged_large_segment_is_not_merged_but_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let store = PackStore::open(dir.path()).unwrap();
        let mut batch = store.batch().unwrap();
        let put = |n: u64| {
            let id = ChunkId::of(Kind::Data, &n.to_le_bytes());
            batch.put(id, Kind::Data, &n.to_le_bytes()).map(|_| id).unwrap()
        };
        let ids: Vec<ChunkId> = (0..50_000u64).map(put).collect();
        batch.commit().unwrap();
        let name = store.snapshot()[0].name.clone().unwrap();
        let path = store.segment_path(&name);
        let mut bytes = fs::read(&path).unwrap();
        assert!(bytes.len() > SEGMENT_VERIFY_BYTES_MAX, "nobody hashes it when it is opened");
        // A record early in the file that now seems to come late.
        bytes[16 + 48 * 1000] ^= 0x80;
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let store = PackStore::open(dir.path()).unwrap();
        assert_eq!(store.snapshot()[0].name.as_ref(), Some(&name), "it is in use");
        store.reindex(&HashSet::new(), |_| false, |_| true).unwrap();
        assert!(ids.iter().all(|id| store.keeps(id)));
        let store = PackStore::open(dir.path()).unwrap();
        assert!(ids.iter().all(|id| store.has(id).unwrap()));
    }
}
