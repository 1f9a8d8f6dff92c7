//! Memory maps: the one place of this crate that needs `unsafe`.
//!
//! Only files that have their final name are mapped. Those are never written again, only replaced or
//! unlinked, and both leave an existing map as it was. Who truncates a file of the store by hand while it is
//! mapped gets a SIGBUS, as with Git's own packs.

use memmap2::Mmap;
use std::fs::File;
use std::io;

/// Maps a whole immutable file for reading.
#[expect(unsafe_code, reason = "a map needs the promise that the file does not change; see the file head")]
pub fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: files of the store do not change once they have their name.
    unsafe { Mmap::map(file) }
}
