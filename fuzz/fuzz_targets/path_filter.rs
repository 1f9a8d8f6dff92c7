//! Patterns of what to fetch come from `.ditsconfig`, and so from commits of other people.
//!
//! The input is a list and a path, a line each. No pattern makes the filter fail, and what a list excludes it would
//! include.
#![no_main]

use dits_repo::PathFilter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (list, path) = text.split_once('\n').unwrap_or_default();
    // Git knows no such path.
    if path.starts_with('/') {
        return;
    }
    for ignore_case in [false, true] {
        let lets_through = |include: &str, exclude: &str| {
            PathFilter::new(include, exclude, ignore_case).lets_through(path.as_bytes())
        };
        assert!(lets_through("", list) || lets_through(list, "") && !lets_through(list, list));
    }
});
