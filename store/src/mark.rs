//! Which chunks contents need, and which of these nothing else needs.
//!
//! Every manifest in the store counts, bound or not: a binding can be lost with the footer of a damaged pack,
//! and its manifest still says what the content is made of. Nodes are read, no data. A node that is absent has
//! nothing known below it (its content is torn, and may be fetched); one that is damaged ends the search, as
//! nobody can say what it needs. Memory: an id for each chunk of the contents in question, one for each node.

use crate::{ChunkRead, Item, StoreError, content};
use dits_format::tree::decode_node;
use dits_format::{ChunkId, Kind, Manifest, Oid};
use std::collections::{HashMap, HashSet};

/// Chunks that can go.
#[derive(Debug, Default)]
pub struct Needed {
    /// Their ids, of all kinds.
    pub chunks: HashSet<ChunkId>,
    /// Bytes of those that are here.
    pub bytes: u64,
}

/// The chunks that these contents need and neither any other manifest of the store nor any content of `keep`,
/// whose manifest may stand beside the store.
///
/// # Errors
/// [`StoreError::Corrupt`] or [`StoreError::Format`] when a manifest or node of any content is damaged.
pub fn needed_by_these_only(
    store: &dyn ChunkRead,
    contents: &HashSet<Oid>,
    keep: &[Oid],
) -> Result<Needed, StoreError> {
    let mut manifests = Vec::new();
    store.visit(&mut |item| {
        if let Item::Chunk { id, kind: Kind::Manifest, .. } = item {
            manifests.push(id);
        }
        Ok(())
    })?;
    let (mut goes, mut stays) = (Vec::new(), Vec::new());
    for id in manifests {
        let manifest = content::manifest(store, &id)?;
        if contents.contains(&manifest.oid) { goes.push((id, manifest)) } else { stays.push(manifest) }
    }
    let mut needed: HashMap<ChunkId, u64> = HashMap::new();
    let mut walker = Walker::new(store);
    for (id, manifest) in &goes {
        needed.insert(*id, manifest.encode().len() as u64);
        walker.walk(manifest, &mut |id, bytes| {
            needed.insert(id, bytes);
        })?;
    }
    let mut walker = Walker::new(store);
    for manifest in &stays {
        walker.walk(manifest, &mut |id, _| {
            needed.remove(&id);
        })?;
    }
    for oid in keep {
        // Those of the store itself were walked above; what is wrong elsewhere is absent.
        let stays = content::find(store, oid).or_else(|error| match error {
            StoreError::Io { .. } => Err(error),
            _ => Ok(None),
        })?;
        if let Some(known) = stays {
            walker.walk(&known.manifest, &mut |id, _| {
                needed.remove(&id);
            })?;
        }
    }
    let mut found = Needed::default();
    for (id, bytes) in needed {
        if store.has(&id)? {
            found.bytes += bytes;
            found.chunks.insert(id);
        }
    }
    Ok(found)
}

/// The chunks that these contents need, as far as that is known here.
///
/// # Errors
/// When a manifest or node is damaged.
pub fn needed_by(
    store: &dyn ChunkRead,
    contents: impl IntoIterator<Item = Oid>,
) -> Result<HashSet<ChunkId>, StoreError> {
    let (mut needed, mut walker) = (HashSet::new(), Walker::new(store));
    for oid in contents {
        if let Some(known) = content::find(store, &oid)? {
            needed.insert(known.binding.manifest);
            walker.walk(&known.manifest, &mut |id, _| {
                needed.insert(id);
            })?;
        }
    }
    Ok(needed)
}

/// Walks manifests down to their data; a node is read once.
pub struct Walker<'a> {
    store: &'a dyn ChunkRead,
    met: HashSet<(ChunkId, u8)>,
    buffer: Vec<u8>,
    is_torn: bool,
}

impl std::fmt::Debug for Walker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walker").field("met", &self.met.len()).finish_non_exhaustive()
    }
}

impl<'a> Walker<'a> {
    /// Has met nothing yet.
    pub fn new(store: &'a dyn ChunkRead) -> Walker<'a> {
        Walker { store, met: HashSet::new(), buffer: Vec::new(), is_torn: false }
    }

    /// Shows nodes, with their own length, and data chunks, as far as they were not met before. False when a node is
    /// absent: what is below it was not shown.
    pub fn walk(
        &mut self,
        manifest: &Manifest,
        each: &mut dyn FnMut(ChunkId, u64),
    ) -> Result<bool, StoreError> {
        self.is_torn = false;
        for stream in manifest.streams.iter().filter(|stream| stream.bytes > 0) {
            self.tree(stream.root.id, stream.root.height, stream.bytes, each)?;
        }
        Ok(!self.is_torn)
    }

    fn tree(
        &mut self,
        id: ChunkId,
        level: u8,
        bytes: u64,
        each: &mut dyn FnMut(ChunkId, u64),
    ) -> Result<(), StoreError> {
        if level == 0 {
            each(id, bytes);
            return Ok(());
        }
        if !self.met.insert((id, level)) {
            return Ok(());
        }
        match self.store.read(&id, &mut self.buffer)? {
            None => {
                // It may come, and is to be looked into then; and so is everything above it.
                self.is_torn = true;
                self.met.remove(&(id, level));
                return Ok(());
            }
            Some(Kind::Node) => {}
            Some(_) => return Err(StoreError::Corrupt { id, why: "it is of another kind".into() }),
        }
        each(id, self.buffer.len() as u64);
        let entries = decode_node(&self.buffer, level).map_err(|source| StoreError::Format { id, source })?;
        let whole = !std::mem::take(&mut self.is_torn);
        entries.iter().try_for_each(|entry| self.tree(entry.id, level - 1, entry.bytes, each))?;
        if self.is_torn {
            self.met.remove(&(id, level));
        }
        self.is_torn |= !whole;
        Ok(())
    }
}
