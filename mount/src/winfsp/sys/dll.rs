//! WinFsp's DLL, looked for where its installer put it.
//!
//! Loaded by its full path and with its own folder for what it needs, never from a search path, where anybody could have put another.

use super::WinFspError;
use super::abi::{DirInfo, FileSystem, Interface, Status, VolumeParams};
use std::ffi::c_void;
use windows_sys::Win32::Foundation::HMODULE;
use windows_sys::Win32::System::LibraryLoader::{
    GetProcAddress, LOAD_LIBRARY_SEARCH_DEFAULT_DIRS, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR, LoadLibraryExW,
};
use windows_sys::Win32::System::Registry::{
    HKEY_LOCAL_MACHINE, RRF_RT_REG_SZ, RRF_SUBKEY_WOW6432KEY, RegGetValueW,
};
use windows_sys::core::w;

#[cfg(target_arch = "x86_64")]
const NAME: &str = "bin\\winfsp-x64.dll";
#[cfg(target_arch = "aarch64")]
const NAME: &str = "bin\\winfsp-a64.dll";

/// The functions that are used.
pub struct Dll {
    pub create: unsafe extern "C" fn(
        *const u16,
        *const VolumeParams,
        *const Interface,
        *mut *mut FileSystem,
    ) -> Status,
    pub delete: unsafe extern "C" fn(*mut FileSystem),
    pub set_mount_point: unsafe extern "C" fn(*mut FileSystem, *const u16) -> Status,
    pub start: unsafe extern "C" fn(*mut FileSystem, u32) -> Status,
    pub stop: unsafe extern "C" fn(*mut FileSystem),
    pub add_dir_info: unsafe extern "C" fn(*const DirInfo, *mut c_void, u32, *mut u32) -> u8,
}

impl Dll {
    /// Loads it. It stays loaded.
    pub fn load() -> Result<Dll, WinFspError> {
        let mut path = install_dir()?;
        path.extend(NAME.encode_utf16().chain([0]));
        let flags = LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS;
        // SAFETY: the path ends in a zero, and the library's initialization is that of WinFsp, installed by an administrator.
        let library = unsafe { LoadLibraryExW(path.as_ptr(), std::ptr::null_mut(), flags) };
        if library.is_null() {
            return Err(WinFspError::Missing);
        }
        // SAFETY: each type is that of the function with this name in winfsp.h; BOOLEAN is a byte.
        unsafe {
            Ok(Dll {
                create: function(library, b"FspFileSystemCreate\0")?,
                delete: function(library, b"FspFileSystemDelete\0")?,
                set_mount_point: function(library, b"FspFileSystemSetMountPoint\0")?,
                start: function(library, b"FspFileSystemStartDispatcher\0")?,
                stop: function(library, b"FspFileSystemStopDispatcher\0")?,
                add_dir_info: function(library, b"FspFileSystemAddDirInfo\0")?,
            })
        }
    }
}

/// # Safety
/// `F` must be the type of the function with this name, which ends in a zero.
unsafe fn function<F: Copy>(library: HMODULE, name: &[u8]) -> Result<F, WinFspError> {
    const { assert!(size_of::<F>() == size_of::<usize>()) };
    // SAFETY: the name ends in a zero, and the library is loaded.
    let address = unsafe { GetProcAddress(library, name.as_ptr()) }.ok_or(WinFspError::Missing)?;
    // SAFETY: both are pointers to functions, and the caller answers for the type.
    Ok(unsafe { std::mem::transmute_copy::<_, F>(&address) })
}

/// Where WinFsp was installed, with a backslash at the end.
fn install_dir() -> Result<Vec<u16>, WinFspError> {
    let mut value = [0_u16; 512];
    let mut bytes = size_of_val(&value) as u32;
    // SAFETY: the value is as large as `bytes` says, and all names end in a zero.
    let result = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            w!("SOFTWARE\\WinFsp"),
            w!("InstallDir"),
            RRF_RT_REG_SZ | RRF_SUBKEY_WOW6432KEY,
            std::ptr::null_mut(),
            value.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    let length = value.iter().position(|unit| *unit == 0).unwrap_or(0);
    if result != 0 || length == 0 {
        return Err(WinFspError::Missing);
    }
    let mut path = value[..length].to_vec();
    if path.last() != Some(&u16::from(b'\\')) {
        path.push(u16::from(b'\\'));
    }
    Ok(path)
}
