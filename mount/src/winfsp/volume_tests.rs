//! A volume as Windows would use it, asked directly.
//! What needs a driver of Windows is not tried here.

use super::*;
use crate::ops::tests::{GHOST, mount};
use tempfile::TempDir;

fn volume() -> (TempDir, Volume) {
    let dir = tempfile::tempdir().unwrap();
    let volume = Volume::new(Arc::new(mount(dir.path())));
    (dir, volume)
}

fn path(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn list(volume: &Volume, folder: &str, marker: Option<&str>) -> Vec<String> {
    let (file, _) = volume.open(&path(folder), Wanted::default()).unwrap();
    let mut names = Vec::new();
    let marker = marker.map(path);
    let each = &mut |name: &[u16], _: &Info| {
        names.push(String::from_utf16(name).unwrap());
        true
    };
    volume.list(file, marker.as_deref(), each).unwrap();
    volume.close(file);
    names
}

#[test]
fn a_ghost_is_read_by_a_name_in_another_case() {
    let (_dir, volume) = volume();
    let (file, info) = volume.open(&path("\\A\\X.BIN"), Wanted::default()).unwrap();
    assert_eq!((info.bytes, info.attributes), (GHOST.len() as u64, convert::NORMAL));
    let mut out = [0; 100];
    assert_eq!(volume.read(file, 5, &mut out).unwrap(), GHOST.len() - 5);
    assert_eq!(out[..GHOST.len() - 5], GHOST[5..]);
    volume.close(file);
    assert_eq!(volume.read(file, 0, &mut out), Err(Fault::BadHandle));
}

#[test]
fn files_are_made_written_renamed_and_deleted() {
    let (_dir, volume) = volume();
    volume.create(&path("\\New"), true).unwrap();
    let (file, _) = volume.create(&path("\\new\\f"), false).unwrap();
    let at = |offset| Target { offset, at_end: false, within: false };
    assert_eq!(volume.write(file, at(2), b"hello").unwrap().1.bytes, 7);
    let within = Target { within: true, ..at(6) };
    assert_eq!(volume.write(file, within, b"xyz").unwrap().0, 1);
    let end = Target { at_end: true, ..at(0) };
    assert_eq!(volume.write(file, end, b"!").unwrap().1.bytes, 8);
    assert_eq!(volume.resize(file, 3).unwrap().bytes, 3);
    volume.close(file);
    assert_eq!(volume.create(&path("\\NEW"), true).err(), Some(Fault::Exists));
    volume.rename(&path("\\new\\F"), &path("\\new\\g"), false).unwrap();
    assert_eq!(volume.rename(&path("\\new\\g"), &path("\\readme"), false), Err(Fault::Exists));
    let (folder, _) = volume.open(&path("\\New"), Wanted::default()).unwrap();
    assert_eq!(volume.can_delete(folder), Err(Fault::NotEmpty));
    volume.delete(&path("\\New\\g")).unwrap();
    volume.can_delete(folder).unwrap();
    volume.close(folder);
    volume.delete(&path("\\New")).unwrap();
    assert_eq!(volume.look(&path("\\New\\g")).err(), Some(Fault::NotFound));
}

#[test]
fn a_listing_goes_on_behind_its_marker() {
    let (_dir, volume) = volume();
    assert_eq!(list(&volume, "\\a", None), [".", "..", "locked.bin", "x.bin"]);
    assert_eq!(list(&volume, "\\a", Some(".")), ["..", "locked.bin", "x.bin"]);
    assert_eq!(list(&volume, "\\a", Some("..")), ["locked.bin", "x.bin"]);
    assert_eq!(list(&volume, "\\a", Some("locked.bin")), ["x.bin"]);
    assert_eq!(list(&volume, "\\", None), [".gitattributes", "a", "readme"]);
}

#[test]
fn readonly_is_a_mode_and_a_locked_file_is_denied() {
    let (_dir, volume) = volume();
    let (file, _) = volume.open(&path("\\readme"), Wanted::default()).unwrap();
    let info = volume.set_basic(file, Some(convert::READONLY), 0).unwrap();
    assert_eq!(info.attributes, convert::READONLY);
    let write = Wanted { write: true, append: false };
    assert_eq!(volume.open(&path("\\a\\locked.bin"), write).err(), Some(Fault::Denied));
}
