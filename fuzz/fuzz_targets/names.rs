//! Paths come from commits of other people, and are any bytes.
//!
//! A spelling is its own spelling, and paths with one spelling clash.
#![no_main]

use dits_repo::names::{canonical, clashes, problems};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|path: &[u8]| {
    problems(path);
    for ignore_case in [false, true] {
        let Ok(spelled) = canonical(path, ignore_case) else { continue };
        assert_eq!(canonical(&spelled, ignore_case).as_ref(), Ok(&spelled));
        let mut parts = path.split(|byte| *byte == b'/');
        if spelled != path && !parts.any(|part| part.is_empty() || part == b".") {
            assert!(!clashes([path, &spelled[..]].into_iter()).is_empty());
        }
    }
});
