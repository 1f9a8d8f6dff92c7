//! Who is let in: tokens through Git's own credential helpers, and a hint for those who have none.
//!
//! A filter never asks: it may run where nobody looks. What it cannot fetch stays a pointer, and is fetched later.

use dits_tests::{Repo, Server, User, World, bytes};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const URL: &str = "team/project";

/// Gives `user` a helper that stores credentials, and this token in it.
fn give_token(user: &User, server: &Server, token: &str) {
    user.git(&["config", "--global", "credential.helper", "store"]);
    let input = format!("protocol=dits\nhost=127.0.0.1:{}\nusername=x\npassword={token}\n", server.port());
    user.call("git", &user.home()).args(["credential", "approve"]).input(input.as_bytes()).ok();
}

/// What the user's helper knows.
fn stored(user: &User) -> String {
    fs::read_to_string(user.home().join(".git-credentials")).unwrap_or_default()
}

fn with_content(user: &User, server: &Server) -> Repo {
    let repo = user.init("project");
    repo.write("a.bin", &bytes(300_000, 1));
    repo.commit("first");
    repo.git(&["remote", "add", "origin", &server.url(URL)]);
    repo
}

/// A server with a repository that `ann`, who may write, has pushed.
fn published(world: &World) -> (Server, Repo) {
    let server = world.closed_server();
    let ann = world.user("ann");
    give_token(&ann, &server, &server.token("ann", "write", "team"));
    let repo = with_content(&ann, &server);
    repo.git(&["push", "-q", "-u", "origin", "main"]);
    (server, repo)
}

#[test]
fn without_a_token_nothing_is_pushed() {
    let world = World::new();
    let server = world.closed_server();
    let repo = with_content(&world.user("ann"), &server);
    repo.git_fails(&["push", "origin", "main"]).says(&["127.0.0.1", "hint: ", "token"]);
    assert!(!server.bare("team", "project").exists(), "a stranger made a repository");
    assert!(!server.store("team").exists(), "a stranger made a store");
}

#[test]
fn a_stored_token_opens_every_way() {
    let world = World::new();
    let (server, ann) = published(&world);
    let ben = world.user("ben");
    give_token(&ben, &server, &server.token("ben", "write", "team/project"));
    let clone = ben.clone_from(&server.url(URL), "clone");
    clone.is_clean_at_once();
    clone.is_same_as(&ann);
    clone.write("b.bin", &bytes(200_000, 2));
    clone.commit("second");
    clone.git(&["push", "-q"]);
    ann.git(&["pull", "-q"]);
    ann.is_same_as(&clone);
}

#[test]
fn a_wrong_token_is_refused_and_forgotten() {
    let world = World::new();
    let (server, _) = published(&world);
    let ben = world.user("ben");
    give_token(&ben, &server, "dits_0000000000000000000000000000000000000000000000000000000000000000");
    assert!(stored(&ben).contains("dits_0000"));
    let url = server.url(URL);
    let ran = ben.call("git", &ben.home()).args(["ls-remote", &url]).fails();
    ran.says(&["the access token is not valid", "hint: "]);
    assert!(!stored(&ben).contains("dits_0000"), "a refused token was kept");
}

#[test]
fn a_reader_may_clone_and_may_not_push() {
    let world = World::new();
    let (server, ann) = published(&world);
    let ben = world.user("ben");
    let token = server.token("ben", "read", "team/project");
    give_token(&ben, &server, &token);
    let clone = ben.clone_from(&server.url(URL), "clone");
    clone.is_same_as(&ann);
    clone.write("b.bin", &bytes(200_000, 2));
    clone.commit("second");
    let before = ann.remote_id(&server.url(URL), "refs/heads/main");
    clone.git_fails(&["push"]).says(&["does not allow to write 'team/project'"]);
    assert_eq!(ann.remote_id(&server.url(URL), "refs/heads/main"), before);
    assert!(stored(&ben).contains(&token), "a good token that is too weak was thrown away");
}

#[test]
fn a_token_is_good_in_its_scope_only() {
    let world = World::new();
    let (server, _) = published(&world);
    let ben = world.user("ben");
    give_token(&ben, &server, &server.token("ben", "admin", "other"));
    let url = server.url(URL);
    let ran = ben.call("git", &ben.home()).args(["ls-remote", &url]).fails();
    ran.says(&["does not allow to read 'team/project'"]);
}

#[test]
fn a_withdrawn_token_is_refused_at_once() {
    let world = World::new();
    let (server, ann) = published(&world);
    let tokens = server.dir().join("tokens");
    let text = fs::read_to_string(&tokens).unwrap();
    let kept: String =
        text.lines().filter(|line| !line.ends_with(" ann")).map(|line| format!("{line}\n")).collect();
    assert_ne!(kept, text);
    fs::write(&tokens, kept).unwrap();
    ann.git_fails(&["ls-remote", "origin"]).says(&["the access token is not valid"]);
}

#[test]
fn the_filter_of_a_clone_asks_nobody() {
    let world = World::new();
    let (server, ann) = published(&world);
    let ben = world.user("ben");
    let (log, script) = (ben.at("asked"), ben.at("askpass"));
    let token = server.token("ben", "read", "*");
    let text = format!("#!/bin/sh\necho \"$1\" >>'{}'\necho {token}\n", log.display());
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let asked = || fs::read_to_string(&log).unwrap_or_default().lines().count();
    let url = server.url(URL);
    let asking = ben.with_env("GIT_ASKPASS", &script);
    asking.git(&["ls-remote", &url]);
    let once = asked();
    assert!(once > 0, "the helper of a person may ask");
    asking.git(&["clone", "-q", &url, "clone"]).says(&["a.bin", "hint: ", "git dits hydrate"]);
    assert_eq!(asked(), 2 * once, "the filter asked too");
    let clone = ben.repo("clone");
    clone.is_ghost("a.bin");
    clone.is_clean();
    give_token(&ben, &server, &token);
    clone.git(&["dits", "hydrate"]);
    clone.is_same_as(&ann);
    clone.is_clean_at_once();
}
