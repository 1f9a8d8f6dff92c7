//! Why a store could not do what was asked. "Absent" is not here: that is an answer, not an error.
//! Errors name the chunk or the file; who asked for it and why is known above.

use dits_format::{ChunkId, FormatError, Oid};
use std::path::PathBuf;

/// A failure of a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The chunk is here, but its bytes are not what its id says.
    #[error("chunk {id} is corrupt: {why}")]
    Corrupt {
        /// The chunk.
        id: ChunkId,
        /// What was found.
        why: String,
    },
    /// A chunk that something in the store needs is absent.
    #[error("chunk {id} is missing")]
    Missing {
        /// The chunk.
        id: ChunkId,
    },
    /// The chunks are intact but do not make the content they are bound to.
    #[error("content {oid} does not match its manifest")]
    Mismatch {
        /// The content that was expected.
        oid: Oid,
    },
    /// A manifest or node is intact as bytes, but not a manifest or node.
    #[error("chunk {id}: {source}")]
    Format {
        /// The chunk.
        id: ChunkId,
        /// What is wrong with it.
        source: FormatError,
    },
    /// A pack or segment file is damaged as a whole.
    #[error("'{}': {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FormatError,
    },
    /// The store was made by a newer git-dits, or is none.
    #[error("'{}' has store format '{found}', which this git-dits does not know", path.display())]
    StoreFormat {
        /// The store's folder.
        path: PathBuf,
        /// What its format file says.
        found: String,
    },
    /// Others are at work in the store.
    #[error("'{}' is in use by another process", path.display())]
    Busy {
        /// The store's folder.
        path: PathBuf,
    },
    /// A cache where a store should be, or the other way round.
    #[error("'{}' is {found}", path.display())]
    WrongRole {
        /// The folder.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// Writing would use up what shall stay free of the disk (`dits.reserve`).
    #[error(
        "{bytes} more bytes in '{}' would leave less than {reserve} of the disk's {free} free bytes", path.display()
    )]
    Reserve {
        /// Where.
        path: PathBuf,
        /// How much was to be written.
        bytes: u64,
        /// How much is free.
        free: u64,
        /// How much shall stay so.
        reserve: u64,
    },
    /// The operating system refused.
    #[error("cannot {doing} '{}': {source}", path.display())]
    Io {
        /// What was tried, as `write` or `open`.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl StoreError {
    /// Wraps an I/O error with what was tried on what.
    pub fn io(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> StoreError {
        let path = path.to_owned();
        move |source| StoreError::Io { doing, path, source }
    }

    /// Whether the disk is full, up to its reserve or for good, or a quota is used up.
    pub fn is_disk_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match self {
            StoreError::Reserve { .. } => true,
            StoreError::Io { source, .. } => [StorageFull, QuotaExceeded].contains(&source.kind()),
            _ => false,
        }
    }
}
