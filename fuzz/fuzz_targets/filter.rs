//! Filters come from a server: whatever the bytes are, asking one is safe, and one that is taken reads back the same.
//!
//! The input is taken as it is, and once more with the right epoch in its place.
#![no_main]

use dits_format::ChunkId;
use dits_sync::filter::Filter;
use libfuzzer_sys::fuzz_target;

/// Magic, version, epoch.
const HEAD: usize = 20;

fuzz_target!(|input: &[u8]| {
    check(input);
    if let Some((head, behind)) = input.split_at_checked(HEAD) {
        let hash = blake3::hash(behind);
        let mut epoch = *hash.as_bytes().first_chunk::<8>().expect("a hash has 32 bytes");
        epoch[0] |= 1;
        check(&[&head[..HEAD - 8], &epoch, behind].concat());
    }
});

fn check(bytes: &[u8]) {
    let Ok(filter) = Filter::decode(bytes) else { return };
    for probe in bytes.chunks_exact(32).take(64) {
        let id: [u8; 32] = probe.try_into().expect("chunks of 32");
        let _ = filter.may_have(&ChunkId(id));
    }
    assert_eq!(filter.encode(), bytes);
}
