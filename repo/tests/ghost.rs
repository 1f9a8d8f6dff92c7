//! Ghosting at the level of files: what changes while we work is not lost, and nothing is left behind.

#![expect(clippy::disallowed_methods, reason = "users rename as they like")]

use dits_format::{Oid, Pointer};
use dits_repo::ghost::{self, Candidate, Found};
use dits_repo::hydrate::{self, Job};
use dits_repo::{Git, Repository};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const CONTENT: &[u8] = b"content that is longer than its pointer would be, so that sizes differ in an index as they do in life: 0123456789";

/// A repository whose index has the pointer of [`CONTENT`] at `a.bin` and `dir/b.bin`, where the content lies.
fn repository() -> (TempDir, Repository) {
    let dir = tempfile::tempdir().expect("a test's own files");
    let git = Git::at(dir.path()).with_env("GIT_CONFIG_GLOBAL", "/dev/null");
    git.run(&["init", "-q"]).expect("a test's own files");
    fs::create_dir(dir.path().join("dir")).expect("a test's own files");
    for name in ["a.bin", "dir/b.bin"] {
        fs::write(dir.path().join(name), pointer().encode()).expect("a test's own files");
    }
    git.run(&["add", "."]).expect("a test's own files");
    for name in ["a.bin", "dir/b.bin"] {
        write_old(&dir.path().join(name), CONTENT);
    }
    let repository = Repository::of(&git).expect("a test's own files");
    (dir, repository)
}

fn pointer() -> Pointer {
    Pointer::new(Oid::of(CONTENT), CONTENT.len() as u64)
}

/// Writes a file as of an hour ago.
fn write_old(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a test's own files");
    let time = SystemTime::now() - Duration::from_secs(3600);
    File::options()
        .append(true)
        .open(path)
        .expect("a test's own files")
        .set_modified(time)
        .expect("a test's own files");
}

fn look(repository: &Repository, name: &str) -> Found {
    let top = repository.worktree().expect("a test's own files");
    ghost::look_at(top, name.as_bytes(), &pointer()).expect("a test's own files")
}

fn candidate(repository: &Repository, name: &str) -> Candidate {
    match look(repository, name) {
        Found::File(file) => file.read(&mut |_| {}).expect("it can be read").expect("it is the content"),
        other => panic!("{name} is {other:?}"),
    }
}

fn replace(repository: &Repository, candidates: Vec<Candidate>) -> ghost::Outcome {
    let done = ghost::replace(repository, candidates, &Mutex::new(())).expect("a test's own files");
    let left = fs::read_dir(repository.tmp_dir()).expect("a test's own files").count();
    assert_eq!(left, 0, "temporary files are left");
    done
}

fn changed_files(repository: &Repository) -> String {
    String::from_utf8(repository.git.run(&["diff-files", "--name-only"]).expect("a test's own files"))
        .expect("a test's own files")
}

#[test]
fn what_lies_there_is_told_apart() {
    let (dir, repository) = repository();
    let at = |name: &str| dir.path().join(name);
    assert!(matches!(look(&repository, "a.bin"), Found::File(_)));
    assert!(matches!(look(&repository, "nosuch"), Found::Absent));
    assert!(matches!(look(&repository, "dir"), Found::Absent));
    fs::write(at("a.bin"), pointer().encode()).unwrap();
    assert!(matches!(look(&repository, "a.bin"), Found::Ghost));
    let other = Pointer::new(Oid([1; 32]), 110);
    for bytes in [&CONTENT[1..], &other.encode(), b""] {
        fs::write(at("a.bin"), bytes).unwrap();
        assert!(matches!(look(&repository, "a.bin"), Found::Modified), "{bytes:?}");
    }
    fs::write(at("a.bin"), [0; CONTENT.len()]).unwrap();
    let Found::File(file) = look(&repository, "a.bin") else { panic!("it has the right size") };
    let mut read = 0;
    assert!(file.read(&mut |bytes| read += bytes).unwrap().is_none(), "only its size is right");
    assert_eq!(read, CONTENT.len() as u64);
    fs::rename(at("dir"), at("real")).unwrap();
    std::os::unix::fs::symlink("real", at("dir")).unwrap();
    assert!(matches!(look(&repository, "dir/b.bin"), Found::Absent), "reached through a link");
}

#[test]
fn an_unchanged_file_becomes_a_ghost_that_git_finds_clean() {
    let (dir, repository) = repository();
    assert_eq!(changed_files(&repository), "a.bin\ndir/b.bin\n");
    let done = replace(&repository, ["a.bin", "dir/b.bin"].map(|name| candidate(&repository, name)).into());
    assert_eq!(done.ghosts, [b"a.bin".to_vec(), b"dir/b.bin".to_vec()]);
    assert!(done.unsettled.is_none() && done.failed.is_empty() && done.modified.is_empty());
    assert_eq!(fs::read(dir.path().join("a.bin")).unwrap(), pointer().encode());
    assert_eq!(changed_files(&repository), "");
}

#[test]
fn a_file_that_changed_since_it_was_hashed_stays() {
    let other = vec![7; CONTENT.len()];
    let kept = |change: &dyn Fn(&Path)| {
        let (dir, repository) = repository();
        let (path, file) = (dir.path().join("a.bin"), candidate(&repository, "a.bin"));
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        change(&path);
        if path.is_file() {
            // Even if it hides the change.
            File::open(&path).unwrap().set_modified(time).unwrap();
        }
        let done = replace(&repository, vec![file]);
        assert!(done.ghosts.is_empty() && done.modified.len() + done.failed.len() == 1, "{done:?}");
        fs::read(&path).ok()
    };
    assert_eq!(kept(&|path| fs::write(path, &other).unwrap()), Some(other.clone()));
    let replaced = kept(&|path| {
        fs::write(path.with_extension("new"), &other).unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    });
    assert_eq!(replaced, Some(other.clone()));
    assert_eq!(kept(&|path| fs::remove_file(path).unwrap()), None);
}

#[test]
fn a_locked_index_means_that_nothing_happens() {
    let (dir, repository) = repository();
    let file = candidate(&repository, "a.bin");
    fs::write(dir.path().join(".git/index.lock"), b"").unwrap();
    let done = replace(&repository, vec![file]);
    assert!(done.unsettled.unwrap().to_string().contains("index.lock") && done.ghosts.is_empty());
    assert_eq!(fs::read(dir.path().join("a.bin")).unwrap(), CONTENT);
}

#[test]
fn ghosts_that_are_left_get_their_place_in_the_index() {
    let (dir, repository) = repository();
    fs::write(dir.path().join("a.bin"), pointer().encode()).unwrap();
    let jobs = ["a.bin", "dir/b.bin"].map(|name| Job {
        path: name.as_bytes().to_vec(),
        pointer: Some(pointer()),
        before: None,
        given: false,
    });
    hydrate::leave(&repository, jobs.into(), &Mutex::new(())).unwrap();
    assert_eq!(changed_files(&repository), "dir/b.bin\n", "only what is the pointer");
    assert_eq!(fs::read(dir.path().join("dir/b.bin")).unwrap(), CONTENT);
    let written = fs::metadata(&repository.index).unwrap().modified().unwrap();
    let ghost = fs::metadata(dir.path().join("a.bin")).unwrap().modified().unwrap();
    assert!(ghost < written, "an entry as young as the index would be read again");
}
