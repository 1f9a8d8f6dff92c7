//! install, uninstall and update with their hooks, push and pre-push.

use crate::beside::Beside;
use dits_tests::Repo;

/// A hook of somebody else in both.
fn with_foreign_hook(beside: &Beside) {
    beside.each(|repo| {
        repo.write(".git/hooks/pre-push", b"#!/bin/sh\necho mine\n");
        repo.make_executable(".git/hooks/pre-push");
    });
}

#[test]
fn hooks_come_and_go_with_the_same_words() {
    let beside = Beside::new();
    beside.same_all(&[
        "install",
        "install --local",
        "install --force",
        "install --skip-repo",
        "install -l --skip-smudge",
        "update",
        "update --force",
        "uninstall --local",
        "uninstall --skip-repo",
        "install",
        "uninstall",
        "install --worktree",
        "uninstall --worktree",
        "update --force --manual",
        "install --local --system",
    ]);
}

#[test]
fn another_hook_is_met_with_the_same_words() {
    let beside = Beside::new();
    with_foreign_hook(&beside);
    beside.same_all(&["update", "install", "install --local"]);
    let (lfs, dits) = beside.both(&["update"], "", b"");
    let without_last =
        |text: &str| text.lines().filter(|line| !line.starts_with("  2: ")).collect::<Vec<_>>().join("\n");
    // git-lfs prints half of it on standard output.
    assert_eq!(
        without_last(&(beside.mapped(&lfs.said(), true) + &beside.mapped(&lfs.text(), true))),
        without_last(&beside.mapped(&dits.said(), false))
    );
    let (lfs, dits) = beside.both(&["update", "--manual"], "", b"");
    let shape = |text: &str| text.lines().take(3).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(shape(&beside.mapped(&lfs.text(), true)), shape(&beside.mapped(&dits.text(), false)));
}

#[test]
fn foreign_values_are_met_with_the_same_words() {
    let beside = Beside::new();
    for (repo, key) in [(&beside.lfs, "filter.lfs.process"), (&beside.dits, "filter.dits.process")] {
        repo.git(&["config", "--global", key, "foo"]);
    }
    let (lfs, dits) = beside.both(&["install", "--skip-repo"], "", b"");
    assert_eq!((lfs.code, dits.code), (Some(2), Some(2)));
    let start = |text: &str| text.split(" should be ").next().map(str::to_owned);
    assert_eq!(start(&beside.mapped(&lfs.text(), true)), start(&beside.mapped(&dits.said(), false)));
    beside.same_all(&["install --skip-repo --force"]);
}

/// A pushed and an unpushed commit in both, and a plain host for both.
fn with_host(beside: &Beside) -> dits_tests::Server {
    let server = beside.world.server();
    beside.dits.git(&["config", "dits.url", &server.url("team/p")]);
    let prepare = |repo: &Repo| {
        let host = repo.user().at("host.git").display().to_string();
        repo.git(&["init", "-q", "--bare", &host]);
        repo.git(&["remote", "add", "origin", &host]);
        repo.write("a.bin", b"first");
        repo.commit("one");
        repo.git(&["push", "-q", "-u", "origin", "main"]);
        repo.write("b.bin", b"second");
        repo.write("dir/c.bin", b"third");
        repo.commit("two");
    };
    beside.each(prepare);
    server
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_dry_run_of_push_prints_the_same_lines() {
    let beside = Beside::tracked();
    // Otherwise git-lfs's own hook, which is there by now, would be the only one.
    beside.git(&["{}", "update"]);
    let _server = with_host(&beside);
    for args in [&["push", "--dry-run", "origin", "main"][..], &["push", "-a", "-d", "origin"]] {
        let (lfs, dits) = beside.both(args, "", b"");
        assert_eq!((lfs.code, dits.code), (Some(0), Some(0)), "{dits}");
        let (theirs, ours) = (beside.mapped(&lfs.text(), true), beside.mapped(&dits.text(), false));
        assert_eq!(sorted(&theirs), sorted(&ours), "{args:?}");
    }
    beside.same_all(&["push nope main", "push -o origin abc", "push --nonsense"]);
    // When it takes a while git-lfs tells its progress on standard output.
    let (lfs, dits) = beside.both(&["push", "origin", "main"], "", b"");
    assert_eq!((lfs.code, dits.code, dits.text() + &dits.said()), (Some(0), Some(0), String::new()), "{lfs}");
}

#[test]
fn the_hook_of_a_push_prints_the_same_lines() {
    let beside = Beside::tracked();
    beside.git(&["{}", "update"]);
    let _server = with_host(&beside);
    let hook = |repo: &Repo, args: &[&str]| {
        let line = format!("refs/heads/main {} refs/heads/main {}\n", repo.id("main"), repo.id("main~1"));
        repo.call(args).input(line.as_bytes()).run()
    };
    for flag in ["--dry-run", "-d"] {
        let lfs = hook(&beside.lfs, &["lfs", "pre-push", flag, "origin", "../host.git"]);
        let dits = hook(&beside.dits, &["dits", "pre-push", flag, "origin", "../host.git"]);
        let (theirs, ours) = (beside.mapped(&lfs.text(), true), beside.mapped(&dits.text(), false));
        assert_eq!(sorted(&theirs), sorted(&ours), "{flag}");
        assert_eq!((lfs.code, dits.code, ours.lines().count()), (Some(0), Some(0), 2), "{dits}");
    }
    for args in [["pre-push", "origin", "../host.git"]; 2] {
        hook(&beside.dits, &[&["dits"], &args[..]].concat()).says_nothing();
        assert_eq!(hook(&beside.lfs, &[&["lfs"], &args[..]].concat()).code, Some(0));
    }
    beside.same_all(&["pre-push --nonsense"]);
    beside.same(&["pre-push", "origin", "../host.git"]);
}

#[test]
fn content_that_is_missing_is_told_in_the_same_lines() {
    let beside = Beside::tracked();
    let _server = with_host(&beside);
    for (repo, store) in [(&beside.lfs, ".git/lfs"), (&beside.dits, ".git/dits")] {
        std::fs::remove_dir_all(repo.at(store)).expect("it is there");
        repo.git(&["rm", "-q", "--cached", "b.bin"]);
        std::fs::remove_file(repo.at("b.bin")).expect("it is there");
        std::fs::remove_file(repo.at("dir/c.bin")).expect("it is there");
    }
    let (lfs, dits) = beside.both(&["push", "origin", "main"], "", b"");
    assert_eq!((lfs.code, dits.code), (Some(2), Some(2)), "{lfs}\n{dits}");
    // When it takes a while git-lfs tells its progress on standard output, too.
    let theirs = beside.mapped(&(lfs.text() + &lfs.said()), true);
    let theirs: String =
        theirs.split_inclusive('\n').filter(|line| !line.starts_with("Uploading DITS objects: ")).collect();
    // We also say which commit brings it, and before that whom we have talked to.
    let ours = beside.mapped(&dits.said(), false).replace(" in commit <hash>", "");
    let ours: String =
        ours.split_inclusive('\n').filter(|line| !line.starts_with("git-dits: trusting ")).collect();
    // git-lfs is in no order.
    assert_eq!(sorted(&theirs), sorted(&ours));
}
