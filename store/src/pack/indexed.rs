//! One index segment in use: on disk and mapped, or in memory until it is written.
//!
//! A segment says where each chunk of some packs is, copies and all. It repeats what the packs' footers say, so it may be
//! thrown away at any time: whoever finds one damaged, or naming a pack that is gone, drops it and indexes
//! the packs anew. Segments in memory cover packs that no file covers yet: those of a running batch, and
//! those whose writer died before it wrote its segment.
//!
//! Opening one costs the same whatever its size, above what is hashed then. Merging them streams: all are walked at
//! once, by id, and the result is written as it comes, so memory is bounded by the filter (see `segment`), not by
//! what is merged; pages of the files that were walked are given back on the way.

use super::layout::Layout;
use super::sys;
use crate::StoreError;
use crate::durable::TempFile;
use dits_format::limits::{SEGMENT_ENTRIES_MAX, SEGMENT_PACKS_MAX, SEGMENT_VERIFY_BYTES_MAX};
use dits_format::pack::Footer;
use dits_format::segment::{self, Location, Segment};
use dits_format::{Binding, ChunkId, FormatError, Oid, PackId};
use std::cmp::{Ordering, Reverse};
use std::collections::HashSet;
use std::collections::binary_heap::{BinaryHeap, PeekMut};
use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Bytes of a segment below which it is of the first size tier; each next tier is 8 times larger.
const TIER_BYTES: u64 = 64 << 10;
/// Records that are walked before their pages are given back, about 4 MiB.
const WALK_RECORDS: usize = 1 << 16;

/// All segments of a store at one moment, largest first.
pub type Snapshot = Arc<Vec<Arc<Indexed>>>;

/// The bytes of a segment.
#[derive(Debug)]
pub enum Bytes {
    /// Of a file.
    Map(memmap2::Mmap),
    /// Of none.
    Memory(Vec<u8>),
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Bytes::Map(map) => map,
            Bytes::Memory(bytes) => bytes,
        }
    }
}

/// A segment and what is asked of it often.
#[derive(Debug)]
pub struct Indexed {
    /// Name of its file without suffix; `None` when it has no file.
    pub name: Option<String>,
    /// The packs it covers; [`Location::pack`] indexes them.
    pub packs: Vec<PackId>,
    /// Its length.
    pub bytes: u64,
    /// The segment.
    pub segment: Segment<Bytes>,
}

impl Indexed {
    fn new(name: Option<String>, bytes: Bytes) -> Result<Indexed, FormatError> {
        let len = bytes.as_ref().len();
        let verify = name.is_some() && len <= SEGMENT_VERIFY_BYTES_MAX;
        let segment = Segment::open(bytes, verify)?;
        Ok(Indexed { name, packs: segment.packs().collect(), bytes: len as u64, segment })
    }

    /// Opens the file `path`; `None` when it is gone.
    pub fn load(path: &Path, name: &str) -> Result<Option<Indexed>, StoreError> {
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            result => result.map_err(StoreError::io("open", path))?,
        };
        Indexed::of_file(&file, path, name).map(Some)
    }

    /// The segment in `file`, which is or will be named `path`.
    fn of_file(file: &File, path: &Path, name: &str) -> Result<Indexed, StoreError> {
        let damaged = |source| StoreError::File { path: path.to_owned(), source };
        if file.metadata().map_err(StoreError::io("stat", path))?.len() == 0 {
            return Err(damaged(FormatError::Truncated { what: "index segment" }));
        }
        let map = sys::map(file).map_err(StoreError::io("map", path))?;
        Indexed::new(Some(name.to_owned()), Bytes::Map(map)).map_err(damaged)
    }

    /// Indexes packs in memory.
    pub fn of_footers(mut packs: Vec<(PackId, Footer)>) -> Indexed {
        // As in files: merging relies on copies of a chunk being in this order.
        packs.sort_unstable_by_key(|(id, _)| *id);
        let (mut ids, mut chunks, mut bindings) = (Vec::new(), Vec::new(), Vec::new());
        for (pack, (id, footer)) in packs.iter().enumerate() {
            ids.push(*id);
            bindings.extend_from_slice(&footer.bindings);
            chunks.extend(footer.entries.iter().map(|entry| Location {
                id: entry.id,
                pack: pack as u32,
                frame: entry.frame,
                offset: entry.offset,
                bytes: entry.bytes,
                kind: entry.kind,
            }));
        }
        let bytes = segment::encode(&ids, chunks, bindings);
        Indexed::new(None, Bytes::Memory(bytes)).expect("what was just encoded is intact")
    }

    /// Whether the checksum holds, where opening did not look at it.
    pub fn is_intact(&self) -> bool {
        let Bytes::Map(map) = self.segment.bytes() else { return true };
        self.bytes <= SEGMENT_VERIFY_BYTES_MAX as u64
            || self.segment.verify(|hashed| sys::give_back(map, hashed))
    }

    /// All chunks by id and pack, for one who walks through them once: holds little of the file in memory.
    pub fn walk_chunks(&self) -> impl Iterator<Item = Location> + '_ {
        self.walk(self.segment.chunk_count(), |records| self.segment.chunk_bytes(records))
            .flat_map(|records| self.segment.chunks_of(records))
    }

    /// All bindings by oid and manifest, as [`Self::walk_chunks`].
    pub fn walk_bindings(&self) -> impl Iterator<Item = Binding> + '_ {
        self.walk(self.segment.binding_count(), |records| self.segment.binding_bytes(records))
            .flat_map(|records| self.segment.bindings_of(records))
    }

    /// Ranges of records, one after the other; what lies before each is given back.
    fn walk<'a>(
        &'a self,
        count: usize,
        bytes: impl Fn(Range<usize>) -> Range<usize> + 'a,
    ) -> impl Iterator<Item = Range<usize>> + 'a {
        (0..count).step_by(WALK_RECORDS).map(move |from| {
            if let (Bytes::Map(map), Some(walked)) = (self.segment.bytes(), from.checked_sub(WALK_RECORDS)) {
                sys::give_back(map, bytes(walked..from));
            }
            from..count.min(from + WALK_RECORDS)
        })
    }

    /// Writes one segment that says what `old` say, without what is in `dead` packs; `None` when nothing is left
    /// to say. A binding stays though the pack it came from is dead, since the rewriter kept it, unless it
    /// is one to `forget`.
    pub fn combine(
        old: &[Arc<Indexed>],
        dead: &HashSet<PackId>,
        forget: impl Fn(&Binding) -> bool,
        layout: &Layout,
    ) -> Result<Option<Indexed>, StoreError> {
        let mut ids: Vec<PackId> = old.iter().flat_map(|indexed| indexed.packs.iter().copied()).collect();
        ids.sort();
        ids.dedup();
        ids.retain(|id| !dead.contains(id));
        if ids.is_empty() {
            return Ok(None);
        }
        let sum =
            |count: fn(&Segment<Bytes>) -> usize| old.iter().map(|old| count(&old.segment)).sum::<usize>();
        let (chunks, bindings) = (sum(Segment::chunk_count), sum(Segment::binding_count));
        for (found, limit) in [chunks, bindings]
            .map(|n| (n, SEGMENT_ENTRIES_MAX))
            .into_iter()
            .chain([(ids.len(), SEGMENT_PACKS_MAX)])
        {
            if found > limit {
                let source =
                    FormatError::Limit { what: "index segment", found: found as u64, limit: limit as u64 };
                return Err(StoreError::File { path: layout.index.clone(), source });
            }
        }
        let temp = TempFile::create(&layout.temp, "", layout.modes)?;
        let mut at = 0;
        let mut builder = segment::Builder::new(chunks, bindings, |bytes: &[u8]| {
            at += bytes.len() as u64;
            temp.write_at(bytes, at - bytes.len() as u64)
        })?;
        let sources = old.iter().map(|indexed| {
            let number = |id: &PackId| ids.binary_search(id).ok().map(|at| at as u32);
            let numbers: Vec<Option<u32>> = indexed.packs.iter().map(number).collect();
            let renumbered =
                move |chunk: Location| Some(Location { pack: numbers[chunk.pack as usize]?, ..chunk });
            indexed.walk_chunks().filter_map(renumbered)
        });
        merged(sources.collect(), |chunk| (chunk.id, chunk.pack))
            .try_for_each(|chunk| builder.chunk(&chunk))?;
        let sources = old.iter().map(|indexed| indexed.walk_bindings()).collect();
        merged(sources, |binding| (binding.oid, binding.manifest))
            .filter(|binding| !forget(binding))
            .try_for_each(|binding| builder.binding(&binding))?;
        builder.finish(&ids)?;
        // A name of its own: another may say the same at the same time, and then take one of both away.
        let name = format!("{:032x}", temp.number());
        let path = layout.index.join(format!("{name}.seg"));
        temp.sync()?;
        // While nobody else can have taken it away.
        let new = Indexed::of_file(temp.file(), &path, &name)?;
        temp.persist(&path)?;
        Ok(Some(new))
    }

    /// Every place it knows for a chunk.
    pub fn places<'a>(&'a self, id: &'a ChunkId) -> impl Iterator<Item = (PackId, Location)> + 'a {
        self.segment.find_all(id).map(|at| (self.packs[at.pack as usize], at))
    }

    /// Number of its size tier.
    pub fn tier(&self) -> u32 {
        (self.bytes / TIER_BYTES).checked_ilog(8).map_or(0, |log| log + 1)
    }

    /// Whether it covers a pack; asked of files only, which list their packs in order.
    pub fn covers(&self, pack: &PackId) -> bool {
        self.packs.binary_search(pack).is_ok()
    }

    /// Whether it covers one of `packs`.
    pub fn covers_any(&self, packs: &HashSet<PackId>) -> bool {
        self.packs.iter().any(|id| packs.contains(id))
    }
}

/// The next item of one of several sorted sequences. The greatest is the one whose turn it is: the least key, and
/// of equal keys the greatest item.
struct Head<T, K> {
    key: Reverse<K>,
    item: T,
    from: usize,
}

impl<T: Ord, K: Ord> Ord for Head<T, K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key).then_with(|| self.item.cmp(&other.item))
    }
}

impl<T: Ord, K: Ord> PartialOrd for Head<T, K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord, K: Ord> PartialEq for Head<T, K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Ord, K: Ord> Eq for Head<T, K> {}

/// Walks sorted sequences as one; of items with an equal key the greatest is shown.
pub fn merged<T: Ord + Copy, K: Ord>(
    mut sorted: Vec<impl Iterator<Item = T>>,
    key: impl Fn(&T) -> K,
) -> impl Iterator<Item = T> {
    let first = |(from, items): (usize, &mut _)| {
        let item = Iterator::next(items)?;
        Some(Head { key: Reverse(key(&item)), item, from })
    };
    let mut heads: BinaryHeap<_> = sorted.iter_mut().enumerate().filter_map(first).collect();
    let mut last = None;
    std::iter::from_fn(move || {
        loop {
            let mut head = heads.peek_mut()?;
            let item = head.item;
            let found = match sorted[head.from].next() {
                Some(next) => {
                    head.item = next;
                    std::mem::replace(&mut head.key, Reverse(key(&next)))
                }
                None => PeekMut::pop(head).key,
            };
            // The greatest of equal keys came first.
            if last.as_ref() != Some(&found) {
                last = Some(found);
                return Some(item);
            }
        }
    })
}

/// The strongest proof for each manifest of `oid`, as the segments know it.
pub fn find_bindings(snapshot: &Snapshot, oid: &Oid) -> Vec<Binding> {
    let found = snapshot.iter().map(|indexed| indexed.segment.find_bindings(oid).into_iter());
    merged(found.collect(), |binding| binding.manifest).collect()
}

#[cfg(test)]
#[path = "indexed_tests.rs"]
mod tests;
