//! Pruning with a real server: what goes, what stays, what comes back, and what is refused.
//!
//! Users' commits and reflogs are years old here, so nothing is kept for being recent unless a story says so. The
//! rules are tested one by one in `repo/tests/prune.rs`; here it is about the words, the remote's proof, and
//! that nothing which Git can still ask for is lost.

use dits_tests::{Repo, Server, World, bytes, wait_for};
use std::fs;
use std::io::Write;

const URL: &str = "team/project";

/// Two versions of a file, both pushed.
fn pushed(world: &World, server: &Server) -> Repo {
    let repo = world.user("ann").init("project");
    repo.write("a.bin", &bytes(400_000, 1));
    repo.commit("one");
    repo.write("a.bin", &bytes(300_000, 2));
    repo.commit("two");
    repo.publish(&server.url(URL));
    repo
}

/// What `git dits prune` prints, with these arguments.
#[track_caller]
fn prune(repo: &Repo, args: &[&str]) -> String {
    repo.git(&[&["dits", "prune"], args].concat()).text()
}

#[track_caller]
fn hydrates(repo: &Repo, revision: &str, name: &str, content: &[u8]) {
    fs::remove_file(repo.at(name)).expect("it is there");
    repo.git(&["checkout", "-q", revision, "--", name]);
    repo.holds(name, content);
}

#[test]
fn an_old_version_goes_and_comes_back_from_the_remote() {
    let world = World::new();
    let server = world.server();
    let repo = pushed(&world, &server);
    let first = "prune: 2 local objects, 1 retained, 1 verified with remote, done.\n";
    let dry = format!("{first}prune: 1 file would be pruned (400 KB), done.\n");
    assert_eq!(prune(&repo, &["--dry-run"]), dry);
    let oid = blake3(&bytes(400_000, 1));
    let verbose = prune(&repo, &["-d", "-v"]);
    assert!(verbose.starts_with(&format!("{dry} * {oid} (400 KB)\nprune: kept ")), "{verbose}");
    assert!(verbose.ends_with("(300 KB): checked out, in the index\n"), "{verbose}");
    let ran = repo.git(&["dits", "prune"]);
    assert_eq!(ran.text(), format!("{first}prune: Deleting objects: 100% (1/1), done.\n"));
    ran.says(&["hint: 'git dits prune --restore' brings them back, for 14 day(s)"]);
    repo.is_sound();
    repo.is_clean_at_once();
    assert_eq!(prune(&repo, &[]), "prune: 1 local object, 1 retained, done.\n");
    hydrates(&repo, "HEAD~1", "a.bin", &bytes(400_000, 1));
    hydrates(&repo, "HEAD", "a.bin", &bytes(300_000, 2));
}

#[test]
fn a_fetch_can_end_with_it() {
    let world = World::new();
    let server = world.server();
    let repo = pushed(&world, &server);
    let lines = "prune: 2 local objects, 1 retained, 1 verified with remote, done.\nprune: ";
    let forced = repo.with_env("GIT_DITS_FORCE_PROGRESS", "1");
    let dry = repo.git(&["dits", "fetch", "--prune", "--dry-run"]).text();
    assert!(dry.contains(&format!("{lines}1 file would be pruned (400 KB), done.\n")), "{dry}");
    let ran =
        forced.git(&["dits", "fetch", "-p"]).says(&["\rPruning DITS objects: 100%, ", "/s, done.\n"]).text();
    assert!(ran.ends_with(&format!("{lines}Deleting objects: 100% (1/1), done.\n")), "{ran}");
}

fn blake3(content: &[u8]) -> String {
    dits_format::Oid::of(content).to_string()
}

#[test]
fn the_trash_brings_it_back_without_any_remote() {
    let world = World::new();
    let mut server = world.server();
    let repo = pushed(&world, &server);
    prune(&repo, &[]);
    server.stop();
    let du = repo.git(&["dits", "du"]).text();
    assert!(du.contains("trash") && du.contains("git dits prune --restore"), "{du}");
    assert!(prune(&repo, &["--restore"]).starts_with("prune: 1 pack(s) restored (40"));
    assert_eq!(prune(&repo, &["--restore"]), "prune: nothing to restore, done.\n");
    hydrates(&repo, "HEAD~1", "a.bin", &bytes(400_000, 1));
    repo.is_sound();

    // The index has the old version now, and would keep it.
    repo.git(&["reset", "-q", "--hard"]);
    prune(&repo, &["--no-verify-remote"]);
    let gc = repo.git(&["dits", "gc", "--empty-trash"]).text();
    assert!(gc.starts_with("gc: 40") && gc.contains(" of trash deleted, done.\n"), "{gc}");
    assert_eq!(prune(&repo, &["--restore"]), "prune: nothing to restore, done.\n");
    assert!(packed(&repo) < 310_000, "{} bytes are still there", packed(&repo));
    repo.is_sound();
}

/// Bytes below the store's folder.
fn packed(repo: &Repo) -> u64 {
    fn sum(folder: &std::path::Path) -> u64 {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| {
                if entry.path().is_dir() {
                    sum(&entry.path())
                } else {
                    entry.metadata().map_or(0, |meta| meta.len())
                }
            })
            .sum()
    }
    sum(&repo.store())
}

#[test]
fn nothing_goes_without_proof() {
    let world = World::new();
    let mut server = world.server();
    let repo = pushed(&world, &server);
    // Content that was added and forgotten is on no remote, and in nobody's way.
    repo.write("loose.bin", &bytes(100_000, 3));
    repo.git(&["add", "loose.bin"]);
    repo.git(&["rm", "-q", "--cached", "loose.bin"]);
    let all = "prune: 3 local objects, 2 retained, 1 verified with remote, 1 not on remote, done.\n";
    assert!(prune(&repo, &["--dry-run"]).starts_with(all));
    repo.git_fails(&["dits", "prune", "--verify-unreachable"]).says(&["are missing on remote:"]);

    server.stop();
    let ran = repo.git_fails(&["dits", "prune", "--force"]);
    assert_eq!(ran.code, Some(2));
    ran.says(&["error: cannot verify what the remote holds", "hint: "]);
    // A server that lost what was pushed: that is a fault, and nothing goes.
    fs::remove_dir_all(server.store("team")).unwrap();
    server.restart();
    let ran = repo.git_fails(&["dits", "prune", "--recent"]);
    assert_eq!(ran.code, Some(2));
    ran.says(&["These objects to be pruned are missing on remote:", &blake3(&bytes(400_000, 1)), "hint: "]);
    prune(&repo, &["--when-unverified=continue"]);
    hydrates(&repo, "HEAD~1", "a.bin", &bytes(400_000, 1));
    hydrates(&repo, "HEAD", "a.bin", &bytes(300_000, 2));
    repo.git(&["dits", "prune", "--no-verify-remote"]);
    repo.is_sound();
}

#[test]
fn stashed_and_staged_content_is_whole_after_every_prune() {
    let world = World::new();
    let server = world.server();
    let repo = pushed(&world, &server);
    repo.write("a.bin", &bytes(200_000, 5));
    repo.write("new.bin", &bytes(200_000, 6));
    repo.git(&["stash", "push", "-q", "-u"]);
    repo.write("staged.bin", &bytes(200_000, 7));
    repo.git(&["add", "staged.bin"]);
    fs::remove_file(repo.at("staged.bin")).unwrap();
    for args in
        [&["--no-verify-remote"][..], &["--no-verify-remote", "--recent"], &["--no-verify-remote", "--force"]]
    {
        prune(&repo, &[args, &["--no-verify-unreachable", "--no-trash"]].concat());
    }
    repo.git(&["checkout", "--", "staged.bin"]);
    repo.holds("staged.bin", &bytes(200_000, 7));
    repo.git(&["stash", "pop", "-q"]);
    repo.holds("a.bin", &bytes(200_000, 5));
    repo.holds("new.bin", &bytes(200_000, 6));
    repo.is_sound();
}

#[test]
fn while_a_filter_stores_nothing_goes_and_what_it_stores_is_whole() {
    let world = World::new();
    let server = world.server();
    let repo = pushed(&world, &server);
    // It begins with the version that is to go, so the filter finds those chunks here and skips them.
    let content = [bytes(400_000, 1), bytes(2_000_000, 8)].concat();
    let mut hash = repo.call(&["hash-object", "-w", "--stdin", "--path=b.bin"]).start();
    let mut pipe = hash.stdin.take().unwrap();
    pipe.write_all(&content[..2_000_000]).unwrap();
    wait_for("a pack that grows", || !repo.leftovers().is_empty());
    let ran = repo.git_fails(&["dits", "prune", "--no-trash"]);
    assert_eq!(ran.code, Some(2));
    ran.says(&["is in use by another process", "hint: try again"]);
    pipe.write_all(&content[2_000_000..]).unwrap();
    drop(pipe);
    let ran = hash.wait();
    assert_eq!(ran.code, Some(0), "{ran}");
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{},b.bin", ran.line())]);
    assert!(prune(&repo, &["--no-trash"]).contains("(1/1)"));
    repo.git(&["checkout", "--", "b.bin"]);
    repo.holds("b.bin", &content);
    repo.is_sound();
}

#[test]
fn a_prune_that_is_killed_is_a_prune_that_goes_on_later() {
    let world = World::new();
    let server = world.server();
    let repo = world.user("ann").init("project");
    for seed in 0..40 {
        repo.write(format!("{seed}.bin"), &bytes(200_000, seed));
        repo.git(&["add", "-A"]);
    }
    repo.commit("old");
    repo.write("0.bin", &bytes(50_000, 100));
    repo.git(&["rm", "-q", "[1-9]*.bin"]);
    repo.commit("new");
    repo.publish(&server.url(URL));
    let trash = repo.store().join("trash");
    let mut killed = repo.call(&["dits", "prune"]).start();
    wait_for("the trash, or the end", || trash.exists() || killed.has_ended());
    killed.kill();
    repo.is_sound();
    hydrates(&repo, "HEAD", "0.bin", &bytes(50_000, 100));
    prune(&repo, &[]);
    assert_eq!(prune(&repo, &[]), "prune: 1 local object, 1 retained, done.\n");
    prune(&repo, &["--restore"]);
    for seed in 0..40 {
        repo.git(&["checkout", "-q", "HEAD~1", "--", &format!("{seed}.bin")]);
        repo.holds(format!("{seed}.bin"), &bytes(200_000, seed));
    }
    repo.is_sound();
}

#[test]
fn odd_places_and_words_are_told_apart() {
    let world = World::new();
    let ann = world.user("ann");
    let repo = ann.init("project");
    assert_eq!(prune(&repo, &[]), "prune: 0 local objects, 0 retained, done.\n");
    assert!(prune(&repo, &["--json"]).contains("\"local\": 0"));
    // Nothing pushed: all is kept, and nobody is asked.
    repo.write("a.bin", &bytes(1000, 1));
    repo.git(&["add", "-A"]);
    assert_eq!(prune(&repo, &["--force"]), "prune: 1 local object, 1 retained, done.\n");
    assert_eq!(repo.git_fails(&["dits", "prune", "--when-unverified=maybe"]).code, Some(127));
    assert_eq!(repo.git_fails(&["dits", "prune", "-c", "--no-verify-remote"]).code, Some(127));
    let outside = world.folder("outside");
    assert_eq!(ann.call("git", &outside).args(["dits", "prune"]).fails().code, Some(128));
    repo.git(&["config", "dits.trashdays", "soon"]);
    repo.git(&["config", "dits.pruneoffsetdays", "soon"]);
    repo.git_fails(&["dits", "prune"]).says(&["dits.pruneoffsetdays"]);
}

#[test]
fn packing_anew_makes_it_smaller_and_keeps_all() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    let text = |seed: u64| format!("{seed} a line of a large text file\n").repeat(20_000).into_bytes();
    // As packs were made before chunks were compressed where they are added.
    repo.git(&["config", "dits.compression", "off"]);
    for seed in 0..5 {
        repo.write(format!("{seed}.bin"), &text(seed));
        repo.git(&["add", "-A"]);
    }
    repo.commit("texts");
    let before = packed(&repo);
    let dry = repo.git(&["dits", "gc", "--dry-run"]).text();
    assert!(dry.contains("would be packed anew"), "{dry}");
    assert_eq!(packed(&repo), before, "a dry run changes nothing");
    let done = repo.git(&["dits", "gc"]).text();
    assert!(done.contains("5 pack(s), now ") && done.ends_with("in 1 pack(s), done.\n"), "{done}");
    assert!(packed(&repo) * 10 < before, "{} of {before} left", packed(&repo));
    assert!(repo.git(&["dits", "gc"]).text().ends_with("nothing to do, done.\n"));
    repo.git(&["dits", "gc", "--aggressive", "--json"]).says(&[]);
    for seed in 0..5 {
        hydrates(&repo, "HEAD", &format!("{seed}.bin"), &text(seed));
    }
    repo.is_sound();
}

/// For those whose disk is small: with everything pushed, the store need not stand beside the working tree.
#[test]
fn a_clone_can_be_as_small_as_its_files() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    for seed in 0..5 {
        ann.write(format!("{seed}.bin"), &bytes(1_000_000, seed));
    }
    ann.commit("files");
    ann.publish(&server.url(URL));
    let clone = world.user("bob").clone_from(&server.url(URL), "clone");
    assert!(packed(&clone) > 5_000_000, "the clone has its own copy");
    // What is checked out stays without --force.
    assert_eq!(prune(&clone, &["--no-trash"]), "prune: 5 local objects, 5 retained, done.\n");
    let all = "prune: 5 local objects, 0 retained, 5 verified with remote, done.\n";
    assert!(prune(&clone, &["--force", "--no-trash"]).starts_with(all));
    assert!(packed(&clone) < 500_000, "{} bytes are still there", packed(&clone));
    clone.is_clean_at_once();
    for seed in 0..5 {
        clone.holds(format!("{seed}.bin"), &bytes(1_000_000, seed));
        fs::remove_file(clone.at(&format!("{seed}.bin"))).unwrap();
    }
    clone.git(&["checkout", "--", "."]);
    for seed in 0..5 {
        clone.holds(format!("{seed}.bin"), &bytes(1_000_000, seed));
    }
    clone.is_sound();
}
