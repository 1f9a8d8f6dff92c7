//! Small blobs are what Git says they are, also where Git is not asked.
//!
//! The oracle is Git: of a few blobs it is asked for all, of many only for those that are not loose.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use dits_format::{Oid, Pointer};
use dits_repo::{Git, catfile};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Many enough for loose ones to be looked for.
const MANY: usize = 120;

struct World {
    dir: TempDir,
    /// Names of blobs: pointers.
    ids: Vec<String>,
}

impl World {
    fn new(format: &str) -> World {
        let mut world = World { dir: tempfile::tempdir().unwrap(), ids: Vec::new() };
        let git = world.at("");
        let texts: Vec<Vec<u8>> =
            (1..=MANY as u64).map(|n| Pointer::new(Oid::of(&n.to_le_bytes()), n).encode()).collect();
        git.run(&["init", "-q", "-b", "main", &format!("--object-format={format}"), "repo"]).unwrap();
        world.ids = world.write(&world.at("repo"), &texts);
        world
    }

    fn at(&self, dir: &str) -> Git {
        let git = Git::at(&self.dir.path().join(dir));
        git.with_env("GIT_CONFIG_GLOBAL", "/dev/null").with_env("GIT_CONFIG_NOSYSTEM", "1")
    }

    fn write(&self, git: &Git, contents: &[Vec<u8>]) -> Vec<String> {
        let mut list = String::new();
        for (n, content) in contents.iter().enumerate() {
            let path = self.dir.path().join(format!("content-{n}"));
            fs::write(&path, content).unwrap();
            list.push_str(&format!("{}\n", path.display()));
        }
        let out =
            git.run_with_input(&["hash-object", "-w", "--no-filters", "--stdin-paths"], list.as_bytes());
        String::from_utf8(out.unwrap()).unwrap().lines().map(str::to_owned).collect()
    }

    fn object(&self, id: &str) -> PathBuf {
        self.dir.path().join("repo/.git/objects").join(&id[..2]).join(&id[2..])
    }

    /// Asks for all at once, and compares with what Git says; how many times it was asked, and what was found.
    fn ask(&self, git: &Git, ids: &[String]) -> (usize, Result<BTreeMap<String, Vec<u8>>, String>) {
        let trace = self.dir.path().join("trace");
        let _ = fs::remove_file(&trace);
        let all = show(&git.with_env("GIT_TRACE", &trace), ids);
        let asked = fs::read_to_string(&trace).unwrap().matches("git cat-file").count();
        let mut few = Ok(BTreeMap::new());
        for ids in ids.chunks(MANY / 3) {
            few = few.and_then(|mut few| {
                few.extend(show(git, ids)?);
                Ok(few)
            });
        }
        assert_eq!(all, few, "Git says otherwise");
        (asked, all)
    }
}

fn show(git: &Git, ids: &[String]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut found = BTreeMap::new();
    let shown = catfile::each_small(git, ids.iter().map(String::as_str), &mut |id, content| {
        assert!(found.insert(id.to_owned(), content.to_vec()).is_none(), "{id} is shown twice");
    });
    shown.map(|()| found).map_err(|error| error.to_string())
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut out);
    out
}

#[test]
fn git_is_not_asked_for_loose_blobs() {
    for format in ["sha1", "sha256"] {
        let world = World::new(format);
        let git = world.at("repo");
        let (asked, found) = world.ask(&git, &world.ids);
        assert_eq!((asked, found.unwrap().len()), (0, MANY), "{format}");

        let sizes = [0, 1, 4095, 4096, 4097, 9000, 200_000];
        let others: Vec<_> = sizes.iter().flat_map(|bytes| [noise(*bytes), vec![b'a'; *bytes]]).collect();
        let mut ids = world.write(&git, &others);
        ids.push(git.line(&["hash-object", "-w", "-t", "tree", "/dev/null"]).unwrap().unwrap());
        ids.extend(world.ids.iter().cloned());
        let (asked, found) = world.ask(&git, &ids);
        // The empty blob is there twice.
        assert_eq!(
            (asked, found.unwrap().len()),
            (0, MANY + 7),
            "large ones and others are left out; {format}"
        );

        ids.push("1".repeat(ids[0].len()));
        let (asked, found) = world.ask(&git, &ids);
        assert_eq!((asked, found.unwrap().len()), (1, MANY + 7), "one that is missing; {format}");

        git.run(&["update-index", "--add", "--cacheinfo", &format!("100644,{},a", world.ids[0])]).unwrap();
        git.run(&["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "x"]).unwrap();
        git.run(&["repack", "-adq"]).unwrap();
        assert!(!world.object(&world.ids[0]).exists(), "it is packed");
        let (asked, found) = world.ask(&git, &world.ids);
        assert_eq!((asked, found.unwrap().len()), (2, MANY), "one is packed; {format}");
    }
}

#[test]
fn what_does_not_hash_to_its_name_is_left_to_git() {
    let world = World::new("sha1");
    let git = world.at("repo");
    let path = world.object(&world.ids[0]);
    let intact = fs::read(&path).unwrap();
    let other = fs::read(world.object(&world.ids[1])).unwrap();
    let mut flipped = intact.clone();
    flipped[intact.len() / 2] ^= 1;
    let garbage = [&intact[..], b"x"].concat();
    let cases = [
        ("another object", other),
        ("a changed byte", flipped),
        ("half of it", intact[..intact.len() / 2].to_vec()),
        ("something behind it", garbage),
        ("nothing", Vec::new()),
        ("no object", noise(100)),
    ];
    for (case, bytes) in cases {
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let (asked, found) = world.ask(&git, &world.ids);
        println!("{case}: asked {asked} times, {:?}", found.map(|found| found.len()));
        assert!(asked > 0, "{case}");
    }
}

#[test]
fn objects_elsewhere_and_replaced_ones_are_as_git_has_them() {
    let world = World::new("sha1");
    world.at("").run(&["clone", "-q", "--shared", "--no-checkout", "repo", "borrows"]).unwrap();
    let (asked, found) = world.ask(&world.at("borrows"), &world.ids);
    assert_eq!((asked, found.unwrap().len()), (2, MANY), "in an alternate");

    // As in a hook that looks at what is pushed.
    let git = world.at("repo");
    let quarantine = world.dir.path().join("repo/.git/objects/incoming");
    fs::create_dir(&quarantine).unwrap();
    let objects = world.dir.path().join("repo/.git/objects");
    let inside = git.with_env("GIT_OBJECT_DIRECTORY", &quarantine);
    let inside = inside.with_env("GIT_ALTERNATE_OBJECT_DIRECTORIES", Path::new(&objects));
    let texts: Vec<Vec<u8>> = (0..MANY).map(|n| format!("new {n}").into_bytes()).collect();
    let new = world.write(&inside, &texts);
    let (asked, found) = world.ask(&inside, &new);
    assert_eq!((asked, found.unwrap().len()), (0, MANY), "in quarantine");
    let (asked, found) = world.ask(&inside, &[&new[..], &world.ids].concat());
    assert_eq!((asked, found.unwrap().len()), (2, 2 * MANY), "in quarantine and before it");
    let (_, found) = world.ask(&git, &new);
    assert_eq!(found.unwrap().len(), 0, "outside of the quarantine");

    git.run(&["replace", &world.ids[0], &world.ids[1]]).unwrap();
    let (asked, found) = world.ask(&git, &world.ids);
    let found = found.unwrap();
    assert_eq!((asked, &found[&world.ids[0]]), (2, &found[&world.ids[1]]), "replaced");
}
