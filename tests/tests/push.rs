//! Content for Git remotes of any kind: `git push` with the `pre-push` hook, and `git dits push` by hand.
//!
//! The Git host is a folder that knows nothing of git-dits; contents go to a server of ours that a setting names.
//! A ref must never move there without its content.

use dits_tests::{Repo, Server, User, World, bytes};
use std::fs;

/// A bare repository on a plain Git host; its URL.
fn host(world: &World) -> String {
    let path = world.path().join("host.git");
    if !path.exists() {
        world.plain_user("host").git(&["init", "-q", "--bare", "-b", "main", &path.display().to_string()]);
    }
    format!("file://{}", path.display())
}

/// A user whose repositories get hooks.
fn hooked(world: &World, name: &str) -> User {
    world.user(name).with_env("GIT_DITS_TRACK_NO_INSTALL_HOOKS", "0")
}

/// A repository with one content, the plain host as `origin`, and `server` named in `.ditsconfig`.
fn project(world: &World, server: &Server) -> Repo {
    let repo = hooked(world, "ann").init("project");
    repo.git(&["remote", "add", "origin", &host(world)]);
    repo.write(".ditsconfig", format!("[dits]\n\turl = {}\n", server.url("team/p")).as_bytes());
    repo.write("a.bin", &bytes(300_000, 1));
    repo.commit("first");
    repo
}

fn oid(repo: &Repo, path: &str) -> String {
    let listed = repo.git(&["dits", "ls-files", "--long"]).text();
    let line = listed.lines().find(|line| line.ends_with(path)).expect("it is managed");
    line.split(' ').next().expect("a line has words").to_owned()
}

#[test]
fn a_plain_push_brings_its_content_along() {
    let world = World::new();
    let server = world.server();
    let ann = project(&world, &server);
    let watch = ann.watch(|| drop(ann.git(&["push", "-q", "-u", "origin", "main"])));
    assert_eq!((watch.push.contents, watch.connections), (1, 1));
    server.is_sound("team");
    let ben = hooked(&world, "ben").clone_from(&host(&world), "clone");
    ben.is_same_as(&ann);
    ben.is_clean_at_once();
    // The clone has a hook as soon as it adds content, and an edit sends the difference.
    assert!(!ben.at(".git/hooks/pre-push").exists());
    ben.edit("a.bin", |content| content[150_000] ^= 1);
    ben.commit("edit");
    let watch = ben.watch(|| drop(ben.git(&["push", "-q"])));
    assert_eq!(watch.push.contents, 1);
    assert!(watch.push.chunk_bytes < 280_000, "{watch:?}");
    ann.git(&["pull", "-q"]);
    ann.is_same_as(&ben);
}

#[test]
fn what_brings_no_content_asks_nobody() {
    let world = World::new();
    let mut server = world.server();
    let ann = project(&world, &server);
    ann.git(&["push", "-q", "-u", "origin", "main"]);
    server.kill();
    ann.write("readme", b"text");
    ann.commit("no content");
    ann.git(&["mv", "a.bin", "moved.txt"]);
    ann.git(&["reset", "-q", "--hard"]);
    let watch = ann.watch(|| {
        ann.git(&["push", "-q"]).says_nothing();
        ann.git(&["push", "-q"]).says_nothing();
        ann.git(&["push", "-q", "origin", "main:refs/heads/other"]);
        ann.git(&["tag", "v1"]);
        ann.git(&["push", "-q", "origin", "v1"]);
        ann.git(&["push", "-q", "origin", ":other"]);
    });
    assert_eq!((watch.connections, watch.push.events), (0, 0), "a server was asked");
}

#[test]
fn a_push_to_our_own_server_leaves_it_to_the_gate() {
    let world = World::new();
    let server = world.server();
    let ann = project(&world, &server);
    ann.git(&["remote", "set-url", "origin", &server.url("team/p")]);
    let watch = ann.watch(|| drop(ann.git(&["push", "-q", "origin", "main"])));
    assert_eq!((watch.push.events, watch.connections), (1, 1));
}

#[test]
fn without_a_server_the_ref_does_not_move() {
    let world = World::new();
    let server = world.server();
    let ann = project(&world, &server);
    fs::remove_file(ann.at(".ditsconfig")).unwrap();
    ann.commit("no server");
    let refused = ann.git_fails(&["push", "origin", "main"]);
    assert_eq!(refused.code, Some(1));
    refused.says(&["no server is known for the content of remote 'origin'", "hint: ", "git config dits.url"]);
    assert_eq!(ann.remote_id(&host(&world), "refs/heads/main"), "");
    // Named for this remote alone, and for pushes alone.
    ann.git(&["config", "remote.origin.ditspushurl", &server.url("team/q")]);
    ann.git(&["push", "-q", "origin", "main"]);
    assert_eq!(ann.remote_id(&host(&world), "refs/heads/main"), ann.id("main"));
    ann.git(&["config", "remote.origin.ditspushurl", "https://elsewhere/x"]);
    ann.write("b.bin", &bytes(1000, 2));
    ann.commit("second");
    ann.git_fails(&["push", "origin", "main"]).says(&["bad value of 'remote.origin.ditspushurl'"]);
}

/// Removes the whole store, as somebody does who wants space.
fn lose_content(repo: &Repo) {
    fs::remove_dir_all(repo.store()).expect("it is there");
}

#[test]
fn a_push_of_content_that_nobody_has_names_path_and_commit() {
    let world = World::new();
    let server = world.server();
    let ann = project(&world, &server);
    lose_content(&ann);
    let commit = ann.id("main");
    let line = format!("  (missing) a.bin ({}) in commit {}", oid(&ann, "a.bin"), &commit[..12]);
    let hints = "hint: Your push was rejected due to missing or corrupt local objects.\n\
                 hint: You can disable this check with: `git config dits.allowincompletepush true`\n";
    let refused = ann.git_fails(&["push", "origin", "main"]);
    assert_eq!(refused.code, Some(1));
    refused.says(&[&format!("Git DITS upload failed:\n{line}\n{hints}")]);
    let refused = ann.git_fails(&["dits", "push", "origin", "main"]);
    assert_eq!(
        (refused.code, refused.said()),
        (Some(2), format!("Git DITS upload failed:\n{line}\n{hints}"))
    );
    assert_eq!(ann.remote_id(&host(&world), "refs/heads/main"), "");
    assert_eq!(ann.git_fails(&["dits", "push", "-d", "origin", "main"]).code, Some(2));
    // Whoever insists may, and the rest is sent all the same.
    ann.write("b.bin", &bytes(50_000, 2));
    ann.commit("second");
    ann.git(&["-c", "dits.allowincompletepush=true", "push", "origin", "main"]).says(&["warning: ", &line]);
    let ben = world.user("ben").clone_from(&host(&world), "clone");
    ben.is_ghost("a.bin");
    ben.holds("b.bin", &bytes(50_000, 2));
}

#[test]
fn one_lost_chunk_stops_a_push() {
    let world = World::new();
    let server = world.server();
    let ann = project(&world, &server);
    ann.write("large.bin", &bytes(3_000_000, 7));
    ann.commit("large");
    // The store of a clone that was copied badly: one pack is gone.
    let packs = ann.store().join("objects");
    let mut files: Vec<_> = walk(&packs);
    files.sort_by_key(|file| fs::metadata(file).unwrap().len());
    fs::remove_file(files.last().unwrap()).unwrap();
    ann.git_fails(&["push", "origin", "main"]).says(&["(missing) large.bin (", " in commit "]);
    assert_eq!(ann.remote_id(&host(&world), "refs/heads/main"), "");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries =
        fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("it can be read").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn damaged_content_is_not_sent_on() {
    let world = World::new();
    let server = world.server();
    let ann = project(&world, &server);
    for pack in walk(&ann.store().join("objects")) {
        let mut bytes = fs::read(&pack).unwrap();
        bytes[1000] ^= 1;
        fs::write(&pack, bytes).unwrap();
    }
    ann.git_fails(&["push", "origin", "main"]).says(&["(corrupt) a.bin (", " in commit ", "rejected due to"]);
    assert_eq!(ann.remote_id(&host(&world), "refs/heads/main"), "");
}

#[test]
fn a_server_with_tokens_is_asked_without_asking_anybody() {
    let world = World::new();
    let server = world.closed_server();
    let ann = project(&world, &server);
    ann.git_fails(&["push", "origin", "main"]).says(&["hint: ", "token"]);
    assert_eq!(ann.remote_id(&host(&world), "refs/heads/main"), "");
    ann.git(&["config", "credential.helper", "store"]);
    let token = |role: &str| {
        let token = server.token(role, role, "team");
        let host = format!("127.0.0.1:{}", server.port());
        let input = format!("protocol=dits\nhost={host}\nusername=x\npassword={token}\n");
        ann.call(&["credential", "approve"]).input(input.as_bytes()).ok();
    };
    token("read");
    // What would travel may be known to a reader.
    ann.git(&["dits", "push", "-d", "origin"]).says(&["1 content(s)"]);
    ann.git_fails(&["push", "origin", "main"]).says(&["does not allow to write 'team/p'"]);
    token("write");
    ann.git(&["push", "-q", "origin", "main"]);
    server.is_sound("team");
}

#[test]
fn skipping_the_upload_is_no_way_to_push_without_content() {
    let world = World::new();
    let server = world.server();
    let ann = project(&world, &server);
    let skipping = ann.with_env("GIT_DITS_SKIP_PUSH", "1");
    skipping.git_fails(&["push", "origin", "main"]).says(&[
        "GIT_DITS_SKIP_PUSH",
        "(missing) a.bin",
        "hint: ",
    ]);
    assert_eq!(ann.remote_id(&host(&world), "refs/heads/main"), "");
    ann.git(&["dits", "push", "origin"]);
    let watch = ann.watch(|| drop(skipping.git(&["push", "-q", "origin", "main"])));
    assert_eq!(watch.push.events, 0);
    assert_eq!(ann.remote_id(&host(&world), "refs/heads/main"), ann.id("main"));
}

#[test]
fn a_dry_run_says_what_would_travel_and_sends_nothing() {
    let world = World::new();
    let server = world.server();
    let ann = project(&world, &server);
    ann.git(&["push", "-q", "-u", "origin", "main"]);
    ann.write("copy.bin", &bytes(300_000, 1));
    ann.edit("a.bin", |content| content.extend(bytes(1000, 3)));
    ann.commit("second");
    let line = |path: &str| format!("push {} => {path}\n", oid(&ann, path));
    let expected = line("a.bin") + &line("copy.bin");
    let watch = ann.watch(|| {
        let shown = ann.git(&["dits", "push", "--dry-run", "origin", "main"]);
        assert_eq!(shown.text(), expected);
        shown.says(&["2 content(s), 601 KB: 1 at the server, "]);
    });
    assert_eq!(watch.push.events, 0);
    let shown = ann.git(&["dits", "push", "-d", "--json", "origin"]).text();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&shown["dry_run"], &shown["contents"], &shown["contents_had"]),
        (&true.into(), &2.into(), &1.into())
    );
    let promised = shown["chunk_bytes"].as_u64().unwrap();
    assert!(promised > 1000 && promised < 300_000, "{shown}");
    let input = format!("refs/heads/main {} refs/heads/main {}\n", ann.id("main"), ann.id("origin/main"));
    let hook = ann.call(&["dits", "pre-push", "--dry-run", "origin", &host(&world)]).input(input.as_bytes());
    assert_eq!(hook.ok().text(), expected);
    let watch = ann.watch(|| drop(ann.git(&["dits", "push", "origin", "main"]).says_nothing()));
    assert_eq!(watch.push.chunk_bytes, promised, "the dry run was wrong");
}

#[test]
fn everything_or_single_contents_go_to_a_new_server() {
    let world = World::new();
    let server = world.server();
    let ann = project(&world, &server);
    let first = oid(&ann, "a.bin");
    ann.write("a.bin", &bytes(200_000, 2));
    ann.commit("second");
    ann.git(&["push", "-q", "-u", "origin", "main"]);
    // By its tracking ref the remote has it all.
    ann.git(&["config", "dits.url", &server.url("other/p")]);
    let sent = |args: &[&str]| ann.watch(|| drop(ann.git(&[&["dits", "push"], args].concat()))).push.contents;
    assert_eq!(sent(&["origin", "main"]), 0);
    assert_eq!(sent(&["--object-id", "origin", &first]), 1);
    assert_eq!(sent(&["--all", "origin"]), 2);
    server.is_sound("other");
    let list = ann
        .call(&["dits", "push", "--stdin", "--dry-run", "--all", "origin"])
        .input(b"main\n\nHEAD~1\n")
        .ok();
    assert_eq!(list.text().lines().count(), 2);
    let ids = ann.call(&["dits", "push", "-o", "--stdin", "-d", "origin"]).input(first.as_bytes()).ok();
    assert_eq!(ids.text(), format!("push {first} => \n"));
}

#[test]
fn what_is_named_and_not_there_is_an_error() {
    let world = World::new();
    let server = world.server();
    let ann = project(&world, &server);
    let fails = |args: &[&str], code: i32, says: &str| {
        let ran = ann.call(&[&["dits", "push"], args].concat()).run();
        assert!(ran.code == Some(code) && ran.said().contains(says), "{ran}");
    };
    fails(&[], 1, "Specify a remote and a remote branch name (`git dits push origin main`)\n");
    fails(&["origin", "nope"], 2, "src refspec nope does not match any");
    fails(&["origin", "--", "--all"], 2, "src refspec --all does not match any");
    fails(&["nowhere", "main"], 2, "Invalid remote name \"nowhere\"");
    fails(&["-o", "origin"], 1, "At least one object ID must be supplied with --object-id");
    fails(&["-o", "origin", "abc"], 2, "'abc' is not an object ID of 64 digits");
    fails(&["-o", "origin", &"0".repeat(64)], 2, "(missing) ");
    fails(&["-o", "--all", "origin"], 127, "cannot be used with");
    let outside = ann.user().call("git", &ann.user().home()).args(["dits", "push", "origin"]).run();
    assert_eq!((outside.code, outside.said()), (Some(2), "Not in a Git repository.\n".into()));
    let hook = ann.call(&["dits", "pre-push"]).run();
    assert_eq!(hook.code, Some(1));
    hook.says(&["This should be run through Git's pre-push hook.  Run `git dits update` to install it."]);
    let hook = ann.call(&["dits", "pre-push", "origin", "x"]).input(b"nonsense\n").run();
    assert_eq!(hook.code, Some(2));
    ann.git(&["checkout", "-q", "--detach"]);
    ann.git(&["dits", "push", "-d", "origin"]).says(&["1 content(s)"]);
    let unborn = ann.user().init("unborn");
    unborn.git(&["remote", "add", "origin", &host(&world)]);
    unborn.git_fails(&["dits", "push", "origin"]).says(&["the current branch has no commit yet"]);
    unborn.git(&["dits", "push", "--all", "origin"]).says_nothing();
}
