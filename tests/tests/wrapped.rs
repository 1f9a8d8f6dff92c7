//! `dits::` in front of other hosts' addresses: Git's objects go there, contents to a server of ours, and the gate holds
//! whatever the transport.

use dits_store::durable;
use dits_tests::{HttpHost, Ran, Repo, Server, User, World, bytes, wait_for};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;

/// A bare repository in the folder `hosts` of the world.
fn bare(world: &World, name: &str) -> PathBuf {
    let dir = world.folder("hosts").join(name);
    let path = dir.display().to_string();
    world.plain_user(&format!("host-{name}")).git(&["init", "-q", "--bare", "-b", "main", &path]);
    dir
}

/// What the bare repository has for a ref.
fn id_at(repo: &Repo, bare: &std::path::Path, name: &str) -> String {
    let path = format!("--git-dir={}", bare.display());
    repo.call(&[&path, "rev-parse", "--verify", "--quiet", name]).run().line()
}

/// A repository with one content, whose contents go to `server`.
fn project(user: &User, server: &Server, url: &str) -> Repo {
    let repo = user.init("project");
    repo.write("a.bin", &bytes(300_000, 1));
    repo.write(".ditsconfig", format!("[dits]\n\turl = {}\n", server.url("team/p")).as_bytes());
    repo.commit("first");
    repo.git(&["remote", "add", "origin", url]);
    // The hook of plain remotes must not do it once more.
    repo.git(&["dits", "update"]);
    repo
}

/// The whole of a day with one remote, whatever carries it.
fn day(world: &World, user: &User, other: &User, url: &str, bare: &std::path::Path) {
    let server = world.server();
    let ann = project(user, &server, url);
    let first = ann.watch(|| drop(ann.git(&["push", "-q", "-u", "origin", "main"])));
    assert_eq!((first.push.contents, first.push.contents_had), (1, 0), "it is uploaded once: {first:?}");
    assert_eq!(id_at(&ann, bare, "main"), ann.id("main"));
    // Somebody else works with it.
    let ben = other.clone_from(url, "clone");
    ben.is_clean_at_once();
    ben.is_same_as(&ann);
    ben.edit("a.bin", |bytes| bytes[1000] ^= 1);
    ben.commit("edit");
    ben.git(&["tag", "-a", "v1", "-m", "one"]);
    let edit = ben.watch(|| {
        drop(ben.git(&["push", "-q", "--atomic", "--follow-tags", "origin", "main", "HEAD:refs/heads/more"]))
    });
    assert!(edit.push.chunks >= 1 && edit.push.chunk_bytes < 300_000, "only the edit travels: {edit:?}");
    assert_eq!([id_at(&ann, bare, "v1^{}"), id_at(&ann, bare, "more")], [ben.id("main"), ben.id("main")]);
    ann.git(&["pull", "-q", "--ff-only"]);
    ann.is_same_as(&ben);
    ann.is_clean_at_once();
    gate_holds(&ann, &server, bare);
    let deeper = other.git(&["clone", "-q", "--depth", "1", url, "shallow"]);
    assert!(
        deeper.code == Some(0)
            && other.repo("shallow").git(&["rev-list", "HEAD"]).text().lines().count() == 1
    );
    other.repo("shallow").holds("a.bin", &ben.read("a.bin"));
}

/// What a push must and must not do, on whatever transport.
fn gate_holds(ann: &Repo, server: &Server, bare: &std::path::Path) {
    let before = id_at(ann, bare, "main");
    ann.write("b.bin", &bytes(200_000, 2));
    ann.commit("second");
    let dry = ann.watch(|| drop(ann.git(&["push", "-q", "--dry-run", "origin", "main"])));
    assert_eq!((dry.push.events, id_at(ann, bare, "main")), (0, before.clone()));
    // Content that is nowhere: nothing moves, not even with a flag.
    let hidden = ann.path().join("hidden");
    durable::rename(&ann.store(), &hidden).expect("the store can be moved");
    for flags in [&["push", "origin", "main"][..], &["push", "--no-verify", "--force", "origin", "main"]] {
        ann.git_fails(flags).says(&["(missing) b.bin", "hint: "]);
        assert_eq!(id_at(ann, bare, "main"), before);
    }
    std::fs::remove_dir_all(ann.store()).expect("what was made meanwhile goes");
    durable::rename(&hidden, &ann.store()).expect("the store can be moved back");
    let verify = ann.watch(|| drop(ann.git(&["push", "-q", "--no-verify", "origin", "main"])));
    assert_eq!(verify.push.contents, 1, "no flag goes past the gate: {verify:?}");
    assert_eq!(id_at(ann, bare, "main"), ann.id("main"));
    // What Git itself refuses or deletes moves no content.
    ann.git(&["reset", "-q", "--hard", "HEAD~1"]);
    ann.write("c.bin", &bytes(100_000, 3));
    ann.commit("other");
    let refused = ann.watch(|| drop(ann.git_fails(&["push", "origin", "main"]).says(&["rejected"])));
    assert_eq!(refused.push.events, 0);
    ann.git_fails(&["push", "--force-with-lease=main:HEAD~1", "origin", "main"]).says(&["stale info"]);
    let lease = format!("--force-with-lease=main:{}", id_at(ann, bare, "main"));
    ann.git(&["push", "-q", &lease, "origin", "main"]);
    assert_eq!(id_at(ann, bare, "main"), ann.id("main"));
    ann.git(&["push", "-q", "origin", "HEAD~1:refs/heads/older"]);
    assert_eq!(id_at(ann, bare, "older"), ann.id("HEAD~1"));
    let deleted = ann.watch(|| drop(ann.git(&["push", "-q", "origin", ":more"])));
    assert_eq!((deleted.push.events, id_at(ann, bare, "more")), (0, String::new()));
    server.is_sound("team");
}

#[test]
fn a_day_over_http() {
    let world = World::new();
    let bare = bare(&world, "http.git");
    let host = HttpHost::start(&world.path().join("hosts"));
    let (ann, ben) = (world.user("ann"), world.user("ben"));
    day(&world, &ann, &ben, &host.url("http.git"), &bare);
}

/// A user for whom `ssh` is a script that runs the command here, and notes how it was called.
fn with_ssh(world: &World, user: &User) -> (User, PathBuf) {
    let (script, log) = (user.at("ssh"), user.at("ssh.log"));
    let text = format!(
        "#!/bin/sh\nprintf '%s|' \"$@\" >>'{}'\necho \"GIT_PROTOCOL=$GIT_PROTOCOL\" >>'{}'\n\
         for last; do :; done\nunset GIT_DIR\ncd '{}' && exec sh -c \"$last\"\n",
        log.display(),
        log.display(),
        world.path().join("hosts").display()
    );
    std::fs::write(&script, text).expect("a script can be written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).expect("a mode can be set");
    (user.with_env("GIT_SSH", &script).with_env("GIT_SSH_VARIANT", "ssh"), log)
}

#[test]
fn a_day_over_ssh() {
    let world = World::new();
    let bare = bare(&world, "ssh.git");
    let (ann, log) = with_ssh(&world, &world.user("ann"));
    let (ben, _) = with_ssh(&world, &world.user("ben"));
    let url = format!("dits::ssh://git@host.example:2222{}", bare.display());
    day(&world, &ann, &ben, &url, &bare);
    let log = std::fs::read_to_string(log).expect("ssh was started");
    let (push, fetch) =
        (format!("git-receive-pack '{}'|", bare.display()), format!("git-upload-pack '{}'|", bare.display()));
    assert!(log.contains(&format!("-p|2222|git@host.example|{push}GIT_PROTOCOL=\n")), "{log}");
    assert!(
        log.contains(&format!(
            "-o|SendEnv=GIT_PROTOCOL|-p|2222|git@host.example|{fetch}GIT_PROTOCOL=version=2\n"
        )),
        "{log}"
    );
    // The short form is relative to where the login ends up.
    let repo = ann.repo("project");
    repo.git(&["ls-remote", "dits::git@host.example:ssh.git", "main"]);
    for (url, words) in [
        ("dits::ssh://-oProxyCommand=touch/x", "strange hostname '-oProxyCommand=touch' blocked"),
        ("dits::host:-x", "strange pathname '-x' blocked"),
    ] {
        repo.git_fails(&["ls-remote", url]).says(&[words]);
    }
}

#[test]
fn a_day_with_a_path() {
    let world = World::new();
    let bare = bare(&world, "path.git");
    let (ann, ben) = (world.user("ann"), world.user("ben"));
    day(&world, &ann, &ben, &format!("dits::{}", bare.display()), &bare);
    let url = format!("dits::file://{}", bare.display());
    assert_eq!(ann.repo("project").remote_id(&url, "refs/heads/main"), ann.repo("project").id("main"));
}

#[test]
fn a_day_with_a_daemon() {
    let world = World::new();
    let bare = bare(&world, "daemon.git");
    let hosts = format!("--base-path={}", world.path().join("hosts").display());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let host = world.plain_user("host");
    let listen = ["daemon", "--listen=127.0.0.1", &format!("--port={port}"), "--reuseaddr", "--export-all"]
        .map(str::to_owned);
    let call = host.call("git", &host.home()).args(listen).args(["--enable=receive-pack", &hosts]);
    let _running = call.start();
    wait_for("the daemon", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    let (ann, ben) = (world.user("ann"), world.user("ben"));
    day(&world, &ann, &ben, &format!("dits::git://127.0.0.1:{port}/daemon.git"), &bare);
}

#[test]
fn without_a_place_for_contents_nothing_moves() {
    let world = World::new();
    let bare = bare(&world, "x.git");
    let host = HttpHost::start(&world.path().join("hosts"));
    let ann = world.user("ann").init("project");
    ann.write("a.txt", b"text\n");
    ann.commit("text");
    let urls =
        [(host.url("x.git"), "refs/heads/http"), (format!("dits::{}", bare.display()), "refs/heads/path")];
    for (url, name) in &urls {
        // What brings no content needs no server.
        ann.git(&["push", "-q", url, &format!("HEAD:{name}-text")]);
    }
    ann.write("a.bin", &bytes(1000, 1));
    ann.commit("content");
    for (url, name) in &urls {
        ann.git_fails(&["push", url, &format!("HEAD:{name}")]).says(&[
            "fatal: no server is known for the content of remote",
            "hint: name it for everybody",
            "hint: or for this clone",
        ]);
        assert_eq!(id_at(&ann, &bare, name), "");
    }
    assert_eq!(host.pushes(), 1, "the host saw a push that was not released");
}

#[test]
fn a_branch_that_grows_meanwhile_does_not_overtake_its_content() {
    let world = World::new();
    let bare = bare(&world, "grow.git");
    let host = HttpHost::start(&world.path().join("hosts"));
    let server = world.server();
    let wire = world.relay(&server);
    let ann = project(&world.user("ann"), &server, &host.url("grow.git"));
    ann.git(&["config", "dits.url", &wire.url("team/p")]);
    ann.git(&["push", "-q", "origin", "main"]);
    ann.write("b.bin", &bytes(6 << 20, 2));
    ann.commit("second");
    let pushed = ann.id("main");
    wire.cut_up_after(2 << 20);
    let push = ann.call(&["push", "-q", "origin", "main"]).start();
    wait_for("the upload to be held", || wire.is_cut());
    ann.write("c.bin", &bytes(100_000, 3));
    ann.commit("third");
    wire.mend();
    let ran = push.wait();
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!(id_at(&ann, &bare, "main"), pushed, "what was committed meanwhile went along");
    ann.git(&["push", "-q", "origin", "main"]);
    assert_eq!(id_at(&ann, &bare, "main"), ann.id("main"));
}

#[test]
fn partial_clones_and_credentials_pass_through() {
    let world = World::new();
    let bare = bare(&world, "p.git");
    let host = HttpHost::start(&world.path().join("hosts"));
    let server = world.server();
    let ann = project(&world.user("ann"), &server, &host.url("p.git"));
    ann.write("old.txt", b"old\n");
    ann.commit("old");
    ann.write("old.txt", b"new\n");
    ann.commit("new");
    ann.git(&["push", "-q", "origin", "main"]);
    ann.git(&["--git-dir", &bare.display().to_string(), "config", "uploadpack.allowFilter", "true"]);
    // "ann:secret"
    host.wants("YW5uOnNlY3JldA==");
    let ben = world.user("ben");
    ben.call("git", &ben.home())
        .args(["clone", "-q", &host.url("p.git"), "x"])
        .fails()
        .says(&["could not read Username"]);
    ben.git(&[
        "config",
        "--global",
        "credential.helper",
        "!f() { echo username=ann; echo password=secret; }; f",
    ]);
    ben.git(&["clone", "-q", "--filter=blob:none", &host.url("p.git"), "partial"]);
    let clone = ben.repo("partial");
    clone.is_same_as(&ann);
    assert_eq!(
        clone.git(&["rev-list", "--objects", "--missing=print", "HEAD"]).text().matches('?').count(),
        1
    );
    assert_eq!(clone.git(&["show", "HEAD~1:old.txt"]).text(), "old\n");
    // In place of an address that everybody knows.
    let plain = host.plain_url("");
    ben.git(&["config", "--global", &format!("url.dits::{plain}.insteadOf"), &plain]);
    let clone = ben.clone_from(&host.plain_url("p.git"), "rewritten");
    clone.holds("a.bin", &bytes(300_000, 1));
    clone.edit("a.bin", |bytes| bytes.truncate(200_000));
    clone.commit("edit");
    let push = clone.watch(|| drop(clone.git(&["push", "-q", "--no-verify", "origin", "main"])));
    assert_eq!(push.push.contents, 1);
}

#[test]
fn the_user_decides_which_transports_may_be_used() {
    let world = World::new();
    let bare = bare(&world, "x.git");
    let ann = world.user("ann");
    let path = format!("dits::{}", bare.display());
    let ls =
        |user: &User, url: &str| -> Ran { user.call("git", &user.home()).args(["ls-remote", url]).fails() };
    let no = ["transport 'file' not allowed"];
    // What a submodule may not reach by itself it may not reach through us, though `dits` is allowed for it.
    ls(&ann.with_env("GIT_PROTOCOL_FROM_USER", "0"), &path).says(&no);
    ls(&ann.with_env("GIT_ALLOW_PROTOCOL", "dits:https"), &path).says(&no);
    ls(&ann.with_env("GIT_ALLOW_PROTOCOL", "https:file"), &path).says(&["transport 'dits' not allowed"]);
    ann.git(&["config", "--global", "protocol.http.allow", "never"]);
    ls(&ann, "dits::http://127.0.0.1:9/x").says(&["transport 'http' not allowed"]);
    ls(&ann, "dits::ext::sh -c touch% stolen").says(&["is no address"]);
    assert!(!ann.home().join("stolen").exists());
    // A submodule over http, whose contents are on our server as well.
    let host = HttpHost::start(&world.path().join("hosts"));
    let server = world.server();
    let ben = project(&world.user("ben"), &server, &host.url("x.git"));
    ben.git(&["push", "-q", "origin", "main"]);
    let outer = ben.user().init("outer");
    outer.git(&["submodule", "--quiet", "add", &host.url("x.git"), "inner"]);
    outer.commit("with a submodule");
    outer.publish(&server.url("team/outer"));
    let cid = world.user("cid");
    cid.git(&["clone", "-q", "--recurse-submodules", &server.url("team/outer"), "clone"]);
    cid.repo("clone/inner").holds("a.bin", &bytes(300_000, 1));
}
