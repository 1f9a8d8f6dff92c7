//! Content for tests: bytes that look random, and are the same in every run.
//!
//! They do not compress and do not repeat, so counts of chunks and bytes mean what they seem to mean.

/// `len` bytes that depend on `seed` only (SplitMix64).
pub fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        out.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    out.truncate(len);
    out
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn a_seed_names_its_bytes() {
        assert_eq!(bytes(1000, 7), bytes(1000, 7));
        assert_eq!(bytes(1000, 7)[..10], bytes(10, 7));
        assert_ne!(bytes(1000, 7), bytes(1000, 8));
        assert!(bytes(0, 1).is_empty());
    }
}
