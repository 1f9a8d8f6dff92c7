//! track and untrack: words, lists, JSON, what is written and what is not.

use crate::beside::Beside;

#[test]
fn patterns_are_tracked_listed_and_taken_out_in_the_same_words() {
    let beside = Beside::new();
    // One at a time: git-lfs writes several in any order.
    beside.same_all(&["track", "track *.bin", "track *.bin", "track -l *.psd", "track --lockable *.psd"]);
    for pattern in ["a b.mov", "#x", "q\"q"] {
        beside.same(&["track", pattern]);
    }
    beside.same_all(&[
        "track --not-lockable *.psd",
        "track --filename x[1].png",
        "track ./y.bin",
        "track *.a",
        "track *.b",
    ]);
    beside.same_all(&["untrack *.a", "untrack *.b"]);
    beside.same_all(&["track", "track --json", "track --no-excluded"]);
    beside.same_all(&["untrack *.bin", "untrack y.bin", "track"]);
    beside.same(&["untrack", "a b.mov"]);
    beside.same_all(&["track --nonsense", "untrack --nonsense", "track -j *.x"]);
}

#[test]
fn lists_are_of_all_folders_and_tell_what_is_excluded() {
    let beside = Beside::new();
    for folder in ["a", "b/c", "b", ""] {
        beside.each(|repo| std::fs::create_dir_all(repo.at(folder)).expect("a folder can be made"));
        beside.same_with(&["track", "*.bin"], folder, b"");
        beside.same_with(&["track", "x/*.psd"], folder, b"");
    }
    beside.git(&["add", "b/c/.gitattributes"]);
    beside.each(|repo| {
        let mut text = repo.read(".gitattributes");
        text.extend(b"old/** -filter\n");
        repo.write(".gitattributes", &text);
    });
    beside.same_all(&["track", "track --json", "track --no-excluded"]);
    beside.same_with(&["track"], "b/c", b"");
}

#[test]
fn files_added_before_are_touched_so_that_git_add_converts_them() {
    let beside = Beside::new();
    beside.each(|repo| {
        for name in ["x.mov", "d/y.mov", "z.txt"] {
            repo.write(name, b"content");
        }
        repo.commit("before");
    });
    beside.same_all(&["track --dry-run *.zip", "track --no-modify-attrs -d *.mov"]);
    beside.same(&["track", "--no-modify-attrs", "--verbose", "*.mov"]);
    beside.same(&["track", "-v", "*.mov"]);
    beside.git(&["add", "."]);
    beside.git(&["commit", "-q", "-m", "after"]);
    beside.same_all(&["ls-files", "ls-files -n", "track -v *.mov"]);
    beside.each(|repo| repo.is_clean());
}

#[test]
fn a_dry_run_names_the_files_and_writes_nothing() {
    let beside = Beside::new();
    beside.each(|repo| {
        repo.write("x.mov", b"content");
        repo.commit("before");
    });
    beside.same(&["track", "--dry-run", "*.mov"]);
    assert!(!beside.dits.at(".gitattributes").exists());
    beside.dits.is_clean_at_once();
}

#[test]
fn blank_lines_and_comments_stay() {
    let beside = Beside::new();
    beside.dits.write(".gitattributes", b"# mine\n\n*.txt text\n\n");
    beside.dits.git(&["dits", "track", "*.mov"]);
    let text = String::from_utf8(beside.dits.read(".gitattributes")).expect("text");
    assert!(text.starts_with("# mine\n\n*.txt text\n\n[attr]dits "), "{text}");
}

#[test]
fn presets_track_what_a_kind_of_project_has() {
    let beside = Beside::new();
    let repo = &beside.dits;
    let table = repo.git(&["dits", "track", "--preset", "list"]).text();
    for name in ["unreal", "unity", "godot", "blender", "video", "photo"] {
        assert!(table.contains(&format!("\n{name}: ")) || table.starts_with(&format!("{name}: ")), "{table}");
    }
    repo.git(&["dits", "track", "--preset", "unreal", "--stage", "*.own"]);
    let attributes =
        repo.git(&["check-attr", "filter", "lockable", "--", "A.uasset", "a.png", "a.own"]).text();
    let expected = "A.uasset: filter: dits\nA.uasset: lockable: set\na.png: filter: dits\na.png: lockable: unspecified\n\
                    a.own: filter: dits\na.own: lockable: unspecified\n";
    assert_eq!(attributes, expected);
    assert_eq!(repo.status(), "A  .gitattributes\n");
    let again = repo.git(&["dits", "track", "--preset", "unreal"]).text();
    assert!(again.lines().all(|line| line.ends_with(" already supported")), "{again}");
    assert_eq!(repo.call(&["dits", "track", "--preset", "nonsense"]).run().code, Some(127));
}

#[test]
fn a_pattern_for_git_s_own_files_is_refused_and_nothing_stays_of_it() {
    let beside = Beside::new();
    let repo = &beside.dits;
    for pattern in ["*", ".gitattributes", ".git*"] {
        let said = repo.git_fails(&["dits", "track", pattern]).says(&[
            "a pattern would manage '.gitattributes', which git must be able to read\nhint: name the kinds of files",
        ]);
        assert_eq!(said.code, Some(2));
        assert!(!repo.at(".gitattributes").exists(), "{pattern}");
    }
    repo.git(&["dits", "track", "*.mov"]);
    let before = repo.read(".gitattributes");
    repo.git_fails(&["dits", "track", "*.psd", "*"]);
    repo.holds(".gitattributes", &before);
}
