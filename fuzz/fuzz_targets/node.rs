//! Merkle nodes come from packs, which may be damaged or made by somebody else.
//!
//! The first byte of the input is the level that the reader expects. A node has one encoding, and the lengths
//! of its entries add up to a bearable number.
#![no_main]

use dits_format::limits::CONTENT_BYTES_MAX;
use dits_format::tree::{decode_node, encode_node};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((level, bytes)) = input.split_first() else { return };
    if let Ok(entries) = decode_node(bytes, *level) {
        assert_eq!(encode_node(*level, &entries), bytes);
        let sum: u128 = entries.iter().map(|entry| u128::from(entry.bytes)).sum();
        assert!(sum <= u128::from(CONTENT_BYTES_MAX));
    }
});
