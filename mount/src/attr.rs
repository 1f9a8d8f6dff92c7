//! What a filesystem says about a file, in types of no kernel.
//!
//! Adapters translate these to the numbers and structures of their systems. Sizes are in bytes, times in nanoseconds since 1970.

use serde::{Deserialize, Serialize};

/// Longest name in a folder, in bytes; what Linux filesystems have.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest target of a symbolic link, in bytes.
pub const LINK_BYTES_MAX: usize = 4095;
/// Size of the largest file, in bytes: what offsets of kernels can say.
pub const FILE_BYTES_MAX: u64 = i64::MAX as u64;

/// Number of a node. It stays the same over restarts as long as the node lives, and is not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ino(pub u64);

/// The top folder.
pub const ROOT: Ino = Ino(1);

/// An open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fh(pub u64);

/// Nanoseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(pub i64);

impl Time {
    /// So many seconds since 1970.
    pub fn from_seconds(seconds: i64) -> Time {
        Time(seconds.saturating_mul(1_000_000_000))
    }

    /// The whole seconds, and the nanoseconds behind them.
    pub fn parts(self) -> (i64, u32) {
        (self.0.div_euclid(1_000_000_000), self.0.rem_euclid(1_000_000_000) as u32)
    }

    /// So many nanoseconds earlier.
    pub fn minus_nanoseconds(self, nanoseconds: i64) -> Time {
        Time(self.0.saturating_sub(nanoseconds))
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// What the owner of a node may set, and its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Permission bits, 07777.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// When the content last changed.
    pub mtime: Time,
    /// When content or attributes last changed.
    pub ctime: Time,
}

/// What `stat` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attr {
    /// The node.
    pub ino: Ino,
    /// What it is.
    pub kind: Kind,
    /// Size in bytes.
    pub bytes: u64,
    /// Bytes it takes on this disk.
    pub disk_bytes: u64,
    /// Names it has; of a folder two and one for each folder in it.
    pub links: u32,
    /// Owner, mode and times.
    pub meta: Meta,
}

/// What is to be set; `None` stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetAttr {
    /// Permission bits.
    pub mode: Option<u16>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Size: cut, or filled with zeros.
    pub bytes: Option<u64>,
    /// Time of the last change of the content.
    pub mtime: Option<Time>,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Access {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// Cut to nothing at once.
    pub truncate: bool,
    /// Every write goes to the end.
    pub append: bool,
}

/// Who makes a new file, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Creator {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits, the umask taken off.
    pub mode: u16,
}

/// How a rename treats what is at its new place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// It goes.
    Yes,
    /// It stays, and the rename fails.
    No,
    /// Both change places.
    Exchange,
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name.
    pub name: Box<[u8]>,
    /// The node.
    pub ino: Ino,
    /// What it is.
    pub kind: Kind,
}
