//! Between the words of the core and the numbers of the kernel.
//!
//! Pure. Times may lie before 1970; flags the kernel adds later are left alone.

use crate::Fault;
use crate::attr::{Access, Attr, Ino, Kind, Time};
use crate::ops::Allocate;
use fuser::{Errno, FileAttr, FileType, INodeNo, OpenAccMode, OpenFlags, TimeOrNow};
use rustix::fs::{FallocateFlags, OFlags};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What programs should read and write at a time.
const BLOCK_BYTES: u32 = 128 << 10;
/// What the kernel counts the room of a file in.
const SECTOR_BYTES: u64 = 512;

pub(super) fn errno(fault: Fault) -> Errno {
    match fault {
        Fault::NotFound => Errno::ENOENT,
        Fault::Stale => Errno::ESTALE,
        Fault::Exists => Errno::EEXIST,
        Fault::NotDirectory => Errno::ENOTDIR,
        Fault::IsDirectory => Errno::EISDIR,
        Fault::NotEmpty => Errno::ENOTEMPTY,
        Fault::Denied => Errno::EACCES,
        Fault::NotPermitted => Errno::EPERM,
        Fault::ReadOnly => Errno::EROFS,
        Fault::NoSpace => Errno::ENOSPC,
        Fault::Io => Errno::EIO,
        Fault::Invalid => Errno::EINVAL,
        Fault::NameTooLong => Errno::ENAMETOOLONG,
        Fault::TooLarge => Errno::EFBIG,
        Fault::NotSupported => Errno::EOPNOTSUPP,
        Fault::NoData => Errno::NO_XATTR,
        Fault::Busy => Errno::EBUSY,
        Fault::BadHandle => Errno::EBADF,
    }
}

pub(super) fn kind(kind: Kind) -> FileType {
    match kind {
        Kind::File => FileType::RegularFile,
        Kind::Directory => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
    }
}

/// What `stat` shows. Times of reading are not kept: that of the last change stands for them.
pub(super) fn attr(attr: &Attr) -> FileAttr {
    let mtime = system_time(attr.meta.mtime);
    FileAttr {
        ino: INodeNo(attr.ino.0),
        size: attr.bytes,
        blocks: attr.disk_bytes.div_ceil(SECTOR_BYTES),
        atime: mtime,
        mtime,
        ctime: system_time(attr.meta.ctime),
        crtime: UNIX_EPOCH,
        kind: kind(attr.kind),
        perm: attr.meta.mode,
        nlink: attr.links,
        uid: attr.meta.uid,
        gid: attr.meta.gid,
        rdev: 0,
        blksize: BLOCK_BYTES,
        flags: 0,
    }
}

/// Says that a name is not there, for as long as nobody makes it.
pub(super) fn nothing() -> FileAttr {
    FileAttr {
        ino: INodeNo(0),
        size: 0,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: FileType::RegularFile,
        perm: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 0,
        flags: 0,
    }
}

fn system_time(Time(nanoseconds): Time) -> SystemTime {
    match u64::try_from(nanoseconds) {
        Ok(after) => UNIX_EPOCH + Duration::from_nanos(after),
        Err(_) => UNIX_EPOCH - Duration::from_nanos(nanoseconds.unsigned_abs()),
    }
}

/// A time that is to be set.
pub(super) fn time(time: TimeOrNow, now: Time) -> Time {
    let TimeOrNow::SpecificTime(time) = time else { return now };
    let nanoseconds = |length: Duration| i64::try_from(length.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => Time(nanoseconds(after)),
        Err(before) => Time(-nanoseconds(before.duration())),
    }
}

/// How a file is opened. Appending is left to the kernel, which knows the end and says where each write goes.
pub(super) fn access(flags: OpenFlags) -> Access {
    let mode = flags.acc_mode();
    Access {
        read: mode != OpenAccMode::O_WRONLY,
        write: mode != OpenAccMode::O_RDONLY,
        truncate: has(flags.0, OFlags::TRUNC),
        append: false,
    }
}

/// Permission bits.
pub(super) fn mode(mode: u32) -> u16 {
    (mode & 0o7777) as u16
}

/// The bits that are left when somebody writes a file, or it gets another owner: without those by which who runs it becomes that owner.
pub(super) fn without_set_id(mode: u16) -> u16 {
    const SET_USER: u16 = 0o4000;
    const SET_GROUP: u16 = 0o2000;
    const GROUP_RUNS: u16 = 0o010;
    // Without leave to run, the bit of the group means something else.
    mode & !SET_USER & if mode & GROUP_RUNS == 0 { !0 } else { !SET_GROUP }
}

/// What `fallocate` is to do; `None` for what nobody does here.
pub(super) fn allocate(mode: i32) -> Option<Allocate> {
    let flags = FallocateFlags::from_bits_retain(mode.cast_unsigned());
    let keep_size = flags.contains(FallocateFlags::KEEP_SIZE);
    match flags - FallocateFlags::KEEP_SIZE {
        what if what.is_empty() => Some(Allocate::Room { keep_size }),
        FallocateFlags::ZERO_RANGE => Some(Allocate::Zeros { keep_size }),
        FallocateFlags::PUNCH_HOLE if keep_size => Some(Allocate::Zeros { keep_size }),
        _ => None,
    }
}

/// Whether flags of `open` have these.
pub(super) fn has(flags: i32, wanted: OFlags) -> bool {
    OFlags::from_bits_retain(flags.cast_unsigned()).contains(wanted)
}

pub(super) fn ino(number: INodeNo) -> Ino {
    Ino(number.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_before_and_after_1970() {
        for nanoseconds in [0, 1, -1, 1_700_000_000_123_456_789, -1_500_000_000] {
            let back = time(TimeOrNow::SpecificTime(system_time(Time(nanoseconds))), Time(7));
            assert_eq!(back, Time(nanoseconds));
        }
        assert_eq!(time(TimeOrNow::Now, Time(7)), Time(7));
    }

    #[test]
    fn appending_is_the_business_of_the_kernel() {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::TRUNC;
        let expected = Access { read: false, write: true, truncate: true, append: false };
        assert_eq!(access(OpenFlags(flags.bits().cast_signed())), expected);
    }

    #[test]
    fn only_bits_that_make_somebody_else_go() {
        for (mode, left) in [(0o6755, 0o755), (0o2745, 0o2745), (0o2755, 0o755), (0o1644, 0o1644)] {
            assert_eq!(without_set_id(mode), left, "{mode:o}");
        }
    }
}
