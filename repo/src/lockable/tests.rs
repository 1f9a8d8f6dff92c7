//! Modes of real files in real repositories, and what Git makes of its index afterwards.

use super::*;
use crate::Git;
use crate::locks::LockCache;
use dits_lock::{Branch, Lock, LockId};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;

struct World {
    dir: TempDir,
    git: Git,
}

impl World {
    /// A repository with lockable `*.lk`, committed.
    fn new(init: &[&str], files: &[&str]) -> World {
        let dir = TempDir::new().unwrap();
        let git = Git::at(dir.path());
        git.run(&[&["init", "-q"], init].concat()).unwrap();
        let world = World { dir, git };
        world.write(".gitattributes", "*.lk lockable\n");
        files.iter().for_each(|name| world.write(name, name));
        world.git.run(&["add", "-A"]).unwrap();
        world
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Long ago, so that no entry is racy.
    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let old = UNIX_EPOCH + Duration::from_secs(1_500_000_000 + text.len() as u64);
        fs::File::open(&path).unwrap().set_modified(old).unwrap();
        self.chmod(name, 0o644);
    }

    fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    fn mode(&self, name: &str) -> u32 {
        fs::symlink_metadata(self.path(name)).unwrap().permissions().mode() & 0o777
    }

    fn repository(&self) -> Repository {
        Repository::find(self.dir.path()).unwrap()
    }

    fn refresh(&self, scope: Scope<'_>) -> Flipped {
        refresh(&self.repository(), scope, &Mutex::new(())).unwrap()
    }

    /// Entries whose stat data are not those of their files: Git would read these.
    fn unsettled(&self) -> String {
        String::from_utf8(self.git.run(&["diff-files", "--name-only"]).unwrap()).unwrap()
    }

    /// Asserts that entries have the ctimes of their files. Git compares whole seconds, and all of this is done in one.
    #[track_caller]
    fn agrees(&self, names: &[&str]) {
        self.git.run(&["-c", "core.splitIndex=false", "update-index", "--no-split-index"]).unwrap();
        let repository = self.repository();
        let bytes = fs::read(&repository.index).unwrap();
        let (entries, _) = index::recorded(&bytes, repository.hash, |_| true).unwrap();
        for name in names {
            let entry = entries.iter().find(|entry| entry.path == name.as_bytes()).unwrap();
            assert!(entry.is_current(&fs::symlink_metadata(self.path(name)).unwrap()), "{name}");
        }
        assert_eq!(self.unsettled(), "");
    }

    fn hold(&self, path: &str, change: impl FnOnce(&mut Lock)) {
        let mut lock = Lock::taken(
            LockId(number(path)),
            LockPath::parse(path).unwrap(),
            Branch::parse("main").unwrap(),
            "ann",
            5,
        );
        change(&mut lock);
        let gain = |cache: &mut LockCache| cache.servers.entry("s".into()).or_default().gained(lock);
        LockCache::update(&self.repository(), gain).unwrap();
    }

    fn drop_lock(&self, path: &str) {
        let lose =
            |cache: &mut LockCache| cache.servers.entry("s".into()).or_default().lost(LockId(number(path)));
        LockCache::update(&self.repository(), lose).unwrap();
    }
}

/// A number of its own for each text.
fn number(text: &str) -> u64 {
    text.bytes().fold(0, |sum, byte| sum << 8 | u64::from(byte))
}

fn paths(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

#[test]
fn locks_decide_and_gits_index_agrees() {
    for init in [&["--object-format=sha1"][..], &["--object-format=sha256"]] {
        for version in ["2", "4"] {
            let world = World::new(init, &["a.lk", "sub/b.lk", "x.lk", "free.txt"]);
            world.chmod("x.lk", 0o755);
            world.git.run(&["update-index", "--index-version", version]).unwrap();
            world.git.run(&["add", "-A"]).unwrap();
            world.hold("A.LK", |_| {});
            let before = fs::metadata(world.path(".git/index")).unwrap().modified().unwrap();
            let done = world.refresh(Scope::All);
            assert_eq!(done.changed.len(), 2);
            let modes = ["a.lk", "sub/b.lk", "x.lk", "free.txt"].map(|name| world.mode(name));
            assert_eq!(modes, [0o644, 0o444, 0o555, 0o644]);
            assert_eq!(fs::metadata(world.path(".git/index")).unwrap().modified().unwrap(), before);
            world.agrees(&["a.lk", "sub/b.lk", "x.lk", "free.txt"]);
            assert!(world.refresh(Scope::All).changed.is_empty());
            // A prefix lock, a retained one, and one whose lease is over.
            world.hold("sub/", |lock| lock.held = false);
            world.hold("x.lk", |lock| lock.expires = Some(10));
            world.drop_lock("A.LK");
            world
                .refresh(Scope::Places(&["a.lk", "sub/", "x.lk"].map(|text| LockPath::parse(text).unwrap())));
            assert_eq!(["a.lk", "sub/b.lk", "x.lk"].map(|name| world.mode(name)), [0o444, 0o644, 0o555]);
            world.agrees(&["a.lk", "sub/b.lk", "x.lk", "free.txt"]);
        }
    }
}

#[test]
fn a_split_index_agrees_too() {
    let world = World::new(&[], &["a.lk", "b.lk"]);
    world.git.run(&["update-index", "--split-index"]).unwrap();
    world.write("c.lk", "new");
    world.git.run(&["add", "c.lk"]).unwrap();
    let done = world.refresh(Scope::All);
    assert_eq!(done.changed.len(), 3);
    assert!(
        world.git.line(&["rev-parse", "--shared-index-path"]).unwrap().is_some_and(|path| !path.is_empty())
    );
    world.hold("b.lk", |_| {});
    world.refresh(Scope::Places(&[LockPath::parse("b.lk").unwrap()]));
    assert_eq!(["a.lk", "b.lk", "c.lk"].map(|name| world.mode(name)), [0o444, 0o644, 0o444]);
    world.agrees(&["a.lk", "b.lk", "c.lk"]);
}

#[test]
fn what_somebody_works_on_is_left_alone() {
    let world = World::new(&[], &["a.lk", "b.lk", "conflict.lk", "gone.lk", "real/d.lk"]);
    world.write("a.lk", "edited");
    world.write("new.lk", "untracked");
    let id = world.git.line(&["rev-parse", ":conflict.lk"]).unwrap().unwrap();
    let stages: String = (1..4).map(|stage| format!("100644 {id} {stage}\tconflict.lk\n")).collect();
    let stages = format!("0 {} 0\tconflict.lk\n{stages}", "0".repeat(40));
    world.git.run_with_input(&["update-index", "--index-info"], stages.as_bytes()).unwrap();
    fs::remove_file(world.path("gone.lk")).unwrap();
    fs::remove_dir_all(world.path("real")).unwrap();
    world.write("moved/d.lk", "real/d.lk");
    std::os::unix::fs::symlink("moved", world.path("real")).unwrap();
    fs::remove_file(world.path("b.lk")).unwrap();
    std::os::unix::fs::symlink("free.txt", world.path("b.lk")).unwrap();
    world.write("free.txt", "x");
    let all = paths(&["a.lk", "b.lk", "conflict.lk", "gone.lk", "real/d.lk", "new.lk", "free.txt"]);
    for scope in [Scope::All, Scope::Paths(&all)] {
        let done = world.refresh(scope);
        assert_eq!(done.modified, paths(&["a.lk", "conflict.lk"]));
        assert!(done.changed.is_empty() && done.failed.is_empty(), "{done:?}");
    }
    for name in ["a.lk", "conflict.lk", "moved/d.lk", "new.lk", "free.txt"] {
        assert_eq!(world.mode(name), 0o644, "{name}");
    }
    // A lock makes writable whatever is there.
    world.chmod("a.lk", 0o444);
    world.hold("a.lk", |_| {});
    world.refresh(Scope::Places(&[LockPath::parse("a.lk").unwrap()]));
    assert_eq!(world.mode("a.lk"), 0o644);
    assert!(world.unsettled().contains("a.lk"), "it is modified, and Git must see that");
}

#[test]
fn a_changed_file_stays_changed_to_git() {
    // Same size and time as before: only the ctime tells. It cannot be set, so the entry gets another.
    let world = World::new(&[], &["a.lk"]);
    let repository = world.repository();
    let other = fs::metadata("/usr").unwrap();
    let set = |bytes: &mut Vec<u8>| {
        let (entries, _) = index::recorded(bytes, repository.hash, |path| path == b"a.lk")?;
        index::set_ctimes(bytes, repository.hash, &[(entries[0].at, other.clone())])?;
        Ok(true)
    };
    index::update(&repository.index, Duration::ZERO, set).unwrap();
    assert_eq!(world.unsettled(), "a.lk\n");
    assert_eq!(world.refresh(Scope::All).changed.len(), 1);
    assert_eq!(world.unsettled(), "a.lk\n");
}

#[test]
fn a_locked_index_stops_everything() {
    let world = World::new(&[], &["a.lk"]);
    fs::write(world.path(".git/index.lock"), "").unwrap();
    let refused = refresh(&world.repository(), Scope::All, &Mutex::new(()));
    assert!(matches!(refused, Err(RepoError::Index(index::IndexError::Locked { .. }))), "{refused:?}");
    assert_eq!(world.mode("a.lk"), 0o644);
}

#[test]
fn it_can_be_switched_off() {
    let world = World::new(&[], &["a.lk", "b.lk"]);
    world.refresh(Scope::All);
    let names = paths(&["a.lk", "b.lk"]);
    let mut quiet = world.repository();
    quiet.keeps_writable = true;
    let chosen = super::chosen(&quiet, Scope::Paths(&names)).unwrap();
    assert!(chosen.is_empty());
    world.git.run(&["config", "dits.setLockableReadOnly", "off"]).unwrap();
    assert!(world.refresh(Scope::Paths(&names)).changed.is_empty());
    // All of them: write bits come back.
    let freed = [(b"a.lk".to_vec(), Access::Writable), (b"b.lk".to_vec(), Access::Writable)];
    assert_eq!(world.refresh(Scope::All).changed, freed);
    assert_eq!(world.mode("b.lk"), 0o644);
    world.agrees(&["a.lk", "b.lk"]);
    world.git.run(&["config", "dits.setLockableReadOnly", "banana"]).unwrap();
    assert!(super::chosen(&world.repository(), Scope::All).is_err());
}

#[test]
fn ignored_files_only_when_asked_for() {
    let world = World::new(&[], &["a.lk"]);
    world.write(".gitignore", "build/\n");
    world.write("build/out.lk", "made");
    world.write("new.lk", "mine");
    world.refresh(Scope::All);
    assert_eq!(["a.lk", "build/out.lk"].map(|name| world.mode(name)), [0o444, 0o644]);
    world.git.run(&["config", "dits.lockIgnoredFiles", "true"]).unwrap();
    world.refresh(Scope::All);
    assert_eq!(["build/out.lk", "new.lk"].map(|name| world.mode(name)), [0o444, 0o644]);
}

#[test]
fn files_that_are_lockable_no_more_are_freed() {
    let world = World::new(&[], &["a.lk", "b.other"]);
    world.refresh(Scope::All);
    world.chmod("b.other", 0o444);
    let names = paths(&["a.lk", "b.other"]);
    world.refresh(Scope::Freed(&names));
    assert_eq!(["a.lk", "b.other"].map(|name| world.mode(name)), [0o444, 0o644]);
}

#[test]
fn the_word_is_found_where_git_reads_it() {
    let world = World::new(&[], &["sub/a.lk"]);
    let mentioned = |world: &World| is_mentioned(&world.repository()).unwrap();
    assert!(mentioned(&world));
    world.write(".gitattributes", "*.bin dits\n");
    assert!(!mentioned(&world));
    let outside = TempDir::new().unwrap();
    let file = outside.path().join("attributes");
    fs::write(&file, "*.lk lockable\n").unwrap();
    world.git.run(&[Path::new("config"), Path::new("core.attributesFile"), &file]).unwrap();
    assert!(mentioned(&world));
    world.git.run(&["config", "--unset", "core.attributesFile"]).unwrap();
    fs::create_dir_all(world.path(".git/info")).unwrap();
    fs::write(world.path(".git/info/attributes"), "x lockable\n").unwrap();
    assert!(mentioned(&world));
    fs::remove_file(world.path(".git/info/attributes")).unwrap();
    world.write("sub/.gitattributes", "*.lk lockable\n");
    world.git.run(&["add", "-A"]).unwrap();
    assert!(mentioned(&world));
    world.write("sub/.gitattributes", "*.lk text\n");
    assert!(!mentioned(&world));
    // What is not there may say anything.
    fs::remove_file(world.path("sub/.gitattributes")).unwrap();
    assert!(mentioned(&world));
}

#[test]
fn what_no_lock_can_name_stays_writable() {
    let world = World::new(&[], &["a\\b.lk"]);
    assert!(world.refresh(Scope::All).changed.is_empty());
    assert_eq!(world.mode("a\\b.lk"), 0o644);
}
