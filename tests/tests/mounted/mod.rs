//! A project of two people, mounted by one of them.
//!
//! Ann's project is at a server; Ben has a clone without a checkout and mounts it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use dits_tests::{Call, Mounted, Ran, Repo, Server, World, bytes, mounted};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of `film.bin`.
pub const FILM_BYTES: usize = 3_000_001;

/// What `film.bin` holds.
pub fn film() -> Vec<u8> {
    bytes(FILM_BYTES, 1)
}

/// What `locked.bin` holds, which is lockable.
pub fn locked() -> Vec<u8> {
    bytes(300_000, 2)
}

/// The project and its mount.
pub struct Story {
    /// The mount.
    pub mounted: Mounted,
    /// What keeps contents and locks.
    pub server: Server,
    /// Whoever made the project.
    pub ann: Repo,
    /// The clone that is mounted.
    pub clone: Repo,
    world: World,
}

impl Story {
    /// A project that is mounted; `None` where the environment leaves such stories out.
    pub fn new() -> Option<Story> {
        if mounted::is_left_out() {
            return None;
        }
        let world = World::new();
        let server = world.closed_server();
        let user = |name: &str| world.user(name).with_env("DITS_TOKEN", server.token(name, "write", "team"));
        let ann = user("ann").init("project");
        let attributes = fs::read_to_string(ann.at(".gitattributes")).unwrap();
        ann.write(".gitattributes", format!("{attributes}locked.bin lockable\n").as_bytes());
        ann.write("film.bin", &film());
        ann.write("locked.bin", &locked());
        ann.write("readme", b"text\n");
        ann.write("deep/er/file.bin", &bytes(1000, 3));
        ann.commit("first");
        ann.publish(&server.url("team/p"));
        let ben = user("ben");
        ben.git(&["clone", "-q", "--no-checkout", &server.url("team/p"), "clone"]);
        let clone = ben.repo("clone");
        let mounted = Mounted::new(&clone, "mounted", &["main"]);
        Some(Story { mounted, server, ann, clone, world })
    }

    /// The mount's folder.
    pub fn dir(&self) -> &Path {
        self.mounted.dir()
    }

    /// A path in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.mounted.at(name)
    }

    /// A folder outside of it.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.world.folder(name)
    }

    /// `git dits …` in the mount.
    pub fn dits(&self, args: &[&str]) -> Call {
        self.mounted.repo().call(&["dits"]).args(args)
    }

    /// `git …` in the mount.
    #[track_caller]
    pub fn git(&self, args: &[&str]) -> Ran {
        self.mounted.repo().git(args)
    }

    /// Mounts it again.
    #[track_caller]
    pub fn mount(&self, flags: &[&str]) {
        self.mounted.mount(flags).ok();
    }

    /// Ends the mount.
    #[track_caller]
    pub fn unmount(&self) {
        self.mounted.unmount(&[]).ok();
    }
}
