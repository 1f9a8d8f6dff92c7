//! Taking away: chunks that are damaged, and contents that nobody needs any more.
//!
//! [`crate::ChunkPrune::remove`] takes chunks, whoever needs them: they are wrong. [`Alone::forget`] takes
//! contents: their bindings, and the chunks that no other manifest of the store needs, bound or not. Whoever
//! forgets is alone with the store (see `lease`), so nobody has just found such a chunk here and relies on it.
//!
//! Both rewrite the packs concerned without what goes; everything else stays readable throughout, and after a
//! crash. A crash in the middle of forgetting leaves some of these contents torn, which is as good as absent,
//! and never touches others. What is forgotten goes to the trash first, if the caller wants: see `trash`.

use super::PackStore;
use super::lease::Alone;
use super::merge::is_damage;
use super::packs::is_gone;
use super::rewrite::{Except, GROUP_BYTES, Retire, Rewrite, Squeeze};
use crate::traits::Forgotten;
use crate::{StoreError, mark};
use dits_format::pack::Footer;
use dits_format::{ChunkId, Oid, PackId};
use std::collections::HashSet;

/// Bytes read and rewritten so far, and in all.
pub type Tell<'a> = dyn Fn(u64, u64) + 'a;

/// Tells how far it has come: each pack is read once, and once more if it is rewritten.
struct Progress<'a> {
    tell: &'a Tell<'a>,
    done: u64,
    total: u64,
}

impl Progress<'_> {
    fn add(&mut self, bytes: u64) {
        self.done = self.total.min(self.done + bytes);
        (self.tell)(self.done, self.total);
    }
}

impl PackStore {
    /// See [`crate::ChunkPrune::remove`]. A pack that holds a damaged chunk that should stay is left
    /// as it is, and after all others that damage is the answer.
    pub(super) fn remove_chunks(&self, ids: &HashSet<ChunkId>) -> Result<u64, StoreError> {
        let _lock = self.lock_packs()?;
        let except = Except { chunks: Some(ids), contents: None };
        self.take_away(&except, None, &|_, _| ()).map(|removed| removed.chunks)
    }

    /// Rewrites every pack that holds something of `except`, which goes to `trash` before. The caller holds
    /// `consolidate.lock`.
    fn take_away(
        &self,
        except: &Except<'_>,
        trash: Option<&PackStore>,
        tell: &Tell<'_>,
    ) -> Result<Forgotten, StoreError> {
        self.refresh()?;
        let ids = self.pack_ids()?;
        let length = |id: &PackId| std::fs::metadata(self.layout().pack(id)).map_or(0, |meta| meta.len());
        let mut progress = Progress { tell, done: 0, total: 2 * ids.iter().map(length).sum::<u64>() };
        let mut whole = Vec::new();
        let (mut removed, mut bytes, mut damaged) = (HashSet::new(), 0, None);
        let (mut group, mut group_bytes) = (Vec::new(), 0);
        // Footers and not the index: a stale one may not know of every copy, and each must go.
        for id in ids {
            progress.add(length(&id));
            let footer = match self.shared.packs.footer(&id) {
                Ok(footer) => footer,
                Err(error) if is_damage(&error) || is_gone(&error) => continue,
                Err(error) => return Err(error),
            };
            let hits = || footer.entries.iter().filter(|entry| except.has_chunk(&entry.id));
            if hits().next().is_none() && !footer.bindings.iter().any(|binding| except.has_binding(binding)) {
                continue;
            }
            match self.checked(&id, except) {
                Err(error) if is_damage(&error) => damaged = damaged.or(Some(error)),
                Err(error) => return Err(error),
                Ok(_) => {
                    for entry in hits().filter(|entry| removed.insert(entry.id)) {
                        bytes += u64::from(entry.bytes);
                    }
                    if trash.is_some() && except.has_all(&footer) {
                        whole.push((id, footer));
                        continue;
                    }
                    group_bytes +=
                        footer.frames.iter().map(|frame| u64::from(frame.stored_bytes)).sum::<u64>();
                    group.push((id, footer));
                }
            }
            if group_bytes >= GROUP_BYTES {
                self.take_group(&std::mem::take(&mut group), except, trash)?;
                progress.add(std::mem::take(&mut group_bytes));
            }
        }
        if !group.is_empty() {
            self.take_group(&group, except, trash)?;
        }
        if let (Some(trash), false) = (trash, whole.is_empty()) {
            let retire = &Retire::To(trash.clone());
            self.rewrite(&whole, &Rewrite { except, retire, squeeze: Squeeze::Quick })?;
        }
        progress.add(progress.total);
        damaged.map_or(Ok(Forgotten { chunks: removed.len() as u64, bytes }), Err)
    }

    fn take_group(
        &self,
        group: &[(PackId, Footer)],
        except: &Except<'_>,
        trash: Option<&PackStore>,
    ) -> Result<(), StoreError> {
        if let Some(trash) = trash {
            self.copy_to_trash(group, except, trash)?;
        }
        let retire = &Retire::Delete;
        self.rewrite(group, &Rewrite { except, retire, squeeze: Squeeze::Quick }).map(drop)
    }
}

impl Alone {
    /// Takes these contents away. What those of `keep` need stays, though their manifests be beside the store.
    /// With `trash`, a time in seconds, they can be [restored](PackStore::restore_trash). `tell` hears how far it is.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] or [`StoreError::Format`] when a manifest or node is damaged, and nothing is taken
    /// away then: what it needs is not known.
    pub fn forget(
        &self,
        contents: &HashSet<Oid>,
        keep: &[Oid],
        trash: Option<u64>,
        tell: &Tell<'_>,
    ) -> Result<Forgotten, StoreError> {
        let store = &self.store;
        store.refresh()?;
        let goes = mark::needed_by_these_only(store, contents, keep)?;
        let trash = trash.map(|time| store.open_trash(time)).transpose()?;
        let except = Except { chunks: Some(&goes.chunks), contents: Some(contents) };
        store.take_away(&except, trash.as_ref(), tell)
    }
}
