//! What is agreed with the kernel when it connects, and how far it reads ahead.
//!
//! Nothing here is needed for right answers: a kernel that is old, or a user who may not, makes a mount slower.

use super::table;
use fuser::{InitFlags, KernelConfig};
use std::fmt;
use std::path::{Path, PathBuf};

/// Bytes of the largest request to read or write.
pub(super) const REQUEST_BYTES_MAX: u32 = 1 << 20;
/// Requests for reading ahead that may be under way at a time. As those for slow files must not keep others waiting, there
/// are more than any number of readers we bound ourselves.
const AHEAD_MAX: u16 = 1024;
/// How far the kernel reads ahead, in KiB: one largest request. It needs root; else the kernel's 128 KiB stay.
const READ_AHEAD_KIB: u32 = REQUEST_BYTES_MAX >> 10;

/// What we ask of the kernel; one that is old gives less.
const WANTED: &[InitFlags] = &[
    InitFlags::FUSE_ASYNC_READ,
    InitFlags::FUSE_BIG_WRITES,
    InitFlags::FUSE_MAX_PAGES,
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_AUTO_INVAL_DATA,
    // A file that is cut when it is opened must not be fetched first.
    InitFlags::FUSE_ATOMIC_O_TRUNC,
    // Attributes are in memory: sending them with the names spares a request for each.
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_CACHE_SYMLINKS,
    // Else each write is preceded by a question for an attribute that nothing here has.
    InitFlags::FUSE_HANDLE_KILLPRIV_V2,
];

/// On how many filesystems on top of each other the kernel may read past us.
const STACK_DEPTH: u32 = 1;

/// Answers the kernel's offer; says whether it can read files of this machine past us.
pub(super) fn agree(config: &mut KernelConfig) -> bool {
    for wanted in WANTED {
        let _older_kernel = config.add_capabilities(*wanted);
    }
    // An error names the nearest value that is allowed.
    let _taken = config.set_max_write(REQUEST_BYTES_MAX).or_else(|most| config.set_max_write(most));
    let _taken = config.set_max_readahead(REQUEST_BYTES_MAX).or_else(|most| config.set_max_readahead(most));
    let _taken = config.set_max_background(AHEAD_MAX);
    config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok()
        && config.set_max_stack_depth(STACK_DEPTH).is_ok()
}

/// How far the kernel reads ahead.
#[derive(Debug)]
pub(super) enum ReadAhead {
    Raised,
    Refused(String),
}

impl fmt::Display for ReadAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadAhead::Raised => write!(f, "{READ_AHEAD_KIB} KiB"),
            ReadAhead::Refused(why) => write!(f, "not raised: {why}"),
        }
    }
}

/// Has the kernel read ahead further below `dir`.
pub(super) fn raise_read_ahead(dir: &Path) -> ReadAhead {
    let raise = || {
        let listed = table::mounted(dir)?.ok_or(std::io::ErrorKind::NotFound)?;
        let bdi: PathBuf = ["/sys/class/bdi", &listed.device, "read_ahead_kb"].iter().collect();
        std::fs::write(bdi, READ_AHEAD_KIB.to_string())
    };
    match raise() {
        Ok(()) => ReadAhead::Raised,
        Err(error) => ReadAhead::Refused(error.to_string()),
    }
}
