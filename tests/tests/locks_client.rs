//! Locks as two users see them: whose is what, what is refused and in which words, and what is known without a server.

use dits_tests::{Repo, Server, User, World, programs, wait_for};
use serde_json::{Value, json};
use std::fs;

/// Ann, who is an admin, and Ben, who may write, each with a clone of one project.
struct Story {
    world: World,
    server: Server,
    ann: Repo,
    ben: Repo,
}

const FILES: [&str; 4] = ["a.uasset", "b.uasset", "Maps/c.umap", "Maps/d.umap"];

impl Story {
    fn new() -> Story {
        let world = World::new();
        let server = world.closed_server();
        let user = |name: &str, role: &str| -> User {
            world.user(name).with_env("DITS_TOKEN", server.token(name, role, "*"))
        };
        let (ann, ben) = (user("ann", "admin").init("game"), user("ben", "write"));
        for name in FILES {
            ann.write(name, name.as_bytes());
        }
        ann.commit("first");
        ann.publish(&server.url("team/game"));
        let ben = ben.clone_from(&server.url("team/game"), "game");
        Story { world, server, ann, ben }
    }
}

fn dits(repo: &Repo, words: &str) -> dits_tests::Call {
    repo.call(&["dits"]).args(words.split(' '))
}

/// Path, owner and id of each lock of a list.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split('\t').map(str::trim_end).collect()).collect()
}

#[test]
fn a_lock_belongs_to_one_and_is_seen_by_all() {
    let Story { world: _world, server: _server, ann, ben } = Story::new();
    assert_eq!(
        dits(&ann, "lock a.uasset Maps/c.umap").ok().says_nothing().text(),
        "Locked a.uasset\nLocked Maps/c.umap\n"
    );
    assert_eq!(dits(&ann, "lock a.uasset").ok().text(), "Locked a.uasset\n", "again is no mistake");
    let ran = dits(&ben, "lock a.uasset b.uasset")
        .fails()
        .says(&["Locking a.uasset failed: ann has locked it for 'main' "]);
    assert_eq!((ran.code, &ran.text()[..]), (Some(2), "Locked b.uasset\n"), "the others are locked");
    let list = "Maps/c.umap\tann\tID:2\na.uasset   \tann\tID:1\nb.uasset   \tben\tID:3\n";
    assert_eq!(dits(&ben, "locks").ok().text(), list);
    let marked = "  Maps/c.umap\tann\tID:2\n  a.uasset   \tann\tID:1\nO b.uasset   \tben\tID:3\n";
    assert_eq!(dits(&ben, "locks --verify").ok().text(), marked);
    assert_eq!(dits(&ben, "locks --ours").ok().text(), "b.uasset\tben\tID:3\n");
    assert_eq!(dits(&ben, "locks --path a.uasset").ok().text(), "a.uasset\tann\tID:1\n");
    assert_eq!(dits(&ben, "locks --id 2").ok().text(), "Maps/c.umap\tann\tID:2\n");
    assert_eq!(dits(&ben, "locks --limit 1").ok().text(), "a.uasset\tann\tID:1\n");
    assert_eq!(dits(&ben, "whoami").ok().text(), "ben\n", "as in the list");
    let me = dits(&ann, "whoami --json").ok().json();
    assert_eq!((&me["name"], &me["role"]), (&json!("ann"), &json!("admin")));
}

#[test]
fn json_has_the_keys_of_git_lfs_first() {
    let Story { world: _world, server: _server, ann, ben } = Story::new();
    let ran = dits(&ann, "lock a.uasset --json --lease 8h -m rig").ok();
    assert!(
        ran.text().starts_with(
            "[{\"id\":\"1\",\"path\":\"a.uasset\",\"owner\":{\"name\":\"ann\"},\"locked_at\":\"20"
        ),
        "{ran}"
    );
    let lock = &ran.json()[0];
    let more = [("branch", "main"), ("mode", "exclusive"), ("reason", "rig")];
    assert!(more.iter().all(|(key, value)| lock[key] == *value) && lock["expires"].is_string(), "{lock}");
    let refused = dits(&ben, "lock a.uasset b.uasset --json").fails();
    let paths: Vec<Value> =
        refused.json().as_array().expect("an array").iter().map(|lock| lock["path"].clone()).collect();
    assert_eq!(paths, ["b.uasset"]);
    let list = dits(&ben, "locks --verify --json").ok();
    assert!(list.text().starts_with("{\"ours\":[{\"id\":\"2\","), "{list}");
    assert_eq!((&list.json()["theirs"][0], list.json()["theirs"].as_array().map(Vec::len)), (lock, Some(1)));
    let ran = dits(&ben, "unlock a.uasset b.uasset Maps/c.umap --json").fails();
    let rows = ran.json();
    assert_eq!(rows[1], json!({ "path": "b.uasset", "unlocked": true }));
    assert_eq!(
        rows[2],
        json!({ "path": "Maps/c.umap", "unlocked": false, "reason": "unable to get lock ID: no matching locks found" })
    );
    assert!(
        rows[0]["unlocked"] == false
            && rows[0]["reason"].as_str().is_some_and(|why| why.contains("ann has locked it"))
    );
    assert_eq!((ran.code, dits(&ben, "locks --ours --json").ok().text()), (Some(2), "[]\n".to_owned()));
}

#[test]
fn others_locks_go_by_force_of_an_admin_only() {
    let Story { world: _world, server, ann, ben } = Story::new();
    dits(&ann, "lock a.uasset").ok();
    dits(&ben, "lock b.uasset").ok();
    for words in ["unlock a.uasset", "unlock --force a.uasset", "unlock --force --id 1"] {
        let ran = dits(&ben, words).fails().says(&["ann has locked", "hint: an admin"]);
        assert_eq!(ran.code, Some(2), "{ran}");
    }
    dits(&ann, "unlock b.uasset").fails().says(&["ben has locked it"]);
    assert_eq!(dits(&ann, "unlock --force --id 2").ok().text(), "Unlocked Lock 2\n");
    let ran = dits(&ann, "unlock --id 2").fails().says(&["Unable to unlock 2: no such lock\n"]);
    assert_eq!(ran.code, Some(2));
    let other = server.url("team/other");
    ann.git(&["push", "-q", &other, "main"]);
    let ran = ann.call(&["dits", "unlock", "--force", "--id", "1", "--remote", &other]).fails();
    ran.says(&["Unable to unlock 1: no such lock\n"]);
    assert_eq!(dits(&ann, "locks").ok().text(), "a.uasset\tann\tID:1\n", "an id is of one repository");
    dits(&ann, "unlock --id two").fails().says(&["Unable to unlock two: no such lock\n"]);
    // What Ben's clone took for his is no more, once he asks.
    assert_eq!(dits(&ben, "locks --local").ok().text(), "b.uasset\tben\tID:2\n");
    dits(&ben, "unlock b.uasset")
        .fails()
        .says(&["unable to get lock ID: no matching locks found: b.uasset\n"]);
    assert_eq!(dits(&ben, "locks --local").ok().text(), "");
}

#[test]
fn all_or_nothing_is_either() {
    let Story { world: _world, server: _server, ann, ben } = Story::new();
    dits(&ann, "lock a.uasset").ok();
    let ran = dits(&ben, "lock --all-or-nothing a.uasset b.uasset").fails();
    let ran =
        ran.says(&["Locking a.uasset failed: ann", "Locking b.uasset failed: not all could be locked\n"]);
    assert_eq!((ran.code, &ran.text()[..]), (Some(2), ""));
    dits(&ben, "lock --all-or-nothing b.uasset nope").fails().says(&["Locking nope failed: pathspec 'nope'"]);
    assert_eq!(dits(&ben, "locks --ours").ok().text(), "");
    dits(&ben, "lock --all-or-nothing b.uasset Maps/").ok();
    assert_eq!(dits(&ben, "locks --ours").ok().text(), "Maps/   \tben\tID:3\nb.uasset\tben\tID:2\n");
    let ran = dits(&ann, "lock Maps/c.umap").fails().says(&["ben has locked 'Maps/' for 'main' "]);
    assert_eq!(ran.code, Some(2));
}

#[test]
fn shared_locks_are_shared_and_branches_have_their_own() {
    let Story { world: _world, server: _server, ann, ben } = Story::new();
    ann.git(&["push", "-q", "origin", "main:release"]);
    dits(&ann, "lock --shared a.uasset").ok();
    dits(&ben, "lock a.uasset").fails().says(&["ann has locked it"]);
    dits(&ben, "lock --shared a.uasset").ok();
    dits(&ben, "lock a.uasset --branch release").ok();
    let ran = dits(&ben, "unlock a.uasset").fails();
    ran.says(&["it is locked for several branches: main, release", "hint: name one with --branch"]);
    assert_eq!(dits(&ben, "unlock a.uasset --branch main").ok().text(), "Unlocked a.uasset\n");
    assert_eq!(dits(&ben, "locks --branch release").ok().text(), "a.uasset\tben\tID:3\n");
    dits(&ben, "lock a.uasset --branch nope").fails().says(&["error: no branch 'nope'", "hint: "]);
    ben.git(&["config", "dits.lockbranch", "release"]);
    let lock = dits(&ben, "lock b.uasset --json").ok().json();
    assert_eq!(lock[0]["branch"], "release", "as the setting says");
}

#[test]
fn unlocking_asks_for_force_only_where_a_change_could_be_lost() {
    let Story { world: _world, server: _server, ann, ben: _ben } = Story::new();
    dits(&ann, "lock a.uasset b.uasset Maps/c.umap").ok();
    ann.write("a.uasset", b"changed");
    let ran = dits(&ann, "unlock a.uasset").fails();
    assert_eq!(ran.says(&["Cannot unlock file with uncommitted changes: a.uasset\n"]).code, Some(2));
    ann.git(&["add", "a.uasset"]);
    dits(&ann, "unlock a.uasset").fails().says(&["Cannot unlock file with uncommitted changes"]);
    ann.git(&["commit", "-q", "-m", "changed"]);
    ann.git(&["push", "-q", "origin", "main"]);
    assert_eq!(
        dits(&ann, "unlock a.uasset").ok().says_nothing().text(),
        "Unlocked a.uasset\n",
        "it is pushed"
    );
    fs::remove_file(ann.at("b.uasset")).expect("it can go");
    assert_eq!(dits(&ann, "unlock b.uasset").ok().says_nothing().text(), "Unlocked b.uasset\n", "it is gone");
    ann.write("Maps/c.umap", b"changed");
    let ran = dits(&ann, "unlock --force Maps/c.umap").ok();
    ran.says(&["warning: unlocking with uncommitted changes because --force\n"]);
}

#[test]
fn lists_are_there_without_the_server() {
    let Story { world: _world, mut server, ann, ben } = Story::new();
    let ran = dits(&ann, "locks --cached").fails().says(&["no cached locks present", "hint: "]);
    assert_eq!(ran.code, Some(2));
    dits(&ann, "lock Maps/c.umap").ok();
    dits(&ben, "lock a.uasset").ok();
    let list = dits(&ann, "locks").ok().text();
    dits(&ann, "locks --path a.uasset").ok();
    dits(&ann, "lock b.uasset").ok();
    server.kill();
    assert_eq!(dits(&ann, "locks").fails().code, Some(2));
    assert_eq!(
        dits(&ann, "locks --cached").ok().says_nothing().text(),
        list,
        "the whole list, not the last question"
    );
    assert_eq!(rows(&dits(&ann, "locks --cached --verify").ok().text())[0][0], "O Maps/c.umap");
    assert_eq!(dits(&ann, "locks --local").ok().text(), "Maps/c.umap\tann\tID:1\nb.uasset   \tann\tID:3\n");
    assert_eq!(dits(&ann, "locks --local --path b.uasset").ok().text(), "b.uasset\tann\tID:3\n");
    assert_eq!(dits(&ann, "locks --cached --json").ok().json()[1]["owner"]["name"], "ben");
    // Files that were changed by hand, or cut off, are as none.
    fs::write(ann.at(".git/dits/locks.json"), "{\"servers\":").expect("it can be written");
    assert_eq!(dits(&ann, "locks --local").ok().text(), "");
}

#[test]
fn flags_that_exclude_each_other_are_told_in_git_lfss_words() {
    let Story { world: _world, server: _server, ann, ben: _ben } = Story::new();
    for (words, text) in [
        ("locks --verify --path x", "--verify option can't be combined with filters\n"),
        ("locks --verify --local", "--verify option can't be combined with --local\n"),
        ("locks --cached --id 1", "--cached option can't be combined with filters\n"),
        ("locks --cached --limit 1", "--cached option can't be combined with --limit\n"),
        ("locks --cached --local", "--cached option can't be combined with --local\n"),
        ("unlock", "Exactly one of --id or a set of paths must be provided\n"),
        ("unlock --id 1 a.uasset", "Exactly one of --id or a set of paths must be provided\n"),
    ] {
        let ran = dits(&ann, words).fails();
        assert_eq!((ran.code, &ran.said()[..]), (Some(2), text), "{words}");
    }
    for words in ["locks --watch --local", "lock --lease 0s a.uasset", "lock --lease soon a.uasset"] {
        assert_eq!(dits(&ann, words).fails().code, Some(127), "{words}");
    }
}

#[test]
fn a_watch_tells_what_happens_over_a_restart_of_the_server() {
    let Story { world: _world, mut server, ann, ben } = Story::new();
    dits(&ann, "lock a.uasset").ok();
    // A limit on speed is for transfers.
    let limits = ["-c", "http.lowSpeedLimit=1000000", "-c", "http.lowSpeedTime=1"];
    let lines = ben.call(&limits).args(["dits", "locks", "--watch"]).start();
    let objects = ben.call(&["dits", "locks", "--watch", "--json"]).start();
    let told = |line: &str| {
        let line = format!("{line}\n");
        wait_for(&format!("the line {line:?} of {:?}", lines.said()), || lines.printed().contains(&line));
    };
    told("Locked\ta.uasset\tann\tID:1\tmain");
    wait_for("the first object", || objects.printed().contains('\n'));
    dits(&ann, "lock b.uasset").ok();
    told("Locked\tb.uasset\tann\tID:2\tmain");
    dits(&ann, "lock --shared b.uasset").ok();
    told("Changed\tb.uasset\tann\tID:2\tmain");
    dits(&ann, "unlock a.uasset").ok();
    told("Unlocked\ta.uasset\tann\tID:1\tmain");
    server.stop();
    server.restart();
    dits(&ann, "lock Maps/c.umap").ok();
    dits(&ann, "unlock b.uasset").ok();
    told("Locked\tMaps/c.umap\tann\tID:3\tmain");
    told("Unlocked\tb.uasset\tann\tID:2\tmain");
    assert_eq!(lines.printed().matches("Maps/c.umap").count(), 1, "{}", lines.printed());
    wait_for("the objects", || objects.printed().lines().count() >= 6);
    let objects: Vec<Value> = objects
        .printed()
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is an object"))
        .collect();
    assert_eq!((&objects[0]["event"], &objects[0]["lock"]["path"]), (&json!("locked"), &json!("a.uasset")));
    assert_eq!((&objects[3]["event"], &objects[3]["why"]), (&json!("unlocked"), &json!("released")));
}

#[test]
fn under_the_name_of_git_lfs_it_answers_for_locks_and_nothing_else() {
    let Story { world: _world, server: _server, ann, ben: _ben } = Story::new();
    for name in ["git-lfs", "git-lfs.exe", "git-lfs-mac-arm64"] {
        let program = ann.user().at(name);
        std::os::unix::fs::symlink(programs::folder().join("git-dits"), &program)
            .expect("a link can be made");
        let program = program.display().to_string();
        let call = |words: &str| ann.user().call(&program, ann.path()).args(words.split(' '));
        let version = call("version").ok().text();
        let first = version.split(' ').next().and_then(|word| word.strip_prefix("git-lfs/"));
        assert!(
            first.is_some_and(|number| number.split('.').all(|part| part.parse::<u32>().is_ok())),
            "{version}"
        );
        assert!(version.contains("(git-dits "), "{version}");
        assert_eq!(call("lock a.uasset").ok().text(), "Locked a.uasset\n");
        assert_eq!(rows(&call("locks").ok().text())[0][..2], ["a.uasset", "ann"]);
        assert_eq!(call("unlock a.uasset").ok().text(), "Unlocked a.uasset\n");
        for words in ["filter-process", "smudge -- a.uasset", "install", "whoami"] {
            let ran = call(words)
                .fails()
                .says(&["does not know", "hint: it answers lock, unlock, locks and version"]);
            assert_eq!(ran.code, Some(127), "{words}");
        }
    }
}

#[test]
fn one_question_takes_one_connection_and_as_few_processes_for_many_paths() {
    let Story { world: _world, server: _server, ann, ben: _ben } = Story::new();
    let names: Vec<String> = (0..400).map(|i| format!("many/{i}.uasset")).collect();
    names.iter().for_each(|name| ann.write(name, b"x"));
    ann.commit("many");
    ann.git(&["push", "-q", "origin", "main"]);
    let watch = |paths: &[&str], command: &str| {
        let watch = ann.watch(|| {
            let ran = ann.call(&["dits", command]).args(paths).ok();
            assert_eq!(ran.text().lines().count(), paths.len());
        });
        assert_eq!((watch.connections, watch.filter_starts, watch.retries), (1, 0, 0), "{watch:?}");
        let mut commands = watch.git_commands;
        // The wrapper itself.
        commands.retain(|name| !name.starts_with("_run_"));
        commands.sort();
        commands
    };
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let one = watch(&all[..1], "lock");
    assert_eq!(one, ["cat-file", "config", "rev-parse"]);
    // Very many: each folder is read once.
    assert_eq!(watch(&all, "lock"), ["cat-file", "config", "ls-tree", "rev-parse"]);
    assert_eq!(watch(&all, "unlock"), ["config", "rev-parse", "status"]);
}
