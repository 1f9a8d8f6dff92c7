//! What WinFsp calls: each turns pointers into values, asks the [`Volume`], and gives back a status.
//!
//! A panic must not cross into C: it ends the process (Rust's rule for `extern "C"`). An open file's context is its number, never a pointer.

use super::Shared;
use super::abi::{
    DIR_INFO_BYTES, DirInfo, FileInfo, FileSystem, Interface, NAME_CHARS_MAX, SUCCESS, Status, VolumeInfo,
};
use crate::Fault;
use crate::winfsp::convert::{Info, status};
use crate::winfsp::volume::{Target, Wanted};
use std::ffi::c_void;

/// `FILE_DIRECTORY_FILE`.
const DIRECTORY_FILE: u32 = 0x1;
/// `FILE_WRITE_DATA`.
const WRITE_DATA: u32 = 0x2;
/// `FILE_APPEND_DATA`.
const APPEND_DATA: u32 = 0x4;
/// `FspCleanupDelete`.
const CLEANUP_DELETE: u32 = 0x1;
/// `INVALID_FILE_ATTRIBUTES`.
const NO_ATTRIBUTES: u32 = u32::MAX;
/// `STATUS_BUFFER_OVERFLOW`.
const BUFFER_OVERFLOW: Status = 0x8000_0005_u32.cast_signed();
/// `STATUS_END_OF_FILE`.
const END_OF_FILE: Status = 0xc000_0011_u32.cast_signed();
/// Longest path that is looked at, in UTF-16 units: what Windows has.
const PATH_CHARS_MAX: usize = 32_767;

/// The functions that are offered.
pub const INTERFACE: Interface = Interface {
    volume_info: Some(volume_info),
    set_label: None,
    security_by_name: Some(security_by_name),
    create: Some(create),
    open: Some(open),
    overwrite: Some(overwrite),
    cleanup: Some(cleanup),
    close: Some(close),
    read: Some(read),
    write: Some(write),
    flush: Some(flush),
    file_info: Some(file_info),
    set_basic: Some(set_basic),
    set_size: Some(set_size),
    can_delete: Some(can_delete),
    rename: Some(rename),
    security: Some(security),
    set_security: None,
    read_dir: Some(read_dir),
    rest: [None; 45],
};

/// # Safety
/// `fs` must be one that [`super::Session`] made and has not ended.
unsafe fn shared<'a>(fs: *mut FileSystem) -> &'a Shared {
    // SAFETY: the session set the context before it started, and ends the dispatcher before it drops what that points at.
    unsafe { &*(*fs).user_context.cast::<Shared>() }
}

/// # Safety
/// `path` must end in a zero, as WinFsp promises of all it hands out.
unsafe fn text<'a>(path: *const u16) -> &'a [u16] {
    // SAFETY: nothing behind the zero is looked at.
    unsafe {
        let length = (0..PATH_CHARS_MAX).take_while(|at| *path.add(*at) != 0).count();
        std::slice::from_raw_parts(path, length)
    }
}

fn number(file: *mut c_void) -> u64 {
    file as u64
}

fn result(result: Result<(), Fault>) -> Status {
    result.map_or_else(status, |()| SUCCESS)
}

fn file_info_of(info: &Info) -> FileInfo {
    FileInfo {
        attributes: info.attributes,
        allocated_bytes: info.bytes.next_multiple_of(4096),
        bytes: info.bytes,
        created: info.changed.min(info.written),
        read: info.written,
        written: info.written,
        changed: info.changed,
        index: info.index,
        ..FileInfo::default()
    }
}

/// # Safety
/// `out` must be null or writable.
unsafe fn give(found: Result<Info, Fault>, out: *mut FileInfo) -> Status {
    result(found.map(|info| {
        if !out.is_null() {
            // SAFETY: the caller says so.
            unsafe { out.write(file_info_of(&info)) };
        }
    }))
}

unsafe extern "C" fn volume_info(fs: *mut FileSystem, out: *mut VolumeInfo) -> Status {
    // SAFETY: WinFsp's own, and `out` is writable.
    unsafe {
        let Ok(space) = shared(fs).volume.mount().space() else { return status(Fault::Io) };
        let info = VolumeInfo { bytes: space.bytes, free_bytes: space.free, label_bytes: 0, label: [0; 32] };
        out.write(info);
    }
    SUCCESS
}

/// # Safety
/// `size` must be null or point at the size of `out`.
unsafe fn give_security(shared: &Shared, out: *mut c_void, size: *mut usize) -> Status {
    if size.is_null() {
        return SUCCESS;
    }
    let descriptor = shared.security.bytes();
    // SAFETY: `out` has as much room as `size` says, and is written only if that is enough.
    unsafe {
        let room = size.replace(descriptor.len());
        if room < descriptor.len() {
            return BUFFER_OVERFLOW;
        }
        if !out.is_null() {
            std::ptr::copy_nonoverlapping(descriptor.as_ptr(), out.cast(), descriptor.len());
        }
    }
    SUCCESS
}

unsafe extern "C" fn security_by_name(
    fs: *mut FileSystem,
    path: *const u16,
    attributes: *mut u32,
    out: *mut c_void,
    size: *mut usize,
) -> Status {
    // SAFETY: WinFsp's own; `attributes` and `size` may be null.
    unsafe {
        let shared = shared(fs);
        match shared.volume.look(text(path)) {
            Err(fault) => return status(fault),
            Ok(info) if !attributes.is_null() => attributes.write(info.attributes),
            Ok(_) => {}
        }
        give_security(shared, out, size)
    }
}

unsafe extern "C" fn security(
    fs: *mut FileSystem,
    _: *mut c_void,
    out: *mut c_void,
    size: *mut usize,
) -> Status {
    // SAFETY: WinFsp's own.
    unsafe { give_security(shared(fs), out, size) }
}

/// # Safety
/// `file` and `out` must be writable.
unsafe fn opened(found: Result<(u64, Info), Fault>, file: *mut *mut c_void, out: *mut FileInfo) -> Status {
    // SAFETY: the caller says so.
    unsafe {
        let found = found.map(|(number, info)| {
            file.write(number as *mut c_void);
            info
        });
        give(found, out)
    }
}

unsafe extern "C" fn create(
    fs: *mut FileSystem,
    path: *const u16,
    options: u32,
    _access: u32,
    _attributes: u32,
    _security: *const c_void,
    _allocate: u64,
    file: *mut *mut c_void,
    out: *mut FileInfo,
) -> Status {
    // SAFETY: WinFsp's own.
    unsafe { opened(shared(fs).volume.create(text(path), options & DIRECTORY_FILE != 0), file, out) }
}

unsafe extern "C" fn open(
    fs: *mut FileSystem,
    path: *const u16,
    _options: u32,
    access: u32,
    file: *mut *mut c_void,
    out: *mut FileInfo,
) -> Status {
    let wanted = Wanted { write: access & WRITE_DATA != 0, append: access & APPEND_DATA != 0 };
    // SAFETY: WinFsp's own.
    unsafe { opened(shared(fs).volume.open(text(path), wanted), file, out) }
}

unsafe extern "C" fn overwrite(
    fs: *mut FileSystem,
    file: *mut c_void,
    attributes: u32,
    replaces_attributes: u8,
    _allocate: u64,
    out: *mut FileInfo,
) -> Status {
    // SAFETY: WinFsp's own.
    unsafe {
        let volume = &shared(fs).volume;
        let cut = volume.resize(number(file), 0);
        let attributes = (replaces_attributes != 0 || attributes != 0).then_some(attributes);
        give(cut.and_then(|_| volume.set_basic(number(file), attributes, 0)), out)
    }
}

unsafe extern "C" fn cleanup(fs: *mut FileSystem, _file: *mut c_void, path: *const u16, flags: u32) {
    if flags & CLEANUP_DELETE != 0 && !path.is_null() {
        // SAFETY: WinFsp's own. It has asked before whether this can be done, and takes no answer now.
        let _ = unsafe { shared(fs).volume.delete(text(path)) };
    }
}

unsafe extern "C" fn close(fs: *mut FileSystem, file: *mut c_void) {
    // SAFETY: WinFsp's own.
    unsafe { shared(fs) }.volume.close(number(file));
}

unsafe extern "C" fn read(
    fs: *mut FileSystem,
    file: *mut c_void,
    buffer: *mut u8,
    offset: u64,
    length: u32,
    done: *mut u32,
) -> Status {
    // SAFETY: WinFsp's own; the buffer has `length` bytes, which are zeroed since nobody has written them yet.
    unsafe {
        buffer.write_bytes(0, length as usize);
        let out = std::slice::from_raw_parts_mut(buffer, length as usize);
        match shared(fs).volume.read(number(file), offset, out) {
            Err(fault) => return status(fault),
            Ok(0) if length > 0 => return END_OF_FILE,
            Ok(read) => done.write(read as u32),
        }
    }
    SUCCESS
}

unsafe extern "C" fn write(
    fs: *mut FileSystem,
    file: *mut c_void,
    buffer: *const u8,
    offset: u64,
    length: u32,
    at_end: u8,
    within: u8,
    done: *mut u32,
    out: *mut FileInfo,
) -> Status {
    let target = Target { offset, at_end: at_end != 0, within: within != 0 };
    // SAFETY: WinFsp's own; the buffer has `length` bytes.
    unsafe {
        let bytes = std::slice::from_raw_parts(buffer, length as usize);
        let written = shared(fs).volume.write(number(file), target, bytes);
        give(
            written.map(|(written, info)| {
                done.write(written as u32);
                info
            }),
            out,
        )
    }
}

unsafe extern "C" fn flush(fs: *mut FileSystem, file: *mut c_void, out: *mut FileInfo) -> Status {
    let file = (!file.is_null()).then(|| number(file));
    // SAFETY: WinFsp's own.
    unsafe {
        let volume = &shared(fs).volume;
        match (volume.flush(file), file) {
            (Ok(()), Some(file)) => give(volume.info(file), out),
            (flushed, _) => result(flushed),
        }
    }
}

unsafe extern "C" fn file_info(fs: *mut FileSystem, file: *mut c_void, out: *mut FileInfo) -> Status {
    // SAFETY: WinFsp's own.
    unsafe { give(shared(fs).volume.info(number(file)), out) }
}

unsafe extern "C" fn set_basic(
    fs: *mut FileSystem,
    file: *mut c_void,
    attributes: u32,
    _created: u64,
    _read: u64,
    written: u64,
    _changed: u64,
    out: *mut FileInfo,
) -> Status {
    let attributes = (attributes != NO_ATTRIBUTES).then_some(attributes);
    // SAFETY: WinFsp's own.
    unsafe { give(shared(fs).volume.set_basic(number(file), attributes, written), out) }
}

unsafe extern "C" fn set_size(
    fs: *mut FileSystem,
    file: *mut c_void,
    bytes: u64,
    is_allocation: u8,
    out: *mut FileInfo,
) -> Status {
    // SAFETY: WinFsp's own.
    unsafe {
        let volume = &shared(fs).volume;
        let found = volume.info(number(file));
        // Room that is set aside changes the size only where it is less than that.
        match found {
            Ok(info) if is_allocation != 0 && info.bytes <= bytes => give(Ok(info), out),
            Ok(_) => give(volume.resize(number(file), bytes), out),
            Err(fault) => status(fault),
        }
    }
}

unsafe extern "C" fn can_delete(fs: *mut FileSystem, file: *mut c_void, _path: *const u16) -> Status {
    // SAFETY: WinFsp's own.
    result(unsafe { shared(fs) }.volume.can_delete(number(file)))
}

unsafe extern "C" fn rename(
    fs: *mut FileSystem,
    _file: *mut c_void,
    path: *const u16,
    new_path: *const u16,
    replace: u8,
) -> Status {
    // SAFETY: WinFsp's own.
    unsafe { result(shared(fs).volume.rename(text(path), text(new_path), replace != 0)) }
}

unsafe extern "C" fn read_dir(
    fs: *mut FileSystem,
    file: *mut c_void,
    _pattern: *const u16,
    marker: *const u16,
    buffer: *mut c_void,
    length: u32,
    done: *mut u32,
) -> Status {
    // SAFETY: WinFsp's own; the marker may be null, the rest is handed on as it came.
    unsafe {
        let shared = shared(fs);
        let marker = (!marker.is_null()).then(|| text(marker));
        let add = |info: *const DirInfo| (shared.dll.add_dir_info)(info, buffer, length, done) != 0;
        let mut is_full = false;
        let listed = shared.volume.list(number(file), marker, &mut |name, info| {
            let Some(room) = NAME_CHARS_MAX.checked_sub(name.len()) else { return true };
            let mut chars = [0; NAME_CHARS_MAX];
            chars[..NAME_CHARS_MAX - room].copy_from_slice(name);
            let bytes = (DIR_INFO_BYTES + 2 * name.len()) as u16;
            let entry = DirInfo { bytes, info: file_info_of(info), padding: [0; 3], name: chars };
            is_full = !add(&raw const entry);
            !is_full
        });
        if listed.is_ok() && !is_full {
            add(std::ptr::null());
        }
        result(listed)
    }
}
