//! The index patch against real Git: after a patch, `git status` is clean and runs no filter, in every shape
//! of index. Git is the oracle; `GIT_TRACE2_PERF` tells whether it started a child. A damaged index must
//! never make us panic, nor be written.

#![expect(clippy::unwrap_used, reason = "helpers of tests too: a panic is the way to fail")]

#[path = "index_patch/damage.rs"]
mod damage;
#[path = "index_patch/repo.rs"]
mod repo;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use dits_repo::index::{Change, HashKind, IndexError, Stat, blob_id, patch, update};

use repo::{CONTENT_CLEAN, FILES, NO_WAIT, Repo, unhex};

fn header(index: &Path) -> (u8, Vec<u8>) {
    let bytes = fs::read(index).unwrap();
    (bytes[7], bytes)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn git_is_older_than(major: u32, minor: u32) -> bool {
    let output = std::process::Command::new("git").arg("--version").output().expect("git runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split(' ').nth(2).expect("git version <number>");
    let mut numbers = version.split('.').map(|number| number.trim().parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (major, minor)
}

/// The whole cycle for one shape of index; `version` and `parts` prove that Git made this shape.
fn check_shape(kind: HashKind, config: &[(&str, &str)], prepare: &[&[&str]], version: u8, parts: &[&[u8]]) {
    let repo = Repo::with_pointers(kind, config);
    for args in prepare {
        repo.git(*args);
    }
    repo.status();
    let (found, before) = header(&repo.index());
    assert_eq!(found, version);
    for part in parts {
        assert!(contains(&before, part), "{}", part.escape_ascii());
    }
    let staged = repo.git(["ls-files", "-s", "-v"]);

    let changes = repo.hydrate_all();
    assert_ne!(repo.status().0, "", "without the patch the files look modified");
    let index_time = fs::metadata(repo.index()).unwrap().modified().unwrap();
    let outcome = repo.patch(&changes);
    assert_eq!(outcome.patched, changes.keys().cloned().collect::<Vec<_>>());
    assert_eq!(fs::metadata(repo.index()).unwrap().modified().unwrap(), index_time, "racy guard kept");
    let (_, after) = header(&repo.index());
    let zeros = |bytes: &[u8]| bytes[bytes.len() - kind.len()..].iter().all(|&b| b == 0);
    assert_eq!((after.len(), zeros(&after)), (before.len(), zeros(&before)));

    for _ in 0..2 {
        assert_eq!(repo.status(), (String::new(), false));
    }
    let debug = repo.git(["ls-files", "--debug", "--", "a.bin"]);
    assert!(debug.contains(&format!("size: {}", 5000 + "a.bin".len())), "{debug}");
    assert_eq!(repo.git(["ls-files", "-s", "-v"]), staged);
    repo.git(["fsck", "--strict"]);
    assert!(!repo.path(".git/index.lock").exists());

    fs::write(repo.path("a.bin"), "an edit, later").unwrap();
    assert_eq!(repo.status().0, " M a.bin\n", "a size change is seen without the filter");
}

#[test]
fn version_2() {
    check_shape(HashKind::Sha1, &[], &[], 2, &[b"TREE"]);
}

#[test]
fn version_3_with_extended_flags() {
    let prepare: &[&[&str]] = &[&["update-index", "--skip-worktree", "text.txt"]];
    check_shape(HashKind::Sha1, &[], prepare, 3, &[b"TREE"]);
}

#[test]
fn version_4() {
    check_shape(HashKind::Sha1, &[("index.version", "4")], &[], 4, &[b"TREE"]);
}

#[test]
fn version_4_in_blocks_for_threads() {
    let config = [("index.version", "4"), ("index.threads", "2")];
    check_shape(HashKind::Sha1, &config, &[], 4, &[b"IEOT", b"EOIE"]);
}

#[test]
fn without_hash() {
    // Git writes such an index from 2.40 on, and refuses to read it before.
    if git_is_older_than(2, 40) {
        return;
    }
    check_shape(HashKind::Sha1, &[("index.skipHash", "true")], &[], 2, &[&[0; 20]]);
}

#[test]
fn sha256() {
    check_shape(HashKind::Sha256, &[], &[], 2, &[b"TREE"]);
    check_shape(HashKind::Sha256, &[("index.version", "4")], &[], 4, &[b"TREE"]);
}

#[test]
fn untracked_cache() {
    let prepare: &[&[&str]] = &[&["update-index", "--force-untracked-cache"]];
    check_shape(HashKind::Sha1, &[("core.untrackedCache", "true")], prepare, 2, &[b"UNTR"]);
}

#[test]
fn many_files() {
    let prepare: &[&[&str]] = &[&["update-index", "--force-untracked-cache"]];
    check_shape(HashKind::Sha1, &[("feature.manyFiles", "true")], prepare, 4, &[b"UNTR", &[0; 20]]);
}

#[test]
fn split_index_is_reported_and_left_alone() {
    let repo = Repo::with_pointers(HashKind::Sha1, &[]);
    repo.git(["update-index", "--split-index"]);
    let before = fs::read(repo.index()).unwrap();
    let outcome = repo.patch(&repo.hydrate_all());
    assert!(outcome.has_split_link);
    assert_eq!((outcome.patched.len(), outcome.not_found.len()), (0, FILES.len()));
    assert_eq!(fs::read(repo.index()).unwrap(), before);
}

#[test]
fn unmerged_and_other_entries_are_reported_and_left_alone() {
    let repo = Repo::with_pointers(HashKind::Sha1, &[]);
    let other = repo.git(["hash-object", "-w", "text.txt"]);
    let other = other.trim();
    repo.git(["update-index", "--cacheinfo", &format!("100644,{other},a.bin")]);
    repo.git(["update-index", "--force-remove", "dir/b.bin", "dir/bc.bin"]);
    let stages = format!("100644 {other} 1\tdir/b.bin\n100644 {other} 2\tdir/b.bin\n");
    fs::write(repo.path(".git/stages"), stages).unwrap();
    let stages = File::open(repo.path(".git/stages")).unwrap();
    let add = repo.command().args(["update-index", "--index-info"]).stdin(stages).status();
    assert!(add.unwrap().success());
    let staged = repo.git(["ls-files", "-s"]);

    let outcome = repo.patch(&repo.hydrate_all());
    assert_eq!(outcome.patched, [FILES[3].as_bytes()]);
    assert_eq!(outcome.unmerged, [b"dir/b.bin"]);
    assert_eq!(outcome.not_found, [b"dir/bc.bin"]);
    let [found] = outcome.other_content.as_slice() else { panic!("{outcome:?}") };
    assert_eq!(found.path, b"a.bin");
    assert_eq!(found.entry_oid, blob_id(HashKind::Sha1, b"text\n"));
    assert_eq!(repo.git(["ls-files", "-s"]), staged);
}

/// A repository with `a.bin` of 5000 bytes committed through a content filter, and the entry's object.
fn with_content(config: &[(&str, &str)]) -> (Repo, String) {
    let repo = Repo::new(HashKind::Sha1, CONTENT_CLEAN, config);
    repo.use_filter();
    fs::write(repo.path("a.bin"), [b'a'; 5000]).unwrap();
    repo.commit_all();
    let oid = repo.git(["rev-parse", ":a.bin"]).trim().to_owned();
    (repo, oid)
}

#[test]
fn zero_size_gets_the_size_of_its_own_pointer() {
    let (repo, oid) = with_content(&[]);
    repo.git(["update-index", "--cacheinfo", &format!("100644,{oid},a.bin")]);
    repo.replace("a.bin", &[b'b'; 6000]);
    let modified = " M a.bin\n".to_owned();
    for _ in 0..2 {
        assert_eq!(repo.status(), (modified.clone(), true), "size 0: the filter runs each time");
    }
    repo.set_size("a.bin", &oid, 5000);
    for _ in 0..2 {
        assert_eq!(repo.status(), (modified.clone(), false));
    }
    repo.replace("a.bin", &[b'c'; 5000]);
    assert_eq!(repo.status(), (modified, true), "same size: compared by content");
    repo.replace("a.bin", &[b'a'; 5000]);
    assert_eq!(repo.status(), (String::new(), true));
    assert_eq!(repo.status(), (String::new(), false), "Git repaired the entry");
}

/// Git also writes size 0 when it found that a file changed although its stat did not.
#[test]
fn zero_size_never_hides_a_change_that_stat_does_not_show() {
    let (repo, oid) = with_content(&[("core.checkStat", "minimal"), ("core.trustctime", "false")]);
    repo.replace("a.bin", &[b'a'; 5000]);
    assert_eq!(repo.status().0, "");
    let time = fs::metadata(repo.path("a.bin")).unwrap().modified().unwrap();
    fs::write(repo.path("a.bin"), [b'b'; 5000]).unwrap();
    File::options().write(true).open(repo.path("a.bin")).unwrap().set_modified(time).unwrap();
    assert_eq!(repo.status().0, "", "the stage is set: the stat hides the change");

    let zero = Change::Hydrated {
        expected_oid: unhex(&oid),
        stat: Stat { size: 0, ..Stat::from_metadata(&fs::symlink_metadata(repo.path("a.bin")).unwrap()) },
    };
    repo.patch(&BTreeMap::from([(b"a.bin".to_vec(), zero)]));
    assert_eq!(repo.status().0, " M a.bin\n");
    repo.set_size("a.bin", &oid, 5000);
    assert_eq!(repo.status().0, " M a.bin\n");
}

/// A change in the same second as the index was written must stay visible after our patch.
#[test]
fn racy_entries_of_other_files_stay_racy() {
    let repo = Repo::with_pointers(HashKind::Sha1, &[]);
    repo.git(["config", "core.trustctime", "false"]);
    let entry_time = fs::metadata(repo.path("text.txt")).unwrap().modified().unwrap();
    File::options().write(true).open(repo.index()).unwrap().set_modified(entry_time).unwrap();
    fs::write(repo.path("text.txt"), "TEXT\n").unwrap();
    File::options().write(true).open(repo.path("text.txt")).unwrap().set_modified(entry_time).unwrap();
    std::thread::park_timeout(Duration::from_millis(1100));
    assert_eq!(repo.patch(&repo.hydrate_all()).patched.len(), FILES.len());
    assert_eq!(repo.status(), (" M text.txt\n".to_owned(), false));
}

#[test]
fn a_held_lock_is_waited_for_and_then_reported() {
    let repo = Repo::with_pointers(HashKind::Sha1, &[]);
    let changes = repo.hydrate_all();
    let lock = repo.path(".git/index.lock");
    fs::write(&lock, "somebody").unwrap();
    let before = fs::read(repo.index()).unwrap();
    let start = Instant::now();
    let result = update(&repo.index(), Duration::from_millis(60), |_| panic!("must not be called"));
    assert!(start.elapsed() >= Duration::from_millis(60));
    assert!(matches!(result, Err(IndexError::Locked { path }) if path == lock));
    assert_eq!(fs::read(&lock).unwrap(), b"somebody", "a foreign lock stays");
    assert_eq!(fs::read(repo.index()).unwrap(), before);

    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::park_timeout(Duration::from_millis(60));
            fs::remove_file(&lock).unwrap();
        });
        let done = update(&repo.index(), Duration::from_secs(20), |bytes| {
            Ok(patch(bytes, repo.kind, &changes).is_ok())
        });
        assert!(done.unwrap());
    });
    assert_eq!(repo.status(), (String::new(), false));
}

#[test]
fn the_lock_is_removed_on_errors_and_the_mode_is_kept() {
    let repo = Repo::with_pointers(HashKind::Sha1, &[]);
    fs::set_permissions(repo.index(), fs::Permissions::from_mode(0o664)).unwrap();
    let before = fs::read(repo.index()).unwrap();
    let failed = update(&repo.index(), NO_WAIT, |bytes| {
        bytes.clear();
        Err(IndexError::Signature)
    });
    assert!(failed.is_err());
    let unchanged = update(&repo.index(), NO_WAIT, |bytes| {
        bytes.clear();
        Ok(false)
    });
    assert!(!unchanged.unwrap());
    assert!(!repo.path(".git/index.lock").exists());
    assert_eq!(fs::read(repo.index()).unwrap(), before);

    repo.patch(&repo.hydrate_all());
    assert_ne!(fs::read(repo.index()).unwrap(), before);
    assert_eq!(fs::metadata(repo.index()).unwrap().permissions().mode() & 0o777, 0o664);
    let missing = update(&repo.path(".git/none"), NO_WAIT, |_| Ok(true));
    assert!(matches!(missing, Err(IndexError::Io { .. })));
}
