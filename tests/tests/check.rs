//! Content that should be a pointer, and pointers that should not be: found before they are committed, said with the
//! way out, and harmless where somebody has committed them all the same.

use dits_tests::{Ran, Repo, World, bytes, pointer};
use std::fs;

/// A repository with the guard of `git dits update`.
fn guarded(world: &World) -> Repo {
    let repo = world.user("ann").init("project");
    repo.git(&["dits", "update"]);
    repo.write("good.bin", &bytes(50_000, 1));
    repo.commit("first");
    repo
}

/// Stages `blob` at `path` behind the filter's back, as a program without filters does.
fn stage_raw(repo: &Repo, path: &str, blob: &[u8]) {
    let id = repo.call(&["hash-object", "-w", "--no-filters", "--stdin"]).input(blob).ok().line();
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{id},{path}")]);
}

#[track_caller]
fn check(repo: &Repo, args: &[&str], code: i32) -> Ran {
    let ran = repo.call(&[&["dits", "check"], args].concat()).run();
    assert_eq!(ran.code, Some(code), "{ran}");
    ran
}

#[test]
fn wrong_blobs_are_checked_out_clean_and_said() {
    let world = World::new();
    let repo = guarded(&world);
    let raw = bytes(70_000, 2);
    stage_raw(&repo, "raw.bin", &raw);
    stage_raw(&repo, "dir/a b.bin", b"small and whole");
    repo.git(&["commit", "-q", "--no-verify", "-m", "by libgit2"]);
    let wrong = repo.id("HEAD");
    let server = world.server();
    repo.publish(&server.url("team/p"));
    let ben = world.user("ben");
    let cloned = ben.git(&["clone", "-q", &server.url("team/p"), "clone"]);
    let expected = format!(
        "warning: 2 file(s) in {} should have been pointers but were not (rule: *.bin in .gitattributes): 'dir/a b.bin', 'raw.bin'\n\
         hint: store them as pointers with: git add --renormalize . && git commit\n",
        &wrong[..12]
    );
    assert!(cloned.said().contains(&expected), "{cloned}");
    let clone = ben.repo("clone");
    clone.holds("raw.bin", &raw);
    clone.is_clean_at_once();
    // Away and back again.
    clone.git(&["checkout", "-q", "HEAD~1"]).says_nothing();
    clone.git(&["checkout", "-q", "main"]).says(&["'raw.bin'"]);
    clone.is_clean_at_once();
    check(&clone, &["--staged"], 0);
    let found = check(&clone, &[], 1);
    let line = "'raw.bin' (commit COMMIT) should have been a pointer but was not: its 70 KB are stored whole \
                (rule: *.bin in .gitattributes)\n";
    assert!(found.text().contains(&line.replace("COMMIT", &wrong[..12])), "{found}");
    // What we say is what mends it.
    clone.git(&["add", "--renormalize", "."]);
    clone.git(&["commit", "-q", "-m", "mended"]);
    check(&clone, &[], 0);
    check(&clone, &["HEAD~1..HEAD"], 0);
    let range = check(&clone, &["HEAD~2.."], 1);
    assert_eq!(range.text().lines().count(), 2, "{range}");
    clone.holds("raw.bin", &raw);
    clone.is_clean();
    assert_eq!(clone.git(&["cat-file", "blob", "HEAD:raw.bin"]).stdout, pointer::of(&raw));
}

#[test]
fn what_git_commits_in_one_go_is_here() {
    let world = World::new();
    let repo = guarded(&world);
    // The filter of each of these runs until they end, so the guard runs beside it.
    repo.write("good.bin", &bytes(60_000, 3));
    repo.git(&["commit", "-q", "-a", "-m", "all"]).says_nothing();
    repo.write("good.bin", &bytes(70_000, 4));
    repo.git(&["commit", "-q", "-m", "only", "--", "good.bin"]).says_nothing();
    repo.write("new.bin", &bytes(80_000, 5));
    repo.git(&["add", "-N", "new.bin"]);
    repo.git(&["commit", "-q", "-a", "--amend", "--no-edit"]).says_nothing();
    repo.is_sound();
    assert_eq!(repo.status(), "");
}

#[test]
fn a_file_that_somebody_changes_is_seen_as_changed() {
    let world = World::new();
    let repo = guarded(&world);
    stage_raw(&repo, "raw.bin", &bytes(5000, 2));
    repo.git(&["commit", "-q", "--no-verify", "-m", "wrong"]);
    repo.git(&["reset", "-q", "--hard"]);
    repo.is_clean_at_once();
    repo.edit("raw.bin", |content| content[77] ^= 1);
    assert_eq!(repo.status(), " M raw.bin\n");
}

#[test]
fn the_guard_stops_each_mistake_and_names_the_way_out() {
    let world = World::new();
    let repo = guarded(&world);
    let refused = |says: &[&str]| {
        let ran = repo.git_fails(&["commit", "-q", "-m", "bad"]);
        assert_eq!(ran.code, Some(1));
        ran.says(says);
        check(&repo, &["--staged"], 1);
        repo.git(&["reset", "-q", "--hard"]);
    };
    stage_raw(&repo, "raw.bin", &bytes(70_000, 2));
    refused(&[
        "'raw.bin' should have been a pointer but was not",
        "hint: git add --renormalize -- raw.bin\n",
    ]);
    for (name, text, why) in pointer::damaged() {
        stage_raw(&repo, name, &text);
        refused(&[&format!("'{name}' is a git-dits pointer that "), why, "hint: "]);
    }
    stage_raw(&repo, "clip.mov", &pointer::of(b"content"));
    refused(&["'clip.mov' is a pointer, but no rule", "hint: git dits track --filename clip.mov\n"]);
    stage_raw(&repo, "ghost.bin", &pointer::to_nothing());
    refused(&["'ghost.bin' is a pointer to content that is not here (5a5a"]);
    repo.write(".gitattributes", &[&repo.read(".gitattributes")[..], b"*.mov dits\n"].concat());
    repo.write("clip.mov", &bytes(5000, 3));
    repo.git(&["add", "clip.mov"]);
    let ran = repo.git_fails(&["commit", "-q", "-m", "bad"]);
    ran.says(&[
        "'clip.mov' is a pointer, but the .gitattributes to be committed do not say so",
        "hint: git add .gitattributes\n",
    ]);
    repo.git(&["add", ".gitattributes"]);
    repo.git(&["commit", "-q", "-m", "good"]).says_nothing();
}

#[test]
fn what_was_there_before_and_what_is_a_ghost_is_no_mistake() {
    let world = World::new();
    let server = world.server();
    let repo = guarded(&world);
    stage_raw(&repo, "raw.bin", &bytes(70_000, 2));
    repo.git(&["commit", "-q", "--no-verify", "-m", "wrong"]);
    repo.git(&["reset", "-q", "--hard"]);
    repo.write("empty.bin", b"");
    repo.write("readme", b"text");
    repo.commit("text");
    repo.publish(&server.url("team/p"));
    let ben = world.user("ben").with_env("GIT_DITS_SKIP_SMUDGE", "1");
    let ghosts = ben.clone_from(&server.url("team/p"), "clone");
    ghosts.git(&["dits", "update"]);
    ghosts.git(&["mv", "good.bin", "moved.bin"]);
    ghosts.commit("moved");
    ghosts.git(&["rm", "-q", "moved.bin"]);
    ghosts.commit("removed");
    ghosts.git(&["checkout", "-q", "HEAD~1", "--", "moved.bin"]);
    ghosts.git(&["commit", "-q", "-m", "back again"]).says_nothing();
    // Below the limit, files stay whole on purpose.
    ghosts.git(&["config", "dits.threshold", "1m"]);
    stage_raw(&ghosts, "small.bin", &bytes(1000, 3));
    ghosts.git(&["commit", "-q", "-m", "small"]).says_nothing();
    check(&ghosts, &[], 0);
    ghosts.git(&["config", "dits.threshold", "many"]);
    check(&ghosts, &[], 2).says(&["dits.threshold", "many"]);
}

#[test]
fn nothing_is_found_where_no_rule_of_ours_is() {
    let world = World::new();
    let user = world.user("ann");
    user.git(&["init", "-q", "plain"]);
    let repo = user.repo("plain");
    repo.git(&["dits", "update"]);
    check(&repo, &["--staged"], 0).says_nothing();
    repo.write("notes", &pointer::of(b"an example"));
    repo.write("large.bin", &bytes(100_000, 1));
    repo.git(&["add", "-A"]);
    check(&repo, &["--staged"], 0).says_nothing();
    repo.git(&["commit", "-q", "-m", "first"]).says_nothing();
    check(&repo, &[], 0).says_nothing();
    repo.git(&["checkout", "-q", "--detach"]);
    repo.git(&["checkout", "-q", "main"]).says_nothing();
}

#[test]
fn findings_are_told_to_scripts_and_bad_questions_refused() {
    let world = World::new();
    let repo = guarded(&world);
    stage_raw(&repo, "it's.bin", &bytes(70_000, 2));
    let shown: serde_json::Value =
        serde_json::from_str(&check(&repo, &["--staged", "--json"], 1).text()).unwrap();
    let expected = serde_json::json!({
        "path": "it's.bin", "kind": "unexpectedGitObject", "commit": null, "size": 70_000,
        "text": "should have been a pointer but was not: its 70 KB are stored whole (rule: *.bin in .gitattributes)",
        "rule": "*.bin in .gitattributes",
        "fix": "git add --renormalize -- 'it'\\''s.bin'",
    });
    assert_eq!((&shown["ok"], &shown["findings"][0]), (&false.into(), &expected));
    check(&repo, &["nowhere"], 2).says(&["error: 'nowhere' is not a commit"]);
    check(&repo, &["HEAD..nowhere"], 2).says(&["'nowhere' is not a commit"]);
    check(&repo, &["--staged", "HEAD"], 127);
    let unborn = repo.user().init("unborn");
    check(&unborn, &[], 2).says(&["'HEAD' is not a commit"]);
    stage_raw(&unborn, "raw.bin", &bytes(100, 2));
    unborn.git(&["add", ".gitattributes"]);
    check(&unborn, &["--staged"], 1);
    let outside = repo.user().call("git", &repo.user().home()).args(["dits", "check", "--staged"]).run();
    assert_eq!((outside.code, outside.said()), (Some(128), "Not in a Git repository.\n".into()));
    fs::create_dir(repo.user().at("bare.git")).unwrap();
    repo.user().git(&["init", "-q", "--bare", "bare.git"]);
    check(&repo.user().repo("bare.git"), &["--staged"], 128);
}
