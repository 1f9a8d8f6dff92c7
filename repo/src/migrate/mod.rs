//! What moving a repository's history to git-dits would bring, found out without changing anything.
//!
//! [`examine`] lists every version of every file in some commits, [`estimate`] cuts them into chunks to see how much
//! they share. Blobs that are not here (partial clones) are counted and left out, never fetched.

pub mod estimate;
pub mod examine;
pub mod fixup;
pub mod trees;

/// One version of one file: a path and a blob that some commit has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Path from the top.
    pub path: Vec<u8>,
    /// Name of the blob, in hexadecimal.
    pub id: String,
    /// Size of the blob.
    pub bytes: u64,
    /// When it is a pointer: the size of the content. Nothing is the pointer of the empty content.
    pub pointer: Option<u64>,
}
