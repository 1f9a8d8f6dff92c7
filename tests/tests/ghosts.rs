//! Checkouts without content, and files that become pointers again.
//!
//! A ghost is as good as the file to Git: status is clean and reads nothing. It is made of a file only when
//! a server has proved the content and the file is that content; everything else stays as it is.

use dits_tests::{Repo, Server, World, bytes};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const URL: &str = "team/project";

/// Ann's repository, pushed: `a.bin`, `art/b.bin`, `art/raw/c.bin` (executable) and a text.
fn published(world: &World, server: &Server) -> Repo {
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(300_000, 1));
    ann.write("art/b.bin", &bytes(200_000, 2));
    ann.write("art/raw/c.bin", &bytes(100_000, 3));
    ann.make_executable("art/raw/c.bin");
    ann.write("text.txt", b"text\n");
    ann.commit("first");
    ann.publish(&server.url(URL));
    ann
}

#[track_caller]
fn ghosts(repo: &Repo, ghosts: &[&str], files: &[&str]) {
    repo.is_clean_at_once();
    ghosts.iter().for_each(|name| repo.is_ghost(name));
    for name in files {
        assert!(!repo.read(name).starts_with(b"version git-dits/"), "'{name}' is a ghost");
    }
}

#[test]
fn a_skipped_smudge_leaves_ghosts_that_status_does_not_read() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    for (user, variable, value) in
        [("ben", "GIT_DITS_SKIP_SMUDGE", "TRUE"), ("cid", "GIT_LFS_SKIP_SMUDGE", "1")]
    {
        let user = world.user(user);
        let clone = user.with_env(variable, value).clone_from(&server.url(URL), "clone");
        ghosts(&clone, &["a.bin", "art/b.bin", "art/raw/c.bin"], &[]);
        let clone = user.repo("clone");
        let pull = clone.watch(|| drop(clone.git(&["dits", "pull"])));
        assert_eq!((pull.pull.events, pull.pull.contents), (1, 3), "{pull:?}");
        clone.is_clean_at_once();
        clone.is_same_as(&ann);
    }
    let off = world.user("dan").with_env("GIT_LFS_SKIP_SMUDGE", "0").clone_from(&server.url(URL), "clone");
    off.is_same_as(&ann);
}

#[test]
fn a_filter_that_skips_leaves_ghosts_and_one_that_is_off_too() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let ben = world.user("ben");
    ben.git(&["config", "--global", "filter.dits.process", "git-dits filter-process --skip"]);
    let clone = ben.clone_from(&server.url(URL), "clone");
    ghosts(&clone, &["a.bin", "art/b.bin"], &[]);
    let off = ["-c", "filter.dits.process=", "-c", "filter.dits.required=false"];
    ben.git(&[&off[..], &["clone", "-q", &server.url(URL), "off"]].concat());
    let clone = ben.repo("off");
    clone.is_ghost("a.bin");
    clone.git(&[&off[..], &["dits", "pull"]].concat());
    clone.is_clean_at_once();
    clone.is_same_as(&ann);
}

#[test]
fn excluded_paths_stay_ghosts_until_they_are_asked_for() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let ben = world.user("ben");
    ben.git(&["config", "--global", "dits.fetchexclude", "raw,a.bin"]);
    let mut clone = None;
    let cloned = ben.watch(|| clone = Some(ben.clone_from(&server.url(URL), "clone")));
    let clone = clone.expect("it was made");
    assert_eq!(cloned.pull.contents, 1, "only what is wanted travels: {cloned:?}");
    ghosts(&clone, &["a.bin", "art/raw/c.bin"], &["art/b.bin"]);
    // Not by a pull, not by a checkout; but by name.
    clone.git(&["dits", "pull"]);
    clone.git(&["checkout", "-q", "-f", "HEAD"]);
    ghosts(&clone, &["a.bin", "art/raw/c.bin"], &["art/b.bin"]);
    clone.git(&["dits", "get", "art"]);
    ghosts(&clone, &["a.bin"], &["art/b.bin", "art/raw/c.bin"]);
    clone.git(&["dits", "pull", "-X", ""]);
    clone.is_clean_at_once();
    clone.is_same_as(&ann);
}

#[test]
fn the_repository_may_say_what_a_clone_leaves_out() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    ann.write(".ditsconfig", b"[dits]\n\tfetchinclude = art,*.txt\n\tfetchexclude = art/raw\n");
    ann.commit("settings");
    ann.git(&["push", "-q"]);
    let clone = world.user("ben").clone_from(&server.url(URL), "clone");
    ghosts(&clone, &["a.bin", "art/raw/c.bin"], &["art/b.bin"]);
    clone.git(&["dits", "pull", "--include=a.bin"]);
    ghosts(&clone, &["art/raw/c.bin"], &["a.bin", "art/b.bin"]);
}

#[test]
fn a_pull_brings_back_no_deletion_and_writes_nothing_outside_of_the_cone() {
    let world = World::new();
    let server = world.server();
    published(&world, &server);
    let ben = world.user("ben");
    let clone = ben.with_env("GIT_DITS_SKIP_SMUDGE", "1").clone_from(&server.url(URL), "clone");
    clone.git(&["rm", "-q", "a.bin"]);
    fs::remove_file(clone.at("art/b.bin")).expect("it is there");
    let clone = ben.repo("clone");
    let pull = clone.watch(|| drop(clone.git(&["dits", "pull"])));
    assert_eq!(pull.pull.contents, 1, "{pull:?}");
    assert_eq!(clone.status(), "D  a.bin\n D art/b.bin\n");

    let cat = world.user("cat");
    cat.git(&["clone", "-q", "--no-checkout", &server.url(URL), "part"]);
    let part = cat.repo("part");
    part.git(&["sparse-checkout", "set", "art/raw"]);
    let skip = part.with_env("GIT_DITS_SKIP_SMUDGE", "1");
    skip.git(&["checkout", "-q", "main"]);
    let pull = part.watch(|| drop(part.git(&["dits", "pull"])));
    // Cone mode: files of the folders above come too.
    assert_eq!(pull.pull.contents, 3, "{pull:?}");
    part.git(&["sparse-checkout", "set", "--no-cone", "/text.txt"]);
    part.git(&["dits", "pull"]);
    assert!(!part.at("art").exists() && !part.at("a.bin").exists());
    part.is_clean_at_once();
}

#[test]
fn a_file_becomes_a_ghost_and_comes_back() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let before = ann.read("art/raw/c.bin");
    let ghosted = ann.watch(|| {
        let said = ann.git(&["dits", "ghost", "art", "text.txt"]).says_nothing();
        assert_eq!(said.text(), "Ghosted 2 file(s), 300 KB.\n");
    });
    assert_eq!((ghosted.cleans, ghosted.filter_starts), (0, 0), "{ghosted:?}");
    ghosts(&ann, &["art/b.bin", "art/raw/c.bin"], &["a.bin"]);
    let mode = fs::metadata(ann.at("art/raw/c.bin")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "a ghost keeps its mode");
    assert!(ann.leftovers().is_empty(), "{:?}", ann.leftovers());
    // Again: nothing to do, and nothing goes wrong.
    assert_eq!(ann.git(&["dits", "ghost", "art"]).says_nothing().text(), "");
    let got = ann.watch(|| drop(ann.git(&["dits", "get", "art"])));
    assert_eq!(got.connections, 0, "the chunks are still in the store: {got:?}");
    ghosts(&ann, &[], &["a.bin", "art/b.bin", "art/raw/c.bin"]);
    ann.holds("art/raw/c.bin", &before);
    // A commit of a ghost is the commit of the file.
    ann.git(&["dits", "ghost", "."]);
    ann.git(&["commit", "-q", "--allow-empty", "-a", "-m", "ghosts"]);
    assert_eq!(ann.git(&["diff", "--stat", "HEAD~1"]).text(), "");
    ann.is_sound();
}

#[test]
fn a_dry_run_and_json_say_what_would_be() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    ann.edit("a.bin", |content| content[0] ^= 1);
    let dry = ann.call(&["dits", "ghost", "--dry-run", "."]).run();
    assert_eq!(dry.code, Some(2), "{dry}");
    let rows: Vec<&str> =
        dry.stdout.split(|b| *b == b'\n').map(|row| std::str::from_utf8(row).unwrap()).collect();
    assert!(rows.len() == 3 && rows[0].starts_with("ghost ") && rows[0].ends_with(" => art/b.bin"), "{dry}");
    ann.holds("art/b.bin", &bytes(200_000, 2));
    let json = ann.call(&["dits", "ghost", "--json", "."]).run();
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((json["oid_type"].as_str(), json["bytes"].as_u64()), (Some("blake3"), Some(300_000)));
    assert_eq!(json["refused"][0]["path"], "a.bin");
    ann.is_ghost("art/b.bin");
}

#[test]
fn what_is_not_proved_or_not_the_content_stays_a_file() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    // Changed, with the same size; staged and not pushed; committed and not pushed; in conflict with nothing.
    ann.edit("a.bin", |content| content[7] ^= 1);
    ann.write("staged.bin", &bytes(1000, 9));
    ann.git(&["add", "staged.bin"]);
    let refused = ann.call(&["dits", "ghost", "a.bin", "staged.bin", "art/b.bin"]).run();
    assert_eq!(refused.code, Some(2), "{refused}");
    let refused = refused.says(&[
        "cannot ghost 'a.bin': it is not the content that git has for it",
        "cannot ghost 'staged.bin': no remote has proved that it holds the content",
        "hint: ",
    ]);
    assert_eq!(refused.text(), "Ghosted 1 file(s), 200 KB.\n");
    ann.holds("staged.bin", &bytes(1000, 9));
    assert_eq!(ann.status(), " M a.bin\nA  staged.bin\n");
    ann.is_ghost("art/b.bin");
    // Restored by time stamps only: still not the content.
    let meta = fs::metadata(ann.at("a.bin")).expect("it is there");
    ann.edit("a.bin", |content| content[8] ^= 1);
    fs::File::options()
        .append(true)
        .open(ann.at("a.bin"))
        .unwrap()
        .set_modified(meta.modified().unwrap())
        .unwrap();
    ann.git_fails(&["dits", "ghost", "a.bin"]);
    // What others have pushed counts, whoever staged it here.
    ann.write("copy.bin", &bytes(100_000, 3));
    ann.git(&["add", "copy.bin"]);
    ann.git(&["dits", "ghost", "copy.bin"]);
    ann.is_ghost("copy.bin");
    assert_eq!(ann.status(), " M a.bin\nA  copy.bin\nA  staged.bin\n");
}

#[test]
fn a_server_that_lost_the_content_or_is_away_proves_nothing() {
    let world = World::new();
    let mut server = world.server();
    let ann = published(&world, &server);
    fs::remove_dir_all(server.store("team").join("objects")).expect("it has packs");
    server.stop();
    let _ = fs::remove_dir_all(server.store("team").join("index"));
    server.restart();
    ann.call(&["dits", "ghost", "a.bin"]).fails().says(&["no remote has proved"]);
    server.stop();
    let away = ann.call(&["dits", "ghost", "a.bin"]).fails();
    away.says(&["'origin' could not be asked", "no remote has proved"]);
    ann.git(&["remote", "remove", "origin"]);
    ann.call(&["dits", "ghost", "a.bin"]).fails().says(&["no remote with a dits:// address", "hint: "]);
    ann.holds("a.bin", &bytes(300_000, 1));
    ann.is_clean_at_once();
}

#[test]
fn a_locked_index_a_conflict_and_odd_paths_change_nothing() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    fs::write(ann.at(".git/index.lock"), b"").expect("Git's folder can be written");
    let locked = ann.call(&["dits", "ghost", "a.bin"]).run();
    assert_eq!(locked.code, Some(2), "{locked}");
    locked.says(&["index.lock", "hint: another git process seems to be running"]);
    fs::remove_file(ann.at(".git/index.lock")).unwrap();
    ann.holds("a.bin", &bytes(300_000, 1));
    assert!(ann.leftovers().is_empty(), "{:?}", ann.leftovers());
    ann.is_clean_at_once();
    for (args, words) in [
        (&["dits", "ghost", "nosuch.bin"][..], "did not match any file"),
        (&["dits", "ghost", "text.txt"], "none of these files is managed by git-dits"),
        (&["dits", "get", "nosuch.bin"], "did not match any file"),
    ] {
        let ran = ann.call(args).run().says(&[words]);
        assert_eq!(ran.code, Some(2), "{ran}");
    }
    assert_eq!(ann.call(&["dits", "ghost"]).run().code, Some(127));
    let bare = ann.user().call("git", &server.bare("team", "project")).args(["dits", "ghost", "a.bin"]).run();
    assert_eq!(bare.code, Some(128), "{bare}");
    let outside = ann.user().call("git", world.path()).args(["dits", "ghost", "a.bin"]).run();
    assert_eq!((outside.code, outside.said()), (Some(128), "Not in a Git repository.\n".to_owned()));
    // A folder that was replaced by a link leads to files that are not Git's.
    ann.user().call("mv", ann.path()).args(["art", "../../elsewhere"]).ok();
    std::os::unix::fs::symlink(world.path().join("elsewhere"), ann.at("art")).unwrap();
    ann.git(&["dits", "ghost", "art/b.bin"]);
    assert!(fs::read(world.path().join("elsewhere/b.bin")).unwrap() == bytes(200_000, 2));
}

#[test]
fn whereis_tells_here_and_there() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let oid = ann.git(&["dits", "ls-files", "--long"]).text()[..64].to_owned();
    let text = ann.git(&["dits", "whereis", "a.bin", &oid]).text();
    let expected = format!(
        "a.bin ({oid})\n    here: whole\n    origin: proved\n{oid}\n    here: whole\n    origin: proved\n"
    );
    assert_eq!(text, expected);
    ann.write("new.bin", &bytes(1000, 5));
    ann.git(&["add", "new.bin"]);
    assert!(
        ann.git(&["dits", "whereis", "new.bin"]).text().contains("here: whole\n    origin: not proved\n")
    );
    let nowhere = ann.call(&["dits", "whereis", "--json", &"ab".repeat(32), "a.bin"]).run();
    assert_eq!(nowhere.code, Some(1), "{nowhere}");
    let json: serde_json::Value = serde_json::from_slice(&nowhere.stdout).expect("JSON");
    assert_eq!(
        (&json["contents"][0]["here"], &json["contents"][0]["remotes"][0]["proved"]),
        (&"absent".into(), &false.into())
    );
    assert_eq!(
        (&json["contents"][1]["size"], &json["contents"][1]["path"]),
        (&300_000.into(), &"a.bin".into())
    );
    let ben = world.user("ben").with_env("GIT_DITS_SKIP_SMUDGE", "1").clone_from(&server.url(URL), "clone");
    assert!(ben.git(&["dits", "whereis", "a.bin"]).text().contains("here: absent\n    origin: proved\n"));
    ben.git(&["remote", "set-url", "origin", "dits://127.0.0.1:9/team/project"]);
    let unknown = ben.call(&["dits", "whereis", "a.bin"]).run();
    assert_eq!(unknown.code, Some(2), "{unknown}");
    assert!(unknown.text().contains("origin: unknown\n"), "{unknown}");
}
