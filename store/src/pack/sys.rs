//! Memory maps: the one place of this crate that needs `unsafe`.
//!
//! Only files that have their final name are mapped. Those are never written again, only replaced or
//! unlinked, and both leave an existing map as it was. Who truncates a file of the store by hand while it is
//! mapped gets a SIGBUS, as with Git's own packs.

use memmap2::{Mmap, UncheckedAdvice};
use std::fs::File;
use std::io;
use std::ops::Range;

/// Maps a whole immutable file for reading.
#[expect(unsafe_code, reason = "a map needs the promise that the file does not change; see the file head")]
pub fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: files of the store do not change once they have their name.
    unsafe { Mmap::map(file) }
}

/// Lets go of the memory that holds a range of a map; who reads there again reads the file again. A hint.
#[expect(unsafe_code, reason = "for a map that is written to this would throw the changes away")]
pub fn give_back(map: &Mmap, range: Range<usize>) {
    // SAFETY: the map is of a file and only read, so what comes back are the same bytes.
    let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
}
