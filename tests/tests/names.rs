//! Names that break naive programs, and files that are not quite files.
//!
//! Everything goes around: added, pushed, cloned, changed, pulled. Names are bytes to us, as they are to Git; those that
//! other systems could not have are told.

use dits_tests::{World, bytes};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

/// Names that mean something to shells, to Git or to line-based protocols.
const NAMES: [&str; 17] = [
    "with space.bin",
    " leading space.bin",
    "trailing space.bin ",
    "quote\".bin",
    "apostrophe'.bin",
    "back\\slash.bin",
    "new\nline.bin",
    "tab\t.bin",
    "-dash.bin",
    "--all.bin",
    "ünïcödé-日本語.bin",
    "[brackets].bin",
    "star*.bin",
    "what?.bin",
    "#hash.bin",
    ":(top)magic.bin",
    "$HOME %s ${x}.bin",
];

fn all_names() -> Vec<OsString> {
    let mut names: Vec<OsString> = NAMES.iter().map(OsString::from).collect();
    // Latin-1, which is not UTF-8.
    names.push(OsStr::from_bytes(b"caf\xe9.bin").to_owned());
    names.push(format!("{}/deep.bin", "folder with space/".repeat(8).trim_end_matches('/')).into());
    names.push(format!("{}.bin", "n".repeat(250)).into());
    names
}

#[test]
fn every_name_goes_around() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    ann.git(&["dits", "track", "*.bin "]);
    for (seed, name) in all_names().iter().enumerate() {
        ann.write(name, &bytes(100_000, seed as u64));
    }
    ann.commit("names");
    let pointers = ann.git(&["ls-files", "-s"]).text().lines().count();
    assert_eq!(pointers, all_names().len() + 1, "and .gitattributes");
    ann.publish(&server.url("team/names"));
    let ben = world.user("ben").clone_from(&server.url("team/names"), "clone");
    ben.is_clean_at_once();
    for (seed, name) in all_names().iter().enumerate() {
        ben.holds(name, &bytes(100_000, seed as u64));
    }
    for name in all_names() {
        let mut content = ben.read(&name);
        content.push(b'!');
        ben.write(&name, &content);
    }
    ben.commit("changed");
    ben.git(&["push", "-q"]);
    ann.git(&["pull", "-q"]);
    ann.is_clean_at_once();
    ann.is_same_as(&ben);
    for repo in [&ann, &ben] {
        repo.is_sound();
    }
}

#[test]
fn every_tracked_name_is_a_pointer_in_git() {
    let world = World::new();
    let ann = world.user("ann").init("project");
    ann.git(&["dits", "track", "*.bin "]);
    for name in all_names() {
        ann.write(&name, &bytes(2000, 1));
    }
    ann.commit("names");
    let sizes = ann.git(&["ls-tree", "-r", "-l", "-z", "HEAD"]).stdout;
    for entry in sizes.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
        let entry = String::from_utf8_lossy(entry);
        let size: u64 = entry.split_whitespace().nth(3).and_then(|size| size.parse().ok()).unwrap();
        assert!(size < 200 || entry.contains(".gitattributes"), "stored as content: {entry:?}");
    }
}

#[test]
fn what_is_no_regular_file_stays_what_it_is() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    ann.write("real.bin", &bytes(50_000, 1));
    ann.write("run.bin", &bytes(50_000, 2));
    ann.make_executable("run.bin");
    symlink("real.bin", ann.at("link.bin")).unwrap();
    symlink("nowhere", ann.at("dangling.bin")).unwrap();
    symlink("version git-dits/1", ann.at("looks-like-a-pointer.bin")).unwrap();
    ann.commit("kinds");
    ann.publish(&server.url("team/kinds"));
    let ben = world.user("ben").clone_from(&server.url("team/kinds"), "clone");
    ben.is_clean_at_once();
    ben.is_same_as(&ann);
    assert!(ben.at("dangling.bin").is_symlink());
}

#[test]
fn an_empty_file_is_an_empty_file_everywhere() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    ann.write("empty.bin", b"");
    ann.write("empty-run.bin", b"");
    ann.make_executable("empty-run.bin");
    ann.commit("empty");
    assert_eq!(ann.git(&["cat-file", "-s", "HEAD:empty.bin"]).line(), "0");
    ann.publish(&server.url("team/empty"));
    let ben = world.user("ben").clone_from(&server.url("team/empty"), "clone");
    ben.holds("empty.bin", b"");
    ben.is_same_as(&ann);
    ben.is_clean_at_once();
}

#[test]
fn a_file_that_becomes_executable_or_a_link_is_followed() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(50_000, 1));
    ann.write("b.bin", &bytes(50_000, 2));
    ann.commit("files");
    ann.publish(&server.url("team/kinds"));
    let ben = world.user("ben").clone_from(&server.url("team/kinds"), "clone");
    ann.make_executable("a.bin");
    std::fs::remove_file(ann.at("b.bin")).unwrap();
    symlink("a.bin", ann.at("b.bin")).unwrap();
    ann.commit("changed kinds");
    let push = ann.watch(|| drop(ann.git(&["push", "-q"]))).push;
    assert_eq!(push.chunks, 0, "no content is new");
    ben.git(&["pull", "-q"]);
    ben.is_clean_at_once();
    ben.is_same_as(&ann);
    ben.git(&["checkout", "-q", "HEAD~1"]);
    ben.is_clean_at_once();
    ben.holds("b.bin", &bytes(50_000, 2));
}

#[test]
fn a_folder_that_was_replaced_by_a_link_is_not_written_through() {
    let world = World::new();
    let ann = world.user("ann").init("project");
    ann.write("folder/a.bin", &bytes(50_000, 1));
    ann.commit("in a folder");
    let outside = world.folder("outside");
    std::fs::write(outside.join("a.bin"), "mine").unwrap();
    std::fs::remove_dir_all(ann.at("folder")).unwrap();
    symlink(&outside, ann.at("folder")).unwrap();
    // What Git thinks of it is Git's business; the file outside is nobody's.
    let _ = ann.call(&["checkout", "HEAD", "--", "folder/a.bin"]).run();
    assert_eq!(std::fs::read(outside.join("a.bin")).unwrap(), b"mine");
}

#[test]
fn names_that_cannot_exist_elsewhere_are_told_and_kept_as_they_are() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    // One name to Windows, and one to macOS: decomposed, as its older file systems wrote it.
    let names =
        ["Hero.bin", "hero.bin", "u\u{308}.bin", "ü.bin", "what?.bin", "folder/aux.bin", "end./x.bin"];
    for (seed, name) in names.iter().enumerate() {
        ann.write(name, &bytes(20_000, seed as u64));
    }
    ann.commit("names");
    let said = ann.git(&["dits", "track", "*.mov"]).said();
    for told in [
        "'Hero.bin' and 'hero.bin' are one name",
        "'u\\u{308}.bin' and 'ü.bin' are one name",
        "'what?.bin': 'what?.bin' holds '?'",
        "'folder/aux.bin': 'aux.bin' is a device on Windows",
        "'end./x.bin': 'end.' ends in a dot or space",
        "hint: rename it",
    ] {
        assert!(said.contains(told), "'{told}' is not said:\n{said}");
    }
    ann.git(&["config", "dits.portablenames", "off"]);
    assert_eq!(ann.git(&["dits", "track", "*.avi"]).said(), "");
    // They are told, and nothing else: every one travels as it is.
    ann.publish(&server.url("team/names"));
    let ben = world.user("ben").clone_from(&server.url("team/names"), "clone");
    for (seed, name) in names.iter().enumerate() {
        ben.holds(name, &bytes(20_000, seed as u64));
    }
    ben.is_clean_at_once();
}

#[test]
fn patterns_for_names_of_devices_are_refused() {
    let world = World::new();
    let ann = world.user("ann").init("project");
    let before = ann.read(".gitattributes");
    let refused = ann.git_fails(&["dits", "track", "textures/NUL/*.png"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.said().contains("'NUL' is a device on Windows") && refused.said().contains("hint: "));
    assert_eq!(ann.read(".gitattributes"), before);
    let warned = ann.git(&["dits", "track", "a:b.png"]);
    assert!(warned.said().contains("holds ':'"), "{warned}");
    ann.git(&["config", "dits.portablenames", "error"]);
    ann.git_fails(&["dits", "track", "c:d.png"]);
    ann.git(&["config", "dits.portablenames", "perhaps"]);
    assert!(ann.git_fails(&["dits", "track", "*.x"]).said().contains("dits.portablenames"));
}

#[test]
fn a_check_of_what_is_staged_tells_of_new_names_only() {
    let world = World::new();
    let ann = world.user("ann").init("project");
    ann.write("Art/old.bin", &bytes(2000, 1));
    ann.write("old?.bin", &bytes(2000, 2));
    ann.commit("old");
    ann.write("art/new.bin", &bytes(2000, 3));
    ann.write("nul.bin", &bytes(2000, 4));
    ann.git(&["add", "nul.bin"]);
    let found = ann.git_fails(&["dits", "check", "--staged"]);
    assert_eq!(found.code, Some(1), "devices are refused");
    assert!(found.said().contains("error: 'nul.bin': 'nul.bin' is a device on Windows"), "{found}");
    ann.git(&["rm", "-q", "--cached", "nul.bin"]);
    ann.git(&["add", "art"]);
    let said = ann.git(&["dits", "check", "--staged"]).said();
    assert!(said.contains("warning: 'Art' and 'art' are one name") && !said.contains("old?"), "{said}");
    let said = ann.git(&["dits", "check", "HEAD"]).said();
    assert!(said.contains("'old?.bin' holds '?'"), "{said}");
    ann.git(&["config", "dits.portablenames", "error"]);
    assert_eq!(ann.git_fails(&["dits", "check", "--staged"]).code, Some(1));
}
