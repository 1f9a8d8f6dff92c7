//! Names, attributes, and programs beside each other.

use super::mounted::{Story, film};
use super::{open, promise};
use rustix::fs::{AtFlags, CWD, FileType, Mode, RenameFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

#[test]
fn names_are_those_of_a_disk() {
    let Some(story) = Story::new() else { return };
    let at = |name: &str| story.at(name);
    promise(
        "Replacing a file by a move is one step: whoever looks finds the old file or the new one, whole.",
    );
    let versions = [vec![b'a'; 100_000], vec![b'b'; 50_000]];
    fs::write(at("level"), &versions[0]).unwrap();
    std::thread::scope(|scope| {
        let replace = |round: usize| {
            fs::write(at("level.tmp"), &versions[round % 2]).unwrap();
            fs::rename(at("level.tmp"), at("level")).unwrap();
        };
        let replacing = scope.spawn(move || (0..200).for_each(replace));
        while !replacing.is_finished() {
            assert!(versions.contains(&fs::read(at("level")).unwrap()));
        }
    });
    fs::rename(at("deep"), at("moved")).unwrap();
    assert!(at("moved/er/file.bin").exists() && !at("deep").exists());
    promise("`RENAME_NOREPLACE` and `RENAME_EXCHANGE` work.");
    let rename = |from: &str, to: &str, flags| rustix::fs::renameat_with(CWD, at(from), CWD, at(to), flags);
    assert_eq!(rename("readme", "film.bin", RenameFlags::NOREPLACE), Err(Errno::EXIST));
    rename("readme", "film.bin", RenameFlags::EXCHANGE).unwrap();
    assert_eq!(fs::read(at("film.bin")).unwrap(), b"text\n");
    assert!(fs::read(at("readme")).unwrap() == film(), "a content stays one under any name");
    promise("A name has at most 255 bytes, the target of a symbolic link at most 4,095.");
    fs::write(at(&"n".repeat(255)), b"").unwrap();
    let long = fs::write(at(&"n".repeat(256)), b"").unwrap_err();
    assert_eq!(long.raw_os_error(), Some(Errno::NAMETOOLONG.raw_os_error()));
    symlink("t".repeat(4095), at("link")).unwrap();
    assert_eq!(fs::read_link(at("link")).unwrap().as_os_str().len(), 4095);
    assert!(symlink("t".repeat(4096), at("longer")).is_err());
    promise("There are no hard links, device files, pipes or sockets.");
    assert_eq!(rustix::fs::linkat(CWD, at("readme"), CWD, at("other"), AtFlags::empty()), Err(Errno::PERM));
    for kind in [FileType::CharacterDevice, FileType::BlockDevice, FileType::Fifo, FileType::Socket] {
        let made = rustix::fs::mknodat(CWD, at("node"), kind, Mode::RWXU, rustix::fs::makedev(1, 3));
        assert_eq!(made, Err(Errno::PERM), "{kind:?}");
    }
    promise("Names are bytes: case and normal form of Unicode are kept and count.");
    let names: [&[u8]; 5] = [b"Case", b"case", "\u{e9}".as_bytes(), "e\u{301}".as_bytes(), b"\xff"];
    for name in names {
        fs::write(story.dir().join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    let there: BTreeSet<Vec<u8>> = fs::read_dir(story.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().as_bytes().to_vec())
        .collect();
    for name in names {
        assert!(there.contains(name));
        assert_eq!(fs::read(story.dir().join(std::ffi::OsStr::from_bytes(name))).unwrap(), name);
    }
}

#[test]
fn attributes_are_those_of_a_disk() {
    let Some(story) = Story::new() else { return };
    let path = story.at("film.bin");
    promise("Owner, group and permission bits can be set and stay.");
    std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    promise("The time of the last change can be set and is kept to the nanosecond.");
    let time = UNIX_EPOCH + Duration::new(1_500_000_000, 123_456_789);
    File::open(&path).unwrap().set_modified(time).unwrap();
    promise("The time of the last access is not kept: it is that of the last change.");
    let _ = fs::read(&path).unwrap();
    promise("A mount that is made again has the numbers, times and bytes that it had.");
    fs::write(story.at("new.bin"), b"mine").unwrap();
    let names = ["film.bin", "new.bin", "deep/er/file.bin", "readme", "deep"];
    let look = || {
        names.map(|name| {
            let meta = fs::metadata(story.at(name)).unwrap();
            (
                meta.ino(),
                meta.mode(),
                meta.uid(),
                meta.gid(),
                meta.len(),
                meta.mtime(),
                meta.mtime_nsec(),
                meta.ctime(),
                meta.ctime_nsec(),
            )
        })
    };
    let before = look();
    story.unmount();
    story.mount(&[]);
    assert_eq!(look(), before);
    let meta = fs::metadata(&path).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (1234, 4321, 0o640));
    assert_eq!((meta.modified().unwrap(), meta.accessed().unwrap()), (time, time));
    assert!(fs::read(&path).unwrap() == film() && fs::read(story.at("new.bin")).unwrap() == b"mine");
    neighbours_hear(&story);
}

fn neighbours_hear(story: &Story) {
    promise("A program hears by `inotify` what happens in the mount on this machine.");
    use rustix::fs::inotify;
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watch, story.dir(), inotify::WatchFlags::CREATE | inotify::WatchFlags::CLOSE_WRITE)
        .unwrap();
    fs::write(story.at("heard"), b"x").unwrap();
    let mut room = [std::mem::MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(&watch, &mut room);
    let event = reader.next().unwrap();
    assert_eq!(event.file_name().unwrap().to_bytes(), b"heard");
    promise("`flock` and `fcntl` locks work between programs on this machine.");
    let (one, other) = (File::open(story.at("readme")).unwrap(), File::open(story.at("readme")).unwrap());
    one.lock().unwrap();
    assert!(matches!(other.try_lock(), Err(fs::TryLockError::WouldBlock)));
    one.unlock().unwrap();
    other.try_lock().unwrap();
    let writer = open(&story.at("readme"));
    rustix::fs::fcntl_lock(&writer, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    // Such locks are of a process, so another one has to try.
    let taken = Command::new("perl")
        .arg("-e")
        .arg("use Fcntl; open F, '+<', $ARGV[0] or die; my $l = pack('s s x4 q q i x4', F_WRLCK, 0, 0, 0, 0); exit(fcntl(F, F_SETLK, $l) ? 0 : 3)")
        .arg(story.at("readme"))
        .status()
        .unwrap();
    assert_eq!(taken.code(), Some(3));
}
