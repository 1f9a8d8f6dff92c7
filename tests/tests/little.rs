//! Commands that do little take little: how often they start `git`, and what a push costs that brings nothing new.
//!
//! Counts, so that neither grows unseen. Each start of `git` takes about as long as all of our own work in such a command.

use dits_tests::{Repo, Server, User, World, bytes};

const URL: &str = "team/project";
/// Bytes that a content may cost which the server has, in messages both ways.
const HAD_BYTES_MAX: u64 = 500;

/// Ann's repository with one lockable file, pushed.
fn published(world: &World, server: &Server) -> (User, Repo) {
    let ann = world.user("ann");
    let repo = ann.init("project");
    repo.git(&["dits", "track", "--lockable", "*.lk"]);
    repo.write("a.lk", &bytes(5000, 1));
    repo.write("b.lk", &bytes(5000, 2));
    repo.commit("first");
    repo.publish(&server.url(URL));
    (ann, repo)
}

/// What Git is asked for while `git dits WORDS` runs, sorted.
#[track_caller]
fn starts(user: &User, repo: &Repo, words: &str) -> Vec<String> {
    let all: Vec<&str> = ["dits"].into_iter().chain(words.split(' ')).collect();
    let mut commands = user.watch(|| drop(repo.git(&all))).git_commands;
    // Git's own start of our program.
    commands.retain(|name| name != "_run_dashed_");
    commands.sort();
    commands
}

#[test]
fn commands_about_locks_ask_git_as_little_as_can_be() {
    let world = World::new();
    let server = world.server();
    let (ann, repo) = published(&world, &server);
    // Two at once, then two beside the connection.
    assert_eq!(starts(&ann, &repo, "lock a.lk"), ["cat-file", "check-attr", "config", "rev-parse"]);
    assert_eq!(starts(&ann, &repo, "locks"), ["config", "rev-parse"]);
    assert_eq!(starts(&ann, &repo, "unlock a.lk"), ["check-attr", "config", "rev-parse", "status"]);
    assert_eq!(starts(&ann, &repo, "lock --stale-ok a.lk b.lk"), ["check-attr", "config", "rev-parse"]);
    assert_eq!(starts(&ann, &repo, "locks --local"), ["config", "rev-parse"]);
    // Once HEAD has left the branch, the versions where it did count too.
    repo.git(&["commit", "-q", "--allow-empty", "-m", "mine"]);
    let ahead = ["cat-file", "cat-file", "check-attr", "config", "merge-base", "rev-parse"];
    assert_eq!(starts(&ann, &repo, "lock a.lk"), ahead);
}

#[test]
fn settings_of_urls_are_for_git_to_match() {
    let world = World::new();
    let server = world.server();
    let (ann, repo) = published(&world, &server);
    repo.git(&["config", "http.proxy", ""]);
    assert_eq!(starts(&ann, &repo, "locks"), ["config", "rev-parse"]);
    repo.git(&["config", "http.https://example.org/.proxy", "http://127.0.0.1:1"]);
    assert_eq!(starts(&ann, &repo, "locks"), ["config", "config", "rev-parse"]);
    repo.git(&["config", &format!("url.{}.insteadOf", server.url("team")), "short:"]);
    repo.git(&["remote", "set-url", "origin", "short:/project"]);
    assert_eq!(starts(&ann, &repo, "locks"), ["config", "config", "remote", "rev-parse"]);
}

#[test]
fn a_push_of_nothing_asks_for_settings_once_and_sends_no_content() {
    let world = World::new();
    let server = world.server();
    let (ann, repo) = published(&world, &server);
    let watch = ann.watch(|| drop(repo.git(&["push", "-q", "origin", "main"])));
    let mut asked: Vec<&str> = watch.git_commands.iter().map(String::as_str).collect();
    asked.sort_unstable();
    assert_eq!(asked, ["_run_dashed_", "config", "push", "rev-parse"]);
    assert_eq!((watch.push.events, watch.connections), (0, 1));
}

#[test]
fn moving_and_copying_what_was_pushed_costs_a_question() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann");
    let repo = ann.init("project");
    // So much that the server's filter is worth keeping; the second push is not in it.
    repo.write("old.bin", &bytes(4 << 20, 1));
    repo.commit("first");
    repo.publish(&server.url(URL));
    repo.write("new.bin", &bytes(600_000, 2));
    repo.commit("second");
    repo.git(&["push", "-q", "origin", "main"]);
    for (number, change) in ["mv new.bin moved.bin", "mv old.bin away.bin"].iter().enumerate() {
        repo.git(&change.split(' ').collect::<Vec<_>>());
        repo.write(format!("copy{number}.bin"), &bytes(600_000, 2));
        repo.commit("moved and copied");
        let push = ann.watch(|| drop(repo.git(&["push", "-q", "origin", "main"]))).push;
        assert_eq!(
            (push.chunks, push.contents, push.contents_had > 0),
            (0, push.contents_had, true),
            "{change}"
        );
        assert!(push.other_bytes() <= HAD_BYTES_MAX, "{change}: {push:?}");
    }
    server.is_sound("team");
}
