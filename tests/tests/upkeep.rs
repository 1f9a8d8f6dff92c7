//! Merging packs after a command, not in it: `git dits gc --auto`, started as Git starts its own.
//!
//! The users of these tests have `gc.auto` = 0, which turns it off; where it is wanted the test says so.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use dits_tests::{Repo, World, bytes, run::wait_for};
use std::fs;

fn packs(repo: &Repo) -> usize {
    let folders = fs::read_dir(repo.at(".git/dits/objects")).unwrap().flatten();
    folders.map(|folder| fs::read_dir(folder.path()).unwrap().count()).sum()
}

/// Adds files of which each makes a pack that is too large to be merged while Git waits.
fn add(repo: &Repo, numbers: std::ops::Range<u64>) {
    for n in numbers {
        let name = format!("{n}.bin");
        repo.write(&name, &bytes(1_200_000, n));
        repo.git(&["add", &name, ".gitattributes"]);
    }
}

fn is_whole(repo: &Repo) {
    repo.commit("all");
    for n in 0..9 {
        fs::remove_file(repo.at(&format!("{n}.bin"))).unwrap();
    }
    repo.git(&["checkout", "--", "."]);
    (0..9).for_each(|n| repo.holds(format!("{n}.bin"), &bytes(1_200_000, n)));
    repo.is_sound();
}

#[test]
fn what_piled_up_is_merged_when_asked_for_and_not_before() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    add(&repo, 0..9);
    assert_eq!(packs(&repo), 9, "turned off");
    let ran = repo.git(&["dits", "gc", "--auto"]);
    assert_eq!((ran.text().as_str(), packs(&repo) < 9), ("", true));
    is_whole(&repo);
}

#[test]
fn an_add_returns_and_leaves_the_merge_to_a_process_of_its_own() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    add(&repo, 0..8);
    repo.git(&["config", "gc.auto", "6700"]);
    repo.git(&["config", "maintenance.auto", "true"]);
    add(&repo, 8..9);
    wait_for("the merge in the background", || packs(&repo) < 9 && repo.leftovers().is_empty());
    is_whole(&repo);
}
