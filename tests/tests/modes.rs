//! Modes of what we write in the Git folder: those that Git gives its own objects, whatever the umask and
//! `core.sharedRepository` say.

use dits_tests::{Repo, World, bytes};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Runs `git` with this umask.
#[track_caller]
fn git(repo: &Repo, umask: &str, args: &str) {
    let line = format!("umask {umask}; exec git {args}");
    repo.user().call("sh", repo.path()).args(["-c", &line]).ok();
}

/// Modes of the files with one of these endings, and of the folders, below `dir`.
fn modes(dir: &Path, endings: &[&str]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut files, mut folders) = (BTreeSet::new(), BTreeSet::new());
    for entry in fs::read_dir(dir).expect("it is there").flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let mode = format!("{:o}", entry.metadata().expect("it is there").permissions().mode() & 0o7777);
        if path.is_dir() {
            folders.insert(mode);
            let (inner, below) = modes(&path, endings);
            files.extend(inner);
            folders.extend(below);
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            files.insert(mode);
        }
    }
    (files, folders)
}

/// The mode of one file or folder.
fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

#[test]
fn chunks_have_the_modes_of_gits_objects() {
    for (n, umask) in ["022", "077", "002"].into_iter().enumerate() {
        for shared in ["umask", "group", "all", "0640", "0660"] {
            let world = World::new();
            let ann = world.user("ann");
            let line = format!("umask {umask}; exec git init -q --shared={shared} project");
            ann.call("sh", &ann.at("")).args(["-c", &line]).ok();
            let repo = ann.repo("project");
            repo.git(&["dits", "track", "*.bin"]);
            repo.write("a.bin", &bytes(200_000, n as u64));
            git(&repo, umask, "add -A");
            git(&repo, umask, "commit -q -m one");
            let dits = repo.at(".git/dits");
            let (packs, folders) = modes(&dits, &[".pack", ".seg", "format"]);
            // Loose objects have no ending; all below two letters are.
            let (mut objects, mut their_folders) = (BTreeSet::new(), BTreeSet::new());
            for entry in fs::read_dir(repo.at(".git/objects")).unwrap().flatten() {
                if entry.file_name().len() == 2 {
                    their_folders.insert(format!("{:o}", mode(&entry.path())));
                    objects.extend(modes(&entry.path(), &[""]).0);
                }
            }
            assert_eq!(objects.len(), 1);
            assert_eq!((packs, folders), (objects, their_folders), "umask {umask}, shared {shared}");
            let writable = mode(&repo.at(".git/HEAD"));
            for lock in ["consolidate.lock", "users.lock"] {
                assert_eq!(mode(&dits.join(lock)), writable, "{lock}: umask {umask}, shared {shared}");
            }
        }
    }
}

#[test]
fn a_repository_that_becomes_shared_is_mended_by_the_next_write() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    repo.write("a.bin", &bytes(100_000, 1));
    git(&repo, "077", "add -A");
    let dits = repo.at(".git/dits");
    assert_eq!(mode(&dits) & 0o077, 0);
    repo.git(&["config", "core.sharedRepository", "group"]);
    repo.write("b.bin", &bytes(100_000, 2));
    git(&repo, "077", "add -A");
    for folder in ["", "objects", "index", "tmp"] {
        assert_eq!(mode(&dits.join(folder)), 0o2770, "'{folder}'");
    }
    for file in ["format", "consolidate.lock", "users.lock"] {
        assert_eq!(mode(&dits.join(file)) & 0o040, 0o040, "{file}");
    }
}
