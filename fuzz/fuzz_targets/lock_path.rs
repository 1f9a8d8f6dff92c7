//! Paths of locks come from clients and people, in any spelling.
//!
//! A spelling is its own, has one key whatever its case, and lies in the folders above it.
#![no_main]

use dits_lock::LockPath;
use dits_lock::path::{PATH_BYTES_MAX, folders_above};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(path) = LockPath::parse(text) else { return };
    assert!(path.as_str().len() <= PATH_BYTES_MAX && !path.as_str().contains("//"));
    assert_eq!(LockPath::parse(path.as_str()).as_ref(), Ok(&path));
    let key = path.key();
    assert_eq!(dits_lock::path::key(&key), key);
    assert!(folders_above(&key).all(|folder| key.starts_with(folder) && folder.len() < key.len()));
    if let Ok(other) = LockPath::parse(&text.to_ascii_uppercase()) {
        assert_eq!(other.key(), key);
    }
});
