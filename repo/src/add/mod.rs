//! Adding many managed files at once, past Git's pipe and on all cores.
//!
//! `git add` feeds our filter one file after the other through one pipe. Here the files are read directly by
//! several threads ([`ingest`]), and then what `git add` would have written is written ([`record`]): pointer
//! blobs, index entries, and their stat data. A real `git add` with the user's own arguments comes after that: it
//! finds these files up to date, does everything else, and says what there is to say. So this is only a faster way
//! to a part of its result, and whatever is out of the ordinary ([`candidates`]) is left to it.
//!
//! What must always hold:
//! - an entry names the pointer of bytes that were read from that file, while the file did not change;
//! - chunks are durable before any entry names them;
//! - an entry gets the stat data of its file only if the file still is what was read. Else Git looks again.

pub mod candidates;
pub mod ingest;
pub mod record;

use dits_chunk::Profile;

/// A managed file that `git add` would store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Path from the top of the working tree.
    pub path: Vec<u8>,
    /// What the index has there, if that is a file.
    pub old: Option<Old>,
    /// How it is cut.
    pub profile: Profile,
    /// Its size when it was found; decides only about order and progress.
    pub bytes: u64,
}

/// An entry of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Old {
    /// Type and permissions.
    pub mode: u32,
    /// Name of the blob, in hexadecimal.
    pub id: String,
}
