//! Content-defined cut points: FastCDC as published in 2020, exactly.
//!
//! A large file is stored as chunks, and each chunk is stored once however many files and versions hold it.
//! Cuts at fixed offsets would lose that at the first inserted byte, so the cuts are placed by the content:
//! a rolling hash runs over the bytes, and where it hits a pattern a chunk ends. An edit then changes the
//! chunks it touches and little after them.
//!
//! What must always hold:
//! - The cuts of a content depend on its bytes and its [`Profile`] alone: not on read sizes, not on the
//!   machine, not on which kernel runs. They are part of the stored format; a changed cut is a format break.
//! - The chunks in order, put together, are the content. Each is at most `max_bytes` long, and each but the
//!   last is at least `min_bytes` long. Empty content has no chunks.
//! - This crate is pure: no I/O, no clock, no state but what a [`Cutter`] owns.
//!
//! Parts: `gear` is the table of the rolling hash, `profile` the three sets of sizes, `kernel` finds one cut
//! in a slice, `cutter` turns a stream of any read sizes into such slices. All sizes are in bytes.
//!
//! Source: Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage
//! Systems", IEEE TPDS 2020, with normalization level 1. Crate `fastcdc` 5.0.0 (`v2020`, seed 0) is the
//! oracle in the tests, and fixed vectors hold the cuts even if the oracle moves.

mod cutter;
mod gear;
mod kernel;
mod profile;

pub use cutter::Cutter;
pub use kernel::next_cut;
pub use profile::{Profile, Sizes};
