//! The core's values in those of Windows; pure.
//!
//! Times of Windows are units of 100 ns since 1601.

use crate::Fault;
use crate::attr::{Attr, Kind, Time};

/// Units of 100 ns from 1601 to 1970.
const EPOCH: i64 = 116_444_736_000_000_000;

/// `FILE_ATTRIBUTE_READONLY`.
pub const READONLY: u32 = 0x1;
/// `FILE_ATTRIBUTE_DIRECTORY`.
pub const DIRECTORY: u32 = 0x10;
/// `FILE_ATTRIBUTE_NORMAL`.
pub const NORMAL: u32 = 0x80;

/// What Windows shows of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// `FILE_ATTRIBUTE_…` bits.
    pub attributes: u32,
    /// Size in bytes.
    pub bytes: u64,
    /// Time of the last change of the content.
    pub written: u64,
    /// Time of the last change of all.
    pub changed: u64,
    /// Number of the node.
    pub index: u64,
}

/// What Windows shows of a node.
pub fn info(attr: &Attr) -> Info {
    let kind = if attr.kind == Kind::Directory { DIRECTORY } else { 0 };
    let readonly = if attr.kind == Kind::File && attr.meta.mode & 0o222 == 0 { READONLY } else { 0 };
    let attributes = if kind | readonly == 0 { NORMAL } else { kind | readonly };
    let (written, changed) = (to_filetime(attr.meta.mtime), to_filetime(attr.meta.ctime));
    Info { attributes, bytes: attr.bytes, written, changed, index: attr.ino.0 }
}

/// A time as Windows says it; what lies before 1601 is that year.
pub fn to_filetime(time: Time) -> u64 {
    u64::try_from(time.0.div_euclid(100) + EPOCH).unwrap_or(0)
}

/// A time that Windows sets; 0 means that it stays.
pub fn from_filetime(time: u64) -> Option<Time> {
    let since = i64::try_from(time).ok().filter(|time| *time != 0)? - EPOCH;
    Some(Time(since.saturating_mul(100)))
}

/// The mode of a file whose attributes Windows sets.
pub fn mode(old: u16, attributes: u32) -> u16 {
    if attributes & READONLY != 0 { old & !0o222 } else { old | 0o200 }
}

/// Why an operation failed, as an `NTSTATUS`.
pub fn status(fault: Fault) -> i32 {
    let status: u32 = match fault {
        Fault::NotFound | Fault::Stale => 0xc000_0034, // STATUS_OBJECT_NAME_NOT_FOUND
        Fault::Exists => 0xc000_0035,                  // STATUS_OBJECT_NAME_COLLISION
        Fault::NotDirectory => 0xc000_0103,            // STATUS_NOT_A_DIRECTORY
        Fault::IsDirectory => 0xc000_00ba,             // STATUS_FILE_IS_A_DIRECTORY
        Fault::NotEmpty => 0xc000_0101,                // STATUS_DIRECTORY_NOT_EMPTY
        Fault::Denied | Fault::NotPermitted => 0xc000_0022, // STATUS_ACCESS_DENIED
        Fault::ReadOnly => 0xc000_00a2,                // STATUS_MEDIA_WRITE_PROTECTED
        Fault::NoSpace => 0xc000_007f,                 // STATUS_DISK_FULL
        Fault::Invalid => 0xc000_000d,                 // STATUS_INVALID_PARAMETER
        Fault::NameTooLong => 0xc000_0106,             // STATUS_NAME_TOO_LONG
        Fault::TooLarge => 0xc000_0904,                // STATUS_FILE_TOO_LARGE
        Fault::NotSupported | Fault::NoData => 0xc000_00bb, // STATUS_NOT_SUPPORTED
        Fault::Busy => 0xc000_0043,                    // STATUS_SHARING_VIOLATION
        Fault::BadHandle => 0xc000_0008,               // STATUS_INVALID_HANDLE
        Fault::Io => 0xc000_009c,                      // STATUS_DEVICE_DATA_ERROR
    };
    status.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_there_and_back() {
        assert_eq!(to_filetime(Time::default()), EPOCH as u64);
        let time = Time(1_700_000_000_123_456_700);
        assert_eq!(from_filetime(to_filetime(time)), Some(time));
        assert_eq!(from_filetime(0), None);
        assert_eq!(to_filetime(Time(i64::MIN)), (i64::MIN.div_euclid(100) + EPOCH) as u64);
    }

    #[test]
    fn the_write_bits_are_the_readonly_attribute() {
        assert_eq!(mode(0o755, READONLY), 0o555);
        assert_eq!(mode(0o444, NORMAL), 0o644);
    }
}
