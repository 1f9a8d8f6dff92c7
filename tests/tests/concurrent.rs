//! Several programs in one repository at once: editors run `git status` while a person checks out.
//!
//! One of them is stopped (SIGSTOP) in the middle of its work, so that the others meet it there for sure.

use dits_tests::{Repo, Started, World, bytes, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;

/// Many small files: for each there is a temporary one until all are in place.
const FILES: u64 = 400;
/// Tries to meet a program in the middle before giving up.
const TRIES: usize = 50;

fn name(seed: u64) -> String {
    format!("{seed}.bin")
}

fn with_many(world: &World) -> Repo {
    let repo = world.user("ann").init("project");
    for seed in 0..FILES {
        repo.write(name(seed), &bytes(20_000, seed));
    }
    repo.commit("many");
    repo
}

/// Starts `git dits hydrate` for all files, and stops it when it has written some but placed none.
#[track_caller]
fn stopped_hydration(repo: &Repo) -> (Started, Pid) {
    for _ in 0..TRIES {
        for seed in 0..FILES {
            let _ = fs::remove_file(repo.at(&name(seed)));
        }
        repo.with_env("GIT_DITS_SKIP_SMUDGE", "1").git(&["checkout", "--", "."]);
        let mut hydrate = repo.call(&["dits", "hydrate"]).start();
        wait_for("the first files", || repo.leftovers().len() > 3 || hydrate.has_ended());
        let Some(pid) = hydrate.parts("hydrate").first().copied() else { continue };
        let _ = kill_process(pid, Signal::STOP);
        if repo.leftovers().len() > 3 && repo.read(name(0)).starts_with(b"version git-dits/1\n") {
            return (hydrate, pid);
        }
        let _ = kill_process(pid, Signal::CONT);
        hydrate.wait();
    }
    panic!("hydration was never met in the middle");
}

#[track_caller]
fn all_are_there(repo: &Repo) {
    for seed in 0..FILES {
        repo.holds(name(seed), &bytes(20_000, seed));
    }
    repo.is_clean_at_once();
    assert_eq!(repo.leftovers(), [""; 0]);
}

#[test]
fn another_program_leaves_the_files_of_a_running_one_alone() {
    let world = World::new();
    let repo = with_many(&world);
    let (hydrate, pid) = stopped_hydration(&repo);
    repo.git(&["dits", "fsck"]);
    repo.status();
    kill_process(pid, Signal::CONT).unwrap();
    let ran = hydrate.wait();
    assert_eq!(ran.code, Some(0), "{ran}");
    all_are_there(&repo);
}

#[test]
fn what_a_killed_hydration_leaves_is_swept() {
    let world = World::new();
    let repo = with_many(&world);
    let (mut hydrate, _) = stopped_hydration(&repo);
    hydrate.kill();
    assert!(!repo.leftovers().is_empty(), "it was killed too late to say anything");
    repo.is_clean();
    repo.git(&["dits", "hydrate"]);
    all_are_there(&repo);
}

#[test]
fn an_edit_during_hydration_is_kept() {
    let world = World::new();
    let repo = with_many(&world);
    let (hydrate, pid) = stopped_hydration(&repo);
    repo.write(name(7), b"mine");
    kill_process(pid, Signal::CONT).unwrap();
    assert_eq!(hydrate.wait().code, Some(0));
    repo.holds(name(7), b"mine");
    assert_eq!(repo.status(), " M 7.bin\n");
    repo.holds(name(8), &bytes(20_000, 8));
}

#[test]
fn many_adds_at_once_lose_nothing() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    let name = |seed: u64| format!("{seed}.bin");
    for seed in 0..8 {
        repo.write(name(seed), &bytes(400_000, seed));
    }
    let hash = |seed| repo.call(&["hash-object", "-w", &name(seed)]).start();
    let started: Vec<_> = (0..8).map(hash).collect();
    for started in started {
        let ran = started.wait();
        assert_eq!(ran.code, Some(0), "{ran}");
    }
    repo.commit("all");
    for seed in 0..8 {
        fs::remove_file(repo.at(&name(seed))).unwrap();
    }
    repo.git(&["checkout", "--", "."]);
    for seed in 0..8 {
        repo.holds(name(seed), &bytes(400_000, seed));
    }
    repo.is_sound();
}
