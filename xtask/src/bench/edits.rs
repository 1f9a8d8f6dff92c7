//! Small edits all over a file, always the same ones: what an editing program does to a large file. Pure.
//!
//! Inserts, deletions and overwrites by turns, of 1 to 4096 bytes, at places of a fixed seed. They are spread out: the
//! file is cut into as many stretches as there are edits, and each has one.

use std::io::{self, Read, Write};

/// At `at` of the old content, `remove` bytes give way to `insert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    at: u64,
    remove: u64,
    insert: Vec<u8>,
}

/// A row of numbers that look like chance and are always the same (SplitMix64).
#[derive(Debug, Clone)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Bytes that do not compress.
    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

/// `count` edits of a content of `size` bytes, in the order of their places.
pub(super) fn plan(size: u64, count: usize, seed: u64) -> Vec<Edit> {
    let mut chance = Chance(seed);
    let stretch = size / count.max(1) as u64;
    let edit = |i: usize| {
        let bytes = 1 + chance.below(4096.min(stretch / 2));
        let at = i as u64 * stretch + chance.below(stretch - bytes);
        let (remove, insert) = match i % 3 {
            0 => (0, bytes),
            1 => (bytes, 0),
            _ => (bytes, bytes),
        };
        Edit { at, remove, insert: chance.bytes(insert as usize) }
    };
    (0..count).map(edit).collect()
}

/// Copies `old` to `new` with the edits.
pub(super) fn apply(mut old: impl Read, mut new: impl Write, edits: &[Edit]) -> io::Result<()> {
    let mut at = 0;
    for edit in edits {
        io::copy(&mut (&mut old).take(edit.at - at), &mut new)?;
        io::copy(&mut (&mut old).take(edit.remove), &mut io::sink())?;
        new.write_all(&edit.insert)?;
        at = edit.at + edit.remove;
    }
    io::copy(&mut old, &mut new)?;
    new.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_insert_remove_and_overwrite() {
        let edit = |at, remove, insert: &[u8]| Edit { at, remove, insert: insert.into() };
        let mut new = Vec::new();
        apply(&b"abcdefgh"[..], &mut new, &[edit(1, 0, b"XY"), edit(3, 2, b""), edit(6, 1, b"Z")]).unwrap();
        assert_eq!(new, b"aXYbcfZh");
    }

    #[test]
    fn a_plan_is_always_the_same_and_in_order() {
        let edits = plan(1 << 20, 50, 7);
        assert_eq!(edits, plan(1 << 20, 50, 7));
        assert_ne!(edits, plan(1 << 20, 50, 8));
        assert_eq!(edits.len(), 50);
        assert!(edits.windows(2).all(|pair| pair[0].at + pair[0].remove <= pair[1].at));
        assert!(edits.iter().all(|edit| edit.remove <= 4096 && edit.insert.len() <= 4096));
        let old = vec![0; 1 << 20];
        let mut new = Vec::new();
        apply(&old[..], &mut new, &edits).unwrap();
        let grown: i64 = edits.iter().map(|edit| edit.insert.len() as i64 - edit.remove as i64).sum();
        assert_eq!(new.len() as i64, (1 << 20) + grown);
    }
}
