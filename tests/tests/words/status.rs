//! status: text, codes for scripts, JSON.

use crate::beside::Beside;

const ALL: [&str; 5] = ["status", "status --porcelain", "status -p", "status --json", "status -j"];

#[test]
fn everything_that_can_change_has_the_same_row() {
    let beside = Beside::tracked();
    beside.each(|repo| {
        for (name, content) in [("a.bin", "one"), ("b.bin", "two"), ("c.bin", "three"), ("t.txt", "text")] {
            repo.write(name, content.as_bytes());
        }
        repo.write("d/e.bin", b"deep");
    });
    beside.git(&["add", "."]);
    // Before the first commit git-lfs does not say which branch it is on: see the differences.
    beside.same_all(&ALL[1..]);
    beside.git(&["commit", "-q", "-m", "one"]);
    beside.same_all(&ALL);
    beside.each(|repo| {
        repo.write("a.bin", b"one changed");
        std::fs::remove_file(repo.at("b.bin")).expect("it is there");
        repo.write("n.bin", b"new");
        repo.write("t.txt", b"text changed");
        repo.write("untracked.txt", b"");
    });
    beside.git(&["add", "n.bin"]);
    beside.git(&["rm", "-q", "d/e.bin"]);
    beside.git(&["mv", "c.bin", "moved.bin"]);
    beside.same_all(&ALL);
    beside.each(|repo| std::fs::create_dir_all(repo.at("x/y")).expect("a folder can be made"));
    for command in ALL {
        beside.same_with(&command.split(' ').collect::<Vec<_>>(), "x/y", b"");
    }
}

#[test]
fn a_file_changed_in_both_places_is_told_as_git_lfs_does() {
    let beside = Beside::tracked();
    beside.each(|repo| {
        repo.write("a.bin", b"one");
        repo.commit("one");
        repo.write("a.bin", b"two");
    });
    beside.git(&["add", "a.bin"]);
    beside.each(|repo| repo.write("a.bin", b"three!"));
    beside.same_all(&ALL);
}

#[test]
fn what_would_be_pushed_is_listed() {
    let beside = Beside::tracked();
    beside.git(&["init", "-q", "--bare", "../up.git"]);
    beside.each(|repo| {
        repo.write("a.bin", b"one");
        repo.commit("one");
        let url = repo.user().at("up.git").display().to_string();
        repo.git(&["remote", "add", "origin", &url]);
        // Hooks would upload: this is about what is listed only.
        repo.git(&["push", "-q", "--no-verify", "-u", "origin", "main"]);
    });
    beside.same_all(&ALL);
    beside.each(|repo| {
        repo.write("b.bin", b"two");
        repo.write("d/c.bin", b"three");
        repo.commit("two");
    });
    beside.same_all(&ALL);
}

#[test]
fn unknown_flags_are_127() {
    let beside = Beside::new();
    beside.same_all(&["status --nonsense", "nonsense", "--nonsense"]);
}
