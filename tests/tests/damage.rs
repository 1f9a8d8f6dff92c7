//! Bytes that rot on disk: told by `git dits fsck`, mended from a remote, and never passed on.
//!
//! One byte is flipped in each region of a pack and of an index segment. Files of the working tree are the
//! user's: whatever is wrong in the store, nothing that mends it touches them.

use dits_tests::{Repo, World, bytes};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const URL: &str = "team/project";
const NAMES: [&str; 3] = ["a.bin", "dir/b.bin", "c.bin"];
/// Bytes of a pack's trailer; the length of its footer is the first number in it.
const TRAILER: usize = 52;

fn content(name: &str) -> Vec<u8> {
    let seed = NAMES.iter().position(|known| *known == name).expect("one of ours");
    bytes(700_000, seed as u64 + 1)
}

fn with_files(world: &World) -> Repo {
    let repo = world.user("ann").init("project");
    for name in NAMES {
        repo.write(name, &content(name));
    }
    repo.commit("files");
    repo
}

/// Files below `folder` with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|end| end == ending) {
            found.push(path);
        }
    }
    found
}

fn largest(folder: &Path, ending: &str) -> PathBuf {
    let len = |path: &PathBuf| fs::metadata(path).map_or(0, |meta| meta.len());
    files(folder, ending).into_iter().max_by_key(len).expect("there is one")
}

#[expect(clippy::permissions_set_readonly_false, reason = "a file in a temporary folder of ours")]
fn flip(path: &Path, at: usize) {
    let mut content = fs::read(path).expect("it is there");
    content[at] ^= 0x40;
    let mut mode = fs::metadata(path).expect("it is there").permissions();
    mode.set_readonly(false);
    mode.set_mode(0o644);
    fs::set_permissions(path, mode).expect("it is ours");
    fs::write(path, content).expect("it is ours");
}

/// A place in each region of a pack, by name.
fn regions(pack: &Path) -> Vec<(&'static str, usize)> {
    let content = fs::read(pack).expect("it is there");
    let end = content.len();
    let footer: [u8; 8] = content[end - TRAILER..][..8].try_into().expect("eight bytes");
    let footer = end - TRAILER - u64::from_le_bytes(footer) as usize;
    vec![
        ("magic", 1),
        ("first chunk", 40),
        ("middle chunk", footer / 2),
        ("last chunk", footer - 1),
        ("footer's start", footer),
        ("footer's middle", (footer + end - TRAILER) / 2),
        ("footer's length", end - TRAILER),
        ("pack id", end - TRAILER + 12),
        ("trailing magic", end - 1),
    ]
}

/// What a user would notice of a file in the working tree.
fn state(repo: &Repo) -> Vec<(Vec<u8>, SystemTime)> {
    let modified = |name| fs::metadata(repo.at(name)).and_then(|meta| meta.modified()).expect("it is there");
    NAMES.iter().map(|name| (repo.read(name), modified(name))).collect()
}

/// Copies the store aside, or back.
fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("it is ours");
    }
    fs::create_dir_all(to).expect("it is ours");
    for entry in fs::read_dir(from).expect("it is there").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("it is ours");
        }
    }
}

#[test]
fn every_region_of_a_pack_is_told_and_fetched_again() {
    let world = World::new();
    let server = world.server();
    let repo = with_files(&world);
    repo.publish(&server.url(URL));
    let aside = world.path().join("aside");
    copy(&repo.store(), &aside);
    let pack = largest(&repo.store().join("objects"), "pack");
    for (region, at) in regions(&pack) {
        let before = state(&repo);
        flip(&pack, at);
        let told = repo.git_fails(&["dits", "fsck"]);
        assert_eq!(told.code, Some(1), "{region}:\n{told}");
        let name = pack.file_name().expect("it has one").to_string_lossy().into_owned();
        assert!(told.text().contains(&name), "{region}: the pack is not named:\n{told}");

        let mended = repo.call(&["dits", "fsck", "--repair"]).run();
        assert!(mended.code.is_some_and(|code| code <= 1), "{region}: {mended}");
        assert!(state(&repo) == before, "{region}: files of the working tree were touched");
        repo.is_sound();
        for name in NAMES {
            fs::remove_file(repo.at(name)).expect("it is there");
        }
        repo.git(&["checkout", "--", "."]).says_nothing();
        for name in NAMES {
            repo.holds(name, &content(name));
        }
        repo.is_clean_at_once();
        repo.is_sound();
        copy(&aside, &repo.store());
        for name in NAMES {
            repo.write(name, &content(name));
        }
        repo.git(&["add", "-A"]);
    }
    server.is_sound("team");
}

#[test]
fn without_a_remote_repair_keeps_what_can_be_kept() {
    let world = World::new();
    let repo = with_files(&world);
    let before = state(&repo);
    let pack = largest(&repo.store().join("objects"), "pack");
    let (_, at) = regions(&pack)[2];
    flip(&pack, at);
    repo.git_fails(&["dits", "fsck"]);
    repo.call(&["dits", "fsck", "--repair"]).run();
    assert!(state(&repo) == before, "files of the working tree were touched");
    assert_eq!(repo.status(), "");
    // Adding the files again brings their content back.
    for name in NAMES {
        repo.write(name, &content(name));
    }
    repo.git(&["add", "-A"]);
    repo.is_sound();
    for name in NAMES {
        fs::remove_file(repo.at(name)).expect("it is there");
    }
    repo.git(&["checkout", "--", "."]);
    for name in NAMES {
        repo.holds(name, &content(name));
    }
}

#[test]
fn a_damaged_segment_is_rebuilt() {
    let world = World::new();
    let repo = with_files(&world);
    let aside = world.path().join("aside");
    copy(&repo.store(), &aside);
    let len = fs::metadata(largest(&repo.store().join("index"), "seg")).unwrap().len() as usize;
    for at in [0, 9, len / 3, len / 2, len - 40, len - 1] {
        let segment = largest(&repo.store().join("index"), "seg");
        flip(&segment, at);
        fs::remove_file(repo.at("a.bin")).unwrap();
        repo.git(&["checkout", "--", "a.bin"]);
        repo.holds("a.bin", &content("a.bin"));
        copy(&aside, &repo.store());
        flip(&largest(&repo.store().join("index"), "seg"), at);
        repo.call(&["dits", "fsck"]).run();
        repo.is_sound();
        copy(&aside, &repo.store());
    }
    fs::remove_dir_all(repo.store().join("index")).unwrap();
    fs::remove_file(repo.at("a.bin")).unwrap();
    repo.git(&["checkout", "--", "a.bin"]);
    repo.holds("a.bin", &content("a.bin"));
    repo.is_sound();
}

#[test]
fn damaged_content_is_neither_checked_out_nor_pushed() {
    let world = World::new();
    let server = world.server();
    let repo = with_files(&world);
    let pack = largest(&repo.store().join("objects"), "pack");
    for (_, at) in &regions(&pack)[1..4] {
        flip(&pack, *at);
    }
    repo.git(&["remote", "add", "origin", &server.url(URL)]);
    repo.git_fails(&["push", "-q", "origin", "main"]).says(&["hint: "]);
    assert_eq!(repo.remote_id(&server.url(URL), "refs/heads/main"), "", "a ref without its content");
    let mut ghosts = 0;
    for name in NAMES {
        fs::remove_file(repo.at(name)).unwrap();
        let ran = repo.git(&["checkout", "--", name]);
        if repo.read(name) != content(name) {
            repo.is_ghost(name);
            ran.says(&[name, "hint: "]);
            ghosts += 1;
        }
    }
    assert!(ghosts > 0, "all is well, though the pack is damaged");
    repo.is_clean();
}

#[test]
fn a_damaged_server_tells_instead_of_sending_it() {
    let world = World::new();
    let mut server = world.server();
    let repo = with_files(&world);
    repo.publish(&server.url(URL));
    server.stop();
    for pack in files(&server.store("team").join("objects"), "pack") {
        for (_, at) in &regions(&pack)[1..4] {
            flip(&pack, *at);
        }
    }
    server.restart();
    let ben = world.user("ben");
    let ran = ben.git(&["clone", "-q", &server.url(URL), "clone"]);
    let clone = ben.repo("clone");
    let ghosts = NAMES.iter().filter(|name| clone.read(name) != content(name)).count();
    assert!(ghosts > 0, "all is well, though the server's packs are damaged");
    for name in NAMES.iter().filter(|name| clone.read(name) != content(name)) {
        clone.is_ghost(name);
    }
    ran.says(&["hint: "]);
    clone.is_clean();
    clone.is_sound();
}
