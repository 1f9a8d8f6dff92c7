//! Keeping what a handle knows of the index in step with the folders, and the index in step with the packs.
//!
//! All changes of the snapshot happen here, one at a time under the `listing` lock; readers take the snapshot
//! as it is and never wait for them. Three rules hold after [`Depth::Packs`]: each segment file on disk is in
//! the snapshot; each segment names only packs that exist; each readable pack is covered. A segment
//! that breaks the second rule twice, with the folders read anew between, is no longer a merge we happened
//! to see half of, but damage: it is dropped, and the packs it covered are indexed from their footers.

use super::indexed::{Indexed, Snapshot};
use super::layout::Listing;
use super::packs::is_gone;
use super::{LOCK, PackStore, RETRIES};
use crate::{StoreError, durable};
use dits_format::pack::Footer;
use dits_format::{Binding, PackId};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Segments of one size tier, or in memory, that may pile up before they are merged.
pub const SEGMENTS_MAX: usize = 8;

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// At the index folder: one stat when nothing changed.
    Index,
    /// At the packs too: 257 stats when nothing changed.
    Packs,
}

impl PackStore {
    /// See [`PackStore::refresh`].
    pub(super) fn look_again(&self, depth: Depth) -> Result<(), StoreError> {
        let mut listing = self.shared.listing.lock().expect(LOCK);
        let mut suspects = HashSet::new();
        for _ in 0..RETRIES {
            let Some(mut next) = self.listed_segments(&mut listing)? else {
                listing.forget();
                continue;
            };
            if depth == Depth::Packs && !self.match_packs(&mut listing, &mut next, &mut suspects)? {
                listing.forget();
                continue;
            }
            self.set(next);
            return Ok(());
        }
        // Others merge faster than we look. What we know is at worst stale, and the next look may be luckier.
        Ok(())
    }

    /// The segments in the index folder and those in memory; `None` when one vanished meanwhile.
    fn listed_segments(&self, listing: &mut Listing) -> Result<Option<Vec<Arc<Indexed>>>, StoreError> {
        let names = listing.segments(self.layout())?;
        let mut new: HashSet<&String> = names.iter().collect();
        let mut next = self.snapshot().to_vec();
        next.retain(|indexed| indexed.name.as_ref().is_none_or(|name| new.remove(name)));
        for name in new {
            let path = self.segment_path(name);
            match Indexed::load(&path, name) {
                Ok(Some(indexed)) => next.push(Arc::new(indexed)),
                Ok(None) => return Ok(None),
                Err(StoreError::File { .. }) => self.drop_segment(name),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(next))
    }

    /// Makes the last two rules of the file head true of `next`; false when that needs another look.
    fn match_packs(
        &self,
        listing: &mut Listing,
        next: &mut Vec<Arc<Indexed>>,
        suspects: &mut HashSet<String>,
    ) -> Result<bool, StoreError> {
        let present: HashSet<PackId> = listing.packs(self.layout())?.into_iter().collect();
        let known = suspects.len();
        next.retain(|indexed| {
            let whole = indexed.packs.iter().all(|pack| present.contains(pack));
            match &indexed.name {
                Some(name) if !whole && !suspects.insert(name.clone()) => {
                    self.drop_segment(name);
                    false
                }
                Some(_) => true,
                None => whole,
            }
        });
        if suspects.len() > known {
            return Ok(false);
        }
        let packs_of = |indexed: &Arc<Indexed>| indexed.packs.clone();
        let filed = next.iter().filter(|indexed| indexed.name.is_some()).flat_map(packs_of).collect();
        let bare: HashSet<PackId> = present.difference(&filed).copied().collect();
        // What is in memory only is of no use once files cover it.
        next.retain(|indexed| indexed.name.is_some() || indexed.covers_any(&bare));
        let mut found: Vec<(PackId, Footer)> = Vec::new();
        for id in bare.difference(&next.iter().flat_map(packs_of).collect()).copied() {
            match self.shared.packs.footer(&id) {
                // Its writer may not have come to this; others will rely on what we say is here.
                Ok(footer) => {
                    if self.layout().writable {
                        self.layout().sync_pack(&id)?;
                    }
                    found.push((id, footer));
                }
                Err(error) if is_gone(&error) => return Ok(false),
                Err(StoreError::File { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if !found.is_empty() {
            next.push(Arc::new(Indexed::of_footers(&found)));
        }
        self.shared.packs.retain(|id| present.contains(id));
        Ok(true)
    }

    fn set(&self, mut next: Vec<Arc<Indexed>>) {
        next.sort_by_key(|indexed| std::cmp::Reverse(indexed.bytes));
        *self.shared.snapshot.write().expect(LOCK) = Snapshot::new(next);
    }

    /// Removes a segment that is of no use; in a store that is not ours to write, it only is not used.
    fn drop_segment(&self, name: &str) {
        if self.layout().writable {
            let _ = durable::remove_file(&self.segment_path(name));
        }
    }

    pub(super) fn segment_path(&self, name: &str) -> PathBuf {
        self.layout().index.join(format!("{name}.seg"))
    }

    /// Takes up a pack that this handle has just closed. It is indexed in memory; [`Self::write_index`] follows.
    pub(super) fn adopt(&self, id: PackId, footer: Footer) -> Result<(), StoreError> {
        let in_memory = {
            let _listing = self.shared.listing.lock().expect(LOCK);
            self.shared.packs.retain(|open| *open != id);
            let mut next = self.snapshot().to_vec();
            next.push(Arc::new(Indexed::of_footers(&[(id, footer)])));
            let in_memory = next.iter().filter(|indexed| indexed.name.is_none()).count();
            self.set(next);
            in_memory
        };
        // A very long batch must not make every lookup walk through hundreds of segments.
        if in_memory >= SEGMENTS_MAX {
            self.write_index().and_then(|()| self.merge_segments())
        } else {
            Ok(())
        }
    }

    /// Drops copies that a failed merge made. Nothing is lost: what they were copied from is still there.
    pub(super) fn disown(&self, packs: &HashSet<PackId>) {
        let _listing = self.shared.listing.lock().expect(LOCK);
        let mut next = self.snapshot().to_vec();
        next.retain(|indexed| indexed.name.is_some() || !indexed.covers_any(packs));
        self.set(next);
        packs.iter().for_each(|id| drop(durable::remove_file(&self.layout().pack(id))));
    }

    /// Writes a segment for all packs that are indexed in memory only.
    pub(super) fn write_index(&self) -> Result<(), StoreError> {
        self.reindex(&HashSet::new(), |_| false, |indexed| indexed.name.is_none())
    }

    /// Merges segments of like size, so that a lookup asks few.
    pub(super) fn merge_segments(&self) -> Result<(), StoreError> {
        for tier in 0.. {
            let snapshot = self.snapshot();
            if snapshot.iter().all(|indexed| indexed.tier() < tier) {
                break;
            }
            if snapshot.iter().filter(|indexed| indexed.tier() == tier).count() >= SEGMENTS_MAX {
                self.reindex(&HashSet::new(), |_| false, |indexed| indexed.tier() == tier)?;
            }
        }
        Ok(())
    }

    /// Replaces the chosen segments by one on disk that says the same, without what is in `dead` packs and
    /// without bindings that are to be forgotten.
    pub(super) fn reindex(
        &self,
        dead: &HashSet<PackId>,
        forget: impl Fn(&Binding) -> bool,
        choose: impl Fn(&Indexed) -> bool,
    ) -> Result<(), StoreError> {
        let _listing = self.shared.listing.lock().expect(LOCK);
        let (old, mut next): (Vec<_>, Vec<_>) =
            self.snapshot().iter().cloned().partition(|indexed| choose(indexed));
        if old.is_empty() {
            return Ok(());
        }
        let new = Indexed::combine(&old, dead, forget, self.layout())?;
        let name = new.as_ref().and_then(|indexed| indexed.name.clone());
        next.retain(|indexed| indexed.name.is_none() || indexed.name != name);
        next.extend(new.map(Arc::new));
        self.set(next);
        let gone =
            old.iter().filter_map(|indexed| indexed.name.as_ref()).filter(|old| Some(*old) != name.as_ref());
        gone.into_iter().try_for_each(|name| durable::remove_file(&self.segment_path(name)))
    }
}
