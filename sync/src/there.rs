//! Contents that a server has most likely, because they were pushed to it before.
//!
//! A push describes new contents before it is asked to, which pays only where they are new: moving or copying a file brings a content
//! that is there. So their ids are kept, 8 bytes of each, the latest [`THERE_MAX`]. It is a hint: what is wrongly taken to be there costs a
//! round trip, what is not known the bytes of a description.
//!
//! Bytes: the keys one after the other, oldest first, each the first 8 bytes of an oid. Whatever is not a whole number of them says nothing.

use dits_format::Oid;
use std::collections::HashSet;

/// Contents that are remembered.
pub const THERE_MAX: usize = 65_536;
/// Bytes of one.
pub const KEY_BYTES: usize = 8;

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct There(HashSet<[u8; KEY_BYTES]>);

/// What stands for a content.
pub fn key(oid: &Oid) -> [u8; KEY_BYTES] {
    oid.0[..KEY_BYTES].try_into().expect("an oid has 32 bytes")
}

impl There {
    /// Reads keys; of too many the latest.
    pub fn decode(bytes: &[u8]) -> There {
        if !bytes.len().is_multiple_of(KEY_BYTES) {
            return There::default();
        }
        let keys = bytes.chunks_exact(KEY_BYTES).rev().take(THERE_MAX);
        There(keys.map(|key| key.try_into().expect("eight bytes")).collect())
    }

    /// Whether it has the content, most likely.
    pub fn has(&self, oid: &Oid) -> bool {
        self.0.contains(&key(oid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_known_and_half_a_key_says_nothing() {
        let oids: Vec<Oid> = (0..THERE_MAX + 2).map(|n| Oid::of(&n.to_le_bytes())).collect();
        let bytes: Vec<u8> = oids.iter().flat_map(key).collect();
        let there = There::decode(&bytes);
        assert!(!there.has(&oids[1]) && there.has(&oids[2]) && there.has(&oids[THERE_MAX + 1]));
        assert!(!there.has(&Oid::of(b"another")));
        assert_eq!(There::decode(&bytes[1..]), There::default());
    }
}
