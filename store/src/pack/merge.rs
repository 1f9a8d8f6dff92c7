//! Merging packs, as `git gc --auto` does, and removing chunks, which is merging without them.
//!
//! Many small commits make many small packs. Packs are counted in tiers by the size of their file; a tier that
//! holds [`PACKS_MAX`] is merged into packs of the target size, so each byte is rewritten about once a
//! tier and the number of small packs stays bounded. On the way neighbouring small chunks are
//! compressed together. Full packs are left alone for ever.
//!
//! New packs are durable before the index names them, the index is durable before old packs go: a crash
//! leaves duplicates at worst. Each chunk is checked while it is copied; a pack with a damaged chunk stays
//! out, so damage is neither spread nor thrown away. Only the holder of `consolidate.lock` gets here;
//! readers and writers go on meanwhile.

use super::packs::is_gone;
use super::writer::{FRAME_CHUNKS_MAX, Packer};
use super::{LOCK, PackStore, entry_of};
use crate::{StoreError, durable};
use dits_format::limits::PACK_BYTES_TARGET;
use dits_format::pack::{Entry, Footer};
use dits_format::{Binding, ChunkId, Kind, Oid, PackId};
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::ops::Range;
use std::time::SystemTime;

/// Packs of a tier that are merged.
const PACKS_MAX: usize = 8;
/// Upper bounds of the tiers.
const TIERS: [u64; 3] = [1 << 20, 8 << 20, PACK_BYTES_TARGET];
/// Chunks from this size on gain little from neighbours.
const SMALL_BYTES: usize = 64 << 10;
/// Plain bytes of a compressed frame: what reading one small chunk costs, 1 ms.
const FRAME_BYTES: usize = 256 << 10;
const ZSTD_LEVEL: i32 = 3;
/// Packs that are rewritten before any is deleted when chunks are removed: bounds the disk it takes.
const REMOVE_BYTES: u64 = 1 << 30;

/// Small chunks of one kind that will make a frame.
#[derive(Debug, Default)]
struct Group {
    plain: Vec<u8>,
    chunks: Vec<(ChunkId, Range<usize>)>,
}

impl Group {
    fn write(&mut self, kind: Kind, packer: &mut Packer) -> Result<(), StoreError> {
        let Group { plain, chunks } = std::mem::take(self);
        // Only memory can run out here; then the chunks stay as they are.
        let stored = zstd::bulk::compress(&plain, ZSTD_LEVEL).unwrap_or_default();
        if !stored.is_empty() && stored.len() <= plain.len() / 100 * 95 {
            return packer.add_zstd(&stored, kind, &chunks);
        }
        chunks.into_iter().try_for_each(|(id, range)| packer.add_raw(id, kind, &plain[range]))
    }
}

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
            match self.checked(id, &HashSet::new()) {
                Ok(footer) => intact.push((*id, footer)),
                Err(error) if is_damage(&error) || is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if intact.len() < PACKS_MAX { Ok(()) } else { self.rewrite(&intact, &HashSet::new()) }
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
    pub(super) fn pack_ids(&self) -> Result<Vec<PackId>, StoreError> {
        self.shared.listing.lock().expect(LOCK).packs(self.layout())
    }

    /// The footer of a pack whose chunks, but those in `except`, are all intact.
    fn checked(&self, id: &PackId, except: &HashSet<ChunkId>) -> Result<Footer, StoreError> {
        let footer = self.shared.packs.footer(id)?;
        let pack = self.shared.packs.get(id)?;
        let mut bytes = Vec::new();
        for entry in in_file_order(&footer).filter(|entry| !except.contains(&entry.id)) {
            self.shared.packs.read_entry(&pack, entry, &mut bytes)?;
        }
        Ok(footer)
    }

    /// Copies packs, without the chunks in `except`, into new ones and deletes them.
    fn rewrite(&self, packs: &[(PackId, Footer)], except: &HashSet<ChunkId>) -> Result<(), StoreError> {
        let mut packer = Packer::new(self);
        let copied = self.copy(packs, except, &mut packer);
        let mut dead: HashSet<PackId> = packs.iter().map(|(id, _)| *id).collect();
        let fresh: HashSet<PackId> = packer.closed.iter().copied().collect();
        if let Err(error) = copied {
            self.disown(&fresh.difference(&dead).copied().collect());
            return Err(error);
        }
        // A copy that came out the same has the same name.
        dead.retain(|id| !fresh.contains(id));
        self.reindex(&dead, |indexed| indexed.name.is_none() || indexed.covers_any(&dead))?;
        for id in &dead {
            durable::remove_file(&self.layout().pack(id))?;
        }
        self.shared.packs.retain(|id| !dead.contains(id));
        Ok(())
    }

    fn copy(
        &self,
        packs: &[(PackId, Footer)],
        except: &HashSet<ChunkId>,
        packer: &mut Packer,
    ) -> Result<(), StoreError> {
        let mut groups: [Group; 3] = Default::default();
        let mut done = HashSet::new();
        let mut bindings: BTreeMap<(Oid, ChunkId), Binding> = BTreeMap::new();
        let mut bytes = Vec::new();
        let old: HashSet<PackId> = packs.iter().map(|(id, _)| *id).collect();
        for (id, footer) in packs {
            for binding in &footer.bindings {
                let known = bindings.entry((binding.oid, binding.manifest)).or_insert(*binding);
                *known = (*binding).max(*known);
            }
            let pack = self.shared.packs.get(id)?;
            for entry in in_file_order(footer).filter(|entry| !except.contains(&entry.id)) {
                if !done.insert(entry.id) || self.is_elsewhere(&entry.id, &old, &mut bytes) {
                    continue;
                }
                self.shared.packs.read_entry(&pack, entry, &mut bytes)?;
                if bytes.len() >= SMALL_BYTES {
                    packer.add_raw(entry.id, entry.kind, &bytes)?;
                    continue;
                }
                let group = &mut groups[entry.kind as usize];
                let from = group.plain.len();
                group.plain.extend_from_slice(&bytes);
                group.chunks.push((entry.id, from..group.plain.len()));
                if group.plain.len() >= FRAME_BYTES || group.chunks.len() >= FRAME_CHUNKS_MAX {
                    group.write(entry.kind, packer)?;
                }
            }
        }
        for kind in Kind::ALL {
            groups[kind as usize].write(kind, packer)?;
        }
        packer.finish(&bindings.into_values().collect::<Vec<_>>())
    }

    /// Whether an intact copy is in another pack than `old`: what a merge that was killed left behind, mostly.
    /// That pack stays, since only the holder of the lock takes packs away, and it is we.
    fn is_elsewhere(&self, id: &ChunkId, old: &HashSet<PackId>, bytes: &mut Vec<u8>) -> bool {
        let others = self.places(id).into_iter().filter(|(pack, _)| !old.contains(pack));
        others.into_iter().any(|(pack, at)| self.shared.packs.read(&pack, &entry_of(&at), bytes).is_ok())
    }

    /// See [`crate::ChunkPrune::remove`]. A pack that holds a damaged chunk that should stay is left
    /// as it is, and after all others that damage is the answer.
    pub(super) fn remove_chunks(&self, ids: &HashSet<ChunkId>) -> Result<u64, StoreError> {
        let (path, lock): (_, File) = self.layout().lock_file("consolidate.lock")?;
        lock.lock().map_err(StoreError::io("lock", &path))?;
        self.refresh()?;
        let (mut removed, mut damaged) = (HashSet::new(), None);
        let (mut group, mut group_bytes) = (Vec::new(), 0);
        // Footers and not the index: that knows only one place for each chunk, and a copy must go too.
        for id in self.pack_ids()? {
            let footer = match self.shared.packs.footer(&id) {
                Ok(footer) => footer,
                Err(error) if is_damage(&error) || is_gone(&error) => continue,
                Err(error) => return Err(error),
            };
            let hits = || footer.entries.iter().map(|entry| entry.id).filter(|id| ids.contains(id));
            if hits().next().is_none() {
                continue;
            }
            match self.checked(&id, ids) {
                Err(error) if is_damage(&error) => damaged = damaged.or(Some(error)),
                Err(error) => return Err(error),
                Ok(_) => {
                    removed.extend(hits());
                    group_bytes +=
                        footer.frames.iter().map(|frame| u64::from(frame.stored_bytes)).sum::<u64>();
                    group.push((id, footer));
                }
            }
            if group_bytes >= REMOVE_BYTES {
                self.rewrite(&std::mem::take(&mut group), ids)?;
                group_bytes = 0;
            }
        }
        if !group.is_empty() {
            self.rewrite(&group, ids)?;
        }
        damaged.map_or(Ok(removed.len() as u64), Err)
    }
}

fn in_file_order(footer: &Footer) -> impl Iterator<Item = &Entry> {
    let mut entries: Vec<&Entry> = footer.entries.iter().collect();
    entries.sort_unstable_by_key(|entry| (entry.frame, entry.offset));
    entries.into_iter()
}

fn is_damage(error: &StoreError) -> bool {
    matches!(error, StoreError::Corrupt { .. } | StoreError::File { .. })
}
