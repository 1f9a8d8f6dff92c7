//! Index segments are read in place, large ones without their checksum: lookups must be safe and true
//! whatever the bytes are.
//!
//! The input is taken as it is, and once more with a right end behind it.
#![no_main]

use dits_format::segment::{Location, Segment};
use dits_format::{ChunkId, Oid};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    check(input);
    check(&[input, &[0; 32], b"DITSXEND"].concat());
});

fn check(bytes: &[u8]) {
    let Ok(segment) = Segment::open(bytes, false) else { return };
    let (packs, probes) = (segment.packs().len(), bytes.chunks_exact(32).take(64));
    for probe in probes {
        let id: [u8; 32] = probe.try_into().expect("chunks of 32");
        let is_right = |found: Location| found.id.0 == id && (found.pack as usize) < packs;
        assert!(segment.find_all(&ChunkId(id)).all(is_right));
        assert!(segment.find_bindings(&Oid(id)).iter().all(|binding| binding.oid.0 == id));
    }
    assert!(segment.chunks().all(|chunk| (chunk.pack as usize) < packs));
    let _ = (segment.bindings().count(), segment.verify(|_| ()));
}
