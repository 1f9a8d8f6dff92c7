//! A mount in a story: made by the real program, served by a real process, and gone at the end whatever has happened.
//!
//! `DITS_TEST_NO_FUSE=1` leaves such stories out, where a system does not let anybody mount ([`is_left_out`]).

use crate::{Call, Repo, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether stories of mounts are left out.
pub fn is_left_out() -> bool {
    std::env::var_os("DITS_TEST_NO_FUSE").is_some_and(|value| value == "1")
}

/// A folder that is a mount, or is to be one.
#[derive(Debug)]
pub struct Mounted {
    from: Repo,
    inside: Repo,
}

impl Mounted {
    /// The folder `name` beside a repository; not mounted yet.
    pub fn beside(from: &Repo, name: &str) -> Mounted {
        let path = from.path().parent().expect("a repository is in a folder").join(name);
        Mounted { from: from.clone(), inside: Repo::new(from.user().clone(), path) }
    }

    /// The same, mounted; `args` come behind the folder.
    #[track_caller]
    pub fn new(from: &Repo, name: &str, args: &[&str]) -> Mounted {
        let mounted = Mounted::beside(from, name);
        mounted.mount(args).ok();
        mounted
    }

    /// The working tree that is mounted.
    pub fn repo(&self) -> &Repo {
        &self.inside
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        self.inside.path()
    }

    /// A path in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.inside.at(name)
    }

    /// Where what was changed is kept.
    pub fn state(&self) -> PathBuf {
        let name = self.dir().file_name().expect("a mount has a name");
        self.from.at(".git/worktrees").join(name).join("dits/mount")
    }

    /// `git dits mount` of it.
    pub fn mount(&self, args: &[&str]) -> Call {
        self.from.call(&["dits", "mount"]).args([self.dir()]).args(args)
    }

    /// `git dits unmount` of it.
    pub fn unmount(&self, args: &[&str]) -> Call {
        self.from.call(&["dits", "unmount"]).args(args).args([self.dir()])
    }

    /// What `git dits mounts` says of it.
    #[track_caller]
    pub fn listed(&self) -> Value {
        let all = self.from.git(&["dits", "mounts", "--json"]).stdout;
        let all: Vec<Value> = serde_json::from_slice(&all).expect("the list is JSON");
        let dir = self.dir().to_str().expect("a story's folders are text");
        let this = all.iter().find(|mount| mount["dir"] == dir);
        this.unwrap_or_else(|| panic!("'{dir}' is not listed: {all:#?}")).clone()
    }

    /// The process that serves it.
    #[track_caller]
    pub fn pid(&self) -> Pid {
        let pid = self.listed()["pid"].as_i64().and_then(|pid| Pid::from_raw(pid as i32));
        pid.expect("a process serves it")
    }

    /// Kills (-9) that process, and waits until it is gone.
    #[track_caller]
    pub fn kill(&self) {
        self.end(Signal::KILL);
    }

    /// Sends it a signal, and waits until it is gone.
    #[track_caller]
    pub fn end(&self, signal: Signal) {
        let pid = self.pid();
        kill_process(pid, signal).expect("it runs");
        wait_for("the process that serves the mount to end", || {
            let process = format!("/proc/{}", pid.as_raw_nonzero());
            let threads = std::fs::read_dir(format!("{process}/task")).map_or(0, Iterator::count);
            let stat = std::fs::read_to_string(format!("{process}/stat"));
            // Whoever is to bury it may take his time.
            threads <= 1 && stat.map_or(true, |stat| stat.contains(") Z "))
        });
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A story may have moved the repository away.
        if self.from.path().exists() {
            let _ = self.unmount(&["--force"]).run();
        }
        // What the programs should have done already.
        let _ = Command::new("umount").args(["-i", "-l"]).arg(self.dir()).output();
    }
}
