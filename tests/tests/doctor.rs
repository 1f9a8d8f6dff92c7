//! Doctor: each thing it knows is put out of order, found, and mended where it says so.

use dits_tests::{Ran, Repo, World, bytes, pointer};
use std::fs;

fn doctor(repo: &Repo, flags: &[&str]) -> Ran {
    repo.call(&[&["dits", "doctor"], flags].concat()).run()
}

/// That `code` is found, and, if `mended`, that it is gone after `--fix`.
#[track_caller]
fn finds(repo: &Repo, code: &str, mended: bool) {
    let named = format!(": {code}: ");
    let found = doctor(repo, &[]);
    assert!(found.text().contains(&named) && found.code == Some(1), "'{code}' is not found:\n{found}");
    let again = doctor(repo, &["--json"]);
    assert!(again.text().contains(&format!("\"code\": \"{code}\"")), "looking alone mended it:\n{again}");
    assert_eq!(found.text().contains("    --fix: "), mended, "{found}");
    let fixed = doctor(repo, &["--fix"]);
    assert_eq!(fixed.code, Some(if mended { 0 } else { 1 }), "{fixed}");
    assert_eq!(doctor(repo, &[]).text().contains(&named), !mended, "{fixed}");
}

fn healthy(world: &World) -> Repo {
    let repo = world.user("ann").init("project");
    repo.write("a.bin", &bytes(50_000, 1));
    repo.commit("one");
    repo.git(&["remote", "add", "origin", "dits://127.0.0.1:9/team/project"]);
    repo
}

#[test]
fn a_healthy_repository_has_no_findings() {
    let world = World::new();
    let repo = healthy(&world);
    let old = "note: git-old: git version 2.39";
    let seen = doctor(&repo, &[]).text();
    let rest: String =
        seen.split_inclusive('\n').filter(|line| !line.contains(old) && !line.starts_with("    ")).collect();
    assert_eq!(rest, "Git DITS doctor OK\n", "{seen}");
    let json: serde_json::Value = serde_json::from_slice(&doctor(&repo, &["--json"]).stdout).expect("JSON");
    assert_eq!(json["ok"], true);
}

#[test]
fn a_setup_that_is_gone_or_foreign_is_told() {
    let world = World::new();
    let repo = healthy(&world);
    let global = |args: &[&str]| repo.git(&[&["config", "--global"], args].concat());
    global(&["--unset", "filter.dits.process"]);
    finds(&repo, "not-installed", true);
    global(&["--unset", "protocol.dits.allow"]);
    finds(&repo, "not-installed", true);
    global(&["filter.dits.process", "'/nowhere/git-dits' filter-process"]);
    finds(&repo, "program-moved", true);
    global(&["filter.dits.process", "something else"]);
    finds(&repo, "foreign-value", false);
    assert_eq!(repo.git(&["config", "filter.dits.process"]).line(), "something else");
}

#[test]
fn attribute_files_are_put_right() {
    let world = World::new();
    let repo = healthy(&world);
    repo.write(".gitattributes", b"# patterns\n*.bin dits\n");
    finds(&repo, "macro-missing", true);
    assert!(repo.read(".gitattributes").ends_with(b"\n# patterns\n*.bin dits\n"));
    repo.write("art/.gitattributes", b"[attr]dits filter=dits\n*.psd dits\n");
    finds(&repo, "macro-below-top", true);
    repo.holds("art/.gitattributes", b"*.psd dits\n");
    fs::remove_file(repo.at("art/.gitattributes")).expect("it is there");
    std::os::unix::fs::symlink("../.gitattributes", repo.at("art/.gitattributes"))
        .expect("a link can be made");
    finds(&repo, "attributes-unreadable", false);
}

#[test]
fn files_that_should_be_pointers_and_broken_ones_are_named() {
    let world = World::new();
    let repo = healthy(&world);
    repo.write("b.bin", b"raw");
    repo.git(&["-c", "filter.dits.process=", "-c", "filter.dits.required=false", "add", "b.bin"]);
    finds(&repo, "should-be-pointer", false);
    repo.git(&["rm", "-q", "-f", "b.bin"]);
    let damaged = pointer::to_nothing().iter().chain(b"garbage").copied().collect::<Vec<u8>>();
    repo.write("c.bin", &damaged);
    repo.git(&["-c", "filter.dits.process=", "-c", "filter.dits.required=false", "add", "c.bin"]);
    finds(&repo, "damaged-pointer", false);
}

#[test]
fn what_killed_processes_left_is_removed() {
    let world = World::new();
    let repo = healthy(&world);
    for folder in ["tmp", "hydrate"] {
        fs::create_dir_all(repo.store().join(folder)).expect("a folder can be made");
    }
    fs::write(repo.store().join("tmp/0123456789abcdef0123456789abcdef"), b"half a pack").expect("writable");
    finds(&repo, "leftovers", true);
    let name = ".dits-0123456789abcdef0123456789abcdef-1.tmp";
    fs::write(repo.store().join("hydrate").join(name), b"half a file").expect("writable");
    finds(&repo, "leftovers", true);
    assert!(repo.leftovers().is_empty());
    fs::write(repo.at(".git/index.lock"), b"").expect("writable");
    finds(&repo, "index-locked", false);
}

#[test]
fn a_damaged_index_of_the_store_is_made_anew() {
    let world = World::new();
    let repo = healthy(&world);
    let index = repo.store().join("index");
    let segment = fs::read_dir(&index).expect("a folder").flatten().next().expect("a segment").path();
    let mut bytes = fs::read(&segment).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&segment).expect("removable");
    fs::write(&segment, bytes).expect("writable");
    finds(&repo, "damaged-segment", true);
    repo.is_sound();
    fs::write(repo.store().join("format"), b"git-dits store 9\n").expect("writable");
    finds(&repo, "store-format", false);
}

#[test]
fn addresses_pins_and_shared_settings_are_checked() {
    let world = World::new();
    let repo = healthy(&world);
    repo.git(&["config", "dits.url", "nonsense"]);
    repo.git(&["remote", "add", "plain", "https://example.org/a.git"]);
    finds(&repo, "bad-address", false);
    repo.git(&["config", "--unset", "dits.url"]);
    let pins = repo.user().known_hosts();
    fs::create_dir_all(pins.parent().expect("a folder")).expect("a folder can be made");
    fs::write(&pins, "nonsense\n").expect("writable");
    finds(&repo, "pins-unreadable", false);
    fs::remove_file(&pins).expect("removable");
    repo.write(".ditsconfig", b"[dits]\n\tstorage = /elsewhere\n");
    finds(&repo, "ditsconfig-ignored", false);
    repo.write(".ditsconfig", b"[dits\n");
    finds(&repo, "ditsconfig-unreadable", false);
    fs::remove_file(repo.at(".ditsconfig")).expect("removable");
    repo.write("A.BIN", b"other");
    repo.commit("two");
    finds(&repo, "same-name", false);
    repo.write("aux.txt", b"");
    repo.git(&["add", "aux.txt"]);
    finds(&repo, "name-not-portable", false);
    repo.git(&["config", "dits.portablenames", "off"]);
    assert_eq!(doctor(&repo, &[]).code, Some(0));
}

#[test]
fn notes_do_not_count() {
    let world = World::new();
    let repo = healthy(&world);
    let pointer = repo.git(&["show", "HEAD:a.bin"]).stdout;
    repo.write("a.bin", &pointer);
    repo.git(&["remote", "remove", "origin"]);
    let seen = doctor(&repo.with_env("GIT_DITS_SKIP_SMUDGE", "1"), &[]);
    for code in ["ghosts", "no-remote", "skip-smudge"] {
        assert!(seen.text().contains(&format!("note: {code}: ")), "{seen}");
    }
    assert_eq!(seen.code, Some(0));
}
