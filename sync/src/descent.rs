//! Going down a stream's Merkle tree, node by node, through the part that covers a range of its bytes.
//!
//! The caller brings the bytes of each node, from a store or from a peer; here they are held against what the node above
//! promised. Holds the entries of one node a level, so memory does not grow with the stream.

use crate::machine::SyncError;
use bytes::Bytes;
use dits_format::tree::{self, Entry};
use dits_format::{ChunkId, Kind, Stream};
use dits_store::{ChunkRead, Encoded, StoreError};
use std::ops::Range;

/// A place in a tree. Each node comes before what is below it.
#[derive(Debug)]
pub(crate) struct Descent {
    /// Per level from the top: the level of the entries' parent, the entries not visited yet, where the next one begins.
    stack: Vec<(u8, std::vec::IntoIter<Entry>, u64)>,
    range: Range<u64>,
}

/// What is met on the way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A node, to be [opened](Descent::open) before going on.
    Node(Entry, u8),
    /// A data chunk.
    Chunk(Entry),
}

impl Descent {
    /// Through what covers `range` of the stream.
    pub fn new(stream: &Stream, range: Range<u64>) -> Descent {
        let top = Entry { id: stream.root.id, bytes: stream.bytes };
        let top = if stream.bytes == 0 { vec![] } else { vec![top] };
        Descent { stack: vec![(stream.root.height + 1, top.into_iter(), 0)], range }
    }

    /// The next node or chunk, or `None` at the end.
    pub fn next(&mut self) -> Option<Step> {
        while let Some((level, entries, at)) = self.stack.last_mut() {
            let Some(entry) = entries.next() else {
                self.stack.pop();
                continue;
            };
            let start = *at;
            *at += entry.bytes;
            if *at > self.range.start && start < self.range.end {
                let level = *level - 1;
                return Some(if level == 0 { Step::Chunk(entry) } else { Step::Node(entry, level) });
            }
        }
        None
    }

    /// Where in the stream what [`Descent::next`] gave last ends.
    pub fn passed(&self) -> u64 {
        self.stack.last().map_or(0, |(.., at)| *at)
    }

    /// Goes on below the node that [`Descent::next`] gave last, whose bytes these are.
    ///
    /// # Errors
    /// [`StoreError::Format`] when they are no such node. Their id was checked by the caller.
    pub fn open(&mut self, node: Entry, level: u8, bytes: &[u8]) -> Result<(), StoreError> {
        let malformed = |source| StoreError::Format { id: node.id, source };
        let entries = tree::decode_node(bytes, level).map_err(malformed)?;
        if entries.iter().map(|entry| entry.bytes).sum::<u64>() != node.bytes {
            let what = "merkle node of the length its parent says";
            return Err(malformed(dits_format::FormatError::Magic { what }));
        }
        let start = self.stack.last().map_or(0, |(.., at)| at - node.bytes);
        self.stack.push((level, entries.into_iter(), start));
        Ok(())
    }
}

/// Reads a chunk that must be here and of this kind.
pub(crate) fn read(
    store: &dyn ChunkRead,
    id: &ChunkId,
    kind: Kind,
    out: &mut Vec<u8>,
) -> Result<(), SyncError> {
    is_kind(store.read(id, out)?, id, kind)
}

/// The same, giving the bytes, which the store may have in memory.
pub(crate) fn read_bytes(store: &dyn ChunkRead, id: &ChunkId, kind: Kind) -> Result<Bytes, SyncError> {
    let (found, bytes) = store.read_bytes(id)?.unzip();
    is_kind(found, id, kind)?;
    Ok(bytes.unwrap_or_default())
}

/// The same in the form in which the store has it, not checked: the receiver does that, and asks once more.
pub(crate) fn read_encoded(store: &dyn ChunkRead, id: &ChunkId, kind: Kind) -> Result<Encoded, SyncError> {
    let (found, encoded) = store.read_encoded(id)?.unzip();
    is_kind(found, id, kind)?;
    encoded.ok_or(StoreError::Missing { id: *id }.into())
}

/// The same, checked.
pub(crate) fn read_verified(store: &dyn ChunkRead, id: &ChunkId, kind: Kind) -> Result<Encoded, SyncError> {
    let encoded = read_encoded(store, id, kind)?;
    let mut scratch = Vec::new();
    match encoded.plain(&mut scratch) {
        Ok(plain) if ChunkId::of(kind, plain) == *id => Ok(encoded),
        // Another copy may be intact; and who reads checked says what is wrong.
        _ => read_bytes(store, id, kind).map(Encoded::raw),
    }
}

fn is_kind(found: Option<Kind>, id: &ChunkId, kind: Kind) -> Result<(), SyncError> {
    match found {
        Some(found) if found == kind => Ok(()),
        // An id is that of a kind, so this store lies.
        Some(_) => Err(StoreError::Corrupt { id: *id, why: "of another kind".into() }.into()),
        None => Err(StoreError::Missing { id: *id }.into()),
    }
}
