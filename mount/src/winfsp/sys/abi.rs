//! Structures of WinFsp's interface, with the layouts and sizes that its headers assert.
//!
//! Source: `winfsp.h` and `fsctl.h` of WinFsp 2.1. The order of the functions in [`Interface`] is the interface.

use std::ffi::c_void;

/// An `NTSTATUS`.
pub type Status = i32;
/// `STATUS_SUCCESS`.
pub const SUCCESS: Status = 0;

/// `FSP_FILE_SYSTEM`, of which only the beginning is known here: WinFsp makes it.
#[repr(C)]
pub struct FileSystem {
    version: u16,
    /// Ours to set: the volume.
    pub user_context: *mut c_void,
}

/// `FSP_FSCTL_VOLUME_PARAMS`.
#[repr(C)]
pub struct VolumeParams {
    pub version: u16,
    pub sector_bytes: u16,
    pub sectors_per_unit: u16,
    pub name_chars_max: u16,
    pub created: u64,
    pub serial: u32,
    pub transact_timeout_ms: u32,
    pub irp_timeout_ms: u32,
    pub irp_capacity: u32,
    pub file_info_timeout_ms: u32,
    pub flags: u32,
    pub prefix: [u16; 192],
    pub name: [u16; 16],
    pub more_flags: u32,
    pub more_timeouts_ms: [u32; 5],
    pub reserved_32: [u32; 2],
    pub reserved_64: [u64; 2],
}

/// `CasePreservedNames`.
pub const CASE_PRESERVED: u32 = 1 << 1;
/// `UnicodeOnDisk`.
pub const UNICODE: u32 = 1 << 2;
/// `PersistentAcls`.
pub const PERSISTENT_ACLS: u32 = 1 << 3;
/// `ReadOnlyVolume`.
pub const READ_ONLY: u32 = 1 << 9;
/// `PostCleanupWhenModifiedOnly`.
pub const CLEANUP_WHEN_MODIFIED: u32 = 1 << 10;
/// `UmFileContextIsUserContext2`: a context for each handle, not for each file.
pub const CONTEXT_OF_HANDLE: u32 = 1 << 16;

/// `FSP_FSCTL_VOLUME_INFO`.
#[repr(C)]
pub struct VolumeInfo {
    pub bytes: u64,
    pub free_bytes: u64,
    pub label_bytes: u16,
    pub label: [u16; 32],
}

/// `FSP_FSCTL_FILE_INFO`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct FileInfo {
    pub attributes: u32,
    pub reparse_tag: u32,
    pub allocated_bytes: u64,
    pub bytes: u64,
    pub created: u64,
    pub read: u64,
    pub written: u64,
    pub changed: u64,
    pub index: u64,
    pub links: u32,
    pub ea_bytes: u32,
}

/// `FSP_FSCTL_DIR_INFO` with room for the longest name.
#[repr(C)]
pub struct DirInfo {
    pub bytes: u16,
    pub info: FileInfo,
    pub padding: [u64; 3],
    pub name: [u16; NAME_CHARS_MAX],
}

/// Longest name in UTF-16 that Windows has.
pub const NAME_CHARS_MAX: usize = 255;
/// Bytes of a [`DirInfo`] before its name.
pub const DIR_INFO_BYTES: usize = std::mem::offset_of!(DirInfo, name);

const _: () = assert!(size_of::<VolumeParams>() == 504);
const _: () = assert!(std::mem::offset_of!(VolumeParams, more_flags) == 456);
const _: () = assert!(size_of::<VolumeInfo>() == 88);
const _: () = assert!(size_of::<FileInfo>() == 72);
const _: () = assert!(DIR_INFO_BYTES == 104);
const _: () = assert!(size_of::<Interface>() == 64 * size_of::<usize>());

type Fs = *mut FileSystem;
/// What we gave an open file: its number.
type File = *mut c_void;
type Path = *const u16;
type Info = *mut FileInfo;

/// `FSP_FILE_SYSTEM_INTERFACE`; what is not offered is null.
#[repr(C)]
pub struct Interface {
    pub volume_info: Option<unsafe extern "C" fn(Fs, *mut VolumeInfo) -> Status>,
    pub set_label: Option<unsafe extern "C" fn()>,
    pub security_by_name: Option<unsafe extern "C" fn(Fs, Path, *mut u32, *mut c_void, *mut usize) -> Status>,
    pub create:
        Option<unsafe extern "C" fn(Fs, Path, u32, u32, u32, *const c_void, u64, *mut File, Info) -> Status>,
    pub open: Option<unsafe extern "C" fn(Fs, Path, u32, u32, *mut File, Info) -> Status>,
    pub overwrite: Option<unsafe extern "C" fn(Fs, File, u32, u8, u64, Info) -> Status>,
    pub cleanup: Option<unsafe extern "C" fn(Fs, File, Path, u32)>,
    pub close: Option<unsafe extern "C" fn(Fs, File)>,
    pub read: Option<unsafe extern "C" fn(Fs, File, *mut u8, u64, u32, *mut u32) -> Status>,
    pub write: Option<unsafe extern "C" fn(Fs, File, *const u8, u64, u32, u8, u8, *mut u32, Info) -> Status>,
    pub flush: Option<unsafe extern "C" fn(Fs, File, Info) -> Status>,
    pub file_info: Option<unsafe extern "C" fn(Fs, File, Info) -> Status>,
    pub set_basic: Option<unsafe extern "C" fn(Fs, File, u32, u64, u64, u64, u64, Info) -> Status>,
    pub set_size: Option<unsafe extern "C" fn(Fs, File, u64, u8, Info) -> Status>,
    pub can_delete: Option<unsafe extern "C" fn(Fs, File, Path) -> Status>,
    pub rename: Option<unsafe extern "C" fn(Fs, File, Path, Path, u8) -> Status>,
    pub security: Option<unsafe extern "C" fn(Fs, File, *mut c_void, *mut usize) -> Status>,
    pub set_security: Option<unsafe extern "C" fn()>,
    pub read_dir: Option<unsafe extern "C" fn(Fs, File, Path, Path, *mut c_void, u32, *mut u32) -> Status>,
    /// Reparse points, streams, control codes, `CreateEx`, extended attributes and what is reserved: none of them is offered.
    pub rest: [Option<unsafe extern "C" fn()>; 45],
}
