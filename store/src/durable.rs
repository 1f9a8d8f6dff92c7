//! Files that survive a power cut: the few steps that every writer of the store shares.
//!
//! A file becomes part of the store by *write, sync, rename, sync the folder*: before the rename nobody sees
//! it, after the last sync it stays. Files are never changed once they have their name. Until then they are
//! [`TempFile`]s, held with an exclusive lock while their writer lives, so [`sweep`] can tell the leftovers
//! of a crash (not locked) from work in progress (locked) without clocks or process numbers.
//!
//! Everything here fails with [`StoreError::Io`], and leaves nothing half done under a final name. Deleting
//! is not synced: what comes back after a power cut is a duplicate, and readers live with duplicates.

use crate::StoreError;
use crate::modes::{Modes, READ_ONLY, WRITABLE};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, IoSlice};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a write. The system takes memory in pieces of that size, and large ones are seldom there: a virtual machine
/// has given them back to its host, and must ask for each page. Writes of 1 MiB took 2 to 3 times the CPU of these.
const WRITE_BYTES: usize = 64 << 10;

/// A file without a final name. Dropping it removes it.
#[derive(Debug)]
pub struct TempFile {
    file: File,
    path: PathBuf,
    left: bool,
}

impl TempFile {
    /// Creates an empty file in `dir` and locks it. Its name is a random number and `suffix`. Others may read
    /// it, and nobody may open it for writing.
    pub fn create(dir: &Path, suffix: &str, modes: Modes) -> Result<TempFile, StoreError> {
        // A sweep may take the file between its creation and its lock; then the next name is tried.
        loop {
            let path = dir.join(random_name(dir)? + suffix);
            let mut options = OpenOptions::new();
            let options = options.read(true).write(true).create_new(true).mode(READ_ONLY);
            let open = || options.open(&path);
            let file = fault::check().and_then(|()| open()).map_err(StoreError::io("create", &path))?;
            let temp = TempFile { file, path, left: false };
            let mine = match temp.file.try_lock() {
                Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &temp.path)(error)),
                result => result.is_ok(),
            };
            let links = temp.file.metadata().map_err(StoreError::io("stat", &temp.path))?.nlink();
            if mine && links > 0 {
                modes.apply(&temp.path);
                return Ok(temp);
            }
        }
    }

    /// Writes all of `bytes` at `offset`. May be repeated after a failure: no position moves.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), StoreError> {
        self.write_both_at([bytes, &[]], offset)
    }

    /// Writes two runs of bytes, one behind the other, as [`TempFile::write_at`] writes one.
    pub fn write_both_at(&self, runs: [&[u8]; 2], offset: u64) -> Result<(), StoreError> {
        let write = fault::check().and_then(|()| write_all_at(&self.file, runs, offset));
        write.map_err(StoreError::io("write", &self.path))
    }

    /// Takes space of the disk for what will be written from `offset` on, where that makes writes cheaper; the file
    /// does not grow. What is left of it goes with [`TempFile::end_at`]. `false`: it would not help, or there is none.
    pub fn reserve(&self, offset: u64, bytes: u64) -> bool {
        reserve(&self.file, offset, bytes, false)
    }

    /// Has the system begin to write out a part of the file, and does not wait for it. A hint.
    pub fn begin_sync(&self, part: Range<u64>) {
        begin_sync(&self.file, part);
    }

    /// Makes the file end after `bytes` bytes.
    pub fn end_at(&self, bytes: u64) -> Result<(), StoreError> {
        self.file.set_len(bytes).map_err(StoreError::io("truncate", &self.path))
    }

    /// Fills `out` from `offset`.
    pub fn read_at(&self, out: &mut [u8], offset: u64) -> Result<(), StoreError> {
        self.file.read_exact_at(out, offset).map_err(StoreError::io("read", &self.path))
    }

    /// The file itself, to read it.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The random number in its name.
    pub fn number(&self) -> u128 {
        let name = self.path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        u128::from_str_radix(name, 16).unwrap_or_default()
    }

    /// Lets the file stay when this is dropped, as if its writer had been killed.
    pub fn leave(&mut self) {
        self.left = true;
    }

    /// Waits until everything written is on the disk.
    pub fn sync(&self) -> Result<(), StoreError> {
        let sync = fault::check().and_then(|()| self.file.sync_data());
        sync.map_err(StoreError::io("sync", &self.path))
    }

    /// Gives the file its final name, durably. What it holds must be synced before.
    pub fn persist(&self, to: &Path) -> Result<(), StoreError> {
        rename(&self.path, to)
    }

    /// Gives the file its final name, and waits for nothing: after a power cut it may be damaged or gone.
    pub fn place(&self, to: &Path) -> Result<(), StoreError> {
        replace(&self.path, to)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // After `persist` the name is gone; names are random, so it is nobody else's either.
        if !self.left {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes two runs of bytes, one behind the other, in pieces that end where a multiple of [`WRITE_BYTES`] does.
pub fn write_all_at(file: &File, runs: [&[u8]; 2], mut offset: u64) -> io::Result<()> {
    let [mut first, mut second] = runs;
    while !first.is_empty() || !second.is_empty() {
        let room = WRITE_BYTES - (offset % WRITE_BYTES as u64) as usize;
        let head = &first[..first.len().min(room)];
        let tail = &second[..second.len().min(room - head.len())];
        match rustix::io::pwritev(file, &[IoSlice::new(head), IoSlice::new(tail)], offset) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                offset += written as u64;
                let of_first = written.min(head.len());
                first = &first[of_first..];
                second = &second[written - of_first..];
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Takes space of the disk before it is written to; `grows`: the file has that length then. `false`: it would not help, or
/// there is not so much.
///
/// Ext4 looks for space for each block of 4 KiB on its own while a file is written, but not where it has some already: a
/// quarter less CPU for a write and its sync. Other file systems are spared: some write zeros for this, or no longer compress.
#[cfg(target_os = "linux")]
pub fn reserve(file: &File, offset: u64, bytes: u64, grows: bool) -> bool {
    use rustix::fs::{FallocateFlags, FsWord, fallocate, fstatfs};
    const EXT4_MAGIC: FsWord = 0xef53;
    let flags = if grows { FallocateFlags::empty() } else { FallocateFlags::KEEP_SIZE };
    fstatfs(file).is_ok_and(|disk| {
        let free = disk.f_bavail.saturating_mul(u64::try_from(disk.f_bsize).unwrap_or(0));
        disk.f_type == EXT4_MAGIC && bytes < free
    }) && fallocate(file, flags, offset, bytes).is_ok()
}

#[cfg(not(target_os = "linux"))]
pub fn reserve(_: &File, _: u64, _: u64, _: bool) -> bool {
    false
}

/// Linux takes this advice for pages that are not written yet as a wish to write them, and then keeps them: nothing of
/// 1.7 GB left the cache.
#[cfg(target_os = "linux")]
fn begin_sync(file: &File, part: Range<u64>) {
    use rustix::fs::{Advice, fadvise};
    let bytes = std::num::NonZero::new(part.end - part.start);
    let _ = fadvise(file, part.start, bytes, Advice::DontNeed);
}

#[cfg(not(target_os = "linux"))]
fn begin_sync(_: &File, _: Range<u64>) {}

fn random_name(dir: &Path) -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::io("name a file in", dir)(io::Error::other(error.to_string())))?;
    Ok(format!("{:032x}", u128::from_le_bytes(bytes)))
}

/// The temporary files in `dir` whose writer is dead.
pub fn abandoned(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|path| File::open(path).is_ok_and(|file| file.try_lock().is_ok())).collect()
}

/// Removes a temporary file if its writer is dead. What it cannot remove it leaves.
pub fn sweep(path: &Path) {
    // The lock is held until after the removal: see `TempFile::create`.
    if let Ok(file) = File::open(path)
        && file.try_lock().is_ok()
    {
        let _ = fs::remove_file(path);
    }
}

/// Writes `bytes` as the file `to`, by way of the folder `temp`: whole and durable, or not at all.
pub fn write_file(temp: &Path, to: &Path, bytes: &[u8], modes: Modes) -> Result<(), StoreError> {
    let file = TempFile::create(temp, "", modes)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    file.persist(to)
}

/// Writes `bytes` as the file `to`, whole or not at all as long as the power stays. For what can be had again: it
/// waits for no disk, so after a power cut the file may be damaged or gone, which its readers must bear.
pub fn write_copy(temp: &Path, to: &Path, bytes: &[u8], modes: Modes) -> Result<(), StoreError> {
    let file = TempFile::create(temp, "", modes)?;
    file.write_at(bytes, 0)?;
    file.place(to)
}

/// Renames a file durably.
pub fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    replace(from, to)?;
    sync_dir(to.parent().unwrap_or(Path::new(".")))
}

fn replace(from: &Path, to: &Path) -> Result<(), StoreError> {
    #[expect(clippy::disallowed_methods, reason = "callers sync the folder, or say that they need not")]
    let rename = fault::check().and_then(|()| fs::rename(from, to));
    rename.map_err(StoreError::io("rename to", to))
}

/// Makes the names in a folder durable.
pub fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    let sync = fault::check().and_then(|()| File::open(dir)?.sync_all());
    sync.map_err(StoreError::io("sync", dir))
}

/// Creates a folder, and those above it, unless they are there.
pub fn create_dir(dir: &Path) -> Result<(), StoreError> {
    create_shared_dir(dir, Modes::default())
}

/// As [`create_dir`]; what is created gets these modes.
pub fn create_shared_dir(dir: &Path, modes: Modes) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_shared_dir(parent, modes)?;
    match fault::check().and_then(|()| fs::create_dir(dir)) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => {
            result.map_err(StoreError::io("create", dir))?;
            modes.apply(dir);
            sync_dir(parent)
        }
    }
}

/// Opens a file that processes lock, creating it if there is none. Not locked yet.
pub fn lock_file(path: &Path, modes: Modes) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).mode(WRITABLE).open(path);
    let file = file.map_err(StoreError::io("open", path))?;
    modes.apply(path);
    Ok(file)
}

/// Removes a file; one that is gone already is fine.
pub fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// For tests: makes the steps above fail as on a full disk, in the calling thread and those that work for it only.
#[doc(hidden)]
pub mod fault {
    use std::cell::RefCell;
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};

    /// Steps that pass, and steps that fail then.
    pub(crate) type Plan = Arc<Mutex<(u64, u64)>>;

    thread_local! {
        static PLAN: RefCell<Plan> = RefCell::default();
    }

    fn with<T>(act: impl FnOnce(&mut (u64, u64)) -> T) -> T {
        PLAN.with_borrow(|plan| act(&mut plan.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Lets `good` steps pass, then fails `bad` of them; returns what was left of the plan before.
    pub fn arm(good: u64, bad: u64) -> (u64, u64) {
        with(|plan| std::mem::replace(plan, (good, bad)))
    }

    /// The plan of this thread, for one that works for it.
    pub(crate) fn plan() -> Plan {
        PLAN.with_borrow(Arc::clone)
    }

    /// From now on this thread's plan is another's.
    pub(crate) fn follow(plan: Plan) {
        PLAN.set(plan);
    }

    pub(super) fn check() -> io::Result<()> {
        with(|plan| match plan {
            (_, 0) => Ok(()),
            (0, bad) => {
                *bad -= 1;
                Err(io::ErrorKind::StorageFull.into())
            }
            (good, _) => {
                *good -= 1;
                Ok(())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{WRITE_BYTES, reserve, write_all_at};
    use proptest::prelude::*;
    use std::os::unix::fs::FileExt;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn runs_lie_one_behind_the_other(
            first in 0..3 * WRITE_BYTES,
            second in 0..3 * WRITE_BYTES,
            offset in 0..2 * WRITE_BYTES,
        ) {
            let bytes: Vec<u8> = (0..first + second).map(|at| (at % 251) as u8).collect();
            let file = tempfile::tempfile().unwrap();
            write_all_at(&file, [&bytes[..first], &bytes[first..]], offset as u64).unwrap();
            let end = if bytes.is_empty() { 0 } else { offset + bytes.len() };
            prop_assert_eq!(file.metadata().unwrap().len(), end as u64);
            let mut found = vec![0; bytes.len()];
            file.read_exact_at(&mut found, offset as u64).unwrap();
            prop_assert!(found == bytes);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn space_is_taken_where_that_helps_and_if_it_is_there() {
        use std::os::unix::fs::MetadataExt;
        const BYTES: u64 = 1 << 20;
        for (bytes, grows, fits) in [(u64::MAX, false, false), (BYTES, false, true), (BYTES, true, true)] {
            let file = tempfile::tempfile().unwrap();
            let is_ext4 = rustix::fs::fstatfs(&file).unwrap().f_type == 0xef53;
            let taken = is_ext4 && fits;
            assert_eq!(reserve(&file, 0, bytes, grows), taken, "{bytes} bytes");
            let meta = file.metadata().unwrap();
            assert_eq!(meta.len(), if taken && grows { bytes } else { 0 });
            assert_eq!(meta.blocks() * 512 >= BYTES, taken, "{bytes} bytes");
        }
    }
}
