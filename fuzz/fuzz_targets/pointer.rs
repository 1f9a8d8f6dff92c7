//! Pointers come from commits of other people and from whatever lies in a working tree.
//!
//! What is a pointer must be written back as the same bytes: Git compares them by hash.
#![no_main]

use dits_format::limits::POINTER_BYTES_MAX;
use dits_format::pointer::{Parsed, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Parsed::Pointer(pointer) = parse(text) {
        assert_eq!(pointer.encode(), text);
        assert!(text.len() <= POINTER_BYTES_MAX && pointer.size > 0);
    }
});
