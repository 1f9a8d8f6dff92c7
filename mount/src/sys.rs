//! What systems do differently about files: reading and writing at a place, room on a disk, renames that last.
//!
//! All of the package that knows which system it is on. Windows has these for an adapter that is to come; they were compiled
//! nowhere yet.

use std::fs::File;
use std::io;
use std::path::Path;

/// Room on a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// All bytes of it.
    pub bytes: u64,
    /// Bytes that are free.
    pub free: u64,
    /// Bytes that are free to everybody.
    pub available: u64,
    /// Files that it can have.
    pub files: u64,
    /// Files that can be added.
    pub files_free: u64,
}

/// Reads at most `out.len()` bytes from `offset`; fewer only at the end.
pub fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut have = 0;
    while have < out.len() {
        match system::read_at(file, &mut out[have..], offset + have as u64) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}

/// Writes at `offset`, and says how much; an error only when it was nothing.
pub fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        match system::write_at(file, &bytes[done..], offset + done as u64) {
            Ok(0) => return if done > 0 { Ok(done) } else { Err(io::ErrorKind::WriteZero.into()) },
            Ok(written) => done += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes all of `bytes` at `offset`.
pub fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        done += write_at(file, &bytes[done..], offset + done as u64)?;
    }
    Ok(())
}

/// Gives a file another name in its folder, in place of what has it. It outlives a power cut when this returns.
pub fn replace(from: &Path, to: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the folder is synced below; this package has no store")]
    std::fs::rename(from, to)?;
    sync_folder(to.parent().unwrap_or(Path::new(".")))
}

pub use system::{reserve, space, sync_folder, zero};

/// What a loop of ours writes where a system cannot make zeros itself.
fn write_zeros(file: &File, mut offset: u64, end: u64) -> io::Result<()> {
    const ZEROS: &[u8] = &[0; 64 << 10];
    while offset < end {
        let length = (end - offset).min(ZEROS.len() as u64);
        write_all_at(file, &ZEROS[..length as usize], offset)?;
        offset += length;
    }
    Ok(())
}

#[cfg(unix)]
mod system {
    use super::Space;
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    pub(super) fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(out, offset)
    }

    pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }

    /// Waits until the names in a folder are on the disk.
    pub fn sync_folder(folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    /// Room on the disk that a path is on.
    pub fn space(path: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Space {
            bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            free: stat.f_bfree.saturating_mul(stat.f_frsize),
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
            files: stat.f_files,
            files_free: stat.f_ffree,
        })
    }

    /// Takes room for bytes that will be written; the size of the file stays.
    #[cfg(target_os = "linux")]
    pub fn reserve(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, offset, bytes) {
            Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            result => Ok(result?),
        }
    }

    /// Takes room for bytes that will be written: nothing, as other systems have no such call.
    #[cfg(not(target_os = "linux"))]
    pub fn reserve(_: &File, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    /// Makes zeros of a part of a file that ends within it.
    #[cfg(target_os = "linux")]
    pub fn zero(file: &File, offset: u64, end: u64) -> io::Result<()> {
        use rustix::fs::FallocateFlags as Flags;
        match rustix::fs::fallocate(file, Flags::PUNCH_HOLE | Flags::KEEP_SIZE, offset, end - offset) {
            Err(rustix::io::Errno::OPNOTSUPP) => super::write_zeros(file, offset, end),
            result => Ok(result?),
        }
    }

    /// Makes zeros of a part of a file that ends within it.
    #[cfg(not(target_os = "linux"))]
    pub fn zero(file: &File, offset: u64, end: u64) -> io::Result<()> {
        super::write_zeros(file, offset, end)
    }
}

#[cfg(windows)]
mod system {
    use super::Space;
    use std::fs::File;
    use std::io;
    use std::os::windows::fs::FileExt;
    use std::path::Path;

    pub(super) fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
        match file.seek_read(out, offset) {
            // ERROR_HANDLE_EOF: the offset is at the end or behind it.
            Err(error) if error.raw_os_error() == Some(38) => Ok(0),
            result => result,
        }
    }

    pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.seek_write(bytes, offset)
    }

    /// Nothing: NTFS keeps names in its own log, and folders cannot be opened as files.
    pub fn sync_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Room on the disk: not known, as there is no call for it without a binding of our own.
    pub fn space(_: &Path) -> io::Result<Space> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Takes room for bytes that will be written: nothing, as there is no such call.
    pub fn reserve(_: &File, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    /// Makes zeros of a part of a file that ends within it.
    pub fn zero(file: &File, offset: u64, end: u64) -> io::Result<()> {
        super::write_zeros(file, offset, end)
    }
}
