//! Kills, restarts, a server that is away, and locks.

use super::mounted::{Story, film, locked};
use super::{open, promise};
use dits_tests::wait_for;
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn what_was_answered_lasts() {
    let Some(story) = Story::new() else { return };
    promise("Unmounting is refused while a file is open for writing.");
    let mut file = open(&story.at("film.bin"));
    story.mounted.unmount(&[]).fails().says(&["film.bin"]);
    file.write_all(b"written").unwrap();
    promise("`fsync` works for files and folders.");
    file.sync_all().unwrap();
    File::open(story.dir()).unwrap().sync_all().unwrap();
    promise("What a call has answered for outlives the mount's process being killed.");
    fs::write(story.at("new"), b"mine").unwrap();
    fs::rename(story.at("readme"), story.at("read me")).unwrap();
    fs::remove_dir_all(story.at("deep")).unwrap();
    fs::set_permissions(story.at("read me"), fs::Permissions::from_mode(0o600)).unwrap();
    file.write_all(b" again").unwrap();
    story.mounted.kill();
    drop(file);
    story.mount(&[]);
    let mut start = [0; 14];
    File::open(story.at("film.bin")).unwrap().read_exact(&mut start).unwrap();
    assert_eq!((&start[..13], start[13]), (&b"written again"[..], film()[13]));
    assert_eq!(fs::read(story.at("new")).unwrap(), b"mine");
    assert_eq!(fs::metadata(story.at("read me")).unwrap().mode() & 0o7777, 0o600);
    assert!(!story.at("readme").exists() && !story.at("deep").exists());
}

#[test]
fn without_a_server_what_is_here_goes_on() {
    let Some(mut story) = Story::new() else { return };
    let mut start = vec![0; 1000];
    File::open(story.at("film.bin")).unwrap().read_exact(&mut start).unwrap();
    story.server.stop();
    promise("What is on this machine can be read without a server.");
    let _ = fs::read(story.at("readme")).unwrap();
    File::open(story.at("film.bin")).unwrap().read_exact(&mut start).unwrap();
    assert!(start == film()[..1000]);
    promise(
        "The rest fails with an input/output error within ten seconds, and can be read when the server is back.",
    );
    let begun = Instant::now();
    let error = fs::read(story.at("locked.bin")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::IO.raw_os_error()));
    assert!(begun.elapsed() < Duration::from_secs(10));
    promise("Everything can be written, and committed, without a server.");
    fs::write(story.at("new.bin"), b"mine").unwrap();
    story.git(&["add", "new.bin"]);
    story.git(&["commit", "-qm", "offline"]);
    assert_eq!(story.git(&["status", "--porcelain"]).text(), "");
    story.server.restart();
    wait_for("the server to be seen", || fs::read(story.at("locked.bin")).is_ok());
}

#[test]
fn lockable_files_want_a_lock() {
    let Some(story) = Story::new() else { return };
    let path = story.at("locked.bin");
    promise(
        "A lockable file of the last commit is opened for writing, cut, moved or replaced by a move only with a lock.",
    );
    let write = || OpenOptions::new().write(true).open(&path).map(drop);
    let refused = [
        write(),
        OpenOptions::new().append(true).open(&path).map(drop),
        File::create(&path).map(drop),
        fs::rename(&path, story.at("elsewhere.bin")),
        fs::rename(story.at("film.bin"), &path),
    ];
    for (at, result) in refused.into_iter().enumerate() {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied, "{at}");
    }
    // By its name, without opening it.
    let script = "exit(truncate($ARGV[0], 5) ? 0 : $!{EACCES} ? 13 : 1)";
    let cut = Command::new("perl").args(["-e", script]).arg(&path).status();
    assert_eq!(cut.unwrap().code(), Some(13));
    promise("`git dits lock` counts at once.");
    story.dits(&["lock", "locked.bin"]).ok();
    write().unwrap();
    story.dits(&["unlock", "locked.bin"]).ok();
    assert_eq!(write().unwrap_err().kind(), ErrorKind::PermissionDenied);
    promise("Without a lock it can be read, removed and made.");
    assert_eq!(fs::read(&path).unwrap(), locked());
    fs::remove_file(&path).unwrap();
    fs::write(&path, b"another").unwrap();
}
