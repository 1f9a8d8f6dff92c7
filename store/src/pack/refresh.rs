//! Keeping what a handle knows of the index in step with the folders, and the index in step with the packs.
//!
//! All changes of the snapshot happen here and in `segments`, one at a time under the `listing` lock; readers take the snapshot
//! as it is and never wait for them. Three rules hold after [`Depth::Packs`]: each segment file on disk is in
//! the snapshot; each segment names only packs that exist; each readable pack is covered. A segment
//! that breaks the second rule twice, with the folders read anew between, is no longer a merge we happened
//! to see half of, but damage: it is dropped, and the packs it covered are indexed from their footers.

use super::indexed::{Indexed, Snapshot};
use super::listing::Listing;
use super::packs::is_gone;
use super::{LOCK, PackStore, RETRIES};
use crate::{StoreError, durable};
use dits_format::PackId;
use dits_format::pack::Footer;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

/// Segments of one size tier, or in memory, that may pile up before they are merged.
pub const SEGMENTS_MAX: usize = 8;

/// Entries of footers that are held in memory at once while a lost index is made anew: 80 MiB.
const FOOTER_ENTRIES_MAX: usize = 1 << 19;

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// At the index folder: one stat when nothing changed.
    Index,
    /// At the packs too: 257 stats when nothing changed.
    Packs,
}

/// A generation of the listing, and the segments that went with it.
pub type Matched = (u64, Vec<Weak<Indexed>>);

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
        listing.look(self.layout())?;
        // With many packs even comparing them takes a while.
        let seen = (listing.generation(), next.iter().map(Arc::downgrade).collect::<Vec<_>>());
        let mut matched = self.shared.matched.lock().expect(LOCK);
        let same = |(old, new): (&Weak<Indexed>, &Weak<Indexed>)| old.ptr_eq(new);
        let is_matched = matched.0 == seen.0 && matched.1.len() == seen.1.len();
        if is_matched && matched.1.iter().zip(&seen.1).all(same) {
            return Ok(true);
        }
        self.shared.packs.retain(|id| listing.has(id));
        if all_filed(listing, next) {
            *matched = seen;
            return Ok(true);
        }
        let present: HashSet<PackId> = listing.packs().map(|pack| pack.id).collect();
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
        let covered: HashSet<PackId> = next.iter().flat_map(packs_of).collect();
        if !self.index_bare(bare.difference(&covered), next)? {
            return Ok(false);
        }
        *matched = (seen.0, next.iter().map(Arc::downgrade).collect());
        Ok(true)
    }

    /// Indexes packs that nothing covers, from their footers; false when one is gone. Very many, as when the index was
    /// lost, are written out on the way.
    fn index_bare<'a>(
        &self,
        bare: impl Iterator<Item = &'a PackId>,
        next: &mut Vec<Arc<Indexed>>,
    ) -> Result<bool, StoreError> {
        let (mut found, mut entries): (Vec<(PackId, Footer)>, _) = (Vec::new(), 0);
        for id in bare {
            match self.shared.packs.footer(id) {
                // Its writer may not have come to this; others will rely on what we say is here.
                Ok(footer) => {
                    if self.layout().writable {
                        self.layout().sync_pack(id)?;
                    }
                    entries += footer.entries.len();
                    found.push((*id, footer));
                }
                Err(error) if is_gone(&error) => return Ok(false),
                Err(StoreError::File { .. }) => {}
                Err(error) => return Err(error),
            }
            if entries >= FOOTER_ENTRIES_MAX && self.layout().writable {
                let group = Arc::new(Indexed::of_footers(std::mem::take(&mut found)));
                let filed = Indexed::combine(&[group], &HashSet::new(), |_| false, self.layout())?;
                next.extend(filed.map(Arc::new));
                entries = 0;
            }
        }
        if !found.is_empty() {
            next.push(Arc::new(Indexed::of_footers(found)));
        }
        Ok(true)
    }

    pub(super) fn set(&self, mut next: Vec<Arc<Indexed>>) {
        next.sort_by_key(|indexed| std::cmp::Reverse(indexed.bytes));
        *self.shared.snapshot.write().expect(LOCK) = Snapshot::new(next);
    }

    /// Removes a segment that is of no use; in a store that is not ours to write, it only is not used.
    pub(super) fn drop_segment(&self, name: &str) {
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
            next.push(Arc::new(Indexed::of_footers(vec![(id, footer)])));
            let in_memory = next.iter().filter(|indexed| indexed.name.is_none()).count();
            self.set(next);
            in_memory
        };
        // A very long batch must not make every lookup walk through hundreds of segments. Beside what it
        // writes, merging those is little.
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
}

/// Whether segments on disk cover just the packs that there are, the usual case: by walking two sorted lists.
fn all_filed(listing: &Listing, segments: &[Arc<Indexed>]) -> bool {
    if segments.iter().any(|indexed| indexed.name.is_none()) {
        return false;
    }
    let mut filed: Vec<&PackId> = segments.iter().flat_map(|indexed| &indexed.packs).collect();
    // Each segment lists its packs in order, which this sort makes use of.
    filed.sort();
    filed.dedup();
    listing.packs().map(|pack| &pack.id).eq(filed)
}
