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
//! Two ways to the same cuts. `next_cut` finds the end of one chunk, byte after byte; `cutter` feeds it with
//! a stream of any read sizes. For large contents a `kernel` finds the `candidates` of a block, blocks in any order
//! and on any thread, and the `picker` chooses the cuts among them. `gear` is the table of the rolling hash,
//! `profile` the three sets of sizes. All sizes are in bytes.
//!
//! Source: Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage
//! Systems", IEEE TPDS 2020, with normalization level 1. Crate `fastcdc` 5.0.0 (`v2020`, seed 0) is the
//! oracle in the tests, and fixed vectors hold the cuts even if the oracle moves.

mod candidates;
mod cutter;
mod gear;
mod kernel;
mod next_cut;
mod picker;
mod profile;

pub use candidates::Candidates;
pub use cutter::Cutter;
pub use kernel::Kernel;
pub use next_cut::next_cut;
pub use picker::Picker;
pub use profile::{Profile, Sizes};
