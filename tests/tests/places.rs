//! Where the user stands and how paths are written: as Git understands them.

use dits_tests::{Repo, World, bytes};

fn ghosts(world: &World) -> Repo {
    let repo = world.user("ann").init("project");
    for (name, seed) in [("a.bin", 1), ("b.bin", 2), ("dir/c.bin", 3)] {
        repo.write(name, &bytes(5_000, seed));
    }
    repo.commit("first");
    for name in ["a.bin", "b.bin", "dir/c.bin"] {
        std::fs::remove_file(repo.at(name)).expect("it was written");
    }
    repo.with_env("GIT_DITS_SKIP_SMUDGE", "1").git(&["checkout", "--", "."]);
    repo
}

#[test]
fn pathspecs_mean_what_they_mean_to_git() {
    let world = World::new();
    let repo = ghosts(&world);
    for (spec, count) in
        [(":/a.bin", 1), (":/", 3), (":!a.bin", 2), (":(exclude)a.bin", 2), ("dir", 1), (":(top)b.bin", 1)]
    {
        let found = repo.call(&["dits", "hydrate", "--check", "--", spec]).run();
        assert_eq!(found.text().lines().count(), count, "{spec}: {found}");
    }
    repo.git_fails(&["dits", "hydrate", "no such file"]).says(&["no such file"]);
    let repo = repo.with_env("GIT_LITERAL_PATHSPECS", "1");
    repo.git_fails(&["dits", "hydrate", "*.bin"]).says(&["*.bin"]);
    assert_eq!(repo.git(&["dits", "ls-files"]).text().lines().count(), 3);
}

#[test]
fn the_repository_may_be_named_from_a_folder_in_it() {
    let world = World::new();
    let repo = ghosts(&world);
    let git = |args: &[&str]| {
        let ran = repo
            .user()
            .call("git", &repo.at("dir"))
            .args(["--git-dir=../.git", "--work-tree=.."])
            .args(args)
            .run();
        assert_eq!(ran.code, Some(0), "{ran}");
        ran.text()
    };
    assert_eq!(git(&["dits", "ls-files"]).lines().count(), 3);
    git(&["dits", "status"]);
    git(&["dits", "hydrate"]);
    git(&["dits", "fsck"]);
    repo.is_clean_at_once();
    repo.holds("dir/c.bin", &bytes(5_000, 3));
}

#[test]
fn who_hydrates_without_having_installed_is_warned() {
    let world = World::new();
    let repo = ghosts(&world);
    repo.git(&["dits", "uninstall"]);
    repo.git(&["dits", "hydrate", "a.bin"]).says(&["not installed", "hint: run 'git dits install'"]);
    repo.holds("a.bin", &bytes(5_000, 1));
}
