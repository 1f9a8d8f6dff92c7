//! The Merkle tree over the chunks of one stream.
//!
//! Leaves list data chunks as (id, length) in stream order; nodes above list nodes. Where a node ends is
//! decided by content: after an entry whose id has its last six bits zero, once the node has
//! [`NODE_ENTRIES_MIN`] entries, and always at [`NODE_ENTRIES_MAX`]. So equal chunk lists give equal trees,
//! and an edit changes about one node a level (a "prolly tree"; with fan-out 64 one edit in 10 GB changes 9.5 KiB
//! of nodes and a lookup reads three; smaller fan-outs change less and read more). Nodes are derived from the chunk list alone: both ends of a transfer
//! build them, so they never travel.
//!
//! A stream with no chunk has height 0 and the zero root; with one chunk, height 0 and that chunk as root;
//! else the root is a node of level `height`. Node bytes: version `1`, level (1 = above data), count `u16`,
//! then entries: id 32 bytes, length `u32` (level 1) or `u64` (sum of what is below, higher levels).

use crate::bytes::{Fields, FormatError};
use crate::limits::{
    CHUNK_BYTES_MAX, CONTENT_BYTES_MAX, NODE_ENTRIES_MAX, NODE_ENTRIES_MIN, TREE_HEIGHT_MAX,
};
use crate::{ChunkId, Kind};

const WHAT: &str = "merkle node";
const VERSION: u8 = 1;

/// One line of a node: what is below, and how many bytes of the stream it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// A data chunk in a leaf, else a node one level down.
    pub id: ChunkId,
    /// Bytes of the stream below this entry, at least 1.
    pub bytes: u64,
}

impl Entry {
    fn ends_node(&self) -> bool {
        self.id.0[31] & 0x3f == 0
    }
}

/// Where a stream's tree starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// Levels of nodes; 0 when the root is a data chunk, or when there is none.
    pub height: u8,
    /// The root; zero bytes when the stream is empty.
    pub id: ChunkId,
}

/// Takes each finished node of a tree: its id and its bytes.
pub type Emit<'a, E> = dyn FnMut(ChunkId, &[u8]) -> Result<(), E> + 'a;

/// The bytes of a node of `level` (1 = its entries are data chunks).
pub fn encode_node(level: u8, entries: &[Entry]) -> Vec<u8> {
    let width = if level == 1 { 4 } else { 8 };
    let mut out = Vec::with_capacity(4 + entries.len() * (32 + width));
    out.extend_from_slice(&[VERSION, level]);
    out.extend_from_slice(&(entries.len() as u16).to_le_bytes());
    for entry in entries {
        out.extend_from_slice(&entry.id.0);
        out.extend_from_slice(&entry.bytes.to_le_bytes()[..width]);
    }
    out
}

/// Reads a node that should be of `level`.
///
/// # Errors
/// [`FormatError`] when the bytes are not a node of that level within the limits.
pub fn decode_node(bytes: &[u8], level: u8) -> Result<Vec<Entry>, FormatError> {
    let mut fields = Fields::new(bytes, WHAT);
    match fields.u8()? {
        VERSION => {}
        found => return Err(FormatError::Version { what: WHAT, found: found.into() }),
    }
    if fields.u8()? != level || level == 0 || level > TREE_HEIGHT_MAX {
        return Err(fields.invalid("wrong level"));
    }
    let count = usize::from(fields.u16()?);
    if count == 0 || count > NODE_ENTRIES_MAX {
        return Err(fields.invalid("wrong number of entries"));
    }
    let mut entries = Vec::with_capacity(count);
    let mut total = 0u64;
    for _ in 0..count {
        let id = ChunkId(fields.array()?);
        let bytes = if level == 1 { fields.u32()?.into() } else { fields.u64()? };
        if bytes == 0 || bytes > CONTENT_BYTES_MAX || (level == 1 && bytes > CHUNK_BYTES_MAX as u64) {
            return Err(fields.invalid("length out of bounds"));
        }
        total = total.saturating_add(bytes);
        entries.push(Entry { id, bytes });
    }
    if total > CONTENT_BYTES_MAX {
        return Err(fields.invalid("length out of bounds"));
    }
    fields.end()?;
    Ok(entries)
}

/// Builds the tree while the chunks of a stream go by. Holds at most [`NODE_ENTRIES_MAX`] entries a level.
#[derive(Debug, Default)]
pub struct Builder {
    /// `levels[0]` collects data chunks for the next leaf, `levels[1]` leaves, and so on.
    levels: Vec<Vec<Entry>>,
    chunks: u64,
    bytes: u64,
}

impl Builder {
    /// An empty stream.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Bytes of all chunks so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends one data chunk; each node that is complete by it goes to `emit`.
    pub fn push<E>(&mut self, chunk: Entry, emit: &mut Emit<'_, E>) -> Result<(), E> {
        self.chunks += 1;
        self.bytes += chunk.bytes;
        self.push_at(0, chunk, emit)
    }

    fn push_at<E>(&mut self, at: usize, entry: Entry, emit: &mut Emit<'_, E>) -> Result<(), E> {
        if self.levels.len() == at {
            self.levels.push(Vec::new());
        }
        let pending = &mut self.levels[at];
        pending.push(entry);
        let full =
            pending.len() >= NODE_ENTRIES_MAX || (pending.len() >= NODE_ENTRIES_MIN && entry.ends_node());
        if full { self.close(at, emit) } else { Ok(()) }
    }

    fn close<E>(&mut self, at: usize, emit: &mut Emit<'_, E>) -> Result<(), E> {
        let entries = std::mem::take(&mut self.levels[at]);
        let bytes = encode_node(at as u8 + 1, &entries);
        let id = ChunkId::of(Kind::Node, &bytes);
        emit(id, &bytes)?;
        self.push_at(at + 1, Entry { id, bytes: entries.iter().map(|e| e.bytes).sum() }, emit)
    }

    /// Ends the stream and returns its root; remaining nodes go to `emit`.
    pub fn finish<E>(mut self, emit: &mut Emit<'_, E>) -> Result<Root, E> {
        match self.chunks {
            0 => return Ok(Root { height: 0, id: ChunkId([0; 32]) }),
            1 => return Ok(Root { height: 0, id: self.levels[0][0].id }),
            _ => {}
        }
        let mut at = 0;
        loop {
            let top = at + 1 >= self.levels.len();
            if top && at > 0 && self.levels[at].len() == 1 {
                return Ok(Root { height: at as u8, id: self.levels[at][0].id });
            }
            if !self.levels[at].is_empty() {
                self.close(at, emit)?;
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn entries(count: usize, seed: u64) -> Vec<Entry> {
        (0..count)
            .map(|i| Entry {
                id: ChunkId::of(Kind::Data, &[seed.to_le_bytes(), (i as u64).to_le_bytes()].concat()),
                bytes: 1 + (i as u64 * 7919) % 65536,
            })
            .collect()
    }

    fn build(list: &[Entry]) -> (Root, HashMap<ChunkId, Vec<u8>>) {
        let mut nodes = HashMap::new();
        let mut emit = |id, bytes: &[u8]| -> Result<(), ()> {
            nodes.insert(id, bytes.to_vec());
            Ok(())
        };
        let mut builder = Builder::new();
        list.iter().for_each(|entry| builder.push(*entry, &mut emit).unwrap());
        (builder.finish(&mut emit).unwrap(), nodes)
    }

    fn flatten(id: ChunkId, level: u8, nodes: &HashMap<ChunkId, Vec<u8>>, out: &mut Vec<Entry>) {
        for entry in decode_node(&nodes[&id], level).unwrap() {
            if level == 1 { out.push(entry) } else { flatten(entry.id, level - 1, nodes, out) }
        }
    }

    #[test]
    fn every_count_reads_back() {
        for count in [2, 15, 16, 17, 255, 256, 257, 1000, 20_000] {
            let list = entries(count, 1);
            let (root, nodes) = build(&list);
            let mut found = Vec::new();
            flatten(root.id, root.height, &nodes, &mut found);
            assert_eq!(found, list, "{count} chunks");
        }
    }

    #[test]
    fn none_and_one_need_no_node() {
        assert_eq!(build(&[]).0, Root { height: 0, id: ChunkId([0; 32]) });
        let one = entries(1, 1);
        let (root, nodes) = build(&one);
        assert_eq!((root.height, root.id, nodes.len()), (0, one[0].id, 0));
    }

    #[test]
    fn one_edit_changes_one_node_a_level() {
        let mut list = entries(20_000, 1);
        let (root, before) = build(&list);
        list[10_000] = Entry { id: ChunkId::of(Kind::Data, b"edit"), bytes: 5 };
        let (_, after) = build(&list);
        let new = after.keys().filter(|id| !before.contains_key(*id)).count();
        assert!(new <= 2 * usize::from(root.height), "{new} new nodes of {}", after.len());
    }

    #[test]
    fn sums_that_would_overflow_are_refused() {
        let huge = Entry { id: ChunkId([1; 32]), bytes: CONTENT_BYTES_MAX };
        assert!(decode_node(&encode_node(2, &[huge; 17]), 2).is_err());
    }

    #[test]
    fn golden_root() {
        let (root, nodes) = build(&entries(1000, 42));
        assert_eq!((root.height, nodes.len()), (2, 14));
        assert_eq!(root.id.to_string(), "3592c6d942e494a617722be17d506a29dcd5be61d9be8634c11eb17ffbe134d5");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), level in 0u8..14) {
            let _ = decode_node(&bytes, level);
        }

        #[test]
        fn nodes_read_back(count in 1usize..=256, level in 1u8..=12, seed: u64) {
            let list = entries(count, seed);
            prop_assert_eq!(decode_node(&encode_node(level, &list), level), Ok(list));
        }
    }
}
