//! fetch, pull, checkout, fsck and prune in clones that have no content yet: git-lfs's of a folder, ours of a server.

use crate::beside::Beside;
use dits_tests::Server;
use serde_json::{Value, json};

/// Two commits of three files, published, and cloned without content. Both stop at the variable of git-lfs.
fn clones() -> (Beside, Server) {
    let mut beside = Beside::tracked();
    let server = beside.world.server();
    beside.each(|repo| {
        for (name, content) in [("a.bin", "one"), ("b.bin", "two"), ("d/c.bin", "three")] {
            repo.write(name, content.as_bytes());
        }
        repo.commit("one");
        repo.write("a.bin", b"one changed");
        repo.commit("two");
    });
    beside.lfs.user().git(&["init", "-q", "--bare", "up.git"]);
    let folder = format!("file://{}", beside.lfs.user().at("up.git").display());
    for (repo, url) in [(&mut beside.lfs, &folder), (&mut beside.dits, &server.url("team/game"))] {
        repo.publish(url);
        let user = repo.user().with_env("GIT_LFS_SKIP_SMUDGE", "1");
        user.git(&["clone", "-q", url, "clone"]);
        *repo = repo.user().repo("clone");
    }
    (beside, server)
}

#[test]
fn fetch_says_what_it_fetches() {
    let (beside, _server) = clones();
    beside.same_all(&[
        "fetch -I a.bin",
        "ls-files",
        "fetch",
        "fetch origin",
        "fetch origin main",
        "fetch --all",
    ]);
    beside.same_all(&["fetch --all origin main", "fetch nope", "fetch origin nope", "fetch --nonsense"]);
    beside.same_all(&["ls-files -d"]);
}

#[test]
fn pull_and_checkout_fill_the_working_tree() {
    let (beside, _server) = clones();
    beside.same_all(&[
        "pull -I a.bin",
        "ls-files",
        "pull -X d",
        "ls-files",
        "pull origin",
        "ls-files",
        "pull nope",
    ]);
    let (beside, _server) = clones();
    beside.same_all(&["fetch", "ls-files"]);
    for path in ["a.bin", ".", "nope"] {
        // What both print is among the differences.
        beside.both(&["checkout", path], "", b"");
        beside.same(&["ls-files"]);
    }
}

#[test]
fn fsck_says_whether_all_is_well() {
    let (beside, _server) = clones();
    beside.same_all(&[
        "fetch --all",
        "pull",
        "fsck",
        "fsck --objects",
        "fsck --pointers",
        "fsck HEAD~1",
        "fsck HEAD~1..HEAD",
        "fsck nope",
    ]);
    beside.each(|repo| {
        // Content in place of a pointer, past the filters of both.
        let none = |name: &str| format!("filter.{name}.{}=", "process");
        let off: Vec<String> = ["lfs", "dits"]
            .iter()
            .flat_map(|name| {
                [none(name), format!("filter.{name}.clean=cat"), format!("filter.{name}.required=false")]
            })
            .collect();
        repo.write("b.bin", b"raw");
        let flags: Vec<&str> = off.iter().flat_map(|pair| ["-c", pair.as_str()]).collect();
        repo.git(&[&flags[..], &["add", "b.bin"]].concat());
        repo.git(&[&flags[..], &["commit", "-q", "-m", "raw"]].concat());
    });
    beside.same_all(&["fsck --pointers", "fsck --pointers HEAD~1"]);
}

#[test]
fn prune_counts_what_it_drops() {
    let (beside, _server) = clones();
    // Proof by the remote is the default here, and an option there.
    beside.same_all(&["pull", "fetch --all", "prune -c --dry-run", "prune --verify-remote", "prune -c"]);
    let (beside, _server) = clones();
    beside.dits.git(&["config", "dits.pruneverifyremotealways", "false"]);
    beside.same_all(&["pull", "fetch --all", "prune", "prune", "ls-files"]);
}

/// git-lfs 3.3 has no `fetch --json`; newer ones have these keys.
#[test]
fn what_was_fetched_is_told_as_json() {
    let (beside, server) = clones();
    let json = |args: &[&str]| -> Value {
        let text = beside.dits.git(&[&["dits", "fetch", "--json"], args].concat()).says_nothing().text();
        serde_json::from_str(&text).expect("JSON and nothing else")
    };
    let transfer = |name: &str, content: &[u8]| {
        json!({
            "name": name,
            "oid": dits_format::Oid::of(content).to_string(),
            "size": content.len(),
            "actions": { "download": { "href": server.url("team/game") } },
            "path": beside.dits.store(),
        })
    };
    let both = [transfer("a.bin", b"one changed"), transfer("b.bin", b"two")];
    let mut dry = json(&["--dry-run", "-X", "d"]);
    assert!(dry["travel_bytes"].take().as_u64().is_some_and(|bytes| bytes > 0));
    assert_eq!(dry, json!({ "oid_type": "blake3", "transfers": both, "travel_bytes": null }));
    assert_eq!(json(&["-X", "d"]), json!({ "oid_type": "blake3", "transfers": both }));
    assert_eq!(json(&["-X", "d"]), json!({ "oid_type": "blake3", "transfers": [] }));
}
