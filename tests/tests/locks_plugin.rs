//! What plugins of game engines call, word for word, read as they read it.
//!
//! UEGitPlugin calls a program `git-lfs` in its own folder with paths from the top and the top as `-C`'s folder or current folder, 50 at a time. It
//! splits lines at TAB, cuts blanks off the right of path and user, and takes a lock for the user's own where the second
//! column is missing or begins with `ID:`. PBSync and unity-git-locks read JSON.

use dits_tests::{Repo, Server, World, programs};
use std::collections::BTreeMap;

/// Paths of one call.
const BATCH: usize = 50;

/// As the plugin reads a list: whose lock a path has.
fn read_by_plugin(text: &str, me: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        let mut columns = line.split('\t');
        let path = columns.next().unwrap_or_default().trim_end().to_owned();
        let user = columns.next().map_or("", str::trim_end);
        let user = if user.is_empty() || user.starts_with("ID:") { me } else { user };
        (path, user.to_owned())
    };
    text.lines().map(line).collect()
}

struct Studio {
    _world: World,
    server: Server,
    ann: Repo,
    ben: Repo,
    names: Vec<String>,
}

fn studio() -> Studio {
    let world = World::new();
    let server = world.closed_server();
    let user = |name: &str| world.user(name).with_env("DITS_TOKEN", server.token(name, "write", "*"));
    let ann = user("ann").init("Game");
    let mut names: Vec<String> = (0..119).map(|i| format!("Game/Content/Heroes/Hero {i}.uasset")).collect();
    names.push("Game/Content/Maps/\u{e9}t\u{e9}.umap".to_owned());
    names.iter().for_each(|name| ann.write(name, name.as_bytes()));
    ann.write("Game/Game.uproject", b"{}");
    ann.commit("first");
    ann.publish(&server.url("studio/game"));
    let ben = user("ben").clone_from(&server.url("studio/game"), "Game");
    Studio { _world: world, server, ann, ben, names }
}

#[test]
fn the_unreal_plugin_locks_lists_and_unlocks() {
    let Studio { _world, mut server, ann, ben, names } = studio();
    let top = ann.path().display().to_string();
    // The editor runs in the project's folder, below the top.
    let project = ann.at("Game");
    let git = |words: &[&str]| ann.user().call("git", &project).args(["-C", &top]).args(words);
    let bundled = ann.user().at("git-lfs");
    std::os::unix::fs::symlink(programs::folder().join("git-dits"), &bundled).expect("a link can be made");
    let lfs = |words: &[&str]| ann.user().call(&bundled.display().to_string(), ann.path()).args(words);
    for batch in names.chunks(BATCH) {
        assert_eq!(
            git(&["dits", "lock"]).args(batch).ok().says_nothing().text().lines().count(),
            batch.len()
        );
    }
    let me = git(&["dits", "whoami"]).ok().line();
    let expected: BTreeMap<String, String> = names.iter().map(|name| (name.clone(), me.clone())).collect();
    for text in [git(&["dits", "locks"]).ok().text(), lfs(&["locks"]).ok().text()] {
        assert_eq!(read_by_plugin(&text, &me), expected);
        assert!(
            text.lines().all(|line| line.split('\t').nth(2).is_some_and(|id| id.starts_with("ID:"))),
            "{text}"
        );
    }
    let seen_by_ben = ben.git(&["dits", "locks"]).text();
    assert_eq!(read_by_plugin(&seen_by_ben, "ben"), expected, "the names agree");
    let refused = ben.call(&["dits", "lock"]).args(&names[..BATCH]).fails();
    assert_eq!(
        (refused.code, refused.said().matches(" failed: ann has locked it").count()),
        (Some(2), BATCH)
    );
    server.kill();
    assert_eq!(git(&["dits", "locks"]).fails().code, Some(2));
    for flag in ["--cached", "--local"] {
        for text in
            [git(&["dits", "locks", flag]).ok().says_nothing().text(), lfs(&["locks", flag]).ok().text()]
        {
            assert_eq!(read_by_plugin(&text, &me), expected, "{flag}");
        }
    }
    server.restart();
    for batch in names.chunks(BATCH) {
        assert_eq!(lfs(&["unlock"]).args(batch).ok().text().lines().count(), batch.len());
    }
    assert_eq!(git(&["dits", "locks"]).ok().text() + &git(&["dits", "locks", "--local"]).ok().text(), "");
}

#[test]
fn the_unreal_plugin_checks_in_and_reverts() {
    let Studio { _world, server: _server, ann, ben, names } = studio();
    let (changed, deleted) = (&names[0][..], &names[1][..]);
    ann.git(&["dits", "lock", changed, deleted]);
    ann.write(changed, b"better");
    std::fs::remove_file(ann.at(deleted)).expect("it can go");
    ann.git(&["add", "--", changed, deleted]);
    ann.git(&["commit", "-q", "-m", "better"]);
    ann.git(&["push", "-q", "-u", "origin", "HEAD"]);
    let ran = ann.git(&["dits", "unlock", changed, deleted]).says_nothing();
    assert_eq!(ran.text(), format!("Unlocked {changed}\nUnlocked {deleted}\n"));
    // Revert: back to what was committed, then without force.
    ben.git(&["dits", "lock", &names[2]]);
    ben.write(&names[2], b"worse");
    ben.git(&["reset", "-q", "--", &names[2]]);
    ben.git(&["checkout", "-q", "--", &names[2]]);
    assert_eq!(
        ben.git(&["dits", "unlock", &names[2]]).says_nothing().line(),
        format!("Unlocked {}", names[2])
    );
}

#[test]
fn pbsync_and_unity_read_json() {
    let Studio { _world, server: _server, ann, ben, names } = studio();
    ann.git(&["dits", "lock", &names[0]]);
    ben.git(&["dits", "lock", &names[1]]);
    let path = |lock: &serde_json::Value| {
        assert!(
            ["id", "path", "locked_at"].iter().all(|key| lock[key].is_string())
                && lock["owner"]["name"].is_string()
        );
        lock["path"].as_str().unwrap_or_default().to_owned()
    };
    let paths = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().expect("an array").iter().map(path).collect()
    };
    let verified = ann.git(&["dits", "locks", "--verify", "--json"]).json();
    assert_eq!(
        (paths(&verified["ours"]), paths(&verified["theirs"])),
        (vec![names[0].clone()], vec![names[1].clone()])
    );
    assert_eq!(paths(&ann.git(&["dits", "locks", "--json"]).json()), names[..2]);
    ann.write(&names[0], b"changed");
    assert_eq!(ann.git(&["dits", "unlock", &names[0], "--force"]).line(), format!("Unlocked {}", names[0]));
}
