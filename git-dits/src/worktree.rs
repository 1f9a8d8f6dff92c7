//! What lies in the working tree where Git has a pointer.
//!
//! Only small files are read, to see whether they are pointers; whether large ones are unchanged is told by
//! the stat data that Git's index keeps, or by hashing where that is affordable. Git's filter is never
//! started for this. A file whose name leads through a symbolic link is not the tracked file, and hydration
//! checks that itself.

use anyhow::{Context, Result};
use dits_format::limits::POINTER_BYTES_MAX;
use dits_format::pointer::{Parsed, parse};
use dits_format::{Oid, Pointer};
use dits_repo::hydrate::plan;
use dits_repo::index::{self, HashKind};
use dits_repo::threshold::RAW_BYTES_MAX;
use dits_repo::tracked::Tracked;
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Files above this are not read to learn whether or how they differ: that is left to `git add`.
pub const HASH_BYTES_MAX: u64 = 256 << 20;

/// What lies at a path.
#[derive(Debug)]
pub enum There {
    /// Nothing.
    Absent,
    /// A folder, a link, or something else that is no file.
    Other,
    /// A file that is a pointer.
    Pointer(Pointer),
    /// A file with content.
    Content(Metadata),
}

/// Looks at a path of the repository.
pub fn look(worktree: &Path, path: &[u8]) -> Result<There> {
    let full = plan::full_path(worktree, path);
    let failed = || format!("cannot read '{}'", full.display());
    let meta = match fs::symlink_metadata(&full) {
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Ok(There::Absent);
        }
        result => result.with_context(failed)?,
    };
    if !meta.is_file() {
        return Ok(There::Other);
    }
    if meta.len() <= POINTER_BYTES_MAX as u64
        && let Parsed::Pointer(pointer) = parse(&fs::read(&full).with_context(failed)?)
    {
        return Ok(There::Pointer(pointer));
    }
    Ok(There::Content(meta))
}

/// Whether the content of `pointer` seems to lie at `path`: a file of its size that is no pointer.
pub fn has_content(worktree: &Path, path: &[u8], pointer: &Pointer) -> Result<bool> {
    Ok(matches!(look(worktree, path)?, There::Content(meta) if meta.len() == pointer.size))
}

/// The files whose content is not in the working tree, with the pointers that lie there instead.
pub fn ghosts(worktree: &Path, tracked: Vec<Tracked>) -> Result<Vec<Tracked>> {
    let mut ghosts = Vec::new();
    for mut file in tracked.into_iter().filter(|file| file.stage == 0) {
        if let There::Pointer(pointer) = look(worktree, &file.path)? {
            file.pointer = pointer;
            ghosts.push(file);
        }
    }
    Ok(ghosts)
}

/// BLAKE3 of a file, or `None` when it is too large to be read for this.
pub fn oid(worktree: &Path, path: &[u8]) -> Result<Option<Oid>> {
    let full = plan::full_path(worktree, path);
    let failed = || format!("cannot read '{}'", full.display());
    let file = File::open(&full).with_context(failed)?;
    let mut hasher = blake3::Hasher::new();
    // The bound holds also for a file that grows while it is read.
    let bytes = hasher.update_reader(file.take(HASH_BYTES_MAX + 1)).with_context(failed)?.count();
    Ok((bytes <= HASH_BYTES_MAX).then(|| Oid(*hasher.finalize().as_bytes())))
}

/// The name Git gives to a file as it is, in hexadecimal, or `None` when it is larger than what may stay raw.
pub fn blob_id(worktree: &Path, path: &[u8], hash: HashKind) -> Result<Option<String>> {
    let full = plan::full_path(worktree, path);
    let failed = || format!("cannot read '{}'", full.display());
    let mut content = Vec::new();
    let file = File::open(&full).with_context(failed)?;
    file.take(RAW_BYTES_MAX + 1).read_to_end(&mut content).with_context(failed)?;
    let id = || index::blob_id(hash, &content).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((content.len() as u64 <= RAW_BYTES_MAX).then(id))
}
