//! `git dits migrate info`: the rows of git-lfs, and an estimate that holds.

use dits_tests::{Repo, User, World, bytes, pointer};
use serde_json::Value;
use std::process::Command;

/// Commits with versions of `scene.blend` that share most of their bytes, and other files.
fn project(user: &User) -> Repo {
    user.git(&["init", "-q", "project"]);
    let repo = user.repo("project");
    let mut scene = bytes(600_000, 1);
    for version in 0..4 {
        scene.splice(1000..1000, bytes(100, 10 + version));
        repo.write("art/scene.blend", &scene);
        repo.write("notes.txt", format!("version {version}\n").as_bytes());
        repo.commit("version");
    }
    repo.write("copy.blend", &scene);
    repo.write("Makefile", b"all:\n");
    repo.commit("copy");
    repo
}

fn info(repo: &Repo, args: &[&str]) -> Value {
    let out = repo.git(&[&["dits", "migrate", "info", "--json", "--skip-fetch"], args].concat());
    serde_json::from_str(&out.text()).expect("JSON")
}

fn group<'a>(info: &'a Value, name: &str) -> &'a Value {
    let groups = info["groups"].as_array().expect("a list");
    groups.iter().find(|group| group["name"] == name).unwrap_or(&Value::Null)
}

#[test]
fn rows_are_those_of_git_lfs() {
    let world = World::new();
    let repo = project(&world.user("ann"));
    let rows = |args: &[&str]| {
        let ran = repo.git(&[&["dits", "migrate", "info", "--skip-fetch"], args].concat());
        assert_eq!(
            ran.said(),
            "migrate: Sorting commits: ..., done.\nmigrate: Examining commits: 100% (5/5), done.\n"
        );
        ran.text().split("\nStored by git-dits").next().unwrap_or_default().to_owned()
    };
    let all = "*.blend \t3.0 MB\t5/5 files\t100%\n*.txt   \t40 B  \t4/4 files\t100%\nMakefile\t5 B   \t1/1 file \t100%\n";
    assert_eq!(rows(&[]), all);
    assert_eq!(rows(&["--everything"]), all);
    assert_eq!(rows(&["--top=1", "--unit=kb"]), "*.blend\t3001\t5/5 files\t100%\n");
    assert_eq!(rows(&["--above", "5b", "-X", "*.blend"]), "*.txt\t40 B\t4/4 files\t100%\n");
    assert_eq!(rows(&["-I", "art"]), "*.blend\t2.4 MB\t4/4 files\t100%\n");
    if Command::new("git-lfs").arg("version").output().is_ok_and(|out| out.status.success()) {
        for args in
            [&[][..], &["--everything"], &["--top=1", "--unit=kb"], &["--above", "5b"], &["-I", "*.txt"]]
        {
            let theirs = repo.git(&[&["lfs", "migrate", "info", "--skip-fetch"], args].concat()).text();
            assert_eq!(rows(args), theirs, "{args:?}");
        }
    }
}

#[test]
fn the_estimate_is_what_adding_really_stores() {
    let world = World::new();
    let user = world.user("ann");
    let repo = project(&user);
    let estimate = info(&repo, &["-I", "*.blend"])["estimate"].clone();
    let (whole, chunks) =
        (estimate["whole_bytes"].as_u64().unwrap(), estimate["chunk_bytes"].as_u64().unwrap());
    assert_eq!(whole, 4 * 600_000 + 100 + 200 + 300 + 400, "the copy is no other content");
    assert_eq!(estimate["sampled"], false);
    assert!(chunks < 700_000, "{estimate}");
    // The same versions through the filter.
    let real = user.init("real");
    real.git(&["dits", "track", "*.blend"]);
    for revision in ["main~4", "main~3", "main~2", "main~1"] {
        real.write(
            "scene.blend",
            &repo.git(&["cat-file", "blob", &format!("{revision}:art/scene.blend")]).stdout,
        );
        real.git(&["add", "."]);
    }
    let du: Value = serde_json::from_str(&real.git(&["dits", "du", "--json"]).text()).unwrap();
    assert_eq!(du["chunk_bytes"].as_u64(), Some(chunks), "{du}");
    let sample = info(&repo, &["--sample=700kb"])["estimate"].clone();
    assert_eq!(sample["sampled"], true);
    assert!(sample["read_bytes"].as_u64() < Some(whole), "{sample}");
    let text = repo.git(&["dits", "migrate", "info", "--skip-fetch", "--sample=700kb"]).text();
    assert!(text.contains("(a sample of 2.4 MB)"), "{text}");
}

#[test]
fn refs_choose_the_commits() {
    let world = World::new();
    let server = world.server();
    let repo = project(&world.user("ann"));
    repo.publish(&server.url("team/p"));
    repo.git(&["switch", "-q", "-c", "topic", "main~2"]);
    repo.write("new.psd", &bytes(5000, 50));
    repo.commit("topic");
    let commits = |args: &[&str]| info(&repo, args)["commits"].as_u64().unwrap();
    assert_eq!(commits(&[]), 1, "a remote has the others");
    assert_eq!(commits(&["main"]), 0);
    assert_eq!(commits(&["--everything"]), 6);
    assert_eq!(commits(&["--include-ref=topic"]), 4);
    assert_eq!(commits(&["--include-ref=topic", "--exclude-ref=main~3"]), 2);
    assert_eq!(commits(&["topic", "^main~3", "--include-ref=main"]), 4);
    // All of the tree of a commit counts, also what came with commits that do not.
    assert_eq!(group(&info(&repo, &[]), "*.blend")["files"], 1);
    let all = info(&repo, &["--include-ref=topic"]);
    assert_eq!(group(&all, "*.psd")["bytes"], 5000);
    assert_eq!(group(&all, "*.blend")["files"], 3);
    repo.call(&["dits", "migrate", "info", "--everything", "main"]).fails().says(&["--everything"]);
    repo.call(&["dits", "migrate", "info", "--skip-fetch", "gone"])
        .fails()
        .says(&["Git can't resolve ref: \"gone\""]);
    for wrong in ["--above=much", "--unit=foot", "--pointers=maybe"] {
        assert_eq!(repo.call(&["dits", "migrate", "info", wrong]).run().code, Some(2), "{wrong}");
    }
    // A remote that is gone is said, and does not end it.
    drop(server);
    repo.git(&["remote", "set-url", "origin", "/nowhere/at/all"]);
    repo.git(&["dits", "migrate", "info"])
        .says(&["cannot fetch from 'origin'", "Examining commits: 100% (1/1)"]);
}

#[test]
fn pointers_are_followed_ignored_or_files() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    repo.write("a.bin", &bytes(300_000, 1));
    repo.write("b.dat", &bytes(200, 2));
    repo.commit("one");
    let followed = info(&repo, &[]);
    assert_eq!(followed["pointers"]["bytes"], 300_000);
    assert_eq!(group(&followed, "*.bin"), &Value::Null);
    assert_eq!(info(&repo, &["--pointers=ignore"])["pointers"], Value::Null);
    let files = info(&repo, &["--pointers=no-follow"]);
    let text = pointer::of(&bytes(300_000, 1)).len() as u64;
    assert_eq!(group(&files, "*.bin")["bytes"], text);
    assert_eq!(
        files["estimate"]["whole_bytes"],
        group(&files, "*.dat")["bytes"].as_u64().unwrap() + attributes(&repo)
    );
}

fn attributes(repo: &Repo) -> u64 {
    repo.read(".gitattributes").len() as u64
}

#[test]
fn fixup_counts_what_attributes_of_its_time_would_have_as_pointers() {
    let world = World::new();
    let repo = project(&world.user("ann"));
    let fixup = |args: &[&str]| info(&repo, &[&["--fixup"], args].concat());
    assert_eq!(fixup(&[])["groups"], Value::Array(vec![]), "nothing was ever managed");
    // Managed from here on: the version of now, at both paths, and what comes.
    repo.write("art/.gitattributes", b"*.blend filter=dits\n");
    repo.git(&["add", "art/.gitattributes"]);
    repo.git(&["commit", "-q", "-m", "attributes"]);
    let found = fixup(&[]);
    assert_eq!(group(&found, "*.blend")["files"], 1, "{found}");
    assert_eq!(found["groups"].as_array().map(Vec::len), Some(1), "{found}");
    repo.write("art/scene.blend", &bytes(1000, 60));
    repo.write("art/small.blend", &bytes(10, 61));
    repo.commit("a pointer each");
    assert_eq!(group(&fixup(&[]), "*.blend")["files"], 1, "pointers are right");
    assert_eq!(fixup(&["--include-ref=main", "--exclude-ref=main~1"])["groups"], Value::Array(vec![]));
    repo.git(&["config", "dits.threshold", "1m"]);
    assert_eq!(fixup(&[])["groups"], Value::Array(vec![]), "below the threshold raw is right");
    for wrong in [&["--fixup", "-I", "*.x"][..], &["--fixup", "--pointers=follow"]] {
        let ran = repo.call(&[&["dits", "migrate", "info"], wrong].concat()).run();
        assert_eq!(ran.code, Some(2), "{ran}");
    }
}

#[test]
fn bare_unborn_shallow_and_partial_repositories() {
    let world = World::new();
    let user = world.user("ann");
    let repo = project(&user);
    user.git(&["clone", "-q", "--bare", "project", "bare.git"]);
    let bare = user.repo("bare.git");
    assert_eq!(info(&bare, &["--everything"])["commits"], 5);
    user.git(&["init", "-q", "unborn"]);
    let unborn = user.repo("unborn");
    assert_eq!(info(&unborn, &[])["commits"], 0);
    assert_eq!(unborn.git(&["dits", "migrate", "info", "--everything"]).text(), "");
    let url = format!("file://{}", repo.path().display());
    user.git(&["clone", "-q", "--depth=2", &url, "shallow"]);
    let shallow = info(&user.repo("shallow"), &["--everything"]);
    assert_eq!((&shallow["commits"], &group(&shallow, "*.blend")["files"]), (&2.into(), &2.into()));
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    user.git(&["clone", "-q", "--no-checkout", "--filter=blob:none", &url, "partial"]);
    let partial = user.repo("partial");
    let found = info(&partial, &["--everything"]);
    assert_eq!((&found["missing"], &found["commits"]), (&10.into(), &5.into()), "{found}");
    partial.git(&["dits", "migrate", "info", "--everything"]).says(&["10 file(s) are not counted"]);
    let absent = partial.git(&["rev-list", "--objects", "--all", "--missing=print"]).text();
    assert_eq!(absent.lines().filter(|line| line.starts_with('?')).count(), 9, "nothing was fetched");
    let outside = user.call("git", &user.at("tmp")).args(["dits", "migrate", "info"]).run();
    assert_eq!(outside.code, Some(128), "{outside}");
}
