//! One index segment in use: on disk and mapped, or in memory until it is written.
//!
//! A segment says where each chunk of some packs is. It repeats what the packs' footers say, so it may be
//! thrown away at any time: whoever finds one damaged, or naming a pack that is gone, drops it and indexes
//! the packs anew. Segments in memory cover packs that no file covers yet: those of a running batch, and
//! those whose writer died before it wrote its segment.

use super::layout::Layout;
use super::sys;
use crate::{StoreError, durable};
use dits_format::limits::SEGMENT_VERIFY_BYTES_MAX;
use dits_format::pack::Footer;
use dits_format::segment::{self, Location, Segment};
use dits_format::{Binding, FormatError, Oid, PackId};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// Bytes of a segment below which it is of the first size tier; each next tier is 8 times larger.
const TIER_BYTES: u64 = 64 << 10;

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
        let damaged = |source| StoreError::File { path: path.to_owned(), source };
        if file.metadata().map_err(StoreError::io("stat", path))?.len() == 0 {
            return Err(damaged(FormatError::Truncated { what: "index segment" }));
        }
        let map = sys::map(&file).map_err(StoreError::io("map", path))?;
        Indexed::new(Some(name.to_owned()), Bytes::Map(map)).map(Some).map_err(damaged)
    }

    /// Indexes packs in memory.
    pub fn of_footers(packs: &[(PackId, Footer)]) -> Indexed {
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

    /// Writes one segment that says what `old` say, without what is in `dead` packs; `None` when nothing is left
    /// to say. A binding stays though the pack it came from is dead, since the rewriter kept it, unless it
    /// is one to `forget`.
    pub fn combine(
        old: &[Arc<Indexed>],
        dead: &HashSet<PackId>,
        forget: impl Fn(&Binding) -> bool,
        layout: &Layout,
    ) -> Result<Option<Indexed>, StoreError> {
        let (mut ids, mut numbers) = (Vec::new(), HashMap::new());
        let (mut chunks, mut bindings) = (Vec::new(), Vec::new());
        for indexed in old {
            for id in indexed.packs.iter().filter(|id| !dead.contains(id)) {
                numbers.entry(*id).or_insert_with(|| {
                    ids.push(*id);
                    ids.len() as u32 - 1
                });
            }
            chunks.extend(indexed.segment.chunks().filter_map(|chunk| {
                let pack = *numbers.get(&indexed.packs[chunk.pack as usize])?;
                Some(Location { pack, ..chunk })
            }));
            bindings.extend(indexed.segment.bindings().filter(|binding| !forget(binding)));
        }
        if ids.is_empty() {
            return Ok(None);
        }
        let bytes = segment::encode(&ids, chunks, bindings);
        // Any name will do that no other content has.
        let name = Oid::of(&bytes).to_string();
        let path = layout.index.join(format!("{name}.seg"));
        durable::write_file(&layout.temp, &path, &bytes, layout.modes)?;
        Indexed::load(&path, &name)
    }

    /// Number of its size tier.
    pub fn tier(&self) -> u32 {
        (self.bytes / TIER_BYTES).checked_ilog(8).map_or(0, |log| log + 1)
    }

    /// Whether it covers one of `packs`.
    pub fn covers_any(&self, packs: &HashSet<PackId>) -> bool {
        self.packs.iter().any(|id| packs.contains(id))
    }
}

/// Walks sorted sequences as one; of items with an equal key the greatest is shown.
pub fn merged<T: Ord + Copy, K: Ord>(
    sorted: Vec<impl Iterator<Item = T>>,
    key: impl Fn(&T) -> K,
) -> impl Iterator<Item = T> {
    let mut heads: Vec<_> = sorted.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        let least = heads.iter_mut().filter_map(|head| head.peek().map(&key)).min()?;
        let equal = heads.iter_mut().filter_map(|head| head.next_if(|item| key(item) == least));
        equal.max()
    })
}

/// The strongest proof for each manifest of `oid`, as the segments know it.
pub fn find_bindings(snapshot: &Snapshot, oid: &Oid) -> Vec<Binding> {
    let found = snapshot.iter().map(|indexed| indexed.segment.find_bindings(oid).into_iter());
    merged(found.collect(), |binding| binding.manifest).collect()
}
