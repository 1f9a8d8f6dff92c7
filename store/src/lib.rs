//! Where chunks live.
//!
//! [`ChunkRead`] ⊂ [`ChunkWrite`] ⊂ [`ChunkPrune`] is the contract; [`PackStore`] keeps it on disk with packs
//! and index segments, [`MemoryStore`] in memory for tests and small sets. Every store runs the same
//! battery, [`conformance`]. [`content`] reads whole contents through the contract alone.
//!
//! This crate knows bytes and files. It must never know Git, the network or the working tree: a remote is
//! somebody else's code that calls [`ChunkWrite`].

pub mod cache;
pub mod codec;
pub mod conformance;
pub mod content;
pub mod delta;
pub mod durable;
pub mod error;
pub mod faulty;
pub mod folder;
pub mod follow;
pub mod ledger;
pub mod mark;
pub mod memory;
pub mod modes;
pub mod pack;
pub mod rebuild;
pub mod space;
pub mod traits;

pub use cache::Cache;
pub use codec::{Compression, Encoded, Encoder};
pub use error::StoreError;
pub use folder::{Folder, FolderError};
pub use follow::Follow;
pub use ledger::Ledger;
pub use memory::MemoryStore;
pub use modes::Modes;
pub use pack::{Options, PackStore, Upkeep};
pub use traits::{
    Batch, ChunkPrune, ChunkRead, ChunkWrite, Forgotten, Item, Part, RunChunk, Written, take_away,
};
