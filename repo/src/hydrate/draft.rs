//! One file on its way into the working tree, until it can be put in place.
//!
//! A [`Draft`] is a temporary file that any number of threads fill ([`dits_store::rebuild`]); the last one finishes
//! it: the oid is compared, then it has its mode and time and is [`Written`]. A content of several paths can be
//! cloned from the first of them where the file system shares blocks ([`clone_of`]).
//!
//! What must hold: a draft that fails, or is dropped, leaves no file.

use super::plan::Due;
use crate::RepoError;
use dits_format::{Binding, Proof};
use dits_store::rebuild::Rebuild;
use dits_store::{ChunkWrite, PackStore, StoreError, content, durable};
use std::fs::{self, File, Metadata, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::time::SystemTime;

/// Of smaller files there is too little to write for space that is taken before to matter.
const RESERVE_BYTES_MIN: u64 = 1 << 20;

/// A rebuilt content that waits to be put in place. Removes its file when dropped before that.
#[derive(Debug)]
pub struct Written {
    /// What it is for.
    pub due: Due,
    /// Where it is.
    pub temporary: PathBuf,
    /// What it looks like.
    pub meta: Metadata,
    /// Whether it is no longer ours.
    pub placed: bool,
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.placed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// See the file head.
pub struct Draft<'a> {
    /// Number of its task.
    pub number: usize,
    written: Written,
    file: File,
    /// `None` for the empty content.
    rebuild: Option<(Binding, Rebuild<'a>)>,
}

impl<'a> Draft<'a> {
    /// Creates the temporary file; `None` when the content is not here.
    pub fn begin(
        store: &'a PackStore,
        number: usize,
        due: Due,
        temporary: PathBuf,
    ) -> Result<Option<Draft<'a>>, RepoError> {
        let known = match &due.pointer {
            Some(pointer) => match content::find(store, &pointer.oid)? {
                Some(known) => Some(known),
                None => return Ok(None),
            },
            None => None,
        };
        let (file, written) = create(due, temporary)?;
        if let Some(known) = known.as_ref().filter(|known| known.manifest.size >= RESERVE_BYTES_MIN) {
            // Without it writing takes longer, or fails as this did.
            durable::reserve(&file, 0, known.manifest.size, true);
        }
        let rebuild = known.map(|known| (known.binding, Rebuild::new(store, known.manifest)));
        Ok(Some(Draft { number, written, file, rebuild }))
    }

    /// Whether one thread more would find something to do.
    pub fn wants_help(&self) -> bool {
        self.rebuild.as_ref().is_some_and(|(_, rebuild)| rebuild.wants_help())
    }

    /// Writes some of it, until all is written or given to others.
    pub fn work(&self, buffer: &mut Vec<u8>, count: &dyn Fn(u64)) {
        if let Some((_, rebuild)) = &self.rebuild {
            rebuild.work(buffer, &|bytes, at| self.write(bytes, at), count);
        }
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), StoreError> {
        durable::write_all_at(&self.file, [bytes, &[]], at)
            .map_err(StoreError::io("write", &self.written.temporary))
    }

    /// Checks what was written, once nobody else is at work.
    pub fn finish(mut self, store: &PackStore, mtime: SystemTime) -> Result<Written, RepoError> {
        if let Some((binding, rebuild)) = self.rebuild.take() {
            let rebuilt = rebuild.finish(&|bytes, at| self.write(bytes, at));
            if let Err(StoreError::Mismatch { .. }) = &rebuilt {
                // Intact chunks of something else: never to be taken for this content again.
                refute(store, binding)?;
            }
            rebuilt?;
        }
        finished(self.written, &self.file, mtime)
    }
}

/// Creates the temporary file for `due`.
pub fn create(due: Due, temporary: PathBuf) -> Result<(File, Written), RepoError> {
    let mut open = OpenOptions::new();
    open.read(true).write(true).create(true).truncate(true).mode(due.mode);
    let file = open.open(&temporary).map_err(RepoError::io("create", &temporary))?;
    let meta = due.meta.clone();
    Ok((file, Written { due, temporary, meta, placed: false }))
}

/// Gives a file its mode and time.
pub fn finished(mut written: Written, file: &File, mtime: SystemTime) -> Result<Written, RepoError> {
    let path = &written.temporary;
    file.set_modified(mtime).map_err(RepoError::io("set the time of", path))?;
    written.meta = file.metadata().map_err(RepoError::io("look at", path))?;
    let mode = written.due.mode;
    if written.meta.permissions().mode() & 0o777 != mode {
        let mode = fs::Permissions::from_mode(mode);
        file.set_permissions(mode).map_err(RepoError::io("set the mode of", path))?;
    }
    Ok(written)
}

/// The same content once more, sharing the blocks of `first`; `None` where the file system cannot do that.
pub fn clone_of(
    first: &Written,
    due: &Due,
    temporary: PathBuf,
    mtime: SystemTime,
) -> Result<Option<Written>, RepoError> {
    let (file, written) = create(due.clone(), temporary)?;
    let from = File::open(&first.temporary).map_err(RepoError::io("open", &first.temporary))?;
    match rustix::fs::ioctl_ficlone(&file, &from) {
        Ok(()) => finished(written, &file, mtime).map(Some),
        Err(_) => Ok(None),
    }
}

fn refute(store: &PackStore, binding: Binding) -> Result<(), RepoError> {
    let mut batch = store.batch()?;
    batch.bind(Binding { proof: Proof::Refuted, ..binding });
    Ok(batch.commit().map(drop)?)
}
