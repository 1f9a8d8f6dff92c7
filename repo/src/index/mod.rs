//! Repairs the stat data in Git's index after files were hydrated.
//!
//! Git first writes a pointer of about 100 bytes and records *its* size and times in the index. When our
//! filter then puts the real content in place, that record is wrong, and Git would report the file as
//! modified for ever: an entry whose size differs from the file is never re-read. So the 36 stat bytes of
//! exactly these entries are overwritten in place and the trailing hash is computed again. Nothing moves, so
//! every extension (TREE, UNTR, FSMN, EOIE, IEOT, sdir, …) stays valid without being understood.
//!
//! What must always hold:
//! - an entry changes only if it is stage 0, a regular file, and names exactly the blob the caller expects;
//! - the length of the index never changes, and on an error not one byte has changed;
//! - Git's own lock protocol is kept: all writing happens in `<index>.lock`, which is renamed;
//! - the index keeps its modification time, because Git's guard against "racy" entries depends on it.
//!
//! [`layout`] walks the entries, [`patch`](mod@patch) changes bytes, [`stat`] and [`gitid`] hold the small
//! values; all four are pure. [`file`] and [`mod@names`] touch the disk.
//!
//! Units: sizes in bytes, times in seconds and nanoseconds since 1970, all cut to 32 bits as Git cuts them.
//! Failure: a damaged or unknown index gives an [`IndexError`] and is left alone; the files then show up as
//! modified until `git add`, which is a nuisance but loses nothing.
//!
//! Source of the format: Git's `Documentation/gitformat-index`, and `read-cache.c` where it is silent.

pub mod file;
pub mod fill;
pub mod gitid;
pub mod layout;
pub mod names;
pub mod patch;
pub mod stat;
pub mod touch;

use std::path::PathBuf;

pub use file::{hydrated_mtime, update};
pub use fill::fill;
pub use gitid::{HashKind, blob_id};
pub use layout::{Entry, Summary, walk};
pub use names::names;
pub use patch::{Change, OtherContent, Outcome, PointerSize, patch, set_sizes};
pub use stat::{Stat, munge_size};
pub use touch::{Recorded, recorded, set_ctimes};

/// Why the index was left as it is.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Somebody else holds the lock file, and still did when the wait was over.
    #[error("unable to create '{}': file exists", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A system call failed.
    #[error("unable to {action} '{}'", path.display())]
    Io {
        /// What was tried, as a verb: "read", "write", …
        action: &'static str,
        /// The file it was tried on.
        path: PathBuf,
        /// The answer of the system.
        #[source]
        source: std::io::Error,
    },
    /// The file does not start with `DIRC`.
    #[error("bad index file signature")]
    Signature,
    /// A version other than 2, 3 or 4.
    #[error("bad index version {0}")]
    Version(u32),
    /// The trailing hash does not fit the content.
    #[error("bad index file {0} signature")]
    Checksum(&'static str),
    /// The bytes do not follow the format.
    #[error("index file corrupt: {what} at byte {at}")]
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// Where, counted from the start of the file.
        at: usize,
    },
    /// Its entries are in two files.
    #[error("the index is split")]
    Split,
    /// An extension that must be understood (its name starts with a small letter) but is not.
    #[error("index uses {} extension, which we do not understand", .0.escape_ascii())]
    Extension([u8; 4]),
}
