//! What prune keeps, root by root, and what it takes: with a remote that has everything, the worst case.
//!
//! Contents that are old and pushed stand beside each root, so a test that keeps too much fails as well as one that
//! keeps too little. Contents are far apart unless sharing is meant.

#[path = "prune/random.rs"]
mod random;
#[path = "prune/world.rs"]
mod world;

use dits_repo::RepoError;
use dits_repo::prune::{self, Verify};
use dits_repo::roots::{Reason, Scope};
use dits_store::StoreError;
use std::fs;
use world::{DAY, World, oid, pointer, why};

/// Version 10 is old and pushed, 20 is checked out and pushed; the time is much later.
fn aged() -> World {
    aged_in(World::new())
}

fn aged_in(mut world: World) -> World {
    world.commit("a.bin", 10);
    world.commit("a.bin", 20);
    world.push("main");
    world.now += 100 * DAY;
    world
}

#[test]
fn old_versions_go_and_what_is_checked_out_stays() {
    let world = aged();
    let plan = world.plan(Scope::Usual, Verify::Keep, true);
    assert_eq!((plan.local, plan.kept.len(), plan.verified), (2, 1, 1));
    assert!(why(&plan, 20).has(Reason::CheckedOut) && why(&plan, 20).has(Reason::Staged));
    assert_eq!(world.whole([10, 20]), [10, 20], "a plan only looks");
    assert_eq!(world.carry_out(Scope::Usual, plan).unwrap(), 1);
    assert_eq!(world.whole([10, 20]), [20]);
    assert_eq!(world.prune(Scope::UnpushedOnly), 1, "--force takes it too: it is on the remote");
    assert_eq!(world.whole([10, 20]), [0; 0]);
}

#[test]
fn chunks_that_a_kept_content_shares_stay() {
    let mut world = aged();
    world.commit("a.bin", 21);
    world.push("main");
    world.now += 100 * DAY;
    assert_eq!(world.prune(Scope::Usual), 2);
    assert_eq!(world.whole([10, 20, 21]), [21]);
}

#[test]
fn what_is_recent_stays_for_days() {
    let mut world = aged();
    world.commit("a.bin", 30);
    world.commit("a.bin", 40);
    world.git(&["tag", "-am", "x", "release"]);
    world.push("main");
    world.git(&["checkout", "-q", "--detach", "HEAD~2"]);
    let plan = world.plan(Scope::Usual, Verify::Keep, true);
    assert!(why(&plan, 40).has(Reason::Recent) && why(&plan, 30).has(Reason::Reflog));
    assert_eq!(plan.prunable.len(), 1);
    assert_eq!(world.plan(Scope::NotRecent, Verify::Keep, true).prunable.len(), 3);
    world.now += 20 * DAY;
    assert_eq!(world.plan(Scope::Usual, Verify::Keep, true).prunable.len(), 3);
    world.git(&["config", "dits.fetchrecentrefsdays", "40"]);
    assert_eq!(world.plan(Scope::Usual, Verify::Keep, true).prunable.len(), 1);
    world.git(&["config", "dits.fetchrecentcommitsdays", "400"]);
    assert_eq!(world.plan(Scope::Usual, Verify::Keep, true).prunable.len(), 0);
}

#[test]
fn staged_content_that_no_commit_names_stays_whatever_is_asked() {
    let mut world = aged();
    world.add("staged.bin", 30);
    world.now += 100 * DAY;
    for scope in [Scope::Usual, Scope::NotRecent, Scope::UnpushedOnly] {
        assert!(why(&world.plan(scope, Verify::No, false), 30).has(Reason::Staged));
        world.prune(scope);
        assert_eq!(world.whole([30]), [30], "{scope:?}");
    }
}

#[test]
fn every_stash_stays_with_its_index_and_its_untracked_files() {
    let mut world = aged();
    for n in [30, 40] {
        world.add("a.bin", n);
        world.write_in("repo", "a.bin", n + 1000);
        world.write_in("repo", &format!("{n}.bin"), n + 2000);
        world.git(&["stash", "push", "-q", "-u"]);
        world.now += 100 * DAY;
    }
    let all = [30, 1030, 2030, 40, 1040, 2040];
    assert!(why(&world.plan(Scope::NotRecent, Verify::Keep, true), 30).has(Reason::Stashed));
    for scope in [Scope::Usual, Scope::NotRecent, Scope::UnpushedOnly] {
        world.prune(scope);
        assert_eq!(world.whole(all), all, "{scope:?}");
    }
    world.git(&["stash", "clear"]);
    world.prune(Scope::Usual);
    assert_eq!(world.whole(all), [0; 0], "with a remote that has them");
}

#[test]
fn unfinished_operations_keep_all_sides() {
    // Theirs is pushed, old and on no branch any more: only the operation names it.
    for (command, name) in
        [("merge", "MERGE_HEAD"), ("cherry-pick", "CHERRY_PICK_HEAD"), ("rebase", "REBASE_HEAD")]
    {
        let mut world = aged();
        world.commit("b.bin", 70);
        world.commit("b.bin", 80);
        world.push("main");
        world.git(&["checkout", "-q", "-b", "theirs", "HEAD~3"]);
        world.commit("a.bin", 30);
        world.git(&["push", "-q", "--no-verify", ".", "theirs:refs/remotes/origin/theirs"]);
        let (ours, theirs) = if command == "rebase" { ("theirs", "main") } else { ("main", "theirs") };
        world.git(&["checkout", "-q", ours]);
        assert!(!world.try_git_in("repo", &[command, theirs]).status.success(), "{command} has no conflict");
        world.git(&["rev-parse", "--verify", name]);
        world.now += 100 * DAY;
        // Resolved, and so no longer in the index's stages.
        world.add("a.bin", 50);
        world.prune(Scope::Usual);
        // Git's index keeps all three stages for `checkout --merge`.
        assert_eq!(world.whole([10, 20, 30, 50, 70, 80]), [10, 20, 30, 50, 80], "{command}");
    }
}

#[test]
fn other_worktrees_keep_theirs_even_when_their_disk_is_away() {
    let mut world = aged();
    world.git(&["worktree", "add", "-q", "--detach", "../linked", "HEAD~1"]);
    world.write_in("linked", "staged.bin", 30);
    world.git_in("linked", &["add", "staged.bin"]);
    world.now += 100 * DAY;
    world.prune(Scope::Usual);
    assert_eq!(world.whole([10, 20, 30]), [10, 20, 30]);
    world::remove(&world.path("linked"));
    world.prune(Scope::Usual);
    assert_eq!(world.whole([10, 20, 30]), [10, 20, 30]);
    world.git(&["worktree", "prune", "--expire=now"]);
    world.prune(Scope::Usual);
    assert_eq!(world.whole([10, 20, 30]), [20]);
}

#[test]
fn what_is_not_pushed_stays_on_branches_tags_notes_and_in_reflogs() {
    let mut world = aged();
    world.commit("a.bin", 30);
    world.git(&["branch", "old"]);
    world.commit("a.bin", 40);
    world.git(&["tag", "-am", "x", "v1"]);
    world.commit("a.bin", 50);
    world.git(&["reset", "-q", "--hard", "HEAD~3"]);
    world.write_in("repo", "note", 60);
    world.git(&["notes", "add", "-F", "note"]);
    fs::remove_file(world.path("repo/note")).unwrap();
    world.now += 1000 * DAY;
    let plan = world.plan(Scope::UnpushedOnly, Verify::No, false);
    assert!([30, 40, 50, 60].iter().all(|n| why(&plan, *n).has(Reason::Unpushed)));
    world.prune(Scope::Usual);
    assert_eq!(world.whole([10, 20, 30, 40, 50, 60]), [20, 30, 40, 50, 60]);
    // Another remote does not count.
    world.git(&["update-ref", "refs/remotes/backup/old", "old"]);
    world.git(&["update-ref", "refs/remotes/origin-2/old", "old"]);
    world.prune(Scope::Usual);
    assert!(world.is_whole(30));
    world.git(&["config", "dits.pruneremotetocheck", "backup"]);
    world.now += 100 * DAY;
    assert_eq!(world.prune(Scope::Usual), 1);
    assert!(!world.is_whole(30));
}

#[test]
fn other_shapes_of_repositories_have_the_same_roots() {
    for option in ["--object-format=sha256", "--ref-format=reftable", "--bare"] {
        // Git 2.39 has no reftable, and no worktree without a commit.
        let Some(world) = World::with(option) else { continue };
        if option == "--bare" {
            let add = ["worktree", "add", "-q", "--orphan", "-b", "main", "../linked"];
            if !world.try_git_in("repo", &add).status.success() {
                continue;
            }
            world.write_in("linked", "staged.bin", 60);
            world.git_in("linked", &["add", "staged.bin"]);
            world.write_in("repo", "loose", 70);
            assert_eq!((world.prune(Scope::Usual), world.whole([60, 70])), (1, vec![60]));
            continue;
        }
        let mut world = aged_in(world);
        world.git(&["checkout", "-q", "-b", "theirs", "HEAD~1"]);
        world.commit("a.bin", 30);
        world.commit("a.bin", 40);
        world.git(&["reset", "-q", "--hard", "HEAD~1"]);
        world.add("a.bin", 50);
        world.git(&["stash", "push", "-q"]);
        assert!(!world.try_git_in("repo", &["merge", "main"]).status.success());
        world.now += 100 * DAY;
        world.add("a.bin", 60);
        world.prune(Scope::Usual);
        assert_eq!(world.whole([20, 30, 40, 50, 60]), [20, 30, 40, 50, 60], "{option}");
        world.git(&["merge", "--abort"]);
        world.git(&["checkout", "-q", "main"]);
        world.now += 100 * DAY;
        world.prune(Scope::Usual);
        assert_eq!(world.whole([10, 20, 30, 40, 50, 60]), [20, 30, 40, 50], "{option}");
    }
}

#[test]
fn both_sides_of_a_pointer_with_conflict_markers_stay() {
    let world = aged();
    let text = [b"<<<<<<< HEAD\n", &pointer(30)[..], b"=======\n", &pointer(40), b">>>>>>> x\n"].concat();
    world.write_in("repo", "b.bin", 30);
    world.write_in("repo", "b.bin", 40);
    fs::write(world.path("repo/b.bin"), text).unwrap();
    world.git(&["add", "b.bin"]);
    world.prune(Scope::Usual);
    assert_eq!(world.whole([10, 30, 40]), [30, 40]);
}

#[test]
fn without_proof_nothing_goes_and_what_should_be_there_is_told_apart() {
    let world = aged();
    world.write_in("repo", "loose.bin", 30);
    let plan = world.plan(Scope::Usual, Verify::Keep, false);
    assert_eq!((plan.prunable.len(), plan.verified), (0, 0));
    assert_eq!(plan.missing.iter().map(|content| content.oid).collect::<Vec<_>>(), [oid(10)]);
    assert_eq!(plan.unproved.iter().map(|content| content.oid).collect::<Vec<_>>(), [oid(30)]);
    assert_eq!(world.plan(Scope::Usual, Verify::All, false).missing.len(), 2);
    let unreachable = world.plan(Scope::Usual, Verify::Reachable, false);
    assert_eq!((unreachable.prunable[0].oid, unreachable.missing.len()), (oid(30), 1));
    assert_eq!(world.plan(Scope::Usual, Verify::No, false).prunable.len(), 2);
    assert_eq!(world.prune(Scope::Usual), 2, "a remote that has it is proof enough");
}

#[test]
fn as_long_as_git_has_the_pointer_an_unproved_content_stays() {
    let world = aged();
    world.add("added.bin", 30);
    world.git(&["rm", "-q", "--cached", "added.bin"]);
    let plan = world.plan(Scope::Usual, Verify::No, false);
    assert_eq!(plan.unproved.iter().map(|content| content.oid).collect::<Vec<_>>(), [oid(30)]);
    let force = world.plan(Scope::UnpushedOnly, Verify::No, false);
    assert!(force.prunable.iter().any(|content| content.oid == oid(30)));
    world.git(&["prune", "--expire=now"]);
    assert!(world.plan(Scope::Usual, Verify::No, false).unproved.is_empty());
}

#[test]
fn what_is_needed_again_since_the_plan_stays() {
    let world = aged();
    world.write_in("repo", "loose.bin", 30);
    let plan = world.plan(Scope::Usual, Verify::No, false);
    assert_eq!(plan.prunable.len(), 2);
    // A `git add` of an old version, and a stash that is not a ref yet.
    world.git(&["hash-object", "-w", "loose.bin"]);
    fs::write(world.path("repo/b.bin"), pointer(10)).unwrap();
    world.git(&["add", "b.bin"]);
    assert_eq!(world.carry_out(Scope::Usual, plan).unwrap(), 0);
    assert_eq!(world.whole([10, 20, 30]), [10, 20, 30]);
}

#[test]
fn nothing_goes_while_another_process_relies_on_the_store() {
    let world = aged();
    let lease = world.store().lease().unwrap();
    let plan = world.plan(Scope::Usual, Verify::Keep, true);
    let refused = world.carry_out(Scope::Usual, plan);
    assert!(matches!(refused, Err(RepoError::Store(StoreError::Busy { .. }))), "{refused:?}");
    drop(lease);
    assert_eq!(world.prune(Scope::Usual), 1);
}

#[test]
fn a_broken_repository_keeps_everything() {
    let world = aged();
    let blob = world.git(&["rev-parse", "HEAD:a.bin"]);
    fs::remove_file(world.path("repo/.git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    let plan = prune::plan(
        &world.repository(),
        &world.store(),
        &world.rules(Scope::Usual),
        Verify::Keep,
        &mut |oids| Ok(vec![true; oids.len()]),
    );
    assert!(matches!(plan, Err(RepoError::Git { .. })), "{plan:?}");
}
