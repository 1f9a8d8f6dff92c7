//! lock, unlock and locks: git-lfs's with a host that has its lock API, ours with a server.
//!
//! `locks --local` is compared while there is nothing in it only: git-lfs puts others' locks there once it has listed them. Nor is
//! `unlock --id --json`, which has no row in git-lfs when it succeeds.

use crate::beside::{Beside, contains};
use crate::lock_host;
use dits_tests::Server;
use serde_json::Value;

/// The same files on both sides; Ann is the user, and Ben has locked `theirs.bin`.
fn locked() -> (Beside, Server) {
    let mut beside = Beside::tracked();
    let server = beside.world.closed_server();
    let url = server.url("team/game");
    let user = beside.dits.user().with_env("DITS_TOKEN", server.token("ann", "write", "*"));
    beside.dits = user.repo("repo");
    beside.each(|repo| {
        for name in ["a.bin", "bb.bin", "d/c.bin", "d/e/f.bin", "theirs.bin", "\u{e9}.bin", "z.bin"] {
            repo.write(name, name.as_bytes());
        }
        repo.commit("one");
    });
    beside.dits.publish(&url);
    beside.lfs.git(&["config", "lfs.url", &lock_host::start()]);
    beside.lfs.git(&["lfs", "lock", "theirs.bin"]);
    let ben = beside.dits.with_env("DITS_TOKEN", server.token("ben", "write", "*"));
    ben.git(&["dits", "lock", "theirs.bin"]);
    std::fs::remove_file(beside.dits.at(".git/dits/locks.json")).expect("it was Ben's");
    std::fs::remove_file(beside.lfs.at(".git/lfs/lockcache.db")).expect("it was Ben's");
    (beside, server)
}

/// Both print JSON with the same keys and values, but for times; ours may have more keys.
fn same_json(beside: &Beside, args: &[&str]) {
    let (lfs, dits) = beside.both(args, "", b"");
    assert_eq!(lfs.code, dits.code, "{lfs}\n{dits}");
    let json = |text: String| -> Value {
        let cut = |text: &str| text.find("\"locked_at\":\"").map(|at| at + "\"locked_at\":\"".len());
        let mut out = String::new();
        let mut rest = &text[..];
        while let Some(at) = cut(rest) {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let end = rest.find('"').expect("a text ends");
            assert!(rest[..end].len() == 20 && rest[..end].ends_with('Z'), "{rest}");
            rest = &rest[end..];
        }
        serde_json::from_str(&(out + rest)).expect("it is JSON")
    };
    assert!(contains(&json(dits.text()), &json(lfs.text())), "{lfs}\n{dits}");
    assert_eq!((lfs.text().lines().count(), dits.text().lines().count()), (1, 1));
}

#[test]
fn locks_are_told_in_the_same_words() {
    let (beside, _server) = locked();
    beside.same_all(&[
        "locks --local",
        "lock",
        "lock a.bin",
        "lock bb.bin d/c.bin",
        "locks",
        "locks --verify",
    ]);
    beside.same_with(&["lock", "e/f.bin"], "d", b"");
    beside.same(&["lock", "\u{e9}.bin"]);
    beside.same_all(&[
        "locks",
        "locks --cached",
        "locks --verify",
        "locks --cached --verify",
        "locks --path a.bin",
    ]);
    beside.same_with(&["locks", "--path", "c.bin"], "d", b"");
    beside.same_all(&["locks --path nope", "locks --id 3", "locks -i 77", "locks --remote origin"]);
    beside.same_all(&[
        "lock d",
        "lock d/e theirs.bin",
        "lock ../x",
        "lock /etc/passwd",
        "lock theirs.bin z.bin",
    ]);
    beside.same_all(&[
        "unlock a.bin",
        "unlock a.bin",
        "unlock -i 3",
        "unlock -i 3",
        "unlock theirs.bin bb.bin",
    ]);
    beside.same_all(&["unlock d", "unlock ../x", "unlock", "unlock z.bin -i 1", "locks"]);
    beside.each(|repo| repo.write("z.bin", b"changed"));
    beside.same_all(&["unlock z.bin", "unlock -f z.bin", "locks"]);
    for words in [
        "--verify --path x",
        "--verify --local",
        "--cached --path x",
        "--cached --limit 1",
        "--cached --local",
    ] {
        beside.same_all(&[&format!("locks {words}")]);
    }
}

#[test]
fn json_of_locks_has_the_same_keys() {
    let (beside, _server) = locked();
    for words in [
        "lock a.bin bb.bin --json",
        "locks --json",
        "locks --verify --json",
        "locks --json --path a.bin",
        "locks --json --path nope",
        "unlock a.bin --json",
        "unlock a.bin --json",
        "unlock -i 77 --json",
    ] {
        same_json(&beside, &words.split(' ').collect::<Vec<_>>());
    }
}
