//! Records of when contents of a cache were last used.
//!
//! Each is 40 bytes: oid, nanoseconds since 1970 (little-endian). There is no head and no checksum: a cut record at
//! the end is left out, and a wrong one only means that something is evicted earlier or later.

use crate::Oid;

const RECORD_BYTES: usize = 40;

/// The records in a row.
pub fn encode(records: impl Iterator<Item = (Oid, u64)>) -> Vec<u8> {
    records.flat_map(|(oid, at)| oid.0.into_iter().chain(at.to_le_bytes())).collect()
}

/// Reads them back.
pub fn decode(bytes: &[u8]) -> impl Iterator<Item = (Oid, u64)> {
    bytes.chunks_exact(RECORD_BYTES).filter_map(|record| {
        let (oid, at) = record.split_at(RECORD_BYTES - 8);
        Some((Oid(oid.try_into().ok()?), u64::from_le_bytes(at.try_into().ok()?)))
    })
}
