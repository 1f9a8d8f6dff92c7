//! Use files of a cache are written by every process that shares it, and are cut when one dies.
//!
//! What is read must be written back as the front of the same bytes, with less than a record left.
#![no_main]

use dits_format::uses::{decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let again = encode(decode(bytes));
    assert!(bytes.starts_with(&again) && bytes.len() - again.len() < 40);
});
