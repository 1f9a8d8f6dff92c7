//! Who may use the drive: a security descriptor that all its files have.
//!
//! Administrators, the system, and who is logged on at this machine; not services and not who comes over the network.

use super::WinFspError;
use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::core::w;

/// A self-relative security descriptor.
pub struct Security(Box<[u8]>);

impl Security {
    /// The one of all files.
    pub fn new() -> Result<Security, WinFspError> {
        let (mut descriptor, mut bytes) = (std::ptr::null_mut(), 0);
        // SAFETY: the text ends in a zero, and Windows writes a pointer and a length.
        let made = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                w!("O:BAG:BAD:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;IU)"),
                SDDL_REVISION_1,
                &raw mut descriptor,
                &raw mut bytes,
            )
        };
        if made == 0 || descriptor.is_null() {
            return Err(WinFspError::Failed(crate::winfsp::convert::status(crate::Fault::Io)));
        }
        // SAFETY: Windows made `bytes` bytes there, which are ours to free.
        unsafe {
            let copy = std::slice::from_raw_parts(descriptor.cast::<u8>(), bytes as usize).into();
            LocalFree(descriptor);
            Ok(Security(copy))
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}
