//! Values and bytes of git-dits: no files, no clock, no network.
//!
//! Everything that is written to disk or sent to another machine has its bytes defined here (or, for
//! messages on the wire, in `dits-sync`), with the same rules everywhere: little-endian numbers, a magic
//! and a version first, every length checked against a named limit in [`limits`] before anything is
//! allocated, and decoding that never panics whatever the bytes are. `docs/format.md` is the normative
//! text with worked examples; the tests hold golden vectors so that yesterday's bytes stay readable.

pub mod blocks;
pub mod bytes;
pub mod id;
pub mod journal;
pub mod ledger;
pub mod limits;
pub mod listed;
pub mod manifest;
pub mod pack;
pub mod pointer;
pub mod segment;
pub mod tree;
pub mod uses;

pub use bytes::FormatError;
pub use id::{ChunkId, Kind, Oid, PackId};
pub use manifest::{Binding, Manifest, Proof, Stream};
pub use pointer::Pointer;
