//! Situations in which we differ from git-lfs, made in both repositories: see `differences`.

use crate::beside::Beside;
use dits_tests::Repo;

pub fn nothing(_: &Beside) {}

pub fn one_file(beside: &Beside) {
    beside.git(&["{}", "track", "*.bin"]);
    beside.each(|repo| {
        repo.write("d/a.bin", b"content");
        repo.commit("one");
    });
}

pub fn detached(beside: &Beside) {
    one_file(beside);
    beside.git(&["checkout", "-q", "--detach"]);
}

pub fn staged_deletion(beside: &Beside) {
    one_file(beside);
    beside.git(&["rm", "-q", "d/a.bin"]);
}

pub fn staged_before(beside: &Beside) {
    one_file(beside);
    beside.each(|repo| repo.write("z.bin", b"zzz"));
    beside.git(&["add", "."]);
    beside.git(&["commit", "-q", "-m", "two"]);
    beside.each(|repo| repo.write("z.bin", b"other"));
    beside.git(&["add", "."]);
}

pub fn unpushed(beside: &Beside) {
    one_file(beside);
    beside.each(|repo| {
        let host = repo.user().at("host.git").display().to_string();
        repo.git(&["init", "-q", "--bare", &host]);
        repo.git(&["remote", "add", "origin", &host]);
    });
}

pub fn deleted(beside: &Beside) {
    one_file(beside);
    beside.each(|repo| std::fs::remove_file(repo.at("d/a.bin")).expect("it is there"));
}

/// An old version that is pushed, as far as Git knows.
pub fn pushed(beside: &Beside) {
    unpushed(beside);
    beside.each(|repo| {
        repo.write("d/a.bin", b"changed");
        repo.commit("two");
        repo.git(&["update-ref", "refs/remotes/origin/main", "main"]);
    });
}

pub fn pushed_without_proof(beside: &Beside) {
    pushed(beside);
    beside.dits.git(&["config", "dits.pruneverifyremotealways", "false"]);
}

pub fn broken_config(beside: &Beside) {
    beside.lfs.write(".lfsconfig", b"[broken");
    beside.dits.write(".ditsconfig", b"[broken");
}

pub fn one_text(beside: &Beside) {
    beside.each(|repo| {
        repo.write("a.txt", b"five!");
        repo.commit("one");
    });
}

pub fn small_file(beside: &Beside) {
    beside.each(|repo| repo.write("a.bin", b"small"));
}

pub fn info_attributes(beside: &Beside) {
    let write = |repo: &Repo, filter: &str| {
        repo.write(".git/info/attributes", format!("*.x filter={filter}\n").as_bytes())
    };
    write(&beside.lfs, "lfs");
    write(&beside.dits, "dits");
}

pub fn crlf_pointer(beside: &Beside) {
    for (repo, product) in [(&beside.lfs, "lfs"), (&beside.dits, "dits")] {
        let text = repo.call(&[product, "clean"]).input(b"hello").ok().text();
        repo.write("p", text.replace('\n', "\r\n").as_bytes());
    }
}
