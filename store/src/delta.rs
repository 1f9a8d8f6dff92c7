//! A chunk told by what a like chunk has already: how an edit travels, never how anything is kept.
//!
//! A delta is one zstd frame whose matches may reach back into a *base*, bytes that both ends have: zstd's prefix, raw
//! and without a dictionary's head, whatever the base begins with. An edit of a few bytes in a chunk takes a few more
//! than these. Pure; memory is that of base, chunk and one zstd context, which is gone afterwards.
//!
//! A delta may come from anybody and be against anything: [`decode`] takes no more memory than the stated length and
//! fails with [`FormatError`] when the frame is not exactly that long. With another base it gives other bytes or fails, so
//! the caller must hold what comes out against the id.

use crate::codec::{decompress_from, invalid};
use bytes::Bytes;
use dits_format::FormatError;
use dits_format::limits::CHUNK_BYTES_MAX;
use zstd::zstd_safe::{CCtx, CParameter};

/// Bytes of a base.
pub const BASE_BYTES_MAX: usize = 1 << 20;
/// Finds what moved by a few bytes, at some hundred megabytes a second.
const LEVEL: i32 = 3;
/// Reaches from the end of a largest chunk to the start of a largest base.
const WINDOW_LOG: u32 = 21;
const WHAT: &str = "delta";

const _: () = assert!(BASE_BYTES_MAX + CHUNK_BYTES_MAX <= 1 << WINDOW_LOG);

/// The delta from `base` to `plain`; `None` when it takes more than `most` bytes.
pub fn encode(base: &[u8], plain: &[u8], most: usize) -> Option<Bytes> {
    if base.len() > BASE_BYTES_MAX || plain.len() > CHUNK_BYTES_MAX {
        return None;
    }
    let mut context = CCtx::try_create()?;
    context.set_parameter(CParameter::CompressionLevel(LEVEL)).ok()?;
    context.set_parameter(CParameter::WindowLog(WINDOW_LOG)).ok()?;
    context.ref_prefix(base).ok()?;
    let mut out = Vec::with_capacity(most);
    // What does not fit is too long; a vector may have more room than was asked for.
    let len = context.compress2(&mut out, plain).ok()?;
    (len <= most).then(|| out.into())
}

/// Replaces `out` by the chunk that `delta` makes of `base`, which must be exactly `plain_bytes` long.
pub fn decode(base: &[u8], delta: &[u8], plain_bytes: usize, out: &mut Vec<u8>) -> Result<(), FormatError> {
    let limits = [(plain_bytes, CHUNK_BYTES_MAX), (base.len(), BASE_BYTES_MAX)];
    if let Some((found, limit)) = limits.into_iter().find(|(found, limit)| found > limit) {
        return Err(FormatError::Limit { what: WHAT, found: found as u64, limit: limit as u64 });
    }
    out.clear();
    out.reserve_exact(plain_bytes);
    let len = decompress_from(base, delta, out)?;
    if len == plain_bytes { Ok(()) } else { Err(invalid("has another length")) }
}

#[cfg(test)]
#[path = "delta_tests.rs"]
mod tests;
