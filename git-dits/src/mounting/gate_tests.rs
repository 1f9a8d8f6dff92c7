//! Who may write, in a repository without a server.

use super::*;
use crate::context::settings;
use dits_lock::{Branch, LockId, LockPath};
use tempfile::TempDir;

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Events for Heard {
    fn happened(&self, event: Event) {
        let Event::Refused { path, why } = event else { panic!("{event:?}") };
        self.0.lock().unwrap().push(format!("{}: {why}", String::from_utf8_lossy(&path)));
    }
}

struct World {
    dir: TempDir,
    gate: Arc<LockGate>,
    heard: Arc<Heard>,
}

impl World {
    /// A repository with `a.lk` and `b.lk` committed.
    fn new() -> World {
        let dir = TempDir::new().unwrap();
        let git = Git::at(dir.path());
        git.run(&["init", "-q", "-b", "main"]).unwrap();
        for name in ["a.lk", "b.lk"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        git.run(&["add", "-A"]).unwrap();
        git.run(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]).unwrap();
        let heard = Arc::new(Heard::default());
        let gate = open(&Repository::find(&dir.path().join(".git")).unwrap(), settings(false), heard.clone());
        World { dir, gate, heard }
    }

    fn may(&self, path: &str) -> bool {
        let answer = self.gate.may_write(path.as_bytes());
        assert!(matches!(answer, Ok(()) | Err(Fault::Denied)));
        answer.is_ok()
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.0.lock().unwrap())
    }

    fn set(&self, key: &str, value: &str) {
        Git::at(self.dir.path()).run(&["config", key, value]).unwrap();
        // Settings are believed for a while.
        *self.gate.taker.policy.lock().unwrap() = None;
    }

    fn know(&self, change: impl FnOnce(&mut locks::Known)) {
        let repository = Repository::find(self.dir.path()).unwrap();
        LockCache::update(&repository, |cache| change(cache.servers.entry("s".into()).or_default())).unwrap();
    }
}

fn lock(path: &str, owner: &str) -> Lock {
    Lock::taken(LockId(1), LockPath::parse(path).unwrap(), Branch::parse("main").unwrap(), owner, 5)
}

#[test]
fn who_has_no_lock_is_refused_and_hears_what_to_do() {
    let world = World::new();
    assert!(!world.may("a.lk"));
    let expected = "a.lk: it is lockable, and you have not locked it; hint: git dits lock 'a.lk'";
    assert_eq!(world.heard(), [expected]);
    world.know(|known| known.listed.push(lock("A.lk", "ann")));
    assert!(!world.may("a.lk"));
    assert!(world.heard()[0].contains("ann has locked 'A.lk' for 'main'"));
}

#[test]
fn a_lock_counts_from_when_it_is_noted_until_it_is_gone() {
    let world = World::new();
    assert!(!world.may("a.lk"));
    world.know(|known| known.gained(lock("A.LK", "me")));
    assert!(world.may("a.lk") && !world.may("b.lk"));
    world.know(|known| known.gained(Lock { expires: Some(7), ..lock("a.lk", "me") }));
    assert!(!world.may("a.lk"), "its lease is over");
    world.know(|known| known.gained(lock("a.lk", "me")));
    assert!(world.may("a.lk"));
    world.know(|known| known.lost(LockId(1)));
    assert!(!world.may("a.lk"));
}

#[test]
fn what_cannot_be_locked_is_free() {
    let world = World::new();
    assert!(world.may("new.lk"), "not in the last commit");
    assert!(world.may("b\\s.lk"), "no place");
    world.set("dits.setLockableReadOnly", "false");
    assert!(world.may("a.lk"), "switched off");
    assert_eq!(world.heard(), [""; 0]);
}

#[test]
fn a_lock_that_cannot_be_taken_refuses_and_says_why() {
    let world = World::new();
    world.set("dits.mount.autolock", "true");
    assert!(!world.may("a.lk"));
    let heard = world.heard();
    assert!(heard[0].contains("no server is known for the locks of remote 'origin'"), "{heard:?}");
    world.set("dits.mount.autolock", "perhaps");
    assert!(!world.may("a.lk"), "in doubt no");
    assert!(world.heard()[0].contains("dits.mount.autolock"));
}
