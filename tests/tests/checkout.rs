//! What a checkout fetches, leaves out and shares, and what Git's index says of it.
//!
//! That every command leaves the right content and an index that agrees is in the command matrix (`matrix/`).

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
fn a_file_that_git_wrote_itself_is_settled_wanted_or_not() {
    let world = World::new();
    let repo = two_branches(&world.user("ann"));
    for exclude in ["", "*.bin"] {
        repo.git(&["config", "dits.fetchexclude", exclude]);
        fs::remove_file(repo.at("a.bin")).unwrap();
        repo.git(&["checkout-index", "-f", "-u", "a.bin"]);
        repo.holds("a.bin", &ONE);
        repo.is_clean_at_once();
    }
}

#[test]
fn entries_without_size_get_one_but_ghosts_stay_clean() {
    let world = World::new();
    let repo = two_branches(&world.user("ann"));
    fs::remove_file(repo.at("a.bin")).unwrap();
    repo.with_env("GIT_DITS_SKIP_SMUDGE", "1").git(&["checkout", "--", "a.bin"]);
    // Git has just written it, and would read it again to be sure.
    fs::File::options().append(true).open(repo.at("a.bin")).unwrap().set_modified(world.time()).unwrap();
    repo.write("keep.bin", &TWO);
    // What `restore --staged` does too: the entry is the same, and nothing is known of its file.
    for name in ["a.bin", "keep.bin"] {
        let id = repo.id(&format!("HEAD:{name}"));
        repo.git(&["update-index", "--cacheinfo", &format!("100644,{id},{name}")]);
    }
    let locked = repo.with_env("GIT_OPTIONAL_LOCKS", "0");
    for _ in 0..2 {
        let watch = repo.watch(|| assert_eq!(locked.status(), " M keep.bin\n"));
        assert_eq!(watch.cleans, 2, "the index was not to be written: {watch:?}");
    }
    let watch = repo.watch(|| assert_eq!(repo.status(), " M keep.bin\n"));
    assert_eq!(watch.cleans, 2, "{watch:?}");
    let watch = repo.watch(|| assert_eq!(repo.status(), " M keep.bin\n"));
    assert_eq!(watch.cleans, 0, "the changed file is read by each status: {watch:?}");
    repo.is_ghost("a.bin");
    repo.git(&["dits", "hydrate"]);
    repo.holds("a.bin", &ONE);
    repo.write("keep.bin", &THREE);
    assert_eq!(repo.status(), "", "a file that is what it was again");
}
