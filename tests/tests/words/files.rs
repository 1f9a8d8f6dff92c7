//! ls-files with all its flags.

use crate::beside::Beside;
use dits_tests::bytes;

/// Three commits: files of all sizes, one of them changed, one of them deleted.
fn history() -> Beside {
    let beside = Beside::tracked();
    beside.each(|repo| {
        repo.write("a.bin", b"hello one");
        repo.write("b.bin", &bytes(123_456, 1));
        repo.write("d/c.bin", b"deep");
        repo.write("t.txt", b"text");
        repo.write("e/9950.bin", &bytes(9_950, 2));
        repo.write("e/999999.bin", &bytes(999_999, 3));
        repo.commit("one");
        repo.write("a.bin", b"hello two");
        repo.commit("two");
        repo.git(&["rm", "-q", "d/c.bin"]);
        repo.commit("three");
    });
    beside
}

#[test]
fn rows_and_blocks_are_the_same_for_every_flag() {
    let beside = history();
    beside.same_all(&["ls-files", "ls-files -l", "ls-files --long", "ls-files -s", "ls-files --size"]);
    beside.same_all(&[
        "ls-files -n",
        "ls-files --name-only -s",
        "ls-files -l -s",
        "ls-files -d",
        "ls-files --debug -s",
    ]);
    beside.same_all(&["ls-files --nonsense", "ls-files -I"]);
}

#[test]
fn patterns_choose_paths() {
    let beside = history();
    let lists = [
        "-I d/*",
        "-X d",
        "-I *.txt",
        "-I a*,b*",
        "-I *.bin -X b.bin",
        "--include=a.bin",
        "--exclude=a.bin,nope",
    ];
    for list in lists {
        beside.same_all(&[&format!("ls-files HEAD~2 {list}")]);
    }
}

#[test]
fn commits_history_and_deleted_files_are_listed() {
    let beside = history();
    beside.same_all(&["ls-files HEAD~1", "ls-files HEAD~2 HEAD", "ls-files HEAD HEAD", "ls-files main"]);
    beside.same_all(&["ls-files --all", "ls-files -a -l", "ls-files --deleted", "ls-files HEAD~2 --deleted"]);
    beside.same_all(&[
        "ls-files --all --deleted",
        "ls-files nope",
        "ls-files HEAD nope",
        "ls-files nope --deleted",
    ]);
}

#[test]
fn ghosts_and_unborn_branches_are_told() {
    let beside = Beside::tracked();
    beside.same_all(&["ls-files", "ls-files --all", "ls-files --deleted", "ls-files HEAD"]);
    beside.each(|repo| {
        repo.write("a.bin", b"content");
        repo.commit("one");
        let pointer = repo.git(&["show", "HEAD:a.bin"]).stdout;
        repo.write("a.bin", &pointer);
    });
    beside.same_all(&["ls-files", "ls-files -s", "ls-files -d"]);
    beside.each(|repo| std::fs::remove_file(repo.at("a.bin")).expect("it is there"));
    beside.same_all(&["ls-files", "ls-files -d"]);
}

/// The installed git-lfs has no `--json` for this command: newer ones do, with these keys and one space.
#[test]
fn json_has_the_keys_of_newer_git_lfs() {
    let beside = Beside::tracked();
    beside.dits.write("a.bin", b"content");
    beside.dits.commit("one");
    let expected = r#"{
 "files": [
  {
   "name": "a.bin",
   "size": 7,
   "checkout": true,
   "downloaded": true,
   "oid_type": "blake3",
   "oid": "<hash>",
   "version": "git-dits/1"
  }
 ]
}
"#;
    for flag in ["--json", "-j"] {
        let seen = beside.dits.git(&["dits", "ls-files", flag]).text();
        assert_eq!(beside.mapped(&seen, false), expected);
    }
}
