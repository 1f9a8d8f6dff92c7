//! Journals come from writers that died in the middle of a word.
//!
//! What is read must be written back as the front of the same bytes. The input is also given a right head,
//! since no fuzzer guesses a hash.
#![no_main]

use dits_format::Oid;
use dits_format::journal::{decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    check(input);
    let length = (input.len() as u32).to_le_bytes();
    // The head's hash is plain BLAKE3, as an oid is.
    check(&[&length[..], &Oid::of(input).0, input].concat());
});

fn check(bytes: &[u8]) {
    let again: Vec<u8> = decode(bytes).iter().flat_map(encode).collect();
    assert!(bytes.starts_with(&again));
}
