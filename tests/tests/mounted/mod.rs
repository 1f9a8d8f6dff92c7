//! A project of two people, mounted by one of them.
//!
//! Ann's project is at a server; Ben has a clone without a checkout and mounts it. At the end the mount goes, whatever has happened.

use dits_tests::{Call, Ran, Repo, Server, World, bytes, wait_for};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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
    /// What keeps contents and locks.
    pub server: Server,
    /// Whoever made the project.
    pub ann: Repo,
    /// The clone that is mounted.
    pub clone: Repo,
    mount: Repo,
    world: World,
}

impl Story {
    /// A project that is mounted; `None` where the environment leaves such stories out.
    pub fn new() -> Option<Story> {
        if std::env::var_os("DITS_TEST_NO_FUSE").is_some_and(|value| value == "1") {
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
        let (clone, mount) = (ben.repo("clone"), ben.repo("mounted"));
        let story = Story { server, ann, clone, mount, world };
        story.dits(&["mount", story.name(), "main"]).ok();
        Some(story)
    }

    /// Name of the mount's folder, as seen from the clone.
    pub fn name(&self) -> &'static str {
        "../mounted"
    }

    /// The mount's folder.
    pub fn dir(&self) -> &Path {
        self.mount.path()
    }

    /// A path in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.mount.at(name)
    }

    /// A folder outside of it.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.world.folder(name)
    }

    /// `git dits …` in the clone.
    pub fn dits(&self, args: &[&str]) -> Call {
        self.clone.call(&["dits"]).args(args)
    }

    /// `git dits …` in the mount.
    pub fn dits_here(&self, args: &[&str]) -> Call {
        self.mount.call(&["dits"]).args(args)
    }

    /// `git …` in the mount.
    #[track_caller]
    pub fn git(&self, args: &[&str]) -> Ran {
        self.mount.git(args)
    }

    /// Mounts it again.
    #[track_caller]
    pub fn mount(&self, flags: &[&str]) {
        self.dits(&[&["mount"], flags, &[self.name()]].concat()).ok();
    }

    /// Ends the mount.
    #[track_caller]
    pub fn unmount(&self) {
        self.dits(&["unmount", self.name()]).ok();
    }

    /// Kills (-9) the process that serves the mount.
    #[track_caller]
    pub fn kill(&self) {
        let pid = self.pid().expect("it runs");
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        wait_for("the process to be gone", || {
            !Path::new(&format!("/proc/{}", pid.as_raw_nonzero())).exists()
        });
    }

    fn pid(&self) -> Option<rustix::process::Pid> {
        let listed = self.dits(&["mounts", "--json"]).run().json();
        let pid = listed.as_array()?.first()?.pointer("/status/pid")?.as_i64()?;
        rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)
    }

    /// Ends the server.
    pub fn server_down(&mut self) {
        self.server.stop();
    }

    /// Starts it again, at the same place.
    pub fn server_up(&mut self) {
        self.server.restart();
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        let ended = self.dits(&["unmount", "--force", self.name()]).run();
        if ended.code != Some(0) {
            let _ = Command::new("umount").arg("-l").arg(self.dir()).output();
        }
    }
}
