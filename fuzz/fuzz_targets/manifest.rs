//! Manifests come from peers, inside offers, and from packs.
//!
//! A manifest has one encoding, and its layout covers exactly its content.
#![no_main]

use dits_format::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::decode(bytes) {
        assert_eq!(manifest.encode(), bytes);
        assert_eq!(manifest.extents().iter().map(|extent| extent.bytes).sum::<u64>(), manifest.size);
    }
});
