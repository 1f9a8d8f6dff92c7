//! What programs built on libgit2 see of a repository, and what they do to it. They run no filters.
//!
//! Facts, not wishes: a file that we hydrated is clean to them, what they check out is a pointer, and what they add
//! is raw content. The last must not go unnoticed, and no index that they write may trouble us.

use dits_tests::{Repo, World, bytes, pointer};
use git2::build::CheckoutBuilder;
use git2::{Oid, Repository, Signature, StatusOptions};
use std::path::Path;

/// `main` has a.bin (1) and keep.bin (2); `other` has a.bin (3).
fn project(world: &World) -> Repo {
    let repo = world.user("ann").init("project");
    // libgit2 reads the configuration of whoever runs the tests; only this could matter.
    repo.git(&["config", "core.autocrlf", "false"]);
    repo.write("a.bin", &bytes(50_000, 1));
    repo.write("keep.bin", &bytes(60_000, 2));
    repo.commit("base");
    repo.git(&["switch", "-q", "-c", "other"]);
    repo.write("a.bin", &bytes(50_000, 3));
    repo.commit("other");
    repo.git(&["switch", "-q", "main"]);
    repo
}

fn open(repo: &Repo) -> Repository {
    Repository::open(repo.path()).expect("libgit2 can open a repository")
}

/// Paths that are not clean to libgit2.
#[track_caller]
fn changed(libgit2: &Repository) -> Vec<String> {
    let mut options = StatusOptions::new();
    let statuses = libgit2.statuses(Some(options.include_untracked(true))).expect("it can tell");
    statuses.iter().map(|entry| entry.path().unwrap_or_default().to_owned()).collect()
}

/// Checks a branch out as an editor would.
fn check_out(libgit2: &Repository, branch: &str) {
    let name = format!("refs/heads/{branch}");
    let tree = libgit2.revparse_single(&name).expect("there is such a branch");
    libgit2.checkout_tree(&tree, Some(CheckoutBuilder::new().safe())).expect("nothing is in the way");
    libgit2.set_head(&name).expect("HEAD can be set");
}

/// Adds a file and commits it, and returns its blob.
fn commit(libgit2: &Repository, name: &str) -> Oid {
    let mut index = libgit2.index().expect("there is an index");
    index.add_path(Path::new(name)).expect("a file can be added");
    index.write().expect("the index can be written");
    let tree = libgit2.find_tree(index.write_tree().expect("a tree can be written")).expect("it is there");
    let who = Signature::new("gui", "gui@example.org", &git2::Time::new(1_600_000_000, 0)).expect("a name");
    let parent = libgit2.head().and_then(|head| head.peel_to_commit()).expect("there is a commit");
    libgit2.commit(Some("HEAD"), &who, &who, "by libgit2", &tree, &[&parent]).expect("it can commit");
    index.get_path(Path::new(name), 0).expect("it was added").id
}

#[test]
fn hydrated_files_are_clean_to_it() {
    let world = World::new();
    let repo = project(&world);
    assert_eq!(changed(&open(&repo)), [""; 0]);
    repo.git(&["switch", "-q", "other"]);
    assert_eq!(changed(&open(&repo)), [""; 0]);
    repo.write("a.bin", &bytes(50_001, 4));
    assert_eq!(changed(&open(&repo)), ["a.bin"]);
}

#[test]
fn it_checks_out_pointers_which_hydrate_completes() {
    let world = World::new();
    let repo = project(&world);
    let libgit2 = open(&repo);
    check_out(&libgit2, "other");
    repo.is_ghost("a.bin");
    repo.holds("keep.bin", &bytes(60_000, 2));
    assert_eq!(changed(&libgit2), [""; 0]);
    repo.is_clean();
    repo.git(&["dits", "hydrate"]);
    repo.holds("a.bin", &bytes(50_000, 3));
    repo.is_clean_at_once();
    assert_eq!(changed(&open(&repo)), [""; 0]);
    // And it does not take what we put there for its own unchanged pointer.
    check_out(&open(&repo), "main");
    repo.is_ghost("a.bin");
    repo.is_clean();
}

#[test]
fn it_commits_raw_content_which_fsck_finds_and_renormalize_mends() {
    let world = World::new();
    let repo = project(&world);
    repo.write("a.bin", &bytes(70_000, 5));
    let blob = commit(&open(&repo), "a.bin");
    assert_eq!(repo.git(&["cat-file", "-s", &blob.to_string()]).line(), "70000");
    let found = repo.call(&["dits", "fsck", "--pointers"]).run();
    assert_eq!(found.code, Some(1), "{found}");
    assert!(found.text().contains("\"a.bin\""), "{found}");
    let guard = repo.call(&["dits", "check", "HEAD~1..HEAD"]).run();
    assert_eq!(guard.code, Some(1), "{guard}");
    assert!(guard.text().starts_with("'a.bin' (commit "), "{guard}");
    assert!(!found.text().contains("keep.bin"), "{found}");
    repo.git(&["add", "--renormalize", "."]);
    assert_eq!(repo.git(&["cat-file", "blob", ":a.bin"]).stdout, pointer::of(&bytes(70_000, 5)));
    repo.git(&["commit", "-q", "-m", "mended"]);
    repo.git(&["dits", "fsck", "--pointers"]);
    repo.holds("a.bin", &bytes(70_000, 5));
}

#[test]
fn an_index_that_it_wrote_is_one_we_can_patch() {
    let world = World::new();
    let repo = project(&world);
    repo.write("text.txt", b"text\n");
    repo.git(&["add", "text.txt"]);
    repo.write("text.txt", b"more text\n");
    commit(&open(&repo), "text.txt");
    // All entries are its own copy now, with the stat data of files that it never read.
    repo.is_clean_at_once();
    repo.git(&["switch", "-q", "other"]);
    repo.holds("a.bin", &bytes(50_000, 3));
    repo.is_clean_at_once();
    repo.git(&["switch", "-q", "main"]);
    repo.holds("a.bin", &bytes(50_000, 1));
    repo.is_clean_at_once();
    repo.is_sound();
}
