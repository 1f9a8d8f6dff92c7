//! Copying packs into new ones: to merge them, to compress them, or to leave something out.
//!
//! New packs are durable before the index names them, and the index is durable before old packs go: a crash
//! leaves duplicates at worst, or old packs whose chunks are found again. What becomes of old packs is said by
//! [`Retire`]. Neighbouring small chunks of one kind are compressed together; how much is tried is said by
//! [`Squeeze`]. The caller holds `consolidate.lock` and has checked every chunk that stays.

use super::packer::Packer;
use super::writer::FRAME_CHUNKS_MAX;
use super::{PackStore, entry_of};
use crate::{StoreError, durable};
use dits_format::pack::{Codec, Entry, Footer};
use dits_format::{Binding, ChunkId, Kind, Oid, PackId};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

/// Chunks from this size on gain little from neighbours.
const SMALL_BYTES: usize = 64 << 10;
/// Plain bytes of a compressed frame: what reading one small chunk costs, 1 ms.
const FRAME_BYTES: usize = 256 << 10;
/// Packs that are rewritten before any is retired: bounds the disk it takes.
pub const GROUP_BYTES: u64 = 1 << 30;

/// What is left out.
#[derive(Debug, Default)]
pub struct Except<'a> {
    /// Chunks.
    pub chunks: Option<&'a HashSet<ChunkId>>,
    /// Contents whose bindings are left out.
    pub contents: Option<&'a HashSet<Oid>>,
}

impl Except<'_> {
    /// Whether a chunk is left out.
    pub fn has_chunk(&self, id: &ChunkId) -> bool {
        self.chunks.is_some_and(|chunks| chunks.contains(id))
    }

    /// Whether nothing of a pack stays.
    pub fn has_all(&self, footer: &Footer) -> bool {
        footer.entries.iter().all(|entry| self.has_chunk(&entry.id))
            && footer.bindings.iter().all(|binding| self.has_binding(binding))
    }

    /// Whether a binding is left out.
    pub fn has_binding(&self, binding: &Binding) -> bool {
        self.contents.is_some_and(|contents| contents.contains(&binding.oid))
    }
}

/// What becomes of packs that were rewritten.
#[derive(Debug)]
pub enum Retire {
    /// They are deleted.
    Delete,
    /// They are moved to this other store.
    To(PackStore),
}

/// How hard to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Squeeze {
    /// Small chunks only: the copy happens while somebody waits.
    Quick,
    /// Every chunk, at this level of zstd.
    All(i32),
}

impl Squeeze {
    fn level(self) -> i32 {
        match self {
            Squeeze::Quick => 3,
            Squeeze::All(level) => level,
        }
    }
}

/// How packs are rewritten.
#[derive(Debug)]
pub struct Rewrite<'a> {
    /// What is left out.
    pub except: &'a Except<'a>,
    /// What becomes of the old ones.
    pub retire: &'a Retire,
    /// How hard to compress.
    pub squeeze: Squeeze,
}

/// Chunks of one kind that will make a frame.
#[derive(Debug, Default)]
struct Group {
    plain: Vec<u8>,
    chunks: Vec<(ChunkId, Range<usize>)>,
}

impl Group {
    fn add(&mut self, id: ChunkId, bytes: &[u8]) {
        let from = self.plain.len();
        self.plain.extend_from_slice(bytes);
        self.chunks.push((id, from..self.plain.len()));
    }

    fn write(&mut self, kind: Kind, level: i32, packer: &mut Packer) -> Result<(), StoreError> {
        let Group { plain, chunks } = std::mem::take(self);
        // Only memory can run out here; then the chunks stay as they are.
        let stored = zstd::bulk::compress(&plain, level).unwrap_or_default();
        if !stored.is_empty() && stored.len() <= plain.len() / 100 * 95 {
            return packer.add_zstd(&stored, kind, &chunks);
        }
        chunks.into_iter().try_for_each(|(id, range)| packer.add_raw(id, kind, &plain[range]))
    }
}

impl PackStore {
    /// Copies packs into new ones, retires them, and returns the new ones.
    pub(super) fn rewrite(
        &self,
        packs: &[(PackId, Footer)],
        how: &Rewrite<'_>,
    ) -> Result<HashSet<PackId>, StoreError> {
        // What leaves something out makes room in the end, and must be possible on a full disk.
        let frees = how.except.chunks.is_some() || how.except.contents.is_some();
        let mut packer = Packer::new(&if frees { self.unreserved() } else { self.clone() });
        let copied = self.copy(packs, how, &mut packer);
        let mut dead: HashSet<PackId> = packs.iter().map(|(id, _)| *id).collect();
        let fresh: HashSet<PackId> = packer.closed().iter().copied().collect();
        if let Err(error) = copied {
            self.disown(&fresh.difference(&dead).copied().collect());
            return Err(error);
        }
        // A copy that came out the same has the same name.
        dead.retain(|id| !fresh.contains(id));
        let covers = |indexed: &super::indexed::Indexed| indexed.name.is_none() || indexed.covers_any(&dead);
        self.reindex(&dead, |binding| how.except.has_binding(binding), covers)?;
        for id in &dead {
            self.retire(id, how.retire)?;
        }
        self.shared.packs.retain(|id| !dead.contains(id));
        Ok(fresh)
    }

    fn retire(&self, id: &PackId, how: &Retire) -> Result<(), StoreError> {
        let path = self.layout().pack(id);
        match how {
            Retire::Delete => durable::remove_file(&path),
            Retire::To(other) => {
                durable::create_shared_dir(&other.layout().pack_dir(id), other.layout().modes)?;
                durable::rename(&path, &other.layout().pack(id))
            }
        }
    }

    fn copy(
        &self,
        packs: &[(PackId, Footer)],
        how: &Rewrite<'_>,
        packer: &mut Packer,
    ) -> Result<(), StoreError> {
        let level = how.squeeze.level();
        let mut groups: [Group; 3] = Default::default();
        let mut done = HashSet::new();
        let mut bindings: BTreeMap<(Oid, ChunkId), Binding> = BTreeMap::new();
        let mut bytes = Vec::new();
        let old: HashSet<PackId> = packs.iter().map(|(id, _)| *id).collect();
        for (id, footer) in packs {
            for binding in footer.bindings.iter().filter(|binding| !how.except.has_binding(binding)) {
                let known = bindings.entry((binding.oid, binding.manifest)).or_insert(*binding);
                *known = (*binding).max(*known);
            }
            let pack = self.shared.packs.get(id)?;
            for entry in in_file_order(footer).filter(|entry| !how.except.has_chunk(&entry.id)) {
                if !done.insert(entry.id) || self.is_elsewhere(&entry.id, &old, &mut bytes) {
                    continue;
                }
                self.shared.packs.read_entry(&pack, entry, &mut bytes)?;
                if bytes.len() >= SMALL_BYTES {
                    if how.squeeze == Squeeze::Quick {
                        self.copy_large(id, entry, &bytes, packer)?;
                        continue;
                    }
                    let mut alone = Group::default();
                    alone.add(entry.id, &bytes);
                    alone.write(entry.kind, level, packer)?;
                    continue;
                }
                let group = &mut groups[entry.kind as usize];
                group.add(entry.id, &bytes);
                if group.plain.len() >= FRAME_BYTES || group.chunks.len() >= FRAME_CHUNKS_MAX {
                    group.write(entry.kind, level, packer)?;
                }
            }
        }
        for kind in Kind::ALL {
            groups[kind as usize].write(kind, level, packer)?;
        }
        packer.finish(&bindings.into_values().collect::<Vec<_>>())
    }

    /// Copies a chunk, just read and checked, in the form it has if that is one of its own.
    fn copy_large(
        &self,
        id: &PackId,
        entry: &Entry,
        bytes: &[u8],
        packer: &mut Packer,
    ) -> Result<(), StoreError> {
        match self.shared.packs.read_encoded(id, entry)? {
            Some(encoded) if encoded.codec == Codec::Zstd => {
                packer.add_encoded(entry.id, entry.kind, &encoded)
            }
            _ => packer.add_raw(entry.id, entry.kind, bytes),
        }
    }

    /// Whether an intact copy is in another pack than `old`: what a merge that was killed left behind, mostly.
    /// That pack stays, since only the holder of the lock takes packs away, and it is we.
    fn is_elsewhere(&self, id: &ChunkId, old: &HashSet<PackId>, bytes: &mut Vec<u8>) -> bool {
        let others = self.places(id).into_iter().filter(|(pack, _)| !old.contains(pack));
        others.into_iter().any(|(pack, at)| self.shared.packs.read(&pack, &entry_of(&at), bytes).is_ok())
    }
}

/// The entries of a pack as they lie in it.
pub fn in_file_order(footer: &Footer) -> impl Iterator<Item = &Entry> {
    let mut entries: Vec<&Entry> = footer.entries.iter().collect();
    entries.sort_unstable_by_key(|entry| (entry.frame, entry.offset));
    entries.into_iter()
}
