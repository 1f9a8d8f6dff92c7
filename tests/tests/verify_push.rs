//! Looking on from a Git host or from CI: does pushed content stand where it belongs?

use dits_tests::{Ran, Repo, Server, User, World, bytes};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A bare repository whose `pre-receive` runs `git dits verify-push` with these words.
fn host(world: &World, words: &str) -> (User, PathBuf) {
    let host = world.user("host");
    let bare = host.at("bare.git");
    host.git(&["init", "-q", "--bare", "-b", "main", &bare.display().to_string()]);
    let hook = bare.join("hooks/pre-receive");
    fs::write(&hook, format!("#!/bin/sh\nexec git dits verify-push {words}\n"))
        .expect("a hook can be written");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("a mode can be set");
    (host, bare)
}

/// Ann's repository; its contents belong to `server`, and nothing is uploaded by itself.
fn project(world: &World, server: &Server, bare: &Path) -> Repo {
    let ann = world.user("ann").init("project");
    ann.write(".ditsconfig", format!("[dits]\n\turl = {}\n", server.url("team/p")).as_bytes());
    ann.write("a.bin", &bytes(300_000, 1));
    ann.commit("first");
    ann.git(&["remote", "add", "origin", &bare.display().to_string()]);
    ann
}

fn push(repo: &Repo) -> Ran {
    repo.call(&["push", "--no-verify", "origin", "main"]).run()
}

#[test]
fn a_host_refuses_what_lacks_its_content() {
    let world = World::new();
    let server = world.server();
    let (_host, bare) = host(&world, "");
    let ann = project(&world, &server, &bare);
    // The place is known from the pushed file itself, as the host has none yet.
    let ran = push(&ann).says(&[
        "(absent) a.bin (",
        "in commit",
        "1 of 1 content(s) are not at 'dits://",
        "git dits push --all",
    ]);
    assert_ne!(ran.code, Some(0));
    assert_eq!(ann.remote_id("origin", "refs/heads/main"), "");
    ann.git(&["dits", "push", "--all", "origin"]);
    assert_eq!(push(&ann).code, Some(0));
    // Only what is new is asked about, and a branch that goes brings nothing.
    fs::remove_file(ann.at("a.bin")).expect("it can go");
    ann.write("b.bin", &bytes(200_000, 2));
    ann.commit("second");
    push(&ann).says(&["(absent) b.bin (", "1 of 1 content(s)"]);
    ann.git(&["dits", "push", "origin"]);
    ann.git(&["push", "-q", "--no-verify", "origin", "main", "main:refs/heads/more"]);
    ann.git(&["push", "-q", "--no-verify", "origin", ":more"]);
}

#[test]
fn a_server_that_cannot_be_asked_is_no_unless_it_is_said() {
    let world = World::new();
    let mut server = world.server();
    let (_host, bare) = host(&world, "$VERIFY");
    let ann = project(&world, &server, &bare);
    ann.git(&["dits", "push", "--all", "origin"]);
    server.stop();
    let ran = push(&ann);
    assert_ne!(ran.code, Some(0), "{ran}");
    assert_eq!(ann.remote_id("origin", "refs/heads/main"), "");
    let allow =
        push(&ann.with_env("VERIFY", "--if-unreachable=allow")).says(&["warning: content was not checked"]);
    assert_eq!(allow.code, Some(0), "{allow}");
    server.restart();
}

#[test]
fn claims_are_waited_for() {
    let world = World::new();
    let mut server = world.server();
    let (_host, bare) = host(&world, "$VERIFY");
    let ann = project(&world, &server, &bare);
    // An edit of much that is there already is beyond what a server proves while it is pushed.
    let mut large = bytes(100 << 20, 3);
    ann.write("a.bin", &large);
    ann.commit("large");
    ann.git(&["dits", "push", "--all", "origin"]);
    large[50 << 20] ^= 1;
    ann.write("a.bin", &large);
    ann.commit("edit");
    ann.git(&["dits", "push", "--all", "origin"]);
    let ran = push(&ann);
    assert_eq!(ran.code, Some(0), "an honest push was refused:\n{ran}");
    server.stop();
}

#[test]
fn ci_checks_revisions_and_ranges() {
    let world = World::new();
    let server = world.closed_server();
    let token = server.token("ci", "read", "team");
    let writer = server.token("ann", "write", "team");
    let (_host, bare) = host(&world, "");
    let ann = project(&world, &server, &bare);
    let url = server.url("team/p");
    let with_token = |repo: &Repo, token: &str| repo.with_env("DITS_TOKEN", token);
    let verify = |repo: &Repo, args: &[&str]| repo.call(&[&["dits", "verify-push"], args].concat()).run();
    // Who has no token is told so at once.
    let ran = verify(&ann, &["HEAD"]).says(&["hint: "]);
    assert_eq!(ran.code, Some(2), "{ran}");
    let ran = verify(&ann, &["--if-unreachable=allow", "HEAD"]);
    assert_eq!(ran.code, Some(2), "a server that says no is there: {ran}");
    // The token goes only where whoever runs this points.
    let ran = verify(&with_token(&ann, &token), &["HEAD"]);
    assert_eq!(ran.code, Some(2), "{ran}");
    let ran = verify(&with_token(&ann, &token), &["--url", &url, "--json", "HEAD"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    for part in
        ["\"ok\": false", "\"path\": \"a.bin\"", "\"state\": \"absent\"", "\"checked\": 1", "\"commit\": \""]
    {
        assert!(ran.text().contains(part), "{part}: {ran}");
    }
    let input = format!("protocol=dits\nhost=127.0.0.1:{}\nusername=x\npassword={writer}\n", server.port());
    ann.git(&["config", "credential.helper", "store"]);
    ann.call(&["credential", "approve"]).input(input.as_bytes()).ok();
    ann.git(&["dits", "push", "--all", "origin"]);
    ann.write("b.bin", &bytes(200_000, 2));
    ann.commit("second");
    for (args, code) in [
        (&["HEAD~1"][..], 0),
        (&["HEAD"], 1),
        (&["--all"], 1),
        (&["--range", "HEAD~1..HEAD"], 1),
        (&["--range", "HEAD..HEAD"], 0),
        (&["--range", "0000000000000000000000000000000000000000..HEAD~1"], 0),
        (&["--range", "HEAD"], 2),
        (&["nothing"], 2),
        (&["--range", "HEAD", "--all"], 127),
    ] {
        let ran = verify(&ann, args);
        assert_eq!(ran.code, Some(code), "{args:?}: {ran}");
    }
    // A folder that only a pushed file names counts for nothing.
    ann.write(".ditsconfig", b"[dits]\n\turl = file:///tmp\n");
    ann.commit("a folder");
    let ran = verify(&ann, &["HEAD"]).says(&["only '.ditsconfig' names the folder"]);
    assert_eq!(ran.code, Some(2), "{ran}");
}
