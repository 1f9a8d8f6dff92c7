//! Content that clones of one machine share: the cache, alternates, and remotes that are folders.
//!
//! Counts come from the traces: what is shared is not transferred. Whatever happens to what is shared, content is
//! right, or is fetched again.

use dits_tests::{Repo, Server, User, World, bytes};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const URL: &str = "team/project";
const NAMES: [&str; 3] = ["a.bin", "b.bin", "folder/c.bin"];

fn content(name: &str) -> Vec<u8> {
    bytes(400_000, u64::from(name.as_bytes()[name.len() - 5]))
}

/// Ann's repository with some files, pushed.
fn published(world: &World, server: &Server) -> Repo {
    let ann = world.user("ann").init("project");
    NAMES.iter().for_each(|name| ann.write(name, &content(name)));
    ann.commit("first");
    ann.publish(&server.url(URL));
    ann
}

/// A user whose clones share a cache of at most `cap`.
fn sharing(world: &World, name: &str, cap: &str) -> (User, PathBuf) {
    let user = world.user(name);
    let cache = user.at("cache");
    user.git(&["config", "--global", "dits.storage", &cache.display().to_string()]);
    user.git(&["config", "--global", "dits.storagesize", cap]);
    (user, cache)
}

#[track_caller]
fn holds_all(repo: &Repo) {
    NAMES.iter().for_each(|name| repo.holds(name, &content(name)));
    repo.is_clean_at_once();
}

fn info(repo: &Repo) -> Value {
    serde_json::from_slice(&repo.git(&["dits", "cache", "--json"]).stdout).expect("it is JSON")
}

/// Sizes of all packs below a folder.
fn packs(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.path() {
        path if path.is_dir() => packs(&path),
        path if path.extension().is_some_and(|ext| ext == "pack") => {
            entry.metadata().map_or(0, |meta| meta.len())
        }
        _ => 0,
    });
    bytes.sum()
}

#[test]
fn a_second_clone_with_a_warm_cache_transfers_no_chunk() {
    let world = World::new();
    let server = world.server();
    published(&world, &server);
    let (ben, cache) = sharing(&world, "ben", "0");
    let first = ben.watch(|| holds_all(&ben.clone_from(&server.url(URL), "one")));
    assert!(first.pull.chunk_bytes >= 1_200_000, "{first:?}");
    assert_eq!(packs(&ben.repo("one").store()), 0, "it is kept once");
    assert!(packs(&cache) > 1_200_000);
    // What continuous integration does: the clone is thrown away, the cache stays.
    fs::remove_dir_all(ben.at("one")).unwrap();
    let second = ben.watch(|| holds_all(&ben.clone_from(&server.url(URL), "two")));
    assert_eq!((second.pull.events, second.pull.chunk_bytes), (0, 0), "{second:?}");
    let two = ben.repo("two");
    assert_eq!(info(&two)["contents"], 3);
    two.is_sound();
}

#[test]
fn what_is_added_is_kept_in_the_repository_whatever_is_in_the_cache() {
    let world = World::new();
    let server = world.server();
    published(&world, &server);
    let (ben, cache) = sharing(&world, "ben", "0");
    let one = ben.clone_from(&server.url(URL), "one");
    let mut grown = content("a.bin");
    grown.extend(bytes(50_000, 99));
    one.write("a.bin", &grown);
    // The same bytes as a file that only the cache has.
    one.write("copy.bin", &content("b.bin"));
    one.commit("mine");
    one.git(&["dits", "cache", "clear"]);
    fs::remove_dir_all(&cache).unwrap();
    for name in ["a.bin", "copy.bin"] {
        fs::remove_file(one.at(name)).unwrap();
    }
    let watch = one.watch(|| drop(one.git(&["checkout", "--", "."])));
    assert_eq!(watch.connections, 0, "all of it is here");
    one.holds("a.bin", &grown);
    one.holds("copy.bin", &content("b.bin"));
    one.git(&["push", "-q"]);
    world.user("cat").clone_from(&server.url(URL), "clone").holds("a.bin", &grown);
    server.is_sound("team");
}

#[test]
fn the_cache_keeps_to_its_size_and_files_stay_right() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let (ben, cache) = sharing(&world, "ben", "1000k");
    let one = ben.clone_from(&server.url(URL), "one");
    holds_all(&one);
    assert!(packs(&cache) <= 1_024_000, "{}", packs(&cache));
    ann.write("a.bin", &bytes(400_000, 7));
    ann.commit("second");
    ann.git(&["push", "-q"]);
    one.git(&["pull", "-q"]);
    one.holds("a.bin", &bytes(400_000, 7));
    assert!(packs(&cache) <= 1_024_000, "{}", packs(&cache));
    // Whatever was evicted is fetched again.
    let two = ben.clone_from(&server.url(URL), "two");
    two.is_same_as(&ann);
    two.git(&["checkout", "-q", "HEAD~1"]);
    holds_all(&two);
}

#[test]
fn a_damaged_or_vanished_cache_costs_time_only() {
    let world = World::new();
    let server = world.server();
    published(&world, &server);
    let (ben, cache) = sharing(&world, "ben", "0");
    holds_all(&ben.clone_from(&server.url(URL), "one"));
    for (name, damage) in [("two", true), ("three", false)] {
        if damage {
            flip_all(&cache);
        } else {
            all_packs(&cache).iter().for_each(|pack| fs::remove_file(pack).unwrap());
        }
        let watch = ben.watch(|| holds_all(&ben.clone_from(&server.url(URL), name)));
        assert!(watch.pull.chunk_bytes > 0, "{watch:?}");
    }
    // One content on a stream: nothing is written before it is known to be right.
    flip_all(&cache);
    let three = ben.repo("three");
    let pointer = three.git(&["cat-file", "blob", "HEAD:a.bin"]).stdout;
    assert!(three.call(&["dits", "smudge"]).input(&pointer).ok().stdout == content("a.bin"));
    fs::remove_dir_all(&cache).unwrap();
    holds_all(&ben.clone_from(&server.url(URL), "four"));
    let watch = ben.watch(|| holds_all(&ben.clone_from(&server.url(URL), "five")));
    assert_eq!(watch.pull.chunk_bytes, 0, "it is whole again");
    // In its place something that can be no folder.
    fs::remove_dir_all(&cache).unwrap();
    fs::write(&cache, b"").unwrap();
    let six = ben.clone_from(&server.url(URL), "six");
    holds_all(&six);
    assert_eq!(six.git_fails(&["dits", "cache"]).code, Some(2));
}

/// Damages every pack, at several places.
fn flip_all(dir: &Path) {
    for pack in all_packs(dir) {
        let mut bytes = fs::read(&pack).expect("it is there");
        (1..8).for_each(|part| bytes[part * 100_000] ^= 1);
        // It is read-only.
        fs::remove_file(&pack).expect("it is there");
        fs::write(&pack, bytes).expect("it is ours");
    }
}

fn all_packs(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => all_packs(&path),
            path if path.extension().is_some_and(|ext| ext == "pack") => vec![path],
            _ => vec![],
        })
        .collect()
}

#[test]
fn clones_at_the_same_time_share_one_cache() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let (ben, _) = sharing(&world, "ben", "900k");
    std::thread::scope(|scope| {
        for n in 0..4 {
            let (ben, ann, url) = (&ben, &ann, server.url(URL));
            scope.spawn(move || ben.clone_from(&url, &format!("clone{n}")).is_same_as(ann));
        }
    });
    for n in 0..4 {
        ben.repo(&format!("clone{n}")).is_clean();
        assert_eq!(ben.repo(&format!("clone{n}")).leftovers(), [""; 0]);
    }
    let used: u64 = info(&ben.repo("clone0"))["bytes"].as_u64().unwrap();
    assert!(used > 0);
}

#[test]
fn the_cache_says_what_is_in_it_and_can_be_emptied() {
    let world = World::new();
    let server = world.server();
    published(&world, &server);
    let (ben, cache) = sharing(&world, "ben", "10m");
    let one = ben.clone_from(&server.url(URL), "one");
    let shown = one.git(&["dits", "cache"]).text();
    assert!(
        shown.starts_with(&format!("folder    {}\nsize      1.2 MB\nlimit     10 MB\n", cache.display()))
    );
    let done = one.git(&["dits", "cache", "clear"]).text();
    assert_eq!(done, "Removed 3 content(s), 1.2 MB.\n");
    assert_eq!((packs(&cache), info(&one)["contents"].as_u64()), (0, Some(0)));
    // `~` and places seen from the Git folder, as in Git LFS.
    for (value, dir) in [("~/shared", ben.home().join("shared")), ("../shared", one.at("shared"))] {
        one.git(&["config", "dits.storage", value]);
        assert_eq!(info(&one)["dir"], dir.display().to_string());
    }
    // Never a repository's own store, which may have the only copy.
    one.git(&["config", "dits.storage", "dits"]);
    let told = one.git_fails(&["dits", "cache", "clear"]).said();
    assert!(told.contains("own store, no cache") && told.contains("hint: "), "{told}");
    one.git(&["config", "dits.storagesize", "much"]);
    let told = one.git_fails(&["dits", "cache"]).said();
    assert!(told.contains("dits.storagesize") && told.contains("'much'"), "{told}");
    let plain = world.user("cat").init("plain").git_fails(&["dits", "cache"]);
    assert_eq!(plain.code, Some(2));
    assert!(plain.said().contains("hint: "), "{plain}");
}

#[test]
fn clones_of_a_folder_take_content_from_it() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    // What nobody else has.
    ann.write("a.bin", &bytes(300_000, 50));
    ann.commit("not pushed");
    let user = ann.user().clone();
    for (name, args) in [
        ("local", vec![]),
        ("shared", vec!["--shared"]),
        ("file", vec!["--no-local"]),
        ("reference", vec!["--reference", "project"]),
    ] {
        let watch = user.watch(|| {
            let mut call = vec!["clone", "-q"];
            call.extend(args);
            call.extend(["project", name]);
            user.git(&call);
        });
        let clone = user.repo(name);
        clone.is_same_as(&ann);
        clone.is_clean_at_once();
        assert_eq!(watch.connections, 0, "{name}: {watch:?}");
    }
    // A clone without alternates stands on its own; with them it does not, as in Git.
    fs::remove_dir_all(ann.path()).unwrap();
    let local = user.repo("local");
    NAMES.iter().for_each(|name| fs::remove_file(local.at(name)).unwrap());
    local.git(&["checkout", "--", "."]);
    local.holds("a.bin", &bytes(300_000, 50));
    local.holds("b.bin", &content("b.bin"));
    local.is_sound();
}

#[test]
fn a_reference_repository_saves_the_transfer() {
    let world = World::new();
    let server = world.server();
    published(&world, &server);
    let ben = world.user("ben");
    ben.clone_from(&server.url(URL), "one");
    let watch = ben.watch(|| drop(ben.git(&["clone", "-q", "--reference", "one", &server.url(URL), "two"])));
    assert_eq!((watch.pull.events, watch.pull.chunk_bytes), (0, 0), "{watch:?}");
    let two = ben.repo("two");
    holds_all(&two);
    let before = packs(&ben.repo("one").store());
    two.write("new.bin", &bytes(100_000, 60));
    two.commit("new");
    two.git(&["push", "-q"]);
    assert_eq!(packs(&ben.repo("one").store()), before, "the other is only read");
    // Without it everything can be had from the server again.
    fs::remove_dir_all(ben.repo("one").store()).unwrap();
    fs::remove_file(two.at("a.bin")).unwrap();
    two.git(&["checkout", "--", "a.bin"]);
    holds_all(&two);
}

#[test]
fn the_reserve_of_the_disk_is_told_before_anything_is_written() {
    let world = World::new();
    let server = world.server();
    published(&world, &server);
    let ben = world.user("ben");
    ben.git(&["config", "--global", "dits.reserve", "1000000t"]);
    let clone = ben.clone_from(&server.url(URL), "clone");
    NAMES.iter().for_each(|name| clone.is_ghost(name));
    clone.is_clean();
    let told = clone.git_fails(&["dits", "hydrate"]).said();
    assert!(told.contains("would leave less than") && told.contains("dits.reserve"), "{told}");
    clone.write("new.bin", &bytes(200_000, 3));
    let told = clone.git_fails(&["add", "new.bin"]).said();
    assert!(told.contains("would leave less than"), "{told}");
    assert_eq!((packs(&clone.store()), clone.leftovers()), (0, vec![]));
    ben.git(&["config", "--global", "dits.reserve", "1k"]);
    clone.git(&["dits", "hydrate"]);
    clone.git(&["add", "new.bin"]);
    NAMES.iter().for_each(|name| clone.holds(name, &content(name)));
}
