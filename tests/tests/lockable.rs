//! Lockable files are read-only without a lock: through clones, edits and branches, and Git reads none of them for it.

use dits_tests::lockable::{ATTRIBUTES, hold, let_go, lock, locks, modes, project};
use dits_tests::{World, bytes, gits};

const URL: &str = "team/project";
const MANAGED: [(&str, u32); 4] =
    [("a.bin", 0o444), ("tool.bin", 0o555), ("empty.bin", 0o444), ("free.dat", 0o644)];

#[test]
fn a_clone_leaves_them_read_only_and_status_reads_nothing() {
    let world = World::new();
    let server = world.server();
    project(&world.user("ann")).publish(&server.url(URL));
    for (n, git) in gits(&world).iter().enumerate() {
        let ben = git.used_by(&world.user(&format!("ben{n}")));
        let full = ben.clone_from(&server.url(URL), "full");
        modes(&full, &MANAGED);
        full.holds("a.bin", &bytes(50_000, 1));
        full.is_clean_at_once();
        full.is_sound();
        let ghosts = ben.with_env("GIT_DITS_SKIP_SMUDGE", "1").clone_from(&server.url(URL), "ghosts");
        let ghosts = ben.repo(ghosts.path().file_name().unwrap().to_str().unwrap());
        ghosts.is_ghost("a.bin");
        modes(&ghosts, &MANAGED);
        ghosts.is_clean_at_once();
        hold(&ghosts, "tool.bin");
        ghosts.git(&["dits", "hydrate"]);
        modes(&ghosts, &[("a.bin", 0o444), ("tool.bin", 0o755), ("empty.bin", 0o444), ("free.dat", 0o644)]);
        ghosts.holds("a.bin", &bytes(50_000, 1));
        ghosts.is_clean_at_once();
        ghosts.git(&["dits", "ghost", "a.bin"]);
        modes(&ghosts, &[("a.bin", 0o444)]);
        ghosts.is_clean_at_once();
    }
}

#[test]
fn a_lock_makes_writable_and_its_end_read_only() {
    let world = World::new();
    let server = world.server();
    project(&world.user("ann")).publish(&server.url(URL));
    for (n, git) in gits(&world).iter().enumerate() {
        let ben = git.used_by(&world.user(&format!("ben{n}"))).clone_from(&server.url(URL), "clone");
        hold(&ben, "a.bin");
        ben.git(&["dits", "doctor", "--fix"]);
        modes(&ben, &[("a.bin", 0o644), ("tool.bin", 0o555)]);
        ben.is_clean_at_once();
        ben.edit("a.bin", |content| content[0] ^= 1);
        assert_eq!(ben.status(), " M a.bin\n");
        ben.commit("edited");
        ben.git(&["push", "-q"]);
        modes(&ben, &[("a.bin", 0o644)]);
        ben.is_clean_at_once();
        let_go(&ben);
        ben.git(&["dits", "doctor", "--fix"]);
        modes(&ben, &[("a.bin", 0o444)]);
        ben.is_clean_at_once();
    }
}

#[test]
fn whatever_git_writes_is_read_only_again() {
    let world = World::new();
    for (n, git) in gits(&world).iter().enumerate() {
        let repo = project(&git.used_by(&world.user(&format!("ann{n}"))));
        repo.git(&["dits", "doctor", "--fix"]);
        let read_only = |name: &str| {
            modes(&repo, &[(name, 0o444)]);
            repo.is_clean_at_once();
        };
        hold(&repo, "tool.bin");
        repo.git(&["switch", "-q", "-c", "side"]);
        repo.write("a.bin", &bytes(50_000, 11));
        repo.write("tool.bin", &bytes(20_000, 12));
        repo.commit("side");
        repo.git(&["switch", "-q", "main"]);
        read_only("a.bin");
        modes(&repo, &[("tool.bin", 0o755)]);
        repo.write("new.bin", &bytes(3000, 13));
        repo.commit("main");
        repo.git(&["merge", "-q", "-m", "merged", "side"]);
        repo.holds("a.bin", &bytes(50_000, 11));
        read_only("a.bin");
        repo.git(&["switch", "-q", "-c", "base", "HEAD~1"]);
        repo.write("other.dat", &bytes(100, 14));
        repo.commit("base");
        repo.git(&["rebase", "-q", "side"]);
        read_only("a.bin");
        read_only("new.bin");
        repo.write("a.bin", &bytes(50_000, 15));
        repo.git(&["stash", "-q"]);
        read_only("a.bin");
        repo.git(&["stash", "pop", "-q"]);
        modes(&repo, &[("a.bin", 0o444)]);
        assert_eq!(repo.status(), " M a.bin\n");
        repo.git(&["reset", "-q", "--hard"]);
        read_only("a.bin");
        repo.git(&["checkout", "-q", "HEAD~1", "--", "a.bin"]);
        repo.git(&["restore", "-q", "--staged", "--worktree", "a.bin"]);
        read_only("a.bin");
        let linked = repo.user().at("linked").display().to_string();
        repo.git(&["worktree", "add", "-q", "--detach", &linked]);
        let linked = repo.user().repo("linked");
        modes(&linked, &[("a.bin", 0o444), ("tool.bin", 0o755)]);
        linked.is_clean_at_once();
    }
}

#[test]
fn nothing_is_asked_where_nothing_is_lockable() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(1000, 1));
    ann.commit("first");
    ann.publish(&server.url(URL));
    let ben = world.user("ben");
    let watch = ben.watch(|| modes(&ben.clone_from(&server.url(URL), "clone"), &[("a.bin", 0o644)]));
    assert!(!watch.git_commands.contains(&"check-attr".to_owned()), "{watch:?}");
}

#[test]
fn it_can_be_switched_off() {
    let world = World::new();
    let server = world.server();
    project(&world.user("ann")).publish(&server.url(URL));
    let ben = world.user("ben");
    let free = [("a.bin", 0o644), ("tool.bin", 0o755)];
    let quiet =
        ben.with_env("GIT_DITS_SET_LOCKABLE_READONLY", "0").clone_from(&server.url(URL), "environment");
    modes(&quiet, &free);
    quiet.is_clean_at_once();
    ben.git(&["config", "--global", "dits.setlockablereadonly", "false"]);
    let clone = ben.clone_from(&server.url(URL), "setting");
    modes(&clone, &free);
    let told = clone.git(&["dits", "doctor"]).text();
    assert!(told.contains("note: lockable-off: ") && !told.contains("lockable-root"), "{told}");
    // Whoever switches it off later gets his write bits back.
    ben.git(&["config", "--global", "dits.setlockablereadonly", "true"]);
    clone.git(&["dits", "doctor", "--fix"]);
    modes(&clone, &MANAGED);
    ben.git(&["config", "--global", "dits.setlockablereadonly", "false"]);
    let found = clone.git_fails(&["dits", "doctor"]);
    assert!(
        found.text().contains("warning: lockable-read-only: 4 lockable file(s) are read-only although that")
    );
    clone.git(&["dits", "doctor", "--fix"]);
    modes(&clone, &free);
    clone.is_clean_at_once();
}

#[test]
fn modes_that_do_not_count_for_git_are_set_all_the_same() {
    let world = World::new();
    let server = world.server();
    project(&world.user("ann")).publish(&server.url(URL));
    for (n, (key, value)) in
        [("core.fileMode", "false"), ("core.sharedRepository", "group"), ("core.trustctime", "false")]
            .into_iter()
            .enumerate()
    {
        let ben = world.user(&format!("ben{n}"));
        ben.git(&["config", "--global", key, value]);
        let clone = ben.clone_from(&server.url(URL), "clone");
        modes(&clone, &[("a.bin", 0o444), ("free.dat", 0o644)]);
        clone.is_clean_at_once();
        hold(&clone, "a.bin");
        clone.git(&["dits", "doctor", "--fix"]);
        modes(&clone, &[("a.bin", 0o644)]);
        clone.is_clean_at_once();
    }
}

#[test]
fn a_small_file_that_stays_whole_is_read_only_too() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    ann.write(".gitattributes", ATTRIBUTES);
    ann.write(".ditsconfig", b"[dits]\n\tthreshold = 1k\n");
    ann.write("small.bin", &bytes(100, 1));
    ann.write("large.bin", &bytes(5000, 2));
    ann.commit("first");
    ann.publish(&server.url(URL));
    let ben = world.user("ben").clone_from(&server.url(URL), "clone");
    modes(&ben, &[("small.bin", 0o444), ("large.bin", 0o444)]);
    ben.is_clean();
}

#[test]
fn tracking_as_lockable_changes_the_modes() {
    let world = World::new();
    for git in gits(&world) {
        let repo = git.used_by(&world.plain_user(&git.name()));
        repo.git(&["dits", "install", "--skip-repo"]);
        let repo = repo.init("project");
        repo.write("sub/a.bin", &bytes(1000, 1));
        repo.write("b.bin", &bytes(1000, 2));
        repo.commit("first");
        hold(&repo, "b.bin");
        repo.git(&["dits", "track", "--lockable", "--dry-run", "*.bin"]);
        modes(&repo, &[("sub/a.bin", 0o644)]);
        repo.git(&["dits", "track", "--lockable", "*.bin"]);
        modes(&repo, &[("sub/a.bin", 0o444), ("b.bin", 0o644)]);
        let watch = repo.watch(|| assert_eq!(repo.status(), " M .gitattributes\n"));
        assert_eq!((watch.filter_starts, watch.cleans), (0, 0), "{watch:?}");
        repo.git(&["dits", "track", "--not-lockable", "*.bin"]);
        modes(&repo, &[("sub/a.bin", 0o644), ("b.bin", 0o644)]);
        assert_eq!(repo.user().filter_starts(|| repo.is_clean()), 0);
    }
}

#[test]
fn doctor_tells_what_is_wrong_with_modes() {
    let world = World::new();
    let repo = project(&world.user("ann"));
    let found = repo.git_fails(&["dits", "doctor"]);
    assert_eq!(found.code, Some(1), "{found}");
    for part in [
        "warning: lockable-writable: 4 lockable file(s) are writable, and you hold no lock of them: 'a.bin', ",
        " and 1 more\n    --fix: makes them read-only\n",
        "note: lockable-hooks: lockable files have no post-checkout, post-merge, post-commit hook\n",
    ] {
        assert!(found.text().contains(part), "{part}\n{found}");
    }
    repo.edit("a.bin", |content| content[0] ^= 1);
    repo.git(&["dits", "doctor", "--fix"]);
    modes(&repo, &[("a.bin", 0o644), ("tool.bin", 0o555), ("x.plain", 0o444)]);
    let told = repo.git(&["dits", "doctor"]).text();
    assert!(
        told.contains("note: lockable-modified: 1 lockable file(s) were changed without a lock: 'a.bin'\n")
    );
    hold(&repo, "tool.bin");
    let found = repo.git_fails(&["dits", "doctor"]).text();
    assert!(
        found.contains("warning: lockable-read-only: 1 lockable file(s) are read-only although you have")
    );
    assert_eq!(repo.status(), " M a.bin\n");
}

#[test]
fn a_rename_away_from_its_lock_is_told() {
    let world = World::new();
    let repo = project(&world.user("ann"));
    let says = |expected: &str| {
        let checked = repo.git(&["dits", "check", "--staged"]);
        assert_eq!((checked.text(), checked.said()), (String::new(), expected.to_owned()));
    };
    repo.git(&["mv", "a.bin", "b.bin"]);
    says("");
    hold(&repo, "a.bin");
    says(
        "warning: you have locked 'a.bin', which is now 'b.bin': the lock stays on 'a.bin'\n\
         hint: lock the new name too: git dits lock b.bin\n",
    );
    locks(&repo, |cache| {
        let known = cache.servers.entry("server".into()).or_default();
        known.own.clear();
        known.listed = vec![lock("A.bin", "ben")];
    });
    says("warning: ben has locked 'a.bin', which is now 'b.bin': the lock stays on 'a.bin'\n");
    repo.git(&["reset", "-q", "--hard"]);
    says("");
}
