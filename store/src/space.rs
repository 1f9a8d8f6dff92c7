//! Space on the disk, and the reserve that nobody of us uses up (`dits.reserve`).
//!
//! Asked before writing, so that what would not fit fails with a clear error while there is still room to
//! work, and not in the middle of somebody else's write. What others write meanwhile is not foreseen.

use crate::StoreError;
use std::path::Path;

/// Bytes that the user may still write to the disk of `path`, which need not exist yet.
pub fn free_bytes(path: &Path) -> Result<u64, StoreError> {
    if let Some(faked) = fake::get() {
        return Ok(faked);
    }
    let there = path.ancestors().find(|above| above.exists()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(there);
    let disk = disk.map_err(|error| StoreError::io("ask for free space at", there)(error.into()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// How many bytes may be written at `path` so that `reserve` bytes stay free; at least `bytes`.
///
/// # Errors
/// [`StoreError::Reserve`] when `bytes` are too many.
pub fn allowance(path: &Path, bytes: u64, reserve: u64) -> Result<u64, StoreError> {
    if reserve == 0 {
        return Ok(u64::MAX);
    }
    let free = free_bytes(path)?;
    let allowed = free.saturating_sub(reserve);
    if allowed < bytes {
        return Err(StoreError::Reserve { path: path.to_owned(), bytes, free, reserve });
    }
    Ok(allowed)
}

/// For tests: makes the disk look as full as they need it, in the calling thread only.
#[doc(hidden)]
pub mod fake {
    use std::cell::Cell;

    thread_local! {
        static FREE: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// From now on so many bytes are free; `None`: what the disk says.
    pub fn set(free: Option<u64>) {
        FREE.set(free);
    }

    pub(super) fn get() -> Option<u64> {
        FREE.get()
    }
}
