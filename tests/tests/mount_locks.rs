//! Lockable files in a mount: two people, a server that keeps the locks, and what each of them meets.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[allow(dead_code, clippy::allow_attributes, reason = "each test program uses its part of it")]
mod mounted;

use mounted::Story;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

fn open(story: &Story) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).open(story.at("locked.bin"))
}

#[track_caller]
fn is_refused(story: &Story, why: &[&str]) {
    assert_eq!(open(story).unwrap_err().kind(), ErrorKind::PermissionDenied);
    let text = story.dits(&["mounts"]).ok().text();
    for part in [&["'locked.bin' may not be written"], why].concat() {
        assert!(text.contains(part), "'{part}' is not in:\n{text}");
    }
}

/// Who holds what, as Ann hears it.
fn held(story: &Story) -> String {
    story.ann.git(&["dits", "locks"]).text()
}

/// Changes the file, commits and pushes; returns what that says.
fn push_a_change(story: &Story, bytes: &[u8]) -> String {
    open(story).unwrap().write_all(bytes).unwrap();
    story.git(&["commit", "-qam", "change"]);
    story.git(&["push", "-q", "origin", "HEAD:main"]).said()
}

#[test]
fn a_lock_opens_the_file_and_somebody_elses_does_not() {
    let Some(story) = Story::new() else { return };
    is_refused(&story, &["you have not locked it", "git dits lock 'locked.bin'"]);
    story.dits(&["lock", "locked.bin"]).ok();
    let said = push_a_change(&story, b"mine");
    assert!(!said.contains("Unlocked"), "{said}");
    assert!(held(&story).contains("ben"), "what was asked for stays");
    story.dits(&["unlock", "locked.bin"]).ok();
    story.ann.git(&["pull", "-q", "origin", "main"]);
    story.ann.git(&["dits", "lock", "locked.bin"]);
    story.dits(&["lock", "locked.bin"]).fails().says(&["ann has locked it"]);
    assert_eq!(open(&story).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(story.git(&["status", "--porcelain"]).text(), "");
}

#[test]
fn git_checks_out_what_others_have_changed() {
    let Some(story) = Story::new() else { return };
    story.ann.git(&["dits", "lock", "locked.bin"]);
    story.ann.edit("locked.bin", |bytes| bytes[0] ^= 1);
    story.ann.commit("change");
    story.ann.git(&["push", "-q", "origin", "main"]);
    story.git(&["pull", "-q", "origin", "main"]);
    assert_eq!(std::fs::read(story.at("locked.bin")).unwrap(), story.ann.read("locked.bin"));
    assert_eq!(story.git(&["status", "--porcelain"]).text(), "");
    is_refused(&story, &[]);
}

#[test]
fn autolock_takes_the_lock_and_the_push_gives_it_back() {
    let Some(mut story) = Story::new() else { return };
    story.clone.git(&["config", "dits.mount.autolock", "true"]);
    let file = open(&story).unwrap();
    assert!(held(&story).contains("locked.bin\tben"), "{}", held(&story));
    story.ann.git_fails(&["dits", "lock", "locked.bin"]).says(&["ben has locked it"]);
    drop(file);
    // Not while he is at work on it.
    open(&story).unwrap().write_all(b"one").unwrap();
    story.git(&["commit", "-qam", "one"]);
    open(&story).unwrap().write_all(b"two more").unwrap();
    let said = story.git(&["push", "-q", "origin", "HEAD:main"]).said();
    assert!(!said.contains("Unlocked") && held(&story).contains("ben"), "{said}");
    let said = push_a_change(&story, b"mine");
    assert!(said.contains("Unlocked locked.bin (dits.mount.autolock)"), "{said}");
    assert_eq!(held(&story), "");
    // Somebody else has it now.
    story.ann.git(&["pull", "-q", "origin", "main"]);
    story.ann.git(&["dits", "lock", "locked.bin"]);
    is_refused(&story, &["its lock cannot be taken: ann has locked it for 'main'"]);
    story.ann.git(&["dits", "unlock", "locked.bin"]);
    drop(open(&story).unwrap());
    story.dits(&["unlock", "locked.bin"]).ok();
    // And nobody can be asked.
    story.server.stop();
    let begun = Instant::now();
    is_refused(&story, &["its lock cannot be taken: "]);
    is_refused(&story, &["its lock cannot be taken: "]);
    assert!(begun.elapsed() < Duration::from_secs(10));
}
