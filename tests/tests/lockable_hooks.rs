//! Hooks see to lockable files that no filter sees, and what stops a change of many modes in the middle.

use dits_tests::lockable::{ATTRIBUTES, hold, mode, modes, project};
use dits_tests::{Repo, Started, World, bytes, gits, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// So many that changing them takes a while.
const MANY: usize = 2000;
/// Tries to meet a program in the middle before giving up.
const TRIES: usize = 50;

#[test]
fn hooks_see_to_files_that_are_not_managed() {
    let world = World::new();
    for (n, git) in gits(&world).iter().enumerate() {
        let repo = project(&git.used_by(&world.user(&format!("ann{n}"))));
        repo.git(&["dits", "update"]);
        let plain = |mode: u32| {
            modes(&repo, &[("x.plain", mode)]);
            assert_eq!(repo.user().filter_starts(|| repo.is_clean()), 0);
        };
        // What is committed without a lock is not to be written again, managed or not.
        repo.write("new.bin", &bytes(3000, 1));
        repo.write("new.plain", b"1\n");
        repo.write("free.dat", &bytes(3000, 2));
        repo.commit("new");
        modes(&repo, &[("new.bin", 0o444), ("new.plain", 0o444), ("free.dat", 0o644), ("x.plain", 0o644)]);
        repo.is_clean_at_once();
        repo.git(&["dits", "doctor", "--fix"]);
        plain(0o444);
        repo.git(&["switch", "-q", "-c", "side"]);
        repo.write("x.plain", b"side\n");
        repo.commit("side");
        plain(0o444);
        repo.git(&["switch", "-q", "main"]);
        plain(0o444);
        repo.git(&["merge", "-q", "side"]);
        plain(0o444);
        repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
        repo.write("y.plain", b"y\n");
        repo.commit("y");
        repo.git(&["merge", "-q", "-m", "merged", "side"]);
        plain(0o444);
        repo.git(&["switch", "-q", "-c", "base", "HEAD^1"]);
        repo.git(&["rebase", "-q", "side"]);
        plain(0o444);
        modes(&repo, &[("y.plain", 0o444)]);
        fs::remove_file(repo.at("x.plain")).unwrap();
        repo.git(&["checkout", "--", "x.plain"]);
        plain(0o444);
        hold(&repo, "x.plain");
        repo.git(&["switch", "-q", "main"]);
        repo.git(&["checkout", "-q", "HEAD^1"]);
        plain(0o644);
        repo.write("x.plain", b"mine\n");
        repo.commit("mine");
        plain(0o644);
    }
}

#[test]
fn hooks_come_where_something_is_lockable() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    let hooks = || dits_tests::repo::files_in(&repo.at(".git/hooks"));
    for sample in hooks() {
        fs::remove_file(repo.at(".git/hooks").join(sample)).unwrap();
    }
    repo.git(&["dits", "update"]);
    assert_eq!(hooks(), ["pre-commit", "pre-push"]);
    let willing = repo.with_env("GIT_DITS_TRACK_NO_INSTALL_HOOKS", "0");
    willing.git(&["dits", "track", "--lockable", "*.psd"]).says_nothing();
    assert_eq!(hooks(), ["post-checkout", "post-commit", "post-merge", "pre-commit", "pre-push"]);
    // A commit in which nothing is lockable asks Git for little.
    repo.write(".gitattributes", b"[attr]dits filter=dits diff=dits -merge -text\n*.bin dits\n");
    repo.write("a.txt", b"text\n");
    repo.git(&["add", "-A"]);
    let watch = repo.watch(|| drop(repo.git(&["dits", "post-commit"]).says_nothing()));
    assert_eq!(watch.git_commands, ["_run_dashed_", "rev-parse", "config"]);
    repo.git(&["commit", "-q", "-m", "first"]).says_nothing();
    let watch =
        repo.watch(|| drop(repo.git(&["dits", "post-checkout", &repo.id("HEAD"), &repo.id("HEAD"), "1"])));
    assert!(!watch.git_commands.contains(&"config".to_owned()), "{watch:?}");
    // Another hook stays, and its failure is its own.
    repo.write(".git/hooks/post-checkout", b"#!/bin/sh\nexit 3\n");
    repo.make_executable(".git/hooks/post-checkout");
    repo.write(".gitattributes", ATTRIBUTES);
    repo.git_fails(&["dits", "update"]).says(&["Hook already exists: post-checkout"]);
    repo.git(&["dits", "update", "--force"]);
    repo.git_fails(&["switch", "-q", "-c", "side"]);
    repo.git(&["dits", "uninstall", "--local"]);
    assert_eq!(hooks(), ["post-checkout"]);
    repo.holds(".git/hooks/post-checkout", b"#!/bin/sh\nexit 3\n");
}

/// A repository with very many plain lockable files, all writable.
fn many(world: &World) -> Repo {
    let repo = world.user("ann").init("project");
    repo.write(".gitattributes", ATTRIBUTES);
    for number in 0..MANY {
        repo.write(format!("{number:04}.plain"), b"text\n");
    }
    repo.commit("many");
    repo
}

fn read_only(repo: &Repo) -> usize {
    (0..MANY).filter(|number| mode(repo, &format!("{number:04}.plain")) == 0o444).count()
}

/// Starts `doctor --fix` and stops it when it has changed some modes and not all.
#[track_caller]
fn stopped_fix(repo: &Repo) -> (Started, Pid) {
    for _ in 0..TRIES {
        let mut fix = repo.call(&["dits", "doctor", "--fix"]).start();
        let first = || mode(repo, "0000.plain") == 0o444;
        wait_for("the first file", || first() || fix.has_ended());
        let Some(pid) = fix.parts("doctor").first().copied() else { continue };
        let _ = kill_process(pid, Signal::STOP);
        if mode(repo, &format!("{:04}.plain", MANY - 1)) == 0o644 {
            return (fix, pid);
        }
        let _ = kill_process(pid, Signal::CONT);
        fix.wait();
        for number in 0..MANY {
            let file = repo.at(&format!("{number:04}.plain"));
            fs::set_permissions(file, fs::Permissions::from_mode(0o644)).expect("a mode can be set");
        }
        repo.status();
    }
    panic!("doctor was never met in the middle");
}

#[test]
fn ctrl_c_waits_until_all_are_changed() {
    let world = World::in_memory();
    let repo = many(&world);
    let (fix, pid) = stopped_fix(&repo);
    fix.interrupt();
    let _ = kill_process(pid, Signal::CONT);
    let ran = fix.wait();
    assert_ne!(ran.code, Some(0), "{ran}");
    assert_eq!(read_only(&repo), MANY);
    assert!(!repo.at(".git/index.lock").exists());
    repo.is_clean_at_once();
}

#[test]
fn a_killed_change_is_completed_by_the_next() {
    let world = World::in_memory();
    let repo = many(&world);
    let (mut fix, _) = stopped_fix(&repo);
    fix.kill();
    let before = read_only(&repo);
    assert!((1..MANY).contains(&before), "{before}");
    let told = repo.git_fails(&["dits", "doctor", "--fix"]);
    assert!(told.text().contains("remove that file"), "{told}");
    assert_eq!(read_only(&repo), before);
    fs::remove_file(repo.at(".git/index.lock")).unwrap();
    repo.git(&["dits", "doctor", "--fix"]);
    assert_eq!(read_only(&repo), MANY);
    repo.is_clean();
    repo.is_clean_at_once();
}
