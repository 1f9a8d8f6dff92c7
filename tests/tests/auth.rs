//! Who is let in: tokens through Git's own credential helpers, and a hint for those who have none.
//!
//! A filter never asks: it may run where nobody looks. What it cannot fetch stays a pointer, and is fetched later.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

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
    let listed = server.owner(&["token", "list"], &["--json"]).ok().json();
    let of_ann = |token: &&serde_json::Value| token["user"] == "ann";
    let id = listed["tokens"].as_array().unwrap().iter().find(of_ann).unwrap()["id"].clone();
    server.owner(&["token", "revoke"], &[id.as_str().unwrap()]).ok();
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

#[test]
fn an_owner_manages_users_tokens_and_grants() {
    let world = World::new();
    let mut server = world.closed_server();
    let ann = world.user("ann");
    server.owner(&["user", "add"], &["ann"]).ok();
    server.owner(&["user", "add"], &["ann"]).fails().says(&["error: user 'ann' exists already"]);
    server.owner(&["token", "new"], &["--user", "ben"]).fails().says(&["no user 'ben'", "hint: "]);
    server.owner(&["grant"], &["ann", "write", "../x"]).fails().says(&["'../x' is not a scope"]);
    server.owner(&["grant"], &["ann", "write", "team"]).ok();
    let made = server.owner(&["token", "new"], &["--user", "ann", "--expires", "90d", "--json"]).ok().json();
    give_token(&ann, &server, made["token"].as_str().unwrap());
    let repo = with_content(&ann, &server);
    repo.git(&["push", "-q", "-u", "origin", "main"]);
    let repos = server.owner(&["repo", "list"], &["--json"]).ok().json();
    assert_eq!(repos["repositories"][0]["path"], URL);
    assert!(repos["repositories"][0]["last_push"].is_string());

    server.owner(&["user", "disable"], &["ann"]).ok();
    repo.git_fails(&["ls-remote", "origin"]).says(&["disabled"]);
    // The same for a server that does not run.
    server.stop();
    server.owner(&["user", "enable"], &["ann"]).ok();
    server.restart();
    give_token(&ann, &server, made["token"].as_str().unwrap());
    repo.git(&["ls-remote", "origin"]);
    server.owner(&["revoke-grant"], &["ann", "team"]).ok();
    repo.git_fails(&["ls-remote", "origin"]).says(&["does not allow to read"]);
    server.owner(&["user", "remove"], &["ann"]).ok();
    repo.git_fails(&["ls-remote", "origin"]).says(&["the access token is not valid"]);

    let log = server.owner(&["audit"], &["--json"]).ok().text();
    let events: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let moved = events.iter().find(|event| event["event"] == "refs").expect("a ref moved");
    let zero = "0".repeat(40);
    assert_eq!(moved["refs"][0], format!("{zero} {} refs/heads/main", repo.id("main")));
    assert_eq!((&moved["who"], &moved["repository"]), (&"ann".into(), &URL.into()));
    assert!(!log.contains(&made["token"].as_str().unwrap()[5..]), "a token is in the log");
}

#[test]
fn a_folder_named_like_a_subcommand_can_be_served() {
    let world = World::new();
    let server = Server::start(world.path().join("user"), dits_tests::server::Access::Tokens);
    server.owner(&["user", "list"], &[]).ok();
}

#[test]
fn nobody_may_read_what_was_granted_to_all_and_no_more() {
    let world = World::new();
    let (server, ann) = published(&world);
    server.owner(&["grant"], &["anonymous", "write", "team"]).fails().says(&["no more than read"]);
    server.owner(&["grant"], &["anonymous", "read", URL]).ok();
    let ben = world.user("ben");
    let clone = ben.clone_from(&server.url(URL), "clone");
    clone.is_same_as(&ann);
    clone.write("b.bin", &bytes(200_000, 2));
    clone.commit("second");
    clone.git_fails(&["push"]).says(&["no access token is known", "git credential approve", "DITS_TOKEN"]);
    let url = server.url("team/other");
    ben.call("git", &ben.home()).args(["ls-remote", &url]).fails().says(&["no access token is known"]);
}

#[test]
fn a_token_from_the_environment_comes_first() {
    let world = World::new();
    let (server, ann) = published(&world);
    let ben = world.user("ben");
    give_token(&ben, &server, "dits_stored");
    let token = server.token("ben", "read", "team");
    let clone = ben.with_env("DITS_TOKEN", &token).clone_from(&server.url(URL), "clone");
    clone.is_same_as(&ann);
    assert!(stored(&ben).contains("dits_stored"), "the helpers are not concerned");
    let ls = |ben: &User| ben.call("git", &ben.home()).args(["ls-remote", &server.url(URL)]);
    ls(&ben.with_env("DITS_TOKEN", "dits_wrong")).fails().says(&["DITS_TOKEN was refused", "hint: "]);
    for bad in ["a\rb", "a\nhost=evil", "a\n\n"] {
        ls(&ben.with_env("DITS_TOKEN", bad)).fails().says(&["DITS_TOKEN holds a line break"]);
    }
    let elsewhere = ben.with_env("DITS_TOKEN", &token).with_env("DITS_TOKEN_HOST", "other.example");
    ls(&elsewhere).fails().says(&["the access token is not valid"]);
}

#[test]
fn a_url_with_a_line_break_is_refused_before_anything_is_sent() {
    let world = World::new();
    let ben = world.user("ben");
    for bad in [
        "dits://me\r@127.0.0.1:1/team/x",
        "dits://me\nhost=evil@127.0.0.1:1/team/x",
        "dits://127.0.0.1:1/team/x\r",
    ] {
        let ran = ben.call("git-remote-dits", &ben.home()).args(["origin", bad]).fails();
        ran.says(&["holds a control character"]);
    }
}

/// A helper that writes down what it is asked, and answers with a bearer token.
fn helper(user: &User, answer: &str) -> std::path::PathBuf {
    let (log, script) = (user.at("helper.log"), user.at("helper"));
    let text = format!(
        "#!/bin/sh\necho \"== $1\" >>'{log}'\ncat >>'{log}'\n[ \"$1\" = get ] && printf '{answer}'\nexit 0\n",
        log = log.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    user.git(&["config", "--global", "credential.helper", script.to_str().unwrap()]);
    log
}

#[test]
fn helpers_are_told_what_the_server_wants_and_how_it_went() {
    let world = World::new();
    let (server, _) = published(&world);
    let ben = world.user("ben");
    let token = server.token("ben", "read", "team");
    let log = helper(&ben, &format!("username=x\\npassword={token}\\npassword_expiry_utc=99999999999\\n"));
    let url = server.url(URL);
    ben.git(&["ls-remote", &url]);
    let told = fs::read_to_string(&log).unwrap();
    let (get, store) = told.split_once("== store").expect("the helper was told that it went well");
    assert!(
        get.contains("protocol=dits") && get.contains(&format!("host=127.0.0.1:{}", server.port())),
        "{told}"
    );
    assert!(!get.contains("path="), "{told}");
    assert!(store.contains(&token), "{told}");
    // Older ones do not pass these on.
    if ben.git(&["--version"]).text().as_str() >= "git version 2.41" {
        assert!(store.contains("password_expiry_utc=99999999999"), "{told}");
        assert!(get.contains("wwwauth[]=Bearer realm=\"git-dits\""), "{told}");
    }
    fs::remove_file(&log).unwrap();
    ben.git(&["config", "--global", "credential.useHttpPath", "true"]);
    ben.git(&["ls-remote", &url]);
    assert!(fs::read_to_string(&log).unwrap().contains(&format!("path={URL}")));
}

#[test]
fn of_several_that_ask_at_once_one_does_and_filters_never() {
    let world = World::new();
    let (server, ann) = published(&world);
    let ben = world.user("ben");
    let token = server.token("ben", "read", "*");
    let (log, script) = (ben.at("asked"), ben.at("askpass"));
    let text = format!("#!/bin/sh\necho \"$1\" >>'{}'\necho {token}\n", log.display());
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let asked = || fs::read_to_string(&log).unwrap_or_default().lines().count();
    let url = server.url(URL);
    // Ghosts, in clones that were made without a helper.
    let asking = ben.with_env("GIT_ASKPASS", &script);
    for n in 0..4 {
        ben.with_env("DITS_TOKEN", &token)
            .with_env("GIT_DITS_SKIP_SMUDGE", "1")
            .clone_from(&url, &format!("c{n}"));
    }
    let all = |args: &[&str]| {
        let started = (0..4).map(|n| asking.call("git", &ben.at(&format!("c{n}"))).args(args).start());
        started.collect::<Vec<_>>().into_iter().map(dits_tests::Started::wait).collect::<Vec<_>>()
    };
    // Filters that lack content.
    for repo in 0..4 {
        fs::remove_file(ben.at(&format!("c{repo}")).join("a.bin")).unwrap();
    }
    assert!(all(&["checkout", "-q", "--", "."]).iter().all(|ran| ran.code == Some(0)));
    assert_eq!(asked(), 0, "a filter asked");
    ben.repo("c0").is_ghost("a.bin");
    // Programs that may ask, with a helper that keeps the answer.
    ben.git(&["config", "--global", "credential.helper", "store"]);
    assert!(all(&["ls-remote", "-q"]).iter().all(|ran| ran.code == Some(0)));
    assert_eq!(asked(), 2, "name and password, once: {}", fs::read_to_string(&log).unwrap());
    assert!(all(&["checkout", "-q", "--", "."]).iter().all(|ran| ran.code == Some(0)));
    assert_eq!(asked(), 2);
    ben.repo("c0").git(&["dits", "hydrate"]);
    ben.repo("c0").is_same_as(&ann);
}

#[test]
fn without_a_terminal_and_an_answer_it_fails_with_what_to_run() {
    let world = World::new();
    let (server, _) = published(&world);
    let ben = world.user("ben");
    let url = server.url(URL);
    let ran = ben.call("git", &ben.home()).args(["ls-remote", &url]).fails();
    ran.says(&[
        "authentication failed for",
        "hint:   printf 'protocol=dits",
        "| git credential approve",
        "DITS_TOKEN",
    ]);
}
