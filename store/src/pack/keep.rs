//! Throwing things out of a cache: everything but what shall be kept.
//!
//! Other than taking away from a store (`remove`) this spares nothing that is damaged, bindings go with their
//! manifests, and nobody is waited for, whatever lease he holds: all of it can be had again. Packs of which nothing is kept are deleted without being read; the others are
//! rewritten, in groups that bound the disk it takes. At the end the index is made anew from the packs.

use super::merge::is_damage;
use super::packs::is_gone;
use super::refresh::Depth;
use super::rewrite::{Except, GROUP_BYTES, Retire, Rewrite, Squeeze};
use super::{LOCK, PackStore};
use crate::{StoreError, durable};
use dits_format::pack::Footer;
use dits_format::{Binding, ChunkId, PackId};
use std::collections::HashSet;
use std::fs;

impl PackStore {
    /// Removes from `packs` every chunk that is not to be kept, and every binding whose manifest is not.
    pub(crate) fn keep_only(
        &self,
        packs: &[PackId],
        keep: &dyn Fn(&ChunkId) -> bool,
    ) -> Result<(), StoreError> {
        let _lock = self.lock_packs()?;
        self.refresh()?;
        let mut group = Group::default();
        for id in packs {
            let footer = match self.shared.packs.footer(id) {
                Err(error) if is_gone(&error) => continue,
                Err(error) if is_damage(&error) => {
                    durable::remove_file(&self.layout().pack(id))?;
                    continue;
                }
                result => result?,
            };
            group.take(self, *id, footer, keep)?;
            if group.bytes >= GROUP_BYTES {
                std::mem::take(&mut group).rewrite(self)?;
            }
        }
        group.rewrite(self)?;
        self.rebuild_index()
    }

    /// Removes the packs that hold this chunk; says whether they are gone.
    pub(crate) fn discard(&self, id: &ChunkId) -> bool {
        let mut removed = self.places(id).into_iter().map(|(pack, _)| self.layout().pack(&pack));
        removed.all(|path| durable::remove_file(&path).is_ok())
            && self.look_again(Depth::Packs).is_ok()
            && !self.keeps(id)
    }

    /// Bytes of all packs and segments.
    pub(crate) fn disk_bytes(&self) -> Result<u64, StoreError> {
        let len = |path| fs::metadata(path).map_or(0, |meta| meta.len());
        let packs: u64 = self.pack_ids()?.iter().map(|id| len(self.layout().pack(id))).sum();
        let segments = self.snapshot();
        let segments = segments.iter().filter(|indexed| indexed.name.is_some()).map(|indexed| indexed.bytes);
        Ok(packs + segments.sum::<u64>())
    }

    /// Segments remember bindings that packs no longer hold.
    fn rebuild_index(&self) -> Result<(), StoreError> {
        for name in self.snapshot().iter().filter_map(|indexed| indexed.name.as_ref()) {
            durable::remove_file(&self.segment_path(name))?;
        }
        self.shared.listing.lock().expect(LOCK).forget();
        self.look_again(Depth::Packs)?;
        self.write_index()
    }
}

/// Packs that are about to lose something.
#[derive(Default)]
struct Group {
    packs: Vec<(PackId, Footer)>,
    except: HashSet<ChunkId>,
    bytes: u64,
}

impl Group {
    fn take(
        &mut self,
        store: &PackStore,
        id: PackId,
        mut footer: Footer,
        keep: &dyn Fn(&ChunkId) -> bool,
    ) -> Result<(), StoreError> {
        let lost: HashSet<ChunkId> =
            footer.entries.iter().map(|entry| entry.id).filter(|id| !keep(id)).collect();
        let is_bound = |binding: &Binding| keep(&binding.manifest);
        if lost.is_empty() && footer.bindings.iter().all(is_bound) {
            return Ok(());
        }
        if lost.len() < footer.entries.len() {
            let except = Except { chunks: Some(&lost), contents: None };
            match store.checked(&id, &except) {
                Err(error) if is_damage(&error) => return durable::remove_file(&store.layout().pack(&id)),
                result => drop(result?),
            }
            self.bytes += footer.frames.iter().map(|frame| u64::from(frame.stored_bytes)).sum::<u64>();
        }
        footer.bindings.retain(is_bound);
        self.except.extend(lost);
        self.packs.push((id, footer));
        Ok(())
    }

    fn rewrite(self, store: &PackStore) -> Result<(), StoreError> {
        if self.packs.is_empty() {
            return Ok(());
        }
        let except = Except { chunks: Some(&self.except), contents: None };
        let how = Rewrite { except: &except, retire: &Retire::Delete, squeeze: Squeeze::Quick };
        store.rewrite(&self.packs, &how).map(drop)
    }
}
