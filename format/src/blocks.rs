//! The oid of a content whose blocks are hashed in any order, by any thread.
//!
//! BLAKE3 is a tree over the bytes, and blocks of [`BLOCK_BYTES`] (a power of two of its own leaves) at multiples of
//! their length are whole subtrees of it. So each block is hashed alone, told where it stands ([`BlockHash::of`]), and
//! [`OidOfBlocks`] joins the results in the order of the content. The result is `blake3::hash` of all of it.
//!
//! What must always hold: every block but the last is of full length, and each is given once. The first one is not
//! joined before a second is there, since a content of one block has its root in that block. Memory: a hash for each
//! bit of the number of blocks, and those that came before their turn.

use crate::Oid;
use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use std::collections::BTreeMap;

/// Bytes of a block.
pub const BLOCK_BYTES: usize = 1 << 20;

/// The hash of one block.
#[derive(Debug)]
pub enum BlockHash {
    /// Of the first block, which may be all there is.
    First(Box<Hasher>),
    /// Of another block, which has bytes.
    Rest(ChainingValue),
    /// There is a first block, and nothing in this one.
    Nothing,
}

impl BlockHash {
    /// Hashes the block number `index`.
    pub fn of(index: u64, block: &[u8]) -> BlockHash {
        let mut hasher = BlockHasher::new(index);
        hasher.update(block);
        hasher.finish()
    }
}

/// Hashes a block piece by piece: fastest when these are of a power of two, and begin at multiples of that.
#[derive(Debug)]
pub struct BlockHasher {
    index: u64,
    hasher: Hasher,
    bytes: usize,
}

impl BlockHasher {
    /// Of the block number `index`.
    pub fn new(index: u64) -> BlockHasher {
        let mut hasher = Hasher::new();
        hasher.set_input_offset(index * BLOCK_BYTES as u64);
        BlockHasher { index, hasher, bytes: 0 }
    }

    /// Takes the next piece of the block.
    pub fn update(&mut self, piece: &[u8]) {
        self.hasher.update(piece);
        self.bytes += piece.len();
    }

    /// The number of the block.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Bytes that the block had so far.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The hash of what came.
    pub fn finish(self) -> BlockHash {
        match (self.index, self.bytes) {
            (0, _) => BlockHash::First(Box::new(self.hasher)),
            (_, 0) => BlockHash::Nothing,
            _ => BlockHash::Rest(self.hasher.finalize_non_root()),
        }
    }
}

/// Joins the blocks of one content.
#[derive(Debug, Default)]
pub struct OidOfBlocks {
    first: Option<Box<Hasher>>,
    /// Joined subtrees, each at least twice as large as the next. At most one for each bit of `blocks`, and one more.
    subtrees: Vec<ChainingValue>,
    /// Blocks joined.
    blocks: u64,
    /// Those that come later in the content than one that is not there yet.
    waiting: BTreeMap<u64, BlockHash>,
}

impl OidOfBlocks {
    /// Takes the block number `index`.
    pub fn put(&mut self, index: u64, block: BlockHash) {
        self.waiting.insert(index, block);
        while let Some(block) = self.waiting.remove(&self.blocks) {
            match block {
                BlockHash::First(hasher) => self.first = Some(hasher),
                BlockHash::Rest(value) => self.push(value),
                BlockHash::Nothing => {}
            }
            self.blocks += 1;
        }
    }

    fn push(&mut self, value: ChainingValue) {
        if let Some(first) = self.first.take() {
            self.subtrees.push(first.finalize_non_root());
        }
        // Subtrees of equal size are joined only now: the two last of a content would make its root.
        while self.subtrees.len() > self.blocks.count_ones() as usize {
            self.join();
        }
        self.subtrees.push(value);
    }

    fn join(&mut self) {
        if let (Some(right), Some(left)) = (self.subtrees.pop(), self.subtrees.pop()) {
            self.subtrees.push(merge_subtrees_non_root(&left, &right, Mode::Hash));
        }
    }

    /// The oid of all blocks; that of nothing when there were none.
    pub fn oid(mut self) -> Oid {
        if self.subtrees.is_empty() {
            return Oid(*self.first.unwrap_or_default().finalize().as_bytes());
        }
        while self.subtrees.len() > 2 {
            self.join();
        }
        Oid(*merge_subtrees_root(&self.subtrees[0], &self.subtrees[1], Mode::Hash).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_give_the_hash_of_the_whole_in_any_order() {
        let content: Vec<u8> = (0..9 * BLOCK_BYTES as u32 + 5).map(|n| ((n * 31) >> 3) as u8).collect();
        for blocks in 0..=9 {
            for more in [0, 1, 1024, 1025, BLOCK_BYTES - 1] {
                let content = &content[..(blocks * BLOCK_BYTES + more).min(content.len())];
                // Two threads that take turns: each block after the one that follows it.
                for turn in [1, 2, 4] {
                    let mut oid = OidOfBlocks::default();
                    let hashes = content.chunks(BLOCK_BYTES).enumerate();
                    let mut hashes: Vec<_> =
                        hashes.map(|(at, block)| (at as u64, BlockHash::of(at as u64, block))).collect();
                    hashes.chunks_mut(turn).for_each(<[_]>::reverse);
                    let end = hashes.len() as u64;
                    hashes.into_iter().for_each(|(index, hash)| oid.put(index, hash));
                    oid.put(end, BlockHash::of(end, &[]));
                    assert_eq!(oid.oid(), Oid::of(content), "{} bytes, {turn} at a time", content.len());
                }
            }
        }
    }

    #[test]
    fn pieces_give_the_hash_of_the_whole() {
        let content: Vec<u8> = (0..2 * BLOCK_BYTES as u32 + 5).map(|n| ((n * 31) >> 3) as u8).collect();
        for bytes in [1, 1000, 64 << 10, 300_000] {
            let mut oid = OidOfBlocks::default();
            for (index, block) in (0..).zip(content.chunks(BLOCK_BYTES)) {
                let mut hasher = BlockHasher::new(index);
                block.chunks(bytes).for_each(|piece| hasher.update(piece));
                assert_eq!((hasher.index(), hasher.bytes()), (index, block.len()));
                oid.put(index, hasher.finish());
            }
            assert_eq!(oid.oid(), Oid::of(&content), "pieces of {bytes} bytes");
        }
    }
}
