//! Our server behaves as a plain Git server does: the same pushes get the same answers, hooks of a repository's owner
//! run, and what is only tried makes nothing.

use dits_tests::{Ran, Repo, Server, World, bytes};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A plain Git server: a folder.
fn plain(world: &World) -> String {
    let path = world.folder("plain").join("project.git");
    let host = world.plain_user("host");
    host.git(&["init", "-q", "--bare", "-b", "main", &path.display().to_string()]);
    host.git(&["-C", &path.display().to_string(), "config", "receive.advertisePushOptions", "true"]);
    path.display().to_string()
}

/// A repository with two commits and content, pushed to `origin`, and a second clone that is one commit ahead.
fn project(world: &World, name: &str, url: &str) -> (Repo, Repo) {
    // By the same person everywhere, so that commits have the same ids.
    let user = ["AUTHOR", "COMMITTER"].iter().fold(world.user(name), |user, role| {
        user.with_env(&format!("GIT_{role}_NAME"), "x")
            .with_env(&format!("GIT_{role}_EMAIL"), "x@example.com")
    });
    let ann = user.init("project");
    ann.write("a.bin", &bytes(100_000, 1));
    ann.commit("first");
    ann.publish(url);
    let ben = user.repo("ben");
    user.git(&["clone", "-q", &ann.path().display().to_string(), "ben"]);
    ben.git(&["remote", "set-url", "origin", url]);
    ben.write("b.bin", &bytes(100_000, 2));
    ben.commit("of ben");
    ben.git(&["push", "-q", "origin", "main"]);
    (ann, ben)
}

/// What a push says to programs, and how it ends.
fn push(repo: &Repo, args: &[&str]) -> (Option<i32>, Vec<String>) {
    let ran = repo.call(&[&["push", "--porcelain"], args].concat()).run();
    let lines = ran.text().lines().filter(|line| !line.starts_with("To ")).map(str::to_owned).collect();
    (ran.code, lines)
}

/// The same pushes, one after the other, at any server. Each answer with what was tried.
fn pushes(ann: &Repo, ben: &Repo) -> Vec<String> {
    let mut said = Vec::new();
    let mut try_push = |repo: &Repo, args: &[&str]| {
        let (code, lines) = push(repo, args);
        said.push(format!("{args:?}: {code:?}\n{}", lines.join("\n")));
    };
    ann.write("c.bin", &bytes(100_000, 3));
    ann.commit("of ann");
    try_push(ann, &["origin", "main"]);
    try_push(ann, &["--force-with-lease=main:main", "origin", "main"]);
    try_push(ann, &["--dry-run", "--force", "origin", "main"]);
    try_push(ann, &["--force", "origin", "main"]);
    try_push(ann, &["origin", "main"]);
    try_push(ben, &["origin", "main"]);
    // Branches and tags, made and removed.
    try_push(ann, &["origin", "main:refs/heads/topic", "HEAD^:refs/heads/old"]);
    ann.git(&["tag", "light"]);
    ann.git(&["tag", "-a", "-m", "words", "heavy"]);
    try_push(ann, &["--tags", "origin"]);
    ann.git(&["tag", "-f", "light", "HEAD^"]);
    try_push(ann, &["origin", "light"]);
    try_push(ann, &["--force", "origin", "light"]);
    try_push(ann, &["--delete", "origin", "topic", "light"]);
    try_push(ann, &["origin", ":nowhere"]);
    // All or nothing.
    ben.write("d.bin", &bytes(100_000, 4));
    ben.commit("more of ben");
    try_push(ben, &["--atomic", "origin", "main", "main:refs/heads/atomic"]);
    try_push(ben, &["origin", "main", "main:refs/heads/not-atomic"]);
    // Options, signatures, notes, mirrors of much.
    try_push(ann, &["-o", "ci.skip", "-o", "x=y z", "origin", "main:refs/heads/optioned"]);
    try_push(ann, &["--signed=if-asked", "origin", "main:refs/heads/unsigned"]);
    try_push(ann, &["--signed", "origin", "main:refs/heads/signed"]);
    ann.git(&["notes", "add", "-m", "a note"]);
    try_push(ann, &["origin", "refs/notes/*:refs/notes/*"]);
    let many: Vec<String> = (0..300).map(|number| format!("main:refs/heads/many/{number:03}")).collect();
    let many: Vec<&str> = ["origin"].into_iter().chain(many.iter().map(String::as_str)).collect();
    try_push(ann, &many);
    try_push(ann, &["origin", "main:refs/heads/many"]);
    try_push(ann, &["origin", "main:refs/heads/bad..name"]);
    try_push(ann, &["--prune", "origin", "refs/heads/*:refs/heads/many/*"]);
    said
}

#[test]
fn the_same_pushes_get_the_same_answers_as_at_a_plain_server() {
    let world = World::new();
    let server = world.server();
    let (url, plain) = (server.url("team/project"), plain(&world));
    let (ann, ben) = project(&world, "ours", &url);
    let (plain_ann, plain_ben) = project(&world, "theirs", &plain);
    let (ours, theirs) = (pushes(&ann, &ben), pushes(&plain_ann, &plain_ben));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    let refs = |repo: &Repo, url: &str| repo.git(&["ls-remote", url]).text();
    assert_eq!(refs(&ann, &url), refs(&plain_ann, &plain));
    server.is_sound("team");
}

#[test]
fn a_push_from_a_shallow_clone_arrives() {
    let world = World::new();
    let server = world.server();
    let (_, ben) = project(&world, "ours", &server.url("team/project"));
    let url = server.url("team/project");
    ben.user().git(&["clone", "-q", "--depth", "1", &url, "shallow"]);
    let shallow = ben.user().repo("shallow");
    assert_eq!(shallow.git(&["rev-list", "--count", "HEAD"]).line(), "1");
    shallow.write("s.bin", &bytes(100_000, 5));
    shallow.commit("of one who has no history");
    assert_eq!(push(&shallow, &["origin", "main"]).0, Some(0));
    ben.git(&["pull", "-q"]);
    ben.holds("s.bin", &bytes(100_000, 5));
}

#[test]
fn of_pushes_to_one_branch_at_once_one_wins() {
    let world = World::new();
    let server = world.server();
    let (ann, ben) = project(&world, "ours", &server.url("team/project"));
    ann.git(&["pull", "-q", "--rebase"]);
    for round in 0..5u64 {
        let name = format!("{round}.bin");
        for (number, repo) in [&ann, &ben].into_iter().enumerate() {
            repo.write(&name, &bytes(50_000, 100 + 2 * round + number as u64));
            repo.commit("mine");
        }
        let ended = std::thread::scope(|scope| {
            let push = |repo| scope.spawn(move || push(repo, &["origin", "main"]).0);
            [push(&ann), push(&ben)].map(|thread| thread.join().expect("it does not panic"))
        });
        let won = ended.iter().filter(|code| **code == Some(0)).count();
        let lost = ended.iter().filter(|code| **code == Some(1)).count();
        assert_eq!((won, lost), (1, 1), "{ended:?}");
        let (winner, loser) = if ended[0] == Some(0) { (&ann, &ben) } else { (&ben, &ann) };
        assert_eq!(winner.id("main"), winner.remote_id(&server.url("team/project"), "refs/heads/main"));
        loser.git(&["fetch", "-q"]);
        loser.git(&["reset", "-q", "--hard", "origin/main"]);
        loser.is_same_as(winner);
    }
    server.is_sound("team");
}

#[test]
fn trying_to_push_to_a_repository_that_is_not_makes_nothing() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(100_000, 1));
    ann.commit("first");
    let url = server.url("team/deep/project");
    let bare = server.bare("team", "deep/project");
    let (code, said) = push(&ann, &["--dry-run", &url, "main"]);
    assert_eq!(code, Some(0), "{said:?}");
    assert_eq!(said, ["*\trefs/heads/main:refs/heads/main\t[new branch]", "Done"]);
    assert!(!bare.exists() && !server.dir().join("realms/team").exists(), "a dry run made something");
    // A push of nothing, too.
    ann.call(&["push", &url, "refs/heads/none*:refs/heads/none*"]).run();
    assert!(!bare.exists());
    let (code, said) = push(&ann, &[&url, "main"]);
    assert_eq!((code, said.len()), (Some(0), 2), "{said:?}");
    assert!(bare.is_dir());
    world.user("ben").clone_from(&url, "clone").is_same_as(&ann);
}

/// A hook of the owner's in the bare repository.
fn hook(bare: &Path, name: &str, script: &str) -> PathBuf {
    let path = bare.join("hooks").join(name);
    fs::create_dir_all(path.parent().expect("it has one")).expect("a folder can be made");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("it can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode can be set");
    path
}

fn published(world: &World, server: &Server) -> Repo {
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(100_000, 1));
    ann.commit("first");
    ann.publish(&server.url("team/project"));
    ann
}

#[test]
fn hooks_of_the_owner_run_after_ours_with_all_that_git_gives_them() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let (bare, log) = (server.bare("team", "project"), world.path().join("log"));
    let note = |what: &str| format!("echo {what} >> '{}'", log.display());
    hook(
        &bare,
        "pre-receive",
        &format!("{}\ncat >> '{}'", note("pre $GIT_PUSH_OPTION_COUNT $GIT_PUSH_OPTION_0"), log.display()),
    );
    hook(&bare, "update", &note("update $1"));
    hook(&bare, "post-receive", &note("post $(cat)"));
    hook(&bare, "post-update", &note("post-update $1"));
    ann.write("b.bin", &bytes(100_000, 2));
    ann.commit("second");
    let (old, new) = (ann.id("HEAD^"), ann.id("HEAD"));
    ann.git(&["push", "-q", "-o", "fast", "origin", "main"]);
    let line = format!("{old} {new} refs/heads/main");
    let expected =
        format!("pre 1 fast\n{line}\nupdate refs/heads/main\npost {line}\npost-update refs/heads/main\n");
    assert_eq!(fs::read_to_string(&log).expect("hooks ran"), expected);

    // Their no is a no.
    hook(&bare, "pre-receive", "echo 'not on a Friday' >&2; exit 3");
    ann.write("c.bin", &bytes(100_000, 3));
    ann.commit("third");
    let refused: Ran = ann.git_fails(&["push", "origin", "main"]);
    refused.says(&["remote: not on a Friday", "[remote rejected] main -> main (pre-receive hook declined)"]);
    assert_eq!(ann.remote_id(&server.url("team/project"), "refs/heads/main"), new);

    // Taken away, they do not run.
    fs::remove_file(&log).expect("it is there");
    fs::remove_dir_all(bare.join("hooks")).expect("it is there");
    ann.git(&["push", "-q", "origin", "main"]);
    assert!(!log.exists(), "a hook that was taken away ran");
    server.is_sound("team");
}

#[test]
fn where_ours_says_no_the_owners_hook_is_not_asked() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let (bare, log) = (server.bare("team", "project"), world.path().join("log"));
    let own = hook(&bare, "pre-receive", &format!("cat > '{}'; exit 7", log.display()));
    let contents = server.dir().join("realms/team/contents/project/@contents");
    let run = |input: &str| {
        let call = ann.user().call("git-dits", &bare).args(["hook", "pre-receive", "--then"]).args([&own]);
        let call = call.env("DITS_STORE", server.store("team")).env("DITS_CONTENTS", &contents);
        call.env("DITS_PUSH", world.path().join("push")).input(input.as_bytes()).run()
    };
    assert_eq!(run("nonsense\n").code, Some(1));
    assert!(!log.exists(), "the owner's hook was asked");
    let line = format!("{} {} refs/heads/x\n", "0".repeat(40), ann.id("main"));
    assert_eq!(run(&line).code, Some(7));
    assert_eq!(fs::read_to_string(&log).expect("it ran"), line);
}
