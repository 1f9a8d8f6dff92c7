//! Whole contents, read through the store contract.
//!
//! A content is found by its oid: binding → manifest → streams → Merkle nodes → data chunks. Walking holds
//! one node a level (at most [`TREE_HEIGHT_MAX`] × 256 entries), so memory does not grow with the content.
//! Nothing here trusts what it reads: nodes are chunks checked against their ids, lengths are checked
//! against what the level above promised, and [`rebuild`] compares the oid when the last byte is out.

use crate::{ChunkRead, StoreError};
use dits_format::limits::TREE_HEIGHT_MAX;
use dits_format::tree::{self, Entry, Root};
use dits_format::{Binding, ChunkId, FormatError, Kind, Manifest, Oid, Stream};

/// A content that this store knows how to rebuild.
#[derive(Debug, Clone)]
pub struct Known {
    /// What was found bound to the oid.
    pub binding: Binding,
    /// Its manifest.
    pub manifest: Manifest,
}

/// Finds the manifest of `oid`; the chunks below it may still be absent. Of several the first is taken, by
/// proof, that is whole here, so one that has lost a chunk or never was true does not hide another.
///
/// # Errors
/// When every bound manifest is absent or damaged the last such error is returned.
pub fn find(store: &dyn ChunkRead, oid: &Oid) -> Result<Option<Known>, StoreError> {
    let bindings = store.bindings(oid)?;
    let only = bindings.len() == 1;
    let (mut torn, mut last) = (None, None);
    for binding in bindings {
        match known(store, binding) {
            Ok(known) if only || matches!(first_missing(store, &known.manifest), Ok(None)) => {
                return Ok(Some(known));
            }
            Ok(known) => torn = torn.or(Some(known)),
            Err(error) => last = Some(error),
        }
    }
    if torn.is_some() { Ok(torn) } else { last.map_or(Ok(None), Err) }
}

/// Finds a manifest of `oid` that is whole here and whose binding `fits`.
///
/// # Errors
/// Damage of single chunks is no error: such a manifest is not whole.
pub fn find_whole(
    store: &dyn ChunkRead,
    oid: &Oid,
    fits: impl Fn(&Binding) -> bool,
) -> Result<Option<Known>, StoreError> {
    for binding in store.bindings(oid)?.into_iter().filter(fits) {
        let whole = known(store, binding)
            .and_then(|known| Ok(first_missing(store, &known.manifest)?.is_none().then_some(known)));
        match whole {
            Ok(None)
            | Err(
                StoreError::Missing { .. }
                | StoreError::Corrupt { .. }
                | StoreError::Mismatch { .. }
                | StoreError::Format { .. },
            ) => {}
            found => return found,
        }
    }
    Ok(None)
}

fn known(store: &dyn ChunkRead, binding: Binding) -> Result<Known, StoreError> {
    let manifest = manifest(store, &binding.manifest)?;
    if manifest.oid == binding.oid {
        Ok(Known { binding, manifest })
    } else {
        Err(StoreError::Mismatch { oid: binding.oid })
    }
}

/// Reads the manifest with this id.
pub fn manifest(store: &dyn ChunkRead, id: &ChunkId) -> Result<Manifest, StoreError> {
    let mut bytes = Vec::new();
    match store.read(id, &mut bytes)? {
        None => Err(StoreError::Missing { id: *id }),
        Some(Kind::Manifest) => {
            Manifest::decode(&bytes).map_err(|source| StoreError::Format { id: *id, source })
        }
        Some(_) => Err(wrong_kind(id, "manifest")),
    }
}

/// Whether `oid` can be rebuilt from this store alone: its manifest and all below it are present.
pub fn is_whole(store: &dyn ChunkRead, oid: &Oid) -> Result<bool, StoreError> {
    match find(store, oid) {
        Ok(Some(known)) => Ok(first_missing(store, &known.manifest)?.is_none()),
        Ok(None) | Err(StoreError::Missing { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// How much of a content is in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// All of it.
    Whole,
    /// It is known here, and some of it is absent or damaged.
    Partial,
    /// Nothing says how to rebuild it.
    Absent,
}

/// How much of `oid` is here.
///
/// # Errors
/// Only when the store fails: what is damaged is not here.
pub fn presence(store: &dyn ChunkRead, oid: &Oid) -> Result<Presence, StoreError> {
    match is_whole(store, oid) {
        Ok(true) => Ok(Presence::Whole),
        Err(error @ StoreError::Io { .. }) => Err(error),
        _ if store.bindings(oid)?.is_empty() => Ok(Presence::Absent),
        _ => Ok(Presence::Partial),
    }
}

/// Chunks of `oid` that are here and damaged: reads all of it. What hangs below a damaged node is not seen.
///
/// # Errors
/// Only when the store fails.
pub fn damaged(store: &dyn ChunkRead, oid: &Oid) -> Result<Vec<ChunkId>, StoreError> {
    let mut found = Vec::new();
    for binding in store.bindings(oid)? {
        if let Err(error) = find_damage(store, &binding, &mut found) {
            match error {
                StoreError::Corrupt { id, .. } => found.push(id),
                StoreError::Missing { .. } | StoreError::Mismatch { .. } | StoreError::Format { .. } => {}
                other => return Err(other),
            }
        }
    }
    Ok(found)
}

fn find_damage(store: &dyn ChunkRead, binding: &Binding, found: &mut Vec<ChunkId>) -> Result<(), StoreError> {
    let mut buffer = Vec::new();
    for stream in &manifest(store, &binding.manifest)?.streams {
        let mut walk = Walk::new(stream, 0);
        while let Some(piece) = walk.next_chunk(store)? {
            match store.read(&piece.entry.id, &mut buffer) {
                Err(StoreError::Corrupt { id, .. }) => found.push(id),
                other => drop(other?),
            }
        }
    }
    Ok(())
}

/// The first chunk below `manifest` that is absent, if any.
pub fn first_missing(store: &dyn ChunkRead, manifest: &Manifest) -> Result<Option<ChunkId>, StoreError> {
    for stream in &manifest.streams {
        let mut walk = Walk::new(stream, 0);
        loop {
            match walk.next_chunk(store) {
                Ok(None) => break,
                Ok(Some(piece)) if !store.has(&piece.entry.id)? => return Ok(Some(piece.entry.id)),
                Ok(Some(_)) => {}
                Err(StoreError::Missing { id }) => return Ok(Some(id)),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(None)
}

/// Rebuilds a content: every byte in order goes to `out`, then the oid is compared.
///
/// # Errors
/// [`StoreError::Missing`] or [`StoreError::Corrupt`] for a chunk, [`StoreError::Mismatch`] for the whole;
/// what `out` returns is handed on. Bytes given to `out` before an error must not be used.
pub fn rebuild<E: From<StoreError>>(
    store: &dyn ChunkRead,
    manifest: &Manifest,
    out: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = Vec::new();
    for extent in manifest.extents() {
        let stream = &manifest.streams[extent.stream as usize];
        let mut walk = Walk::new(stream, extent.offset);
        let mut left = extent.bytes;
        while left > 0 {
            let piece = walk.next_chunk(store)?.ok_or(StoreError::Mismatch { oid: manifest.oid })?;
            read_data(store, &piece.entry, &mut buffer)?;
            let bytes = &buffer[piece.skip as usize..];
            let bytes = &bytes[..bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            hasher.update(bytes);
            out(bytes)?;
            left -= bytes.len() as u64;
        }
    }
    if *hasher.finalize().as_bytes() == manifest.oid.0 {
        Ok(())
    } else {
        Err(StoreError::Mismatch { oid: manifest.oid }.into())
    }
}

/// Reads one data chunk that a tree names into `buffer`.
pub fn read_data(store: &dyn ChunkRead, entry: &Entry, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
    match store.read(&entry.id, buffer)? {
        None => Err(StoreError::Missing { id: entry.id }),
        Some(Kind::Data) if buffer.len() as u64 == entry.bytes => Ok(()),
        Some(_) => Err(wrong_kind(&entry.id, "chunk of data of the length its node says")),
    }
}

/// One data chunk of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The chunk and its length.
    pub entry: Entry,
    /// Bytes at its start that lie before the offset the walk began at.
    pub skip: u64,
}

/// The data chunks of one stream, in order, from an offset on. Reads nodes as it goes, no data.
#[derive(Debug)]
pub struct Walk {
    /// Per level from the top: the level of the entries' parents, and the entries not visited yet.
    stack: Vec<(u8, std::vec::IntoIter<Entry>)>,
    skip: u64,
    buffer: Vec<u8>,
}

impl Walk {
    /// Starts at `offset` bytes into the stream.
    pub fn new(stream: &Stream, offset: u64) -> Walk {
        let Root { height, id } = stream.root;
        let top = if stream.bytes == 0 { vec![] } else { vec![Entry { id, bytes: stream.bytes }] };
        Walk { stack: vec![(height + 1, top.into_iter())], skip: offset, buffer: Vec::new() }
    }

    /// The next chunk, or `None` at the end of the stream. `store` must be the same at every call.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when a node is absent; corrupt or malformed nodes as such.
    pub fn next_chunk(&mut self, store: &dyn ChunkRead) -> Result<Option<Piece>, StoreError> {
        while let Some((level, entries)) = self.stack.last_mut() {
            let level = *level;
            let Some(entry) = entries.next() else {
                self.stack.pop();
                continue;
            };
            if self.skip >= entry.bytes {
                self.skip -= entry.bytes;
            } else if level == 1 {
                return Ok(Some(Piece { entry, skip: std::mem::take(&mut self.skip) }));
            } else {
                let below = self.read_node(store, &entry, level - 1)?;
                self.stack.push((level - 1, below.into_iter()));
            }
        }
        Ok(None)
    }

    fn read_node(
        &mut self,
        store: &dyn ChunkRead,
        entry: &Entry,
        level: u8,
    ) -> Result<Vec<Entry>, StoreError> {
        let id = entry.id;
        match store.read(&id, &mut self.buffer)? {
            None => return Err(StoreError::Missing { id }),
            Some(Kind::Node) if level <= TREE_HEIGHT_MAX => {}
            Some(_) => return Err(wrong_kind(&id, "merkle node")),
        }
        let entries =
            tree::decode_node(&self.buffer, level).map_err(|source| StoreError::Format { id, source })?;
        if entries.iter().map(|entry| entry.bytes).sum::<u64>() != entry.bytes {
            return Err(wrong_kind(&id, "merkle node of the length its parent says"));
        }
        Ok(entries)
    }
}

fn wrong_kind(id: &ChunkId, what: &'static str) -> StoreError {
    StoreError::Format { id: *id, source: FormatError::Magic { what } }
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
