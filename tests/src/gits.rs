//! Every Git of this machine that a story should hold with: the one on PATH, and the system's own.
//!
//! A program that is told to use one of them finds it first on PATH, and so do the programs it starts; Git
//! itself puts its own parts before that.

use crate::{Call, User, World, programs};
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Where a distribution keeps its Git, which may be older than the one on PATH.
const SYSTEM_GIT: &str = "/usr/bin/git";

/// One Git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledGit {
    /// Major and minor version.
    pub version: (u32, u32),
    path: OsString,
}

impl InstalledGit {
    /// `user`, who uses this Git.
    pub fn used_by(&self, user: &User) -> User {
        user.with_env("PATH", &self.path)
    }

    /// For messages.
    pub fn name(&self) -> String {
        format!("git {}.{}", self.version.0, self.version.1)
    }
}

/// The different ones, newest first.
pub fn gits(world: &World) -> Vec<InstalledGit> {
    let mut gits = vec![InstalledGit { version: version("git"), path: programs::path() }];
    if Path::new(SYSTEM_GIT).exists() && version(SYSTEM_GIT) != gits[0].version {
        let folder = world.folder("system-git");
        let link = folder.join("git");
        if !link.exists() {
            std::os::unix::fs::symlink(SYSTEM_GIT, &link).expect("a link can be made");
        }
        let mut path = folder.into_os_string();
        path.push(":");
        path.push(programs::path());
        gits.push(InstalledGit { version: version(SYSTEM_GIT), path });
    }
    gits.sort_by_key(|git| std::cmp::Reverse(git.version));
    gits
}

fn version(git: &str) -> (u32, u32) {
    let ran = Call::new(OsStr::new(git)).env("PATH", programs::path()).args(["version"]).ok();
    let text = ran.line();
    let number = text.split_whitespace().nth(2).expect("'git version' names a version");
    let mut parts = number.split('.').map(|part| part.parse().expect("a version has numbers"));
    (parts.next().expect("a major version"), parts.next().expect("a minor version"))
}
