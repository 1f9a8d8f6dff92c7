//! The oid of a content whose blocks are hashed in any order, by any thread.
//!
//! BLAKE3 is a tree over the bytes, and blocks of [`BLOCK_BYTES`](super::block::BLOCK_BYTES) (a power of two of its own
//! leaves) at multiples of their length are whole subtrees of it. So each block is hashed alone, told where it
//! stands, and [`Whole`] joins the results in the order of the content. The result is `blake3::hash` of all of it.
//!
//! What must always hold: every block but the last is of full length; the first one is not joined before a second is
//! there, since a content of one block has its root in that block.

use super::block::BLOCK_BYTES;
use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use dits_format::Oid;

/// The hash of one block.
#[derive(Debug)]
pub(super) enum Part {
    /// Of the first block, which may be all there is.
    First(Box<Hasher>),
    /// Of another block, which has bytes.
    Rest(ChainingValue),
    /// There is a first block, and nothing in this one.
    Nothing,
}

impl Part {
    /// Hashes the block number `index`.
    pub(super) fn of(index: u64, block: &[u8]) -> Part {
        let mut hasher = Hasher::new();
        match (index, block) {
            (0, _) => {
                hasher.update(block);
                Part::First(Box::new(hasher))
            }
            (_, []) => Part::Nothing,
            _ => {
                hasher.set_input_offset(index * BLOCK_BYTES as u64).update(block);
                Part::Rest(hasher.finalize_non_root())
            }
        }
    }
}

/// Joins the parts of one content.
#[derive(Debug, Default)]
pub(super) struct Whole {
    first: Option<Box<Hasher>>,
    /// Joined subtrees, each at least twice as large as the next. At most one for each bit of `blocks`, and one more.
    subtrees: Vec<ChainingValue>,
    blocks: u64,
}

impl Whole {
    /// Takes the next block.
    pub(super) fn push(&mut self, part: Part) {
        let value = match part {
            Part::First(hasher) => {
                self.blocks = 1;
                return self.first = Some(hasher);
            }
            Part::Rest(value) => value,
            Part::Nothing => return,
        };
        if let Some(first) = self.first.take() {
            self.subtrees.push(first.finalize_non_root());
        }
        // Subtrees of equal size are joined only now: the two last of a content would make its root.
        while self.subtrees.len() > self.blocks.count_ones() as usize {
            self.join();
        }
        self.subtrees.push(value);
        self.blocks += 1;
    }

    fn join(&mut self) {
        if let (Some(right), Some(left)) = (self.subtrees.pop(), self.subtrees.pop()) {
            self.subtrees.push(merge_subtrees_non_root(&left, &right, Mode::Hash));
        }
    }

    /// The oid of all that was pushed; that of nothing when nothing was.
    pub(super) fn oid(mut self) -> Oid {
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
    fn blocks_give_the_hash_of_the_whole() {
        let content: Vec<u8> = (0..9 * BLOCK_BYTES as u32 + 5).map(|n| (n * 31 >> 3) as u8).collect();
        for blocks in 0..=9 {
            for more in [0, 1, 1024, 1025, BLOCK_BYTES - 1] {
                let content = &content[..(blocks * BLOCK_BYTES + more).min(content.len())];
                let mut whole = Whole::default();
                for (index, block) in content.chunks(BLOCK_BYTES).enumerate() {
                    whole.push(Part::of(index as u64, block));
                }
                whole.push(Part::of(blocks as u64 + 1, &[]));
                assert_eq!(whole.oid(), Oid::of(content), "{} bytes", content.len());
            }
        }
    }
}
