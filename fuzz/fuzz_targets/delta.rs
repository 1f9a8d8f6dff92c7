//! Deltas come from peers, and are made from chunks that are here: what is decoded has the length that was stated, and
//! nothing else happens. What is encoded comes back.
//!
//! The input is two lengths (of the base, of what is stated), then base and delta.
#![no_main]

use dits_store::delta;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((head, rest)) = input.split_first_chunk::<4>() else { return };
    let base_bytes = usize::from(u16::from_le_bytes([head[0], head[1]])).min(rest.len());
    let plain_bytes = usize::from(u16::from_le_bytes([head[2], head[3]]));
    let (base, bytes) = rest.split_at(base_bytes);
    let mut plain = Vec::new();
    if delta::decode(base, bytes, plain_bytes, &mut plain).is_ok() {
        assert_eq!(plain.len(), plain_bytes);
    }
    let made = delta::encode(base, bytes, bytes.len() + 1024).expect("there is room");
    delta::decode(base, &made, bytes.len(), &mut plain).expect("it is honest");
    assert_eq!(plain, bytes);
});
