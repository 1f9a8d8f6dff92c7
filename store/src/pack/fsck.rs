//! Checking a whole store, and counting what is in it.
//!
//! Packs are the truth, so they are read from their own footers: every chunk is hashed, then looked up in the
//! index, then each binding is followed down to the data. Memory holds the ids of the Merkle nodes that
//! were met, not those of the data. What is found goes to the caller piece by piece; only what keeps the
//! check from going on is an error. Damaged packs are left for the user to salvage; a segment that is damaged, or
//! lacks chunks of a pack it covers, is only a cache, so it is removed and rebuilt. A pack that another process
//! merges meanwhile is passed over: it is checked while it is merged.

use super::PackStore;
use super::indexed::Indexed;
use super::layout::Layout;
use super::packs::is_gone;
use crate::{ChunkRead, Item, StoreError, durable};
use dits_format::pack::Footer;
use dits_format::tree::decode_node;
use dits_format::{Binding, ChunkId, FormatError, Kind, Manifest, PackId, Proof};
use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Something wrong with a store.
#[derive(Debug)]
pub enum Finding {
    /// A pack whose chunks cannot be found in it.
    Pack {
        /// The pack.
        path: PathBuf,
        /// What is wrong with it.
        source: FormatError,
    },
    /// A chunk whose bytes are not what its id says.
    Chunk {
        /// The chunk.
        id: ChunkId,
        /// The pack it is in.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// An index segment that did not match its checksum; it was removed and is being rebuilt.
    Segment {
        /// The segment.
        path: PathBuf,
    },
    /// A chunk that is in a pack, but was not in the index; what should have named it was removed and is being rebuilt.
    Unindexed {
        /// The chunk.
        id: ChunkId,
        /// The pack it is in.
        path: PathBuf,
    },
    /// A content that cannot be rebuilt as its binding says.
    Binding {
        /// What was bound.
        binding: Binding,
        /// Why it cannot.
        source: StoreError,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Pack { path, source } => write!(f, "damaged pack '{}': {source}", path.display()),
            Finding::Chunk { id, path, why } => {
                write!(f, "corrupt chunk {id} in '{}': {why}", path.display())
            }
            Finding::Segment { path } => {
                write!(f, "damaged index segment '{}': removed, will be rebuilt", path.display())
            }
            Finding::Unindexed { id, path } => {
                write!(f, "chunk {id} of '{}' is not in the index: that will be rebuilt", path.display())
            }
            Finding::Binding { binding, source } => {
                write!(
                    f,
                    "content {} cannot be rebuilt from manifest {}: {source}",
                    binding.oid, binding.manifest
                )
            }
        }
    }
}

/// What a check went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FsckStats {
    /// Packs, damaged ones too.
    pub packs: u64,
    /// Chunks in intact packs, copies too.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bindings that were followed.
    pub bindings: u64,
    /// Findings.
    pub findings: u64,
}

/// What is in a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Pack files.
    pub packs: u64,
    /// Index segments on disk.
    pub segments: u64,
    /// Chunks of all kinds, copies not counted.
    pub chunks: u64,
    /// Bindings, refuted ones too.
    pub bindings: u64,
    /// Bytes of the packs and segments.
    pub stored_bytes: u64,
}

/// The index segments of the store in `dir` that do not match their checksums. Reads all of them, and changes nothing.
pub fn damaged_segments(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let index = dir.join("index");
    let mut damaged = Vec::new();
    for entry in fs::read_dir(&index).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".seg")) else { continue };
        match Indexed::load(&path, name) {
            Err(StoreError::File { .. }) => damaged.push(path),
            Ok(Some(indexed)) if !indexed.segment.verify(|_| ()) => damaged.push(path),
            other => drop(other?),
        }
    }
    Ok(damaged)
}

/// A check that is under way.
struct Check<'a> {
    store: &'a PackStore,
    each: &'a mut dyn FnMut(Finding),
    stats: FsckStats,
    buffer: Vec<u8>,
}

impl PackStore {
    /// Checks everything; see the file head. `each` is shown every finding.
    pub fn fsck(&self, each: &mut dyn FnMut(Finding)) -> Result<FsckStats, StoreError> {
        let mut check = Check { store: self, each, stats: FsckStats::default(), buffer: Vec::new() };
        check.segments()?;
        self.refresh()?;
        for id in self.pack_ids()? {
            check.pack(&id)?;
        }
        check.bindings()?;
        Ok(check.stats)
    }

    /// Counts what is here.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let mut stats = Stats::default();
        self.refresh()?;
        let len = |path: PathBuf| fs::metadata(path).map_or(0, |meta| meta.len());
        for id in self.pack_ids()? {
            stats.packs += 1;
            stats.stored_bytes += len(self.layout().pack(&id));
        }
        for indexed in self.snapshot().iter().filter(|indexed| indexed.name.is_some()) {
            stats.segments += 1;
            stats.stored_bytes += indexed.bytes;
        }
        self.visit(&mut |item| {
            match item {
                Item::Chunk { .. } => stats.chunks += 1,
                Item::Binding(_) => stats.bindings += 1,
            }
            Ok(())
        })?;
        Ok(stats)
    }
}

impl Check<'_> {
    fn found(&mut self, finding: Finding) {
        self.stats.findings += 1;
        (self.each)(finding);
    }

    fn layout(&self) -> &Layout {
        self.store.layout()
    }

    /// Small segments were checked when they were opened, which says nothing about the disk since.
    fn segments(&mut self) -> Result<(), StoreError> {
        self.store.refresh()?;
        for indexed in self.store.snapshot().iter().filter(|indexed| !indexed.segment.verify(|_| ())) {
            if let Some(name) = &indexed.name {
                let path = self.store.segment_path(name);
                durable::remove_file(&path)?;
                self.found(Finding::Segment { path });
            }
        }
        Ok(())
    }

    fn pack(&mut self, id: &PackId) -> Result<(), StoreError> {
        let path = self.layout().pack(id);
        let footer = match self.store.shared.packs.footer(id) {
            Err(error) if is_gone(&error) => return Ok(()),
            Err(StoreError::File { path, source }) => {
                self.stats.packs += 1;
                self.found(Finding::Pack { path, source });
                return Ok(());
            }
            result => result?,
        };
        self.stats.packs += 1;
        self.chunks(id, footer, path)
    }

    fn chunks(&mut self, id: &PackId, mut footer: Footer, path: PathBuf) -> Result<(), StoreError> {
        let pack = match self.store.shared.packs.get(id) {
            Err(error) if is_gone(&error) => return Ok(()),
            result => result?,
        };
        footer.entries.sort_unstable_by_key(|entry| (entry.frame, entry.offset));
        let mut unindexed = false;
        for entry in &footer.entries {
            self.stats.chunks += 1;
            self.stats.bytes += u64::from(entry.bytes);
            match self.store.shared.packs.read_entry(&pack, entry, &mut self.buffer) {
                Ok(()) => {}
                Err(StoreError::Corrupt { id, why }) => {
                    self.found(Finding::Chunk { id, path: path.clone(), why })
                }
                Err(error) => return Err(error),
            }
            if self.lacks(&entry.id)? {
                unindexed = true;
                self.found(Finding::Unindexed { id: entry.id, path: path.clone() });
            }
        }
        if unindexed { self.index_anew(id) } else { Ok(()) }
    }

    /// Whether the index does not know a chunk, even after another look: its pack may be new.
    fn lacks(&self, id: &ChunkId) -> Result<bool, StoreError> {
        if self.store.keeps(id) {
            return Ok(false);
        }
        self.store.refresh()?;
        Ok(!self.store.keeps(id))
    }

    /// Removes the segments that cover a pack, so that it is indexed from its footer.
    fn index_anew(&self, id: &PackId) -> Result<(), StoreError> {
        for indexed in self.store.snapshot().iter() {
            if let Some(name) = indexed.name.as_ref().filter(|_| indexed.covers(id)) {
                durable::remove_file(&self.store.segment_path(name))?;
            }
        }
        self.store.refresh()
    }

    fn bindings(&mut self) -> Result<(), StoreError> {
        let mut bindings = Vec::new();
        self.store.visit(&mut |item| {
            if let Item::Binding(binding) = item {
                bindings.push(binding);
            }
            Ok(())
        })?;
        let mut met = HashSet::new();
        for binding in bindings.into_iter().filter(|binding| binding.proof != Proof::Refuted) {
            self.stats.bindings += 1;
            match self.closure(&binding, &mut met) {
                Err(error @ StoreError::Io { .. }) => return Err(error),
                Err(source) => self.found(Finding::Binding { binding, source }),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    fn load(&mut self, id: ChunkId, kind: Kind) -> Result<(), StoreError> {
        match self.store.read(&id, &mut self.buffer)? {
            None => Err(StoreError::Missing { id }),
            Some(found) if found == kind => Ok(()),
            Some(_) => Err(StoreError::Corrupt { id, why: "it is of another kind".into() }),
        }
    }

    /// Everything that `binding` needs is here. Nodes in `met` were found whole before.
    fn closure(&mut self, binding: &Binding, met: &mut HashSet<(ChunkId, u8)>) -> Result<(), StoreError> {
        self.load(binding.manifest, Kind::Manifest)?;
        let manifest = Manifest::decode(&self.buffer)
            .map_err(|source| StoreError::Format { id: binding.manifest, source })?;
        if manifest.oid != binding.oid || manifest.size != binding.size {
            return Err(StoreError::Mismatch { oid: binding.oid });
        }
        let streams = manifest.streams.iter().filter(|stream| stream.bytes > 0);
        streams.into_iter().try_for_each(|stream| self.tree(stream.root.id, stream.root.height, met))
    }

    fn tree(&mut self, id: ChunkId, level: u8, met: &mut HashSet<(ChunkId, u8)>) -> Result<(), StoreError> {
        if level == 0 {
            return if self.store.has(&id)? { Ok(()) } else { Err(StoreError::Missing { id }) };
        }
        if met.contains(&(id, level)) {
            return Ok(());
        }
        self.load(id, Kind::Node)?;
        let entries = decode_node(&self.buffer, level).map_err(|source| StoreError::Format { id, source })?;
        entries.iter().try_for_each(|entry| self.tree(entry.id, level - 1, met))?;
        met.insert((id, level));
        Ok(())
    }
}
