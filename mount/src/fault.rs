//! Why an operation was refused, in the words every kernel shares.
//!
//! An adapter maps each to the number of its system. [`Fault::Io`] is for everything that is nobody's mistake: a disk, a server
//! that cannot be reached, a content that is damaged; what happened is told through [`Events`](crate::outside::Events), since no
//! number can.

/// Why an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// No such name, or the node is gone.
    #[error("no such file or directory")]
    NotFound,
    /// The name is taken.
    #[error("file exists")]
    Exists,
    /// A folder was needed.
    #[error("not a directory")]
    NotDirectory,
    /// A folder is in the way.
    #[error("is a directory")]
    IsDirectory,
    /// The folder has entries.
    #[error("directory not empty")]
    NotEmpty,
    /// May not be done by this one or to this file.
    #[error("permission denied")]
    Denied,
    /// May not be done by anyone.
    #[error("operation not permitted")]
    NotPermitted,
    /// The mount is read-only.
    #[error("read-only file system")]
    ReadOnly,
    /// No room on the disk of the overlay.
    #[error("no space left on device")]
    NoSpace,
    /// A device, a server or bytes failed.
    #[error("input/output error")]
    Io,
    /// An argument makes no sense.
    #[error("invalid argument")]
    Invalid,
    /// A name above [`NAME_BYTES_MAX`](crate::attr::NAME_BYTES_MAX).
    #[error("file name too long")]
    NameTooLong,
    /// Above the largest file.
    #[error("file too large")]
    TooLarge,
    /// Not offered here.
    #[error("operation not supported")]
    NotSupported,
    /// No such extended attribute.
    #[error("no data available")]
    NoData,
    /// In use.
    #[error("device or resource busy")]
    Busy,
    /// Not a symbolic link, or a handle that is not open.
    #[error("bad file descriptor")]
    BadHandle,
    /// The file has another number now: who has its name looks it up again.
    #[error("stale file handle")]
    Stale,
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Fault {
        use std::io::ErrorKind::{
            AlreadyExists, FileTooLarge, NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull,
        };
        match error.kind() {
            NotFound => Fault::NotFound,
            AlreadyExists => Fault::Exists,
            PermissionDenied => Fault::Denied,
            StorageFull | std::io::ErrorKind::QuotaExceeded => Fault::NoSpace,
            ReadOnlyFilesystem => Fault::ReadOnly,
            FileTooLarge => Fault::TooLarge,
            _ => Fault::Io,
        }
    }
}
