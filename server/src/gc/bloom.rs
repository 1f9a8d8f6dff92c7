//! A set that may say "yes" of what was never put in, and never "no" of what was.
//!
//! What a realm's kept contents need is far more than a collector should hold by id. "Needed" said once in two thousand
//! times of a chunk that is not costs a little disk until the next run, which draws other keys; the other mistake does
//! not happen. Two bytes a chunk: 30 MB for 1.5 TB of video.

use dits_format::ChunkId;
use std::hash::{BuildHasher, RandomState};

const BITS_PER_ITEM: u64 = 16;
const BITS_MIN: u64 = 1 << 16;
const PROBES: usize = 7;

/// See the file head.
#[derive(Debug)]
pub(crate) struct Bloom {
    keys: [RandomState; 2],
    bits: Vec<u64>,
}

impl Bloom {
    /// Room for so many ids; more make more false answers.
    pub fn new(items: u64) -> Bloom {
        let bits = items.saturating_mul(BITS_PER_ITEM).max(BITS_MIN);
        Bloom { keys: [RandomState::new(), RandomState::new()], bits: vec![0; bits.div_ceil(64) as usize] }
    }

    fn places(&self, id: &ChunkId) -> [(usize, u64); PROBES] {
        let [first, step] = [0, 1].map(|key| self.keys[key].hash_one(id));
        let len = self.bits.len() as u64 * 64;
        std::array::from_fn(|probe| {
            let bit = first.wrapping_add((step | 1).wrapping_mul(probe as u64)) % len;
            ((bit / 64) as usize, 1 << (bit % 64))
        })
    }

    /// Puts an id in.
    pub fn add(&mut self, id: &ChunkId) {
        for (word, bit) in self.places(id) {
            self.bits[word] |= bit;
        }
    }

    /// Whether it may be in.
    pub fn may_have(&self, id: &ChunkId) -> bool {
        self.places(id).into_iter().all(|(word, bit)| self.bits[word] & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_format::Kind;

    #[test]
    fn what_was_put_in_is_found_and_little_else() {
        let id = |number: u32| ChunkId::of(Kind::Data, &number.to_le_bytes());
        let mut bloom = Bloom::new(10_000);
        (0..10_000).for_each(|number| bloom.add(&id(number)));
        assert!((0..10_000).all(|number| bloom.may_have(&id(number))));
        let wrong = (10_000..110_000).filter(|number| bloom.may_have(&id(*number))).count();
        assert!(wrong < 200, "{wrong} of 100,000");
    }
}
