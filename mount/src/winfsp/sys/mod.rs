//! WinFsp's interface: everything of the adapter that is unsafe, and the session that owns it.
//!
//! `abi` has the structures, `dll` the functions, `calls` what is called back. What must hold: WinFsp calls back only between the start and the
//! stop of the dispatcher, and [`Shared`] lives longer than that; its address never changes.

#![expect(unsafe_code, reason = "WinFsp is a library of C, called and calling by pointers")]

mod abi;
mod calls;
mod dll;
mod security;

use super::volume::Volume;
use crate::Mount;
use abi::{
    CASE_PRESERVED, CLEANUP_WHEN_MODIFIED, CONTEXT_OF_HANDLE, FileSystem, Interface, NAME_CHARS_MAX,
    PERSISTENT_ACLS, READ_ONLY, SUCCESS, Status, UNICODE, VolumeParams,
};
use dll::Dll;
use security::Security;
use std::os::windows::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use windows_sys::core::w;

/// How long Windows believes what it was told of a file, in milliseconds: everything changes through it.
const INFO_TIMEOUT_MS: u32 = 60_000;

/// Why there is no drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WinFspError {
    /// WinFsp is not installed, or not for this processor.
    #[error("WinFsp is not installed (WinFsp - Windows File System Proxy, https://github.com/winfsp/winfsp)")]
    Missing,
    /// One of its calls failed.
    #[error("WinFsp failed with status {0:#010x}")]
    Failed(Status),
}

/// What calls use.
struct Shared {
    volume: Volume,
    dll: Dll,
    security: Security,
    interface: Interface,
}

/// A drive or folder that serves a mount until it is dropped.
pub struct Session {
    shared: Box<Shared>,
    fs: *mut FileSystem,
}

// SAFETY: WinFsp's object may be ended from any thread, and what its calls use is shared by threads anyway.
unsafe impl Send for Session {}

impl Session {
    /// Serves `mount` at `place`: a drive (`Z:`), or a folder that does not exist yet.
    pub fn serve(mount: Arc<Mount>, place: &Path) -> Result<Session, WinFspError> {
        let read_only = if mount.is_read_only() { READ_ONLY } else { 0 };
        let shared = Box::new(Shared {
            volume: Volume::new(mount),
            dll: Dll::load()?,
            security: Security::new()?,
            interface: calls::INTERFACE,
        });
        let params = VolumeParams {
            version: size_of::<VolumeParams>() as u16,
            sector_bytes: 4096,
            sectors_per_unit: 1,
            name_chars_max: NAME_CHARS_MAX as u16,
            file_info_timeout_ms: INFO_TIMEOUT_MS,
            flags: CASE_PRESERVED
                | UNICODE
                | PERSISTENT_ACLS
                | CLEANUP_WHEN_MODIFIED
                | CONTEXT_OF_HANDLE
                | read_only,
            name: name("git-dits"),
            ..empty_params()
        };
        let mut fs = std::ptr::null_mut();
        // SAFETY: all pointers are valid, and those to the interface stay so as long as the session lives.
        checked(unsafe {
            (shared.dll.create)(
                w!("WinFsp.Disk"),
                &raw const params,
                &raw const shared.interface,
                &raw mut fs,
            )
        })?;
        // From here on dropping it takes it away again.
        let session = Session { shared, fs };
        let place: Vec<u16> = place.as_os_str().encode_wide().chain([0]).collect();
        // SAFETY: the object was made above; its context is set before it is started, to a box that the session keeps.
        unsafe {
            (*fs).user_context = (&raw const *session.shared).cast_mut().cast();
            checked((session.shared.dll.set_mount_point)(fs, place.as_ptr()))?;
            checked((session.shared.dll.start)(fs, 0))?;
        }
        Ok(session)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: the object is WinFsp's and alive; after the stop it calls nobody. Stopping what was not started does nothing.
        unsafe {
            (self.shared.dll.stop)(self.fs);
            (self.shared.dll.delete)(self.fs);
        }
    }
}

fn checked(status: Status) -> Result<(), WinFspError> {
    if status == SUCCESS { Ok(()) } else { Err(WinFspError::Failed(status)) }
}

fn name(text: &str) -> [u16; 16] {
    let mut name = [0; 16];
    text.encode_utf16().zip(&mut name).for_each(|(unit, place)| *place = unit);
    name
}

fn empty_params() -> VolumeParams {
    VolumeParams {
        version: 0,
        sector_bytes: 0,
        sectors_per_unit: 0,
        name_chars_max: 0,
        created: 0,
        serial: 0,
        transact_timeout_ms: 0,
        irp_timeout_ms: 0,
        irp_capacity: 0,
        file_info_timeout_ms: 0,
        flags: 0,
        prefix: [0; 192],
        name: [0; 16],
        more_flags: 0,
        more_timeouts_ms: [0; 5],
        reserved_32: [0; 2],
        reserved_64: [0; 2],
    }
}
