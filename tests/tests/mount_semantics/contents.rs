//! Reading, writing, maps, pointers.

use super::mounted::{FILM_BYTES, Story, film};
use super::{open, promise, state, xattr};
use dits_tests::pointer;
use rustix::fs::{Mode, OFlags, XattrFlags};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::time::{Duration, SystemTime};

#[test]
fn contents_come_when_they_are_read() {
    let Some(story) = Story::new() else { return };
    let path = story.at("film.bin");
    promise("A file shows the size of its content before anything of it is here.");
    assert_eq!((fs::metadata(&path).unwrap().len(), &state(&path)[..]), (FILM_BYTES as u64, "ghost"));
    promise("Any part of a file can be read, in any order, by any number of programs.");
    let file = File::open(&path).unwrap();
    let read = |at: usize, length: usize| {
        let mut part = vec![0; length];
        file.read_exact_at(&mut part, at as u64).unwrap();
        assert!(part == film()[at..at + length], "{length} bytes at {at}");
    };
    read(FILM_BYTES - 10, 10);
    std::thread::scope(|scope| {
        for from in [1_000_000, 2_000_000, 0, 500_000] {
            scope.spawn(move || read(from, 700_000));
        }
    });
    assert!(fs::read(&path).unwrap() == film());
    promise(
        "`user.dits.oid` says which content a file is, `user.dits.state` how much of it is known to be here.",
    );
    let text = String::from_utf8(pointer::of(&film())).unwrap();
    assert!(text.contains(&xattr(&path, "user.dits.oid").unwrap()));
    story.dits(&["prefetch", "film.bin"]).ok();
    assert_eq!(state(&path), "cached");
    promise("Other extended attributes cannot be set.");
    let set = |name: &str| rustix::fs::setxattr(&path, name, b"1", XattrFlags::empty());
    assert_eq!((set("user.mine"), set("user.dits.oid")), (Err(Errno::OPNOTSUPP), Err(Errno::OPNOTSUPP)));
    assert_eq!(rustix::fs::removexattr(&path, "user.dits.oid"), Err(Errno::OPNOTSUPP));
    promise("A mount made with `--read-only` refuses every change.");
    drop(file);
    story.unmount();
    story.mount(&["--read-only"]);
    let refused = [
        fs::write(story.at("new"), b"x"),
        fs::remove_file(&path),
        fs::rename(&path, story.at("other.bin")),
        fs::create_dir(story.at("folder")),
        OpenOptions::new().write(true).open(&path).map(drop),
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)),
        symlink("x", story.at("link")),
    ];
    for (at, result) in refused.into_iter().enumerate() {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem, "{at}");
    }
    assert!(fs::read(&path).unwrap() == film());
}

#[test]
fn files_are_written_as_on_a_disk() {
    let Some(story) = Story::new() else { return };
    let path = story.at("film.bin");
    let mut expected = film();
    promise("Bytes that were not written stay what they were; what was skipped is zeros.");
    let mut file = open(&path);
    file.write_all_at(b"changed", 1_000_000).unwrap();
    expected[1_000_000..1_000_007].copy_from_slice(b"changed");
    file.write_all_at(b"far", FILM_BYTES as u64 + 5000).unwrap();
    expected.resize(FILM_BYTES + 5000, 0);
    expected.extend(b"far");
    assert!(fs::read(&path).unwrap() == expected);
    promise("Appending, cutting and lengthening work as on a disk.");
    file.set_len(2_000_000).unwrap();
    file.set_len(2_000_100).unwrap();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"end").unwrap();
    expected.truncate(2_000_000);
    expected.resize(2_000_100, 0);
    expected.extend(b"end");
    assert!(fs::read(&path).unwrap() == expected);
    assert_eq!(state(&path), "local");
    promise("`O_DIRECT` is accepted, and does not go around the mount.");
    let direct =
        rustix::fs::open(&path, OFlags::RDWR | OFlags::DIRECT, Mode::empty()).map(File::from).unwrap();
    direct.write_all_at(&[7; 4096], 4096).unwrap();
    expected[4096..8192].fill(7);
    assert!(fs::read(&path).unwrap() == expected);
    promise("A file that was removed or replaced can be read and written by whoever has it open.");
    let replaced = open(&story.at("readme"));
    fs::write(story.at("new"), b"new").unwrap();
    fs::rename(story.at("new"), story.at("readme")).unwrap();
    fs::remove_file(&path).unwrap();
    for mut file in [file.try_clone().unwrap(), replaced] {
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(b"still").unwrap();
        let mut start = [0; 5];
        file.read_exact_at(&mut start, 0).unwrap();
        assert_eq!((&start, file.metadata().unwrap().nlink()), (b"still", 0));
    }
    assert_eq!(fs::read(story.at("readme")).unwrap(), b"new");
    file.flush().unwrap();
    memory_maps(&story);
}

/// There is no safe way to map in Rust, so another program does.
fn memory_maps(story: &Story) {
    const PROGRAM: &str = r#"
        #include <fcntl.h>
        #include <string.h>
        #include <sys/mman.h>
        int main(int argc, char **argv) {
            int fd = open(argv[1], O_RDWR);
            char *p = mmap(0, 1000000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            if (p == MAP_FAILED || p[500000] != argv[2][0]) return 1;
            memcpy(p + 600000, "mapped", 6);
            return msync(p, 1000000, MS_SYNC) || munmap(p, 1000000) ? 2 : 0;
        }"#;
    promise("Memory maps work, shared and writable ones too.");
    let (source, program) = (story.folder("c").join("map.c"), story.folder("c").join("map"));
    fs::write(&source, PROGRAM).unwrap();
    let gcc = Command::new("gcc").arg("-o").arg(&program).arg(&source).output().unwrap();
    assert!(gcc.status.success(), "{}", String::from_utf8_lossy(&gcc.stderr));
    let path = story.at("level.bin");
    let mut expected = vec![b'x'; 1_000_000];
    fs::write(&path, &expected).unwrap();
    let map = Command::new(&program).arg(&path).arg("x").status().unwrap();
    assert_eq!(map.code(), Some(0));
    expected[600_000..600_006].copy_from_slice(b"mapped");
    assert!(fs::read(&path).unwrap() == expected);
}

#[test]
fn a_pointer_is_its_content() {
    let Some(story) = Story::new() else { return };
    let text = pointer::of(&film());
    let is_film = |name: &str| fs::read(story.at(name)).unwrap() == film();
    promise(
        "A file that is one whole pointer and nothing else, at a path that git-dits manages, is the content of that pointer as soon as it is written, or moved there.",
    );
    let mut file = File::create_new(story.at("copy.bin")).unwrap();
    file.write_all(&text).unwrap();
    assert_eq!(file.metadata().unwrap().len(), FILM_BYTES as u64);
    promise("Such a file is two seconds older than the moment it was written.");
    let age = |name: &str| {
        SystemTime::now().duration_since(fs::metadata(story.at(name)).unwrap().modified().unwrap()).unwrap()
    };
    assert!(age("copy.bin") >= Duration::from_secs(2) && age("copy.bin") < Duration::from_secs(60));
    drop(file);
    assert!(is_film("copy.bin"));
    fs::write(story.at("moved.tmp"), &text).unwrap();
    assert_eq!(fs::read(story.at("moved.tmp")).unwrap(), text);
    fs::rename(story.at("moved.tmp"), story.at("moved.bin")).unwrap();
    assert!(is_film("moved.bin"));
    promise(
        "A damaged pointer, one with something behind it, and one at any other path are files like any other.",
    );
    let more = [&text[..], b"more"].concat();
    for (name, bytes) in [("cut.bin", &text[..50]), ("more.bin", &more), ("copy.txt", &text)] {
        fs::write(story.at(name), bytes).unwrap();
        assert_eq!(fs::read(story.at(name)).unwrap(), bytes, "{name}");
    }
    promise("Whoever wrote a pointer and goes on writing writes on its text.");
    let mut file = File::create_new(story.at("on.bin")).unwrap();
    file.write_all(&text).unwrap();
    file.write_all(b"more").unwrap();
    assert_eq!(fs::read(story.at("on.bin")).unwrap(), more);
    promise("Attribute files count as they are in the mount at that moment.");
    fs::create_dir(story.at("sub")).unwrap();
    fs::write(story.at("sub/.gitattributes"), b"*.txt filter=dits\n*.bin -filter\n").unwrap();
    fs::write(story.at("sub/a.txt"), &text).unwrap();
    fs::write(story.at("sub/a.bin"), &text).unwrap();
    assert!(is_film("sub/a.txt") && !is_film("sub/a.bin"));
    assert!(is_film("film.bin"), "nothing else has changed");
}
