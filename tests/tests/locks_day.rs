//! A day of two people with one file that nobody can merge: its lock, its mode, a change on a branch, and what each is told.

use dits_tests::lockable::{ATTRIBUTES, modes};
use dits_tests::{Repo, World, bytes};

const FREE: (&str, u32) = ("a.bin", 0o444);
const MINE: (&str, u32) = ("a.bin", 0o644);

fn dits(repo: &Repo, words: &str) -> dits_tests::Call {
    repo.call(&["dits"]).args(words.split(' '))
}

#[test]
fn a_file_goes_from_one_to_the_other() {
    let world = World::new();
    let server = world.closed_server();
    let user =
        |name: &str, role: &str| world.user(name).with_env("DITS_TOKEN", server.token(name, role, "*"));
    let ann = user("ann", "admin").init("game");
    ann.write(".gitattributes", ATTRIBUTES);
    ann.write("a.bin", &bytes(300_000, 1));
    ann.commit("first");
    ann.publish(&server.url("team/game"));
    let ben = user("ben", "write").clone_from(&server.url("team/game"), "game");
    modes(&ben, &[FREE]);

    // Ann works on a branch. Her change keeps the lock until it has arrived.
    dits(&ann, "lock a.bin").ok();
    modes(&ann, &[MINE]);
    ann.is_clean_at_once();
    ann.git(&["switch", "-q", "-c", "task"]);
    ann.edit("a.bin", |content| content[1000] ^= 1);
    ann.commit("edit");
    ann.git(&["push", "-q", "-u", "origin", "task"]);
    let kept = dits(&ann, "unlock a.bin").ok().text();
    assert!(kept.starts_with("Unlocking a.bin: kept until its change "), "{kept}");
    dits(&ben, "lock a.bin")
        .fails()
        .says(&["Locking a.bin failed: it is kept for a change of ann on 'task'"]);
    ann.git(&["switch", "-q", "main"]);
    ann.git(&["merge", "-q", "task"]);
    ann.git(&["push", "-q", "origin", "main"]);
    assert_eq!(dits(&ann, "locks").ok().text(), "", "it has landed");
    modes(&ann, &[FREE]);
    ann.is_clean_at_once();

    // Ben has the old version, and would lose his work.
    dits(&ben, "lock a.bin").fails().says(&["the target branch has a newer version", "git pull"]);
    modes(&ben, &[FREE]);
    ben.git(&["pull", "-q"]);
    assert_eq!(dits(&ben, "lock a.bin").ok().text(), "Locked a.bin\n");
    modes(&ben, &[MINE]);

    // Ann takes it away, and Ben hears of it once.
    dits(&ann, "unlock a.bin").fails().says(&["ben has locked it", "--force"]);
    dits(&ann, "unlock --force a.bin").ok();
    dits(&ben, "locks").ok().says(&["ann took away your lock of 'a.bin' for 'main'"]);
    modes(&ben, &[FREE]);
    dits(&ben, "locks").ok().says_nothing();
}
