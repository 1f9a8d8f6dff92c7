//! Git's index is patched in place: whatever is in it, no byte may move and no wrong entry may change.
//!
//! The first byte picks the hash. The index is walked, and each entry that can be patched is.
#![no_main]

use dits_repo::index::{Change, HashKind, Stat, patch, walk};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    let kind = if kind % 2 == 0 { HashKind::Sha1 } else { HashKind::Sha256 };
    // Zeros for the hash, as `index.skipHash` writes them: no fuzzer guesses one.
    let mut bytes = [bytes, &vec![0; kind.len()]].concat();
    let mut changes = BTreeMap::new();
    let walked = walk(&bytes, kind, |entry| {
        let stat = Stat { size: 7, ..Stat::default() };
        changes.insert(entry.path.to_vec(), Change::Hydrated { expected_oid: entry.oid.to_vec(), stat });
        Ok(())
    });
    let before = bytes.clone();
    match patch(&mut bytes, kind, &changes) {
        Ok(outcome) => {
            assert!(walked.is_ok() && bytes.len() == before.len() && outcome.not_found.is_empty());
            assert!(!outcome.patched.is_empty() || bytes == before);
            assert_eq!(
                walk(&bytes, kind, |_| Ok(())).expect("it could be walked"),
                walked.expect("just now")
            );
        }
        Err(_) => assert_eq!(bytes, before),
    }
});
