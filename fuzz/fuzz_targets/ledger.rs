//! Ledgers of a server are appended to by several processes, and are cut when one dies.
//!
//! What is intact must be written back the same, and nothing is read twice.
#![no_main]

use dits_format::ledger::{ENTRY_BYTES, decode, decode_head, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = decode_head(bytes);
    let (entries, damaged) = decode(bytes);
    assert_eq!(entries.len() + damaged, bytes.len() / ENTRY_BYTES);
    assert_eq!(decode(&encode(&entries)), (entries, 0));
});
