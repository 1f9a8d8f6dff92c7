//! migrate info: what is counted, and how it is shown.

use crate::beside::Beside;
use dits_tests::bytes;

fn raw() -> Beside {
    let beside = Beside::new();
    beside.each(|repo| {
        repo.write("a.png", &bytes(120_000, 1));
        repo.write("b.png", &bytes(2_000, 2));
        repo.write("c.mov", &bytes(1_500_000, 3));
        repo.write("notes.txt", b"short");
        repo.write("Makefile", b"all:\n");
        repo.commit("one");
        repo.write("c.mov", &bytes(1_600_000, 4));
        repo.git(&["rm", "-q", "b.png"]);
        repo.commit("two");
        repo.git(&["branch", "other", "HEAD~1"]);
    });
    beside
}

#[test]
fn counts_of_several_digits_stand_below_each_other() {
    let beside = Beside::new();
    beside.each(|repo| {
        for number in 0..11 {
            repo.write(format!("{number}.zip"), b"many");
        }
        repo.write("a.txt", b"one");
        repo.commit("one");
    });
    same(&beside, &["migrate info", "migrate info -I *.txt"]);
}

/// Without what stands below the table, which is among the differences.
#[track_caller]
fn same(beside: &Beside, commands: &[&str]) {
    for command in commands {
        let (lfs, mut dits) = beside.both(&command.split(' ').collect::<Vec<_>>(), "", b"");
        let text = dits.text();
        let table = text.split_once("\nStored by git-dits: ").map_or(&text[..], |(table, _)| table);
        dits.stdout = table.as_bytes().to_vec();
        assert_eq!(beside.seen(&lfs, true), beside.seen(&dits, false), "{command}");
    }
}

#[test]
fn kinds_of_files_are_listed_by_size() {
    let beside = raw();
    same(
        &beside,
        &["migrate info", "migrate info --top=1", "migrate info --top 10", "migrate info --everything"],
    );
    same(
        &beside,
        &[
            "migrate info --above=100kb",
            "migrate info --unit=kb -I *.png,*.mov",
            "migrate info --include=*.png",
        ],
    );
    same(
        &beside,
        &["migrate info --exclude=*.png", "migrate info --include-ref=other", "migrate info -I *.mov main"],
    );
    same(&beside, &["migrate info --nonsense", "migrate info nope"]);
}

#[test]
fn files_that_are_pointers_already_are_a_row_of_their_own() {
    let beside = raw();
    beside.same(&["track", "*.png"]);
    beside.git(&["add", "."]);
    beside.git(&["commit", "-q", "-m", "three"]);
    same(
        &beside,
        &[
            "migrate info --pointers=ignore -X .gitattributes",
            "migrate info --pointers=no-follow --top=10 -X .gitattributes",
        ],
    );
}
