//! The world of one story: a temporary folder with users, servers and nothing else.
//!
//! It also keeps the clock of files: each [`World`]'s writes get their own modification time, long ago and
//! one second after the other. So Git never meets a "racy" file that it must read again to be sure, and
//! never takes a changed file for an unchanged one; both would make counts depend on the moment.

use crate::{Relay, Server, User, server};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// First modification time: 2020-01-01.
const FILES_START: u64 = 1_577_836_800;

/// Free bytes that a file system in memory must have to be used.
const MEMORY_BYTES_MIN: u64 = 1 << 30;

/// A temporary folder for one story; everything in it is removed at the end.
#[derive(Debug)]
pub struct World {
    dir: TempDir,
    clock: Clock,
}

/// Modification times for files.
#[derive(Debug, Clone, Default)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    /// The next second.
    pub fn tick(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(FILES_START + self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl World {
    /// A new world.
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> World {
        World::in_folder(&std::env::temp_dir())
    }

    /// A new world in memory, if this machine offers that: for stories that make and remove very many files.
    /// (On ext4 making files is slow for minutes after many were removed.)
    pub fn in_memory() -> World {
        let has_room = |folder: &&Path| {
            rustix::fs::statvfs(*folder).is_ok_and(|fs| fs.f_bavail * fs.f_frsize >= MEMORY_BYTES_MIN)
        };
        match Some(Path::new("/dev/shm")).filter(has_room) {
            Some(folder) => World::in_folder(folder),
            None => World::new(),
        }
    }

    fn in_folder(folder: &Path) -> World {
        let dir = tempfile::Builder::new().prefix("dits-tests-").tempdir_in(folder);
        World { dir: dir.expect("a temporary folder can be made"), clock: Clock::default() }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The next time of its clock, for files.
    pub fn time(&self) -> SystemTime {
        self.clock.tick()
    }

    /// A folder in it that a part of the story may use.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.path().join(name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        folder
    }

    /// A user with git-dits installed.
    pub fn user(&self, name: &str) -> User {
        let user = self.plain_user(name);
        user.git(&["dits", "install", "--skip-repo"]);
        user
    }

    /// A user who has Git only.
    pub fn plain_user(&self, name: &str) -> User {
        User::new(name, self.folder(name), self.clock.clone())
    }

    /// A server for everybody on this machine.
    pub fn server(&self) -> Server {
        Server::start(self.path().join("server"), server::Access::Anonymous)
    }

    /// The same with more arguments.
    pub fn server_with(&self, args: &[&str]) -> Server {
        Server::start_with(self.path().join("server"), server::Access::Anonymous, args)
    }

    /// A server that wants tokens.
    pub fn closed_server(&self) -> Server {
        Server::start(self.path().join("server"), server::Access::Tokens)
    }

    /// A wire to `server` that can be cut.
    pub fn relay(&self, server: &Server) -> Relay {
        Relay::to(server.port())
    }
}
