//! A mount from its first day to its last: unmounted while it is in use, killed, and there again with nothing lost.

use dits_tests::mounted::is_left_out;
use dits_tests::{Mounted, Repo, World, bytes};
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

fn project(world: &World) -> Repo {
    let ann = world.user("ann").init("project");
    ann.write("a.txt", b"text\n");
    ann.write("dir/b.txt", b"more\n");
    ann.write("film.bin", &bytes(100_000, 1));
    ann.commit("first");
    ann
}

#[test]
fn unmounting_waits_for_who_is_at_work() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let ann = project(&world);
    let mount = Mounted::new(&ann, "m", &[]);
    let mut open = File::options().append(true).open(mount.at("a.txt")).unwrap();
    assert_eq!(mount.listed()["writing"], serde_json::json!(["a.txt"]));
    let refused = mount.unmount(&[]).fails();
    assert_eq!(refused.code, Some(2));
    for part in ["files are open for writing", "'a.txt'", "hint: close them first", "unmount --force"] {
        assert!(refused.said().contains(part), "{refused}");
    }
    open.write_all(b"still works\n").unwrap();
    drop(open);
    // Somebody who only looks.
    let looking = mount.repo().user().call("cat", &mount.at("dir")).start();
    let refused = mount.unmount(&[]).fails();
    let who = format!("is in use by cat ({})", looking.pid().as_raw_nonzero());
    assert!(refused.said().contains(&who), "{refused}");
    looking.wait();
    mount.unmount(&[]).ok();
    assert_eq!(mount.listed()["state"], "unmounted");
    mount.mount(&[]).ok();
    mount.repo().holds("a.txt", b"text\nstill works\n");
}

#[test]
fn by_force_it_ends_at_once_and_what_was_written_is_kept() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let ann = project(&world);
    let mount = Mounted::new(&ann, "m", &[]);
    let mut open = File::options().append(true).open(mount.at("a.txt")).unwrap();
    open.write_all(b"written\n").unwrap();
    mount.unmount(&["--force"]).ok();
    assert!(open.write_all(b"too late\n").is_err());
    assert_eq!(mount.listed()["state"], "unmounted");
    assert!(!mount.at("a.txt").exists());
    mount.mount(&[]).ok();
    mount.repo().holds("a.txt", b"text\nwritten\n");
}

#[test]
fn a_signal_ends_it_in_order() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let ann = project(&world);
    let mount = Mounted::new(&ann, "m", &[]);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        fs::write(mount.at("a.txt"), format!("{signal:?}\n")).unwrap();
        mount.end(signal);
        assert_eq!(mount.listed()["state"], "unmounted", "{signal:?}");
        assert_eq!(fs::read_dir(mount.dir()).unwrap().count(), 1, "only '.git' lies below");
        mount.mount(&[]).ok();
        mount.repo().holds("a.txt", format!("{signal:?}\n").as_bytes());
    }
    let log = fs::read_to_string(mount.state().join("daemon.log")).unwrap();
    assert!(log.contains("Z mounted at '") && log.contains("Z signal 15: unmounting\n"), "{log}");
}

/// What one who writes was told is done, and what must be found.
struct Acknowledged {
    name: &'static str,
    bytes: Vec<u8>,
}

#[test]
fn killed_while_files_are_open_for_writing_it_loses_nothing_that_was_acknowledged() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let ann = project(&world);
    let mount = Mounted::new(&ann, "m", &[]);
    let mut expected = Vec::new();
    let mut open = Vec::new();
    // Written from the start, in the middle of what is there, at the end, and behind it.
    let mut new = File::create(mount.at("new.dat")).unwrap();
    let block = bytes(300_000, 7);
    new.write_all(&block).unwrap();
    new.seek(SeekFrom::Start(1000)).unwrap();
    new.write_all(b"in the middle").unwrap();
    let mut bytes_of_new = block;
    bytes_of_new[1000..1013].copy_from_slice(b"in the middle");
    expected.push(Acknowledged { name: "new.dat", bytes: bytes_of_new });
    open.push(new);
    let text = File::options().append(true).open(mount.at("a.txt")).unwrap();
    (&text).write_all(b"appended\n").unwrap();
    expected.push(Acknowledged { name: "a.txt", bytes: b"text\nappended\n".to_vec() });
    open.push(text);
    let far = File::options().write(true).open(mount.at("dir/b.txt")).unwrap();
    far.write_all_at(b"end", 5000).unwrap();
    let mut bytes_of_far = b"more\n".to_vec();
    bytes_of_far.resize(5000, 0);
    bytes_of_far.extend(b"end");
    expected.push(Acknowledged { name: "dir/b.txt", bytes: bytes_of_far });
    open.push(far);
    fs::create_dir(mount.at("made")).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a user renames a file")]
    fs::rename(mount.at("film.bin"), mount.at("made/moved.bin")).unwrap();
    mount.kill();
    drop(open);
    assert_eq!(mount.listed()["state"], "killed");
    let listed = ann.git(&["dits", "mounts"]).text();
    assert!(
        listed.contains(&format!("was killed; 'git dits mount {}' brings it back", mount.dir().display())),
        "{listed}"
    );
    // Git must not take the changes for gone.
    ann.git(&["worktree", "prune"]);
    mount.mount(&[]).ok();
    for Acknowledged { name, bytes } in &expected {
        mount.repo().holds(name, bytes);
    }
    assert!(mount.at("made/moved.bin").exists() && !mount.at("film.bin").exists());
    let status = " M a.txt\n M dir/b.txt\n D film.bin\n?? made/\n?? new.dat\n";
    assert_eq!(mount.repo().status(), status);
    // Unmounted after a kill without another mount in between.
    mount.kill();
    mount.unmount(&[]).ok();
    assert_eq!(mount.listed()["state"], "unmounted");
    mount.mount(&[]).ok();
    assert_eq!(mount.repo().status(), status);
}

#[test]
fn edits_outlive_a_kill_and_reach_a_clone_elsewhere() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let server = world.server();
    let ann = project(&world);
    ann.publish(&server.url("team/project"));
    let mount = Mounted::new(&ann, "m", &["-b", "work", "main"]);
    let film = bytes(400_000, 9);
    fs::write(mount.at("film.bin"), &film).unwrap();
    fs::write(mount.at("a.txt"), "edited\n").unwrap();
    fs::remove_file(mount.at("dir/b.txt")).unwrap();
    let status = mount.repo().status();
    mount.kill();
    mount.mount(&[]).ok();
    assert_eq!(mount.repo().status(), status);
    let inside = mount.repo();
    inside.git(&["add", "-A"]);
    mount.kill();
    mount.mount(&[]).ok();
    inside.git(&["commit", "-qm", "second"]);
    inside.is_clean();
    inside.git(&["push", "-q", "origin", "work"]);
    let ben = world.user("ben").clone_from(&server.url("team/project"), "clone");
    ben.git(&["checkout", "-q", "work"]);
    ben.holds("film.bin", &film);
    ben.holds("a.txt", b"edited\n");
    ben.is_same_as(inside);
}

#[test]
fn read_only_means_that_nothing_changes() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let ann = project(&world);
    let mount = Mounted::new(&ann, "m", &["--read-only"]);
    let error = fs::write(mount.at("a.txt"), "x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    mount.repo().is_clean();
    assert_eq!(mount.listed()["read_only"], true);
    mount.unmount(&[]).ok();
    mount.mount(&[]).ok();
    fs::write(mount.at("a.txt"), "x").unwrap();
    mount.unmount(&[]).ok();
    // What was changed before is seen, and stays.
    mount.mount(&["--read-only"]).ok();
    mount.repo().holds("a.txt", b"x");
    assert_eq!(mount.repo().status(), " M a.txt\n");
}
