//! Paths come from commits of other people, and are any bytes.
//!
//! A path clashes with itself in another case exactly once, and never with itself.
#![no_main]

use dits_repo::names::{clashes, problems};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|path: &[u8]| {
    problems(path);
    assert!(clashes([path, path].into_iter()).is_empty());
    let upper = path.to_ascii_uppercase();
    // Where a folder is empty, or the same as another, the first one is named.
    assert_eq!(clashes([path, &upper[..]].into_iter()).is_empty(), upper == path);
});
