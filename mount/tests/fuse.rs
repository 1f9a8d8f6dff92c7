//! A made-up project through the kernel: names, bytes and changes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod world;

use dits_format::Oid;
use dits_format::pointer::Pointer;
use dits_mount::fuse::{Options, Unmount, UnmountError};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;
use world::{BLOB, DEADLINE, Mounted, blob, byte_at, ghost, link};

const FILM_BYTES: u64 = 3_000_001;

fn project() -> Option<Mounted> {
    Mounted::new(vec![
        blob("bin/run.sh"),
        ghost("film.bin", FILM_BYTES),
        link("latest", "film.bin"),
        ghost("level.locked", 10),
        blob("readme"),
    ])
}

fn names(dir: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(dir).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn a_project_is_read_and_a_second_look_asks_nothing() {
    let Some(mounted) = project() else { return };
    assert_eq!(names(&mounted.path("")), ["bin", "film.bin", "latest", "level.locked", "readme"]);
    let film = fs::read(mounted.path("latest")).unwrap();
    assert_eq!(film.len() as u64, FILM_BYTES);
    assert!(film.iter().enumerate().all(|(at, byte)| *byte == byte_at(at as u64)));
    assert_eq!(fs::read(mounted.path("readme")).unwrap(), BLOB);
    let stat = fs::metadata(mounted.path("bin/run.sh")).unwrap();
    assert_eq!((stat.mode(), stat.len(), stat.mtime()), (0o100_755, 5, 1_000_000_000));
    assert_eq!(fs::metadata(mounted.path("nothing")).unwrap_err().kind(), ErrorKind::NotFound);

    // Not `getattr`: the kernel forgets when a file was last read when it is read.
    let asks = ["lookup", "read", "readdirplus", "readdir", "readlink"];
    let count = || asks.map(|kind| mounted.requests(kind));
    let before = count();
    assert_eq!(names(&mounted.path("")).len(), 5);
    assert_eq!(fs::read(mounted.path("latest")).unwrap().len() as u64, FILM_BYTES);
    assert_eq!(fs::metadata(mounted.path("bin/run.sh")).unwrap().mode(), stat.mode());
    assert_eq!(fs::metadata(mounted.path("nothing")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(count(), before, "the kernel knew all of it: {asks:?}");
}

#[test]
fn files_are_made_written_and_cut() {
    let Some(mounted) = project() else { return };
    let path = mounted.path("new");
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
    file.write_all(b"0123456789").unwrap();
    assert_eq!(file.metadata().unwrap().len(), 10);
    file.set_len(4).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "0123");
    let mut end = OpenOptions::new().append(true).open(&path).unwrap();
    end.write_all(b"end").unwrap();
    file.write_all_at(b"X", 1).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"0X23end");
    file.sync_all().unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode(), 0o100_640);

    let film = OpenOptions::new().read(true).write(true).open(mounted.path("film.bin")).unwrap();
    film.write_all_at(b"cut", 1_000_000).unwrap();
    let mut around = [0; 5];
    film.read_exact_at(&mut around, 999_999).unwrap();
    assert_eq!(around, [byte_at(999_999), b'c', b'u', b't', byte_at(1_000_003)]);
    let fetched = mounted.world.fetched.load(std::sync::atomic::Ordering::SeqCst);
    fs::write(mounted.path("level.locked"), b"no").unwrap_err();
    fs::write(mounted.path("readme"), b"short").unwrap();
    let now = mounted.world.fetched.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(now, fetched, "what is cut at once is not fetched");
}

#[test]
fn names_are_made_moved_and_removed() {
    let Some(mounted) = project() else { return };
    let path = |name| mounted.path(name);
    let rename = |from, to, flags| renameat_with(CWD, path(from), CWD, path(to), flags);
    fs::create_dir(path("d")).unwrap();
    symlink("../readme", path("d/link")).unwrap();
    assert_eq!(fs::read(path("d/link")).unwrap(), BLOB);
    rename("film.bin", "d/film", RenameFlags::empty()).unwrap();
    assert_eq!(names(&path("d")), ["film", "link"]);
    let taken = rename("readme", "d/link", RenameFlags::NOREPLACE).unwrap_err();
    assert_eq!(taken, rustix::io::Errno::EXIST);
    rename("readme", "d", RenameFlags::EXCHANGE).unwrap();
    assert_eq!(fs::read(path("d")).unwrap(), BLOB);
    assert_eq!(names(&path("readme")), ["film", "link"]);
    assert_eq!(fs::remove_dir(path("readme")).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
    fs::remove_file(path("readme/link")).unwrap();
    fs::remove_file(path("readme/film")).unwrap();
    fs::remove_dir(path("readme")).unwrap();
    assert_eq!(fs::hard_link(path("d"), path("e")).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(rename("level.locked", "free", RenameFlags::empty()).unwrap_err(), rustix::io::Errno::ACCESS);
    assert_eq!(names(&path("")), ["bin", "d", "latest", "level.locked"]);
}

#[test]
fn a_removed_file_stays_for_who_has_it_open() {
    let Some(mounted) = project() else { return };
    let mut file = File::create_new(mounted.path("gone")).unwrap();
    fs::remove_file(mounted.path("gone")).unwrap();
    file.write_all(b"still").unwrap();
    assert_eq!((file.metadata().unwrap().len(), file.metadata().unwrap().nlink()), (5, 0));
}

#[test]
fn nothing_is_written_to_a_mount_for_reading() {
    let options = Options { read_only: true, ..Options::default() };
    let Some(mounted) = Mounted::with(vec![blob("readme")], options) else { return };
    assert_eq!(fs::write(mounted.path("new"), b"x").unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    assert_eq!(fs::remove_file(mounted.path("readme")).unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    assert_eq!(fs::read(mounted.path("readme")).unwrap(), BLOB);
}

#[test]
fn a_folder_is_told_whole_while_it_changes() {
    let base = (0..5000).map(|number| blob(&format!("many/file {number:05}"))).collect();
    let Some(mounted) = Mounted::new(base) else { return };
    let many = mounted.path("many");
    let mut told = Vec::new();
    for (count, entry) in fs::read_dir(&many).unwrap().enumerate() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // Each third goes as soon as it was told, and others come.
        if count % 3 == 0 {
            fs::remove_file(many.join(&name)).unwrap();
        }
        if count % 500 == 0 {
            fs::write(many.join(format!("later {count:05}")), b"").unwrap();
        }
        told.push(name);
    }
    let mut old: Vec<&String> = told.iter().filter(|name| name.starts_with("file ")).collect();
    old.sort();
    let count = old.len();
    old.dedup();
    assert_eq!((count, old.len()), (5000, 5000), "each entry is told once");
    let left = names(&many).iter().filter(|name| name.starts_with("file ")).count();
    assert!(left < 3400, "{left} are left");
    fs::remove_dir_all(&many).unwrap();
    assert_eq!(names(&mounted.path("")), [""; 0]);
}

#[test]
fn a_mount_in_use_is_only_detached() {
    let Some(mounted) = project() else { return };
    let mut file = File::open(mounted.path("readme")).unwrap();
    let error = mounted.session.unmount(Unmount::Unused).unwrap_err();
    assert!(matches!(error, UnmountError::Busy { .. }), "{error}");
    mounted.session.unmount(Unmount::Detach).unwrap();
    assert_eq!(names(mounted.session.dir()), [""; 0]);
    assert!(mounted.session.wait_for(Duration::ZERO).is_none(), "a file is open");
    let mut text = Vec::new();
    file.read_to_end(&mut text).unwrap();
    assert_eq!(text, BLOB);
    drop(file);
    let ended = mounted.session.wait_for(DEADLINE);
    assert!(matches!(ended, Some(Ok(()))), "{ended:?}");
}

#[test]
fn pointer_text_is_a_content_at_once() {
    let Some(mounted) = project() else { return };
    let text = Pointer::new(Oid([3; 32]), FILM_BYTES).encode();
    let path = mounted.path("new.bin");
    let mut file = File::create_new(&path).unwrap();
    file.write_all(&text).unwrap();
    let told = file.metadata().unwrap();
    assert_eq!(told.len(), FILM_BYTES, "what Git asks while it has the file open");
    drop(file);
    let later = fs::metadata(&path).unwrap();
    assert_eq!((later.len(), later.modified().unwrap()), (FILM_BYTES, told.modified().unwrap()));
    assert_eq!(fs::read(&path).unwrap().len() as u64, FILM_BYTES, "not the text that the kernel had");
    // Moved into place, and read by one who does not ask for its size first.
    fs::write(mounted.path("new.tmp"), &text).unwrap();
    assert_eq!(fs::read(mounted.path("new.tmp")).unwrap(), text);
    let (from, to) = (mounted.path("new.tmp"), mounted.path("moved.bin"));
    renameat_with(CWD, from, CWD, to, RenameFlags::empty()).unwrap();
    let mut end = [0];
    File::open(mounted.path("moved.bin")).unwrap().read_exact_at(&mut end, FILM_BYTES - 1).unwrap();
    assert_eq!(end, [byte_at(FILM_BYTES - 1)]);
    let get = |path: &Path, name: &str| {
        let mut room = [0; 100];
        rustix::fs::getxattr(path, name, &mut room)
            .map(|length| String::from_utf8_lossy(&room[..length]).into_owned())
    };
    assert_eq!(get(&path, "user.dits.oid"), Ok(format!("blake3:{}", "03".repeat(32))));
    assert_eq!(get(&path, "user.dits.state"), Ok("ghost".to_owned()));
    assert_eq!(get(&mounted.path("readme"), "user.dits.oid"), Err(rustix::io::Errno::NODATA));
    let rights = get(&mounted.path("readme"), "system.posix_acl_access");
    assert_eq!(rights, Err(rustix::io::Errno::OPNOTSUPP), "`ls -l` asks for each file else");
    let flags = rustix::fs::XattrFlags::empty();
    let set = rustix::fs::setxattr(&path, "user.mine", b"1", flags);
    assert_eq!(set, Err(rustix::io::Errno::OPNOTSUPP));
    let mut list = [0; 100];
    let length = rustix::fs::listxattr(&path, &mut list).unwrap();
    assert_eq!(&list[..length], b"user.dits.oid\0user.dits.state\0");
}
