//! Every way in which Git writes into a working tree leaves content there, and an index that agrees.
//!
//! "Agrees" is meant strictly: the next `git status` is clean and reads no file at all. Otherwise each status in a
//! repository of large files would take as long as reading them.

use dits_tests::{Repo, User, World, bytes};
use std::fs;
use std::sync::LazyLock;

static ONE: LazyLock<Vec<u8>> = LazyLock::new(|| bytes(400_000, 1));
static TWO: LazyLock<Vec<u8>> = LazyLock::new(|| bytes(500_000, 2));
static THREE: LazyLock<Vec<u8>> = LazyLock::new(|| bytes(300_000, 3));
static SMALL: LazyLock<Vec<u8>> = LazyLock::new(|| bytes(50, 4));

/// `main` has a.bin (one) and keep.bin; `other`, from there, has a.bin (two), new.bin and no small.bin.
fn two_branches(user: &User) -> Repo {
    let repo = user.init("project");
    repo.write("a.bin", &ONE);
    repo.write("keep.bin", &THREE);
    repo.write("small.bin", &SMALL);
    repo.write("text.txt", b"one\n");
    repo.commit("base");
    repo.git(&["switch", "-q", "-c", "other"]);
    repo.write("a.bin", &TWO);
    repo.write("dir/new.bin", &THREE);
    repo.write("text.txt", b"two\n");
    fs::remove_file(repo.at("small.bin")).expect("it is there");
    repo.commit("other");
    repo.git(&["switch", "-q", "main"]);
    repo
}

/// Asserts the content of `a.bin` and of what never changes, and that the index agrees with all of it.
#[track_caller]
fn settled(repo: &Repo, a: &[u8]) {
    repo.is_clean_at_once();
    repo.holds("a.bin", a);
    repo.holds("keep.bin", &THREE);
    repo.is_clean_at_once();
}

#[test]
fn switching_back_and_forth() {
    let world = World::new();
    let repo = two_branches(&world.user("ann"));
    for _ in 0..2 {
        repo.git(&["switch", "-q", "other"]);
        settled(&repo, &TWO);
        repo.holds("dir/new.bin", &THREE);
        assert!(!repo.at("small.bin").exists());
        repo.git(&["checkout", "-q", "main"]);
        settled(&repo, &ONE);
        repo.holds("small.bin", &SMALL);
    }
    repo.git(&["checkout", "-q", "--detach", "other~1"]);
    settled(&repo, &ONE);
    repo.is_sound();
}

#[test]
fn switching_in_a_clone_fetches_what_is_missing() {
    let world = World::new();
    let server = world.server();
    let ann = two_branches(&world.user("ann"));
    ann.git(&["remote", "add", "origin", &server.url("team/p")]);
    ann.git(&["push", "-q", "origin", "main", "other"]);
    let ben = world.user("ben").clone_from(&server.url("team/p"), "clone");
    let switch = ben.watch(|| drop(ben.git(&["switch", "-q", "other"])));
    assert_eq!(switch.pull.contents, 1, "the other content is here: {switch:?}");
    settled(&ben, &TWO);
    let back = ben.watch(|| drop(ben.git(&["switch", "-q", "main"])));
    assert_eq!(back.connections, 0, "everything is here: {back:?}");
    settled(&ben, &ONE);
}

#[test]
fn restoring_and_resetting() {
    let world = World::new();
    let repo = two_branches(&world.user("ann"));
    let ruin = || {
        repo.write("a.bin", b"ruined");
        fs::remove_file(repo.at("keep.bin")).expect("it is there");
    };
    for command in [
        &["restore", "."][..],
        &["checkout", "--", "a.bin", "keep.bin"],
        &["checkout", "HEAD", "--", "."],
        &["reset", "-q", "--hard"],
        &["checkout", "-q", "-f", "main"],
        &["restore", "--source=HEAD", "--staged", "--worktree", "."],
    ] {
        ruin();
        repo.git(command);
        settled(&repo, &ONE);
    }
    repo.git(&["reset", "-q", "--hard", "other"]);
    settled(&repo, &TWO);
}

#[test]
fn restoring_from_elsewhere_shows_as_modified() {
    let world = World::new();
    let repo = two_branches(&world.user("ann"));
    repo.git(&["restore", "--source=other", "--worktree", "a.bin"]);
    repo.holds("a.bin", &TWO);
    assert_eq!(repo.status(), " M a.bin\n");
    repo.git(&["checkout", "other", "--", "a.bin"]);
    repo.holds("a.bin", &TWO);
    assert_eq!(repo.status(), "M  a.bin\n");
    repo.git(&["reset", "-q", "--hard"]);
    settled(&repo, &ONE);
}

#[test]
fn merging_without_conflict() {
    let world = World::new();
    let repo = two_branches(&world.user("ann"));
    repo.git(&["merge", "-q", "--ff-only", "other"]);
    settled(&repo, &TWO);
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
    repo.write("mine.bin", &SMALL);
    repo.commit("mine");
    repo.git(&["merge", "-q", "-m", "merge", "other"]);
    settled(&repo, &TWO);
    repo.holds("mine.bin", &SMALL);
    repo.git(&["revert", "--no-edit", "-m", "1", "HEAD"]);
    settled(&repo, &ONE);
}

/// `main` has its own version of a.bin too.
fn diverged(user: &User) -> Repo {
    let repo = two_branches(user);
    repo.write("a.bin", &THREE);
    repo.commit("ours");
    repo
}

#[test]
fn a_conflict_keeps_our_file_and_writes_no_markers() {
    let world = World::new();
    let repo = diverged(&world.user("ann"));
    repo.git_fails(&["merge", "other"]);
    repo.holds("a.bin", &THREE);
    assert!(repo.status().contains("UU a.bin"), "{}", repo.status());
    repo.git(&["checkout", "--theirs", "a.bin"]);
    repo.holds("a.bin", &TWO);
    repo.git(&["checkout", "--ours", "a.bin"]);
    repo.holds("a.bin", &THREE);
    repo.git(&["merge", "--abort"]);
    settled(&repo, &THREE);
    repo.git_fails(&["merge", "other"]);
    repo.git(&["checkout", "--theirs", "a.bin"]);
    repo.git(&["add", "a.bin"]);
    repo.write("text.txt", b"two\n");
    repo.commit("merged");
    repo.holds("a.bin", &TWO);
    assert_eq!(repo.status(), "");
    repo.is_sound();
}

#[test]
fn rebasing_and_picking() {
    let world = World::new();
    let repo = two_branches(&world.user("ann"));
    repo.write("mine.bin", &SMALL);
    repo.commit("mine");
    repo.git(&["cherry-pick", "other"]);
    settled(&repo, &TWO);
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
    repo.git(&["rebase", "-q", "other"]);
    settled(&repo, &TWO);
    repo.holds("mine.bin", &SMALL);
    repo.git(&["revert", "--no-edit", "HEAD~1"]);
    settled(&repo, &ONE);
}

#[test]
fn a_rebase_with_conflict_goes_on() {
    let world = World::new();
    let repo = diverged(&world.user("ann"));
    repo.git_fails(&["rebase", "other"]);
    repo.git(&["rebase", "--abort"]);
    settled(&repo, &THREE);
    repo.git_fails(&["rebase", "other"]);
    repo.git(&["checkout", "--theirs", "a.bin"]);
    repo.holds("a.bin", &THREE);
    repo.git(&["add", "a.bin"]);
    repo.git(&["rebase", "--continue"]);
    repo.holds("a.bin", &THREE);
    assert_eq!(repo.status(), "");
}

#[test]
fn stashing_and_taking_it_back() {
    let world = World::new();
    let repo = two_branches(&world.user("ann"));
    repo.write("a.bin", &TWO);
    repo.git(&["stash", "push", "-q"]);
    settled(&repo, &ONE);
    repo.git(&["stash", "pop", "-q"]);
    repo.holds("a.bin", &TWO);
    assert_eq!(repo.status(), " M a.bin\n");
    let second = repo.watch(|| assert_eq!(repo.status(), " M a.bin\n"));
    assert_eq!(second.cleans, 0, "the file is not read for each status: {second:?}");
    repo.git(&["stash", "push", "-q", "--", "a.bin"]);
    settled(&repo, &ONE);
    repo.git(&["stash", "pop", "-q", "--index"]);
    repo.holds("a.bin", &TWO);
    repo.write("untracked.bin", &SMALL);
    repo.git(&["stash", "push", "-q", "-u"]);
    settled(&repo, &ONE);
    repo.git(&["stash", "pop", "-q"]);
    repo.holds("untracked.bin", &SMALL);
    repo.holds("a.bin", &TWO);
}

#[test]
fn linked_worktrees_share_their_content() {
    let world = World::new();
    let repo = two_branches(&world.user("ann"));
    repo.git(&["worktree", "add", "-q", "../linked", "other"]);
    let linked = repo.user().repo("linked");
    settled(&linked, &TWO);
    linked.write("a.bin", &SMALL);
    linked.commit("small");
    linked.git(&["checkout", "-q", "--detach", "main"]);
    settled(&linked, &ONE);
    repo.git(&["switch", "-q", "other"]);
    settled(&repo, &SMALL);
    repo.is_sound();
}

#[test]
fn patches_and_single_files_from_the_index() {
    let world = World::new();
    let repo = two_branches(&world.user("ann"));
    let patch = repo.git(&["format-patch", "--stdout", "--full-index", "main..other"]).stdout;
    repo.call(&["am", "-q"]).input(&patch).ok();
    settled(&repo, &TWO);
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
    repo.call(&["apply", "--index"]).input(&patch).ok();
    repo.holds("a.bin", &TWO);
    repo.git(&["reset", "-q", "--hard"]);
    fs::remove_file(repo.at("a.bin")).unwrap();
    repo.git(&["checkout-index", "-f", "-u", "-a"]);
    repo.is_clean();
    repo.holds("a.bin", &ONE);
    repo.git(&["sparse-checkout", "set", "--no-cone", "/text.txt"]);
    assert!(!repo.at("a.bin").exists());
    repo.git(&["sparse-checkout", "disable"]);
    settled(&repo, &ONE);
}

#[test]
fn archives_and_filters_give_content() {
    let world = World::new();
    let repo = two_branches(&world.user("ann"));
    repo.git(&["archive", "-o", "../out.tar", "other"]);
    repo.user().call("tar", repo.path()).args(["-xf", "../out.tar", "-C", "../tmp"]).ok();
    assert_eq!(fs::read(repo.user().at("tmp/a.bin")).unwrap(), *TWO);
    assert_eq!(fs::read(repo.user().at("tmp/dir/new.bin")).unwrap(), *THREE);
    assert!(repo.git(&["cat-file", "--filters", "other:a.bin"]).stdout == *TWO);
    assert!(repo.git(&["cat-file", "--filters", "main:small.bin"]).stdout == *SMALL);
    settled(&repo, &ONE);
}

#[test]
fn skipping_leaves_clean_pointers_and_hydrate_completes_them() {
    let world = World::new();
    let server = world.server();
    let ann = two_branches(&world.user("ann"));
    ann.publish(&server.url("team/p"));
    let ben = world.user("ben");
    let ghosts = ben.with_env("GIT_DITS_SKIP_SMUDGE", "1").clone_from(&server.url("team/p"), "clone");
    for name in ["a.bin", "keep.bin", "small.bin"] {
        ghosts.is_ghost(name);
    }
    ghosts.is_clean();
    let ben = ben.repo("clone");
    ben.git(&["dits", "hydrate"]);
    settled(&ben, &ONE);
    ben.is_same_as(&ann);
}

#[test]
fn an_index_of_any_kind_agrees() {
    let world = World::new();
    let ann = world.user("ann");
    let repo = two_branches(&ann);
    for (key, value) in [("index.version", "4"), ("core.splitIndex", "true"), ("core.untrackedCache", "true")]
    {
        repo.git(&["config", key, value]);
        repo.git(&["update-index", "--index-version", if key == "index.version" { "4" } else { "2" }]);
        repo.git(&["switch", "-q", "other"]);
        settled(&repo, &TWO);
        repo.git(&["switch", "-q", "main"]);
        settled(&repo, &ONE);
        repo.git(&["config", "--unset", key]);
    }
    ann.git(&["init", "-q", "--object-format=sha256", "wide"]);
    let wide = ann.repo("wide");
    wide.git(&["dits", "track", "*.bin"]);
    wide.write("a.bin", &ONE);
    wide.commit("sha256");
    fs::remove_file(wide.at("a.bin")).unwrap();
    wide.git(&["checkout", "--", "."]);
    wide.holds("a.bin", &ONE);
    wide.is_clean_at_once();
}
