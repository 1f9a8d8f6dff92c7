//! What stories about lockable files need: such a project, the modes of its files, and locks without a server.
//!
//! Modes are looked at, not whether a file can be written: stories may run as root, who can always. Locks are put into
//! the clone's own list, as a server's answer would.

use crate::{Repo, User, bytes};
use dits_lock::{Branch, Lock, LockId, LockPath};
use dits_repo::locks::LockCache;
use dits_repo::{Git, Repository};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Attributes of a project with lockable files, managed or not.
pub const ATTRIBUTES: &[u8] =
    b"[attr]dits filter=dits diff=dits -merge -text\n*.bin dits lockable\n*.dat dits\n\
                                *.plain lockable -text\n";

/// The mode of a file.
#[track_caller]
pub fn mode(repo: &Repo, name: &str) -> u32 {
    let meta = fs::symlink_metadata(repo.at(name)).unwrap_or_else(|error| panic!("'{name}': {error}"));
    meta.permissions().mode() & 0o777
}

/// Asserts the modes of files.
#[track_caller]
pub fn modes(repo: &Repo, expected: &[(&str, u32)]) {
    for (name, expected) in expected {
        assert_eq!(format!("{name} {:o}", mode(repo, name)), format!("{name} {expected:o}"));
    }
}

/// Changes what the clone knows of locks.
pub fn locks(repo: &Repo, change: impl FnOnce(&mut LockCache)) {
    let git = Git::at(repo.path());
    let git = git.with_env("GIT_CONFIG_GLOBAL", "/dev/null").with_env("GIT_CONFIG_NOSYSTEM", "1");
    let repository = Repository::of(&git).expect("a repository");
    LockCache::update(&repository, change).expect("the list can be written");
}

/// A lock of a file on `main`.
pub fn lock(path: &str, owner: &str) -> Lock {
    Lock::taken(
        LockId(path.bytes().map(u64::from).sum()),
        LockPath::parse(path).expect("a path"),
        Branch::parse("main").expect("a branch"),
        owner,
        1,
    )
}

/// From now on the clone has a lock.
pub fn hold(repo: &Repo, path: &str) {
    locks(repo, |cache| cache.servers.entry("server".into()).or_default().gained(lock(path, "ann")));
}

/// It has none.
pub fn let_go(repo: &Repo) {
    locks(repo, |cache| cache.servers.clear());
}

/// A repository with everything that can be lockable, committed.
pub fn project(user: &User) -> Repo {
    let repo = user.init("project");
    repo.write(".gitattributes", ATTRIBUTES);
    repo.write("a.bin", &bytes(50_000, 1));
    repo.write("tool.bin", &bytes(20_000, 2));
    repo.make_executable("tool.bin");
    repo.write("empty.bin", b"");
    repo.write("free.dat", &bytes(1000, 3));
    repo.write("x.plain", b"text\n");
    repo.commit("first");
    repo
}
